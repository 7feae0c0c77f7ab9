"""The executor of this machine: what code comes to, in which order, and what is refused."""

import asyncio
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.code_executor import (
    Alias,
    CodeBlock,
    FunctionWithRequirements,
    ImportFromModule,
    with_requirements,
)
from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor
from scenes import refused, stream, tell


def py(code: str) -> CodeBlock:
    return CodeBlock(code=code, language="python")


def sh(code: str) -> CodeBlock:
    return CodeBlock(code=code, language="sh")


async def run(executor: LocalCommandLineCodeExecutor, *blocks: CodeBlock) -> None:
    result = await executor.execute_code_blocks(list(blocks), CancellationToken())
    lines = [line for line in result.output.splitlines() if line.strip() and not line.startswith("  ")]
    print(result.exit_code, lines[-1:] if "Traceback" in result.output else lines)


def twice(n: int) -> int:
    """Double a number."""
    return 2 * n


@with_requirements(global_imports=["math", ImportFromModule("decimal", ["Decimal"]), Alias("json", "js")])
def root(n: float) -> str:
    """Take a root."""
    return js.dumps([math.sqrt(n), str(Decimal(1))])  # noqa: F821  # of its module


SQUARE = FunctionWithRequirements.from_str("def square(n: int) -> int:\n    return n * n\n")


@with_requirements(global_imports=["no_such_module"])
def broken() -> None:
    """Need what is not there."""


async def functions(folder: str) -> None:
    print("## functions")
    executor = LocalCommandLineCodeExecutor(
        work_dir=folder, functions=[twice, root, SQUARE], functions_module="tools", cleanup_temp_files=False
    )
    await executor.start()
    await run(executor, py("from tools import twice, root, square\nprint(twice(2), root(9.0), square(3))"))
    for line in executor.format_functions_for_prompt("$module_name:\n$functions").splitlines():
        print(line.replace("'", '"').strip())
    await executor.stop()
    executor = LocalCommandLineCodeExecutor(work_dir=folder, functions=[broken])
    await executor.start()
    try:
        await run(executor, py("print(1)"))
    except ValueError:
        print("refused")
    await executor.stop()


def where(file: Path, folder: Path) -> tuple[bool, str, bool]:
    return file.parent == folder.resolve(), file.suffix, file.exists()


def left(folder: str) -> list[str]:
    return sorted(path.suffix for path in Path(folder).iterdir())


async def files() -> None:
    print("## files")
    for cleanup in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            executor = LocalCommandLineCodeExecutor(work_dir=folder, cleanup_temp_files=cleanup)
            await executor.start()
            print(executor.work_dir == Path(folder))
            for blocks in (
                [py("print(1)")],
                [py("print(2)"), sh("echo 3")],
                [py("1 / 0"), sh("echo never")],
                [py("# filename: ../elsewhere.py\nprint(4)")],
                [CodeBlock(code="x", language="cobol")],
                [],
            ):
                result = await executor.execute_code_blocks(blocks, CancellationToken())
                print(result.exit_code, result.code_file and where(Path(result.code_file), Path(folder)))
            print(left(folder))
            if not cleanup:
                named = await executor.execute_code_blocks([py("# filename: my.py\nprint(5)")], CancellationToken())
                print(Path(named.code_file).name, (Path(folder) / "my.py").read_text())
            await executor.stop()


async def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        executor, hasty = (LocalCommandLineCodeExecutor(timeout=seconds, work_dir=folder) for seconds in (60, 1))
        print(executor.timeout, executor.functions_module, executor.cleanup_temp_files)
        await executor.start()
        await run(executor, py("print('one')\nprint('two')"))
        await run(executor, CodeBlock(code="echo five", language="bash"), py("print('six')"))
        await run(executor, py("print('said')\nimport sys\nsys.exit(3)"), py("print('never')"))
        await run(executor, py("1 / 0"))
        await run(executor, py("print('before')"), CodeBlock(code="x", language="cobol"))
        await run(hasty, py("import time\ntime.sleep(9)"))
        await run(executor, py("open('kept.txt', 'w').write('kept')"), py("print(open('kept.txt').read())"))
        print((Path(folder) / "kept.txt").read_text())
        token = CancellationToken()
        slow = asyncio.ensure_future(hasty.execute_code_blocks([py("import time\ntime.sleep(9)")], token))
        await asyncio.sleep(0.1)
        token.cancel()
        result = await slow
        print(result.exit_code != 0)
        await executor.restart()
        tell(
            {
                k: v if k != "work_dir" else v == folder
                for k, v in executor.dump_component().model_dump()["config"].items()
            }
        )
        loaded = LocalCommandLineCodeExecutor.load_component(executor.dump_component())
        await loaded.start()
        agent = CodeExecutorAgent("runner", loaded)
        code = "```python\nprint(6 * 7)\n```\nthen\n```sh\necho done\n```"
        await stream(agent, TextMessage(content=code, source="user"))
        await loaded.stop()
        await executor.stop()
        venv = LocalCommandLineCodeExecutor(
            work_dir=folder,
            virtual_env_context=SimpleNamespace(env_exe=sys.executable, bin_path=str(Path(sys.executable).parent)),
        )
        await venv.start()
        await run(venv, py(f"import sys\nprint(sys.executable == {sys.executable!r})"))
        await venv.stop()

        await functions(folder)
    await files()

    async def own() -> None:
        alone = LocalCommandLineCodeExecutor(functions_module="mine", cleanup_temp_files=False)
        await alone.start()
        await run(alone, py("print('in a folder of its own')"))
        await alone.stop()

    await own()
    refused(lambda: LocalCommandLineCodeExecutor(timeout=0))
    refused(lambda: LocalCommandLineCodeExecutor(functions_module="no module"))


asyncio.run(main())
