"""Running code on this machine, under AutoGen's name: on Quorate's executor, in limited processes."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.compat.autogen.code import Function, module_of, packages_of, stub_of
from quorate.compat.autogen.components import Component
from quorate.compat.autogen.core.code_executor import CodeBlock, CodeExecutor, CodeResult
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError, WrongState
from quorate.executors.local import NO_LANGUAGE, SUFFIXES, TIMED_OUT, file_of, is_named
from quorate.executors.local import LocalCommandLineCodeExecutor as QuorateExecutor
from quorate.tools.threads import in_thread

__all__ = ["CommandLineCodeResult", "LocalCommandLineCodeExecutor"]

CANCELLED = 125


@dataclass
class CommandLineCodeResult(CodeResult):
    """What running code came to, and the file that it was in."""

    code_file: str | None = None


class LocalCommandLineCodeExecutorConfig(BaseModel):
    """A `LocalCommandLineCodeExecutor` as configuration."""

    timeout: int = 60
    work_dir: str | None = None
    functions_module: str = "functions"
    cleanup_temp_files: bool = True


class LocalCommandLineCodeExecutor(CodeExecutor, Component[LocalCommandLineCodeExecutorConfig]):
    """Runs Python and shell code in processes of this machine, as this user, each limited and killed as a whole.

    Args:
        timeout: Seconds that a block may take.
        work_dir: Where code works; by default a folder of its own, that is removed after.
        functions: Functions that code may import from the module `functions_module`; its source is written into the
            working folder before the first code runs. Packages that they need have to be installed.
        functions_module: The name of that module.
        cleanup_temp_files: Whether the files of blocks that do not name them are removed after they have run.
        virtual_env_context: Of `venv.EnvBuilder`: its Python runs the code.

    Raises:
        ConfigError: The time is less than a second, or the module has no name.
    """

    component_provider_override: ClassVar[str | None] = "autogen_ext.code_executors.local.LocalCommandLineCodeExecutor"
    component_config_schema: ClassVar[type[Any]] = LocalCommandLineCodeExecutorConfig

    def __init__(
        self,
        timeout: int = 60,
        work_dir: Path | str | None = None,
        functions: Sequence[Function] = [],
        functions_module: str = "functions",
        cleanup_temp_files: bool = True,
        virtual_env_context: SimpleNamespace | None = None,
    ) -> None:
        if timeout < 1:
            raise ConfigError("Timeout must be greater than or equal to 1.")
        if not functions_module.isidentifier():
            raise ConfigError("Module name must be a valid Python identifier")
        warnings.warn(
            "Using LocalCommandLineCodeExecutor may execute code on the local machine, with the files and the network "
            "of this user. Use an executor of a higher isolation level where the code is not trusted.",
            stacklevel=2,
        )
        self._timeout, self._functions_module, self._cleanup = timeout, functions_module, cleanup_temp_files
        self._functions, self._has_module = list(functions), not functions
        self._work_dir = None if work_dir is None else Path(work_dir)
        if self._work_dir is not None:
            self._work_dir.mkdir(parents=True, exist_ok=True)
        python: dict[str, Any] = {} if virtual_env_context is None else {"python": virtual_env_context.env_exe}
        self._executor = QuorateExecutor(timeout_s=timeout, work_dir=self._work_dir, **python)

    FUNCTION_PROMPT_TEMPLATE: ClassVar[str] = (
        "These functions are there for your code to use. Import them from the module `$module_name`; they are called "
        "like this:\n\n$functions"
    )

    def format_functions_for_prompt(self, prompt_template: str = FUNCTION_PROMPT_TEMPLATE) -> str:
        """Return what a model is told of the functions: `$module_name`, and `$functions` as stubs."""
        stubs = "\n\n".join(stub_of(function) for function in self._functions)
        return Template(prompt_template).substitute(module_name=self._functions_module, functions=stubs)

    @property
    def timeout(self) -> int:
        """Seconds that a block may take."""
        return self._timeout

    @property
    def work_dir(self) -> Path:
        """Where code works.

        Raises:
            WrongState: It has no folder yet.
        """
        folder = self._executor.folder
        if folder is None:
            raise WrongState("This executor has no folder yet: give it a work_dir, or start() it.")
        return folder

    @property
    def functions_module(self) -> str:
        """The name of the module with functions."""
        return self._functions_module

    @property
    def cleanup_temp_files(self) -> bool:
        """As it was given."""
        return self._cleanup

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CommandLineCodeResult:
        """Run blocks in their order until one fails.

        Raises:
            ConfigError: The functions cannot be loaded.
        """
        if not self._has_module:
            await self._write_module(cancellation_token)
        for at, block in enumerate(code_blocks):
            if block.language.lower() not in SUFFIXES:
                before = await self._run(code_blocks[:at], cancellation_token) if at else None
                if before is not None and before.exit_code:
                    return before
                said = "" if before is None else before.output
                return CommandLineCodeResult(exit_code=1, output=f"{said}\nunknown language {block.language}")
        return await self._run(code_blocks, cancellation_token)

    async def _write_module(self, token: CancellationToken) -> None:
        missing = f"[p for p in {packages_of(self._functions)!r} if not installed(p)]"
        code = (
            "import sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
            "def installed(name):\n    try:\n        return bool(version(name))\n"
            "    except PackageNotFoundError:\n        return False\n"
            f"missing = {missing}\nif missing:\n    sys.exit('Install first: pip install ' + ' '.join(missing))\n"
            f"open({f'{self._functions_module}.py'!r}, 'w').write({module_of(self._functions)!r})\n"
            f"import {self._functions_module}\n"
        )
        result = await self._run([CodeBlock(code=code, language="python")], token)
        if result.exit_code:
            raise ConfigError(f"Functions failed to load: {result.output}")
        self._has_module = True

    async def _run(self, blocks: list[CodeBlock], token: CancellationToken) -> CommandLineCodeResult:
        running = asyncio.get_running_loop().create_task(self._executor.execute_code_blocks(blocks))
        token.link_future(running)
        try:
            result = await running
        except asyncio.CancelledError:
            if not token.is_cancelled():
                raise
            return CommandLineCodeResult(CANCELLED, "\nCancelled", await in_thread(lambda: self._file_of(blocks)))
        if result.exit_code == NO_LANGUAGE:  # languages are known here, so it is a file elsewhere
            return CommandLineCodeResult(exit_code=1, output="Filename is not in the workspace")
        output = None
        if result.exit_code == TIMED_OUT:
            output = f"{result.output.rpartition('[stopped')[0].rstrip()}\nTimeout"
        file = await in_thread(lambda: self._file_of(blocks))
        return CommandLineCodeResult(result.exit_code, result.output if output is None else output, file)

    def _file_of(self, blocks: Sequence[CodeBlock]) -> str | None:
        """Return where the first block was kept, and remove what is not to be kept."""
        folder = self._executor.folder
        if folder is None:
            return None
        files = [file_of(block, folder, SUFFIXES[block.language.lower()]) for block in blocks]
        for block, file in zip(blocks, files, strict=True):
            if self._cleanup and not is_named(block):
                file.unlink(missing_ok=True)
        return str(files[0]) if files else None

    async def start(self) -> None:
        await self._executor.start()

    async def stop(self) -> None:
        await self._executor.stop()
        self._has_module = not self._functions

    async def restart(self) -> None:
        """Do nothing but warn: each block has a process of its own."""
        warnings.warn("Restarting local command line code executor is not supported. No action is taken.", stacklevel=2)

    def _to_config(self) -> LocalCommandLineCodeExecutorConfig:
        return LocalCommandLineCodeExecutorConfig(
            timeout=self._timeout,
            work_dir=None if self._work_dir is None else str(self._work_dir),
            functions_module=self._functions_module,
            cleanup_temp_files=self._cleanup,
        )

    @classmethod
    def _from_config(cls, config: LocalCommandLineCodeExecutorConfig) -> Self:
        return cls(
            timeout=config.timeout,
            work_dir=config.work_dir,
            functions_module=config.functions_module,
            cleanup_temp_files=config.cleanup_temp_files,
        )
