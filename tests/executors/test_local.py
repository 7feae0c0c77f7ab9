"""Code in processes of this machine: limited, and nothing of it is ever left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from quorate.errors import ConfigError
from quorate.executors.code import CodeBlock, CodeResult
from quorate.executors.local import LocalCommandLineCodeExecutor

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")


async def ran(code: str, language: str = "python", **options: Any) -> CodeResult:
    return await LocalCommandLineCodeExecutor(**options).execute_code_blocks([CodeBlock(code, language)])


def is_there(pid: int) -> bool:
    """Whether a process is there and does something."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def exists(path: str) -> bool:
    return Path(path).exists()


async def test_blocks_run_in_order_in_one_folder_until_one_fails() -> None:
    blocks = [
        CodeBlock("# filename: table.py\nROWS = 3", "python"),
        CodeBlock("import table; print(table.ROWS)", "python"),
        CodeBlock("ls *.py | wc -l; exit 4", "sh"),
        CodeBlock("print('never')", "python"),
    ]

    result = await LocalCommandLineCodeExecutor().execute_code_blocks(blocks)

    assert (result.exit_code, result.output.split()) == (4, ["3", "2"])


async def test_started_it_keeps_its_folder_from_call_to_call_and_removes_it(tmp_path: Path) -> None:
    async with LocalCommandLineCodeExecutor() as executor:
        await executor.execute_code_blocks([CodeBlock("open('a', 'w').write('x')", "python")])
        kept = await executor.execute_code_blocks([CodeBlock("import os; print(os.getcwd(), os.listdir())", "python")])
        await executor.restart()
        anew = await executor.execute_code_blocks([CodeBlock("ls", "sh")])
    given = LocalCommandLineCodeExecutor(work_dir=tmp_path)
    await given.execute_code_blocks([CodeBlock("echo x > b", "sh")])

    assert "'a'" in kept.output
    assert not exists(kept.output.split()[0])
    assert "a\n" not in anew.output
    assert (tmp_path / "b").read_text() == "x\n"


async def test_what_it_writes_to_either_output_comes_with_its_exit_code() -> None:
    result = await ran("import sys; print('out', flush=True); sys.exit('err')")

    assert (result.exit_code, result.output) == (1, "out\nerr\n")


async def test_of_much_output_the_beginning_and_the_end_are_kept() -> None:
    result = await ran("print('a' * 50 + 'b' * 1_000_000 + 'c' * 49)", output_bytes=100)

    assert result.output == f"{'a' * 50}\n[1000000 bytes left out]\n{'c' * 49}\n"


async def test_environment_holds_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    result = await ran("import os; print(sorted(os.environ))", env={"MINE": "1"})

    assert "OPENAI_API_KEY" not in result.output
    assert "'MINE'" in result.output


@pytest.mark.parametrize("name", ["../x.py", "/tmp/x.py", "."])
async def test_block_is_kept_in_its_folder_whatever_it_says(name: str) -> None:
    result = await ran(f"# filename: {name}\nprint(1)")

    assert (result.exit_code, result.output) == (126, f"'{name}' is no file in the folder of the code.\n")


async def test_language_that_is_not_known_says_which_are() -> None:
    result = await ran("x", "cobol")

    assert result.exit_code == 126
    assert "nothing to run 'cobol' with. There is for: bash, py, python" in result.output


@pytest.mark.parametrize("options", [{"timeout_s": 0}, {"processes": -1}, {"work_dir": "/no/such/folder"}])
def test_what_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="LocalCommandLineCodeExecutor"):
        LocalCommandLineCodeExecutor(**options)


# -- limits -----------------------------------------------------------------------------------------------------------

ESCAPING = """
import os, subprocess, sys
child = subprocess.Popen(["setsid", "sh", "-c", "sleep 60 & echo $! >> pids; exec sleep 61"], start_new_session=True)
open("pids", "a").write(f"{child.pid}\\n{os.getpid()}\\n")
"""


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


async def settled(folder: Path, count: int) -> None:
    for _ in range(1000):
        if (folder / "pids").exists() and len(pids(folder)) >= count:
            return
        await asyncio.sleep(0.01)


@LINUX
async def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    for timeout_s in (0.8, 4, 20):  # until all three had the time to begin, however busy the machine is
        (tmp_path / "pids").unlink(missing_ok=True)
        result = await ran(ESCAPING + "import time; time.sleep(60)", work_dir=tmp_path, timeout_s=timeout_s)

        assert result.exit_code == 124
        assert f"it took more than {timeout_s} s" in result.output
        if (tmp_path / "pids").exists() and len(pids(tmp_path)) == 3:
            break
    assert [pid for pid in pids(tmp_path) if is_there(pid)] == []
    assert len(pids(tmp_path)) == 3


@LINUX
async def test_what_is_cancelled_is_ended_with_all_it_started(tmp_path: Path) -> None:
    running = asyncio.ensure_future(ran(ESCAPING + "import time; time.sleep(60)", work_dir=tmp_path))
    await settled(tmp_path, 3)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [pid for pid in pids(tmp_path) if is_there(pid)] == []


@LINUX
async def test_what_it_leaves_behind_is_ended_when_it_ends(tmp_path: Path) -> None:
    began = time.monotonic()

    result = await ran(ESCAPING, work_dir=tmp_path)

    assert result.exit_code == 0
    assert [pid for pid in pids(tmp_path) if is_there(pid)] == []
    assert time.monotonic() - began < 20


@LINUX
async def test_cancelling_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    for steps in range(6):
        running = asyncio.ensure_future(ran("echo $$ > pids; sleep 60", "sh", work_dir=tmp_path))
        for _ in range(steps):
            await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert not any(is_there(pid) for pid in (pids(tmp_path) if (tmp_path / "pids").exists() else ()))


@LINUX
async def test_too_many_processes_are_ended() -> None:
    result = await ran("for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; wait", "sh", processes=5)

    assert (result.exit_code, result.output.strip()) == (137, "[stopped: more than 5 processes]")


@LINUX
async def test_too_much_memory_is_ended() -> None:
    result = await ran("x = b'x' * 300_000_000\nimport time; time.sleep(60)", memory_bytes=100_000_000)

    assert result.exit_code == 137
    assert "more than 100000000 bytes of memory" in result.output
    refused = await ran("x = bytearray(900_000_000)", memory_bytes=100_000_000)
    assert refused.exit_code == 1
    assert "MemoryError" in refused.output


async def test_too_large_a_file_is_not_written(tmp_path: Path) -> None:
    result = await ran("open('big', 'wb').write(b'x' * 2_000_000)", work_dir=tmp_path, file_bytes=1_000_000)

    assert result.exit_code != 0
    assert (tmp_path / "big").stat().st_size <= 1_000_000


async def test_program_that_is_not_there_says_so() -> None:
    result = await ran("1", python="/no/such/python")

    assert (result.exit_code, "cannot be run" in result.output) == (127, True)
