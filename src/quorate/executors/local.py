"""Running code on this machine, as this user: in processes that are limited, and killed as a whole."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from quorate.core.waiting import TimedOut, within
from quorate.errors import ConfigError
from quorate.executors.code import CodeBlock, CodeResult, Isolation
from quorate.tools.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TIMED_OUT, NO_LANGUAGE = 124, 126
SUFFIXES = {"python": "py", "py": "py", "sh": "sh", "bash": "sh", "shell": "sh"}
KEPT_ENVIRONMENT = ("LANG", "LC_ALL", "PATH", "TZ")
"""What code is told of the environment: nothing else, since that is where keys are."""

_NAMED = re.compile(r"^(?:#|//)\s*filename:\s*(\S+)")
_SUPERVISE = str(Path(__file__).with_name("supervise.py"))
_READ = 65_536


class LocalCommandLineCodeExecutor:
    """Runs Python and shell code in processes of this machine: the level `process`.

    Code has the files and the network of this user. What it starts is limited, and none of it outlives the call: not
    when it ends, is cancelled or takes too long, and not when this process is killed.

    Args:
        timeout_s: How long one block may take.
        work_dir: Where code works and leaves its files; by default a folder of its own, that is removed after.
        memory_bytes: Of all its processes together. Linux only.
        processes: How many it may have at a time. Linux only.
        output_bytes: How much of its output is kept; of more, the middle is left out.
        file_bytes: How large a file it may write.
        python: The Python that runs it.
        env: What it finds in its environment beside `PATH`, the language and the time zone.

    Raises:
        ConfigError: A limit is not above 0, `work_dir` is no folder, or this system has no such processes.
    """

    isolation: Isolation = "process"

    def __init__(
        self,
        *,
        timeout_s: float = 60.0,
        work_dir: str | Path | None = None,
        memory_bytes: int = 1 << 30,
        processes: int = 32,
        output_bytes: int = 100_000,
        file_bytes: int = 1 << 28,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if os.name != "posix":
            raise ConfigError("LocalCommandLineCodeExecutor needs Linux or macOS: elsewhere nothing could be limited.")
        limits = {
            "timeout_s": timeout_s, "memory_bytes": memory_bytes, "processes": processes, "output_bytes": output_bytes,
            "file_bytes": file_bytes,
        }  # fmt: skip
        for name, value in limits.items():
            if not value > 0:
                raise ConfigError(f"LocalCommandLineCodeExecutor: {name}={value!r} must be above 0.")
        self.work_dir = None if work_dir is None else Path(work_dir).resolve()
        if self.work_dir is not None and not self.work_dir.is_dir():
            raise ConfigError(f"LocalCommandLineCodeExecutor: work_dir={str(work_dir)!r} is no folder. Make it first.")
        self.timeout_s, self.memory_bytes, self.processes = timeout_s, memory_bytes, processes
        self.output_bytes, self.file_bytes, self.python = output_bytes, file_bytes, python
        self.env = dict(env or {})
        self._own: Path | None = None

    # -- its folder ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Make the folder, if none was given: from here on blocks find the files of those before."""
        if self.work_dir is None and self._own is None:
            self._own = Path(await in_thread(lambda: tempfile.mkdtemp(prefix="quorate-code-")))

    async def stop(self) -> None:
        """Remove the folder that `start` made. May be called twice."""
        own, self._own = self._own, None
        if own is not None:
            await in_thread(lambda: shutil.rmtree(own, ignore_errors=True))

    async def restart(self) -> None:
        """Begin with an empty folder; one that was given stays as it is."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    @asynccontextmanager
    async def _folder(self) -> AsyncGenerator[Path]:
        if self.folder is not None:
            yield self.folder
            return
        made = Path(await in_thread(lambda: tempfile.mkdtemp(prefix="quorate-code-")))
        try:
            yield made
        finally:
            await in_thread(lambda: shutil.rmtree(made, ignore_errors=True))

    @property
    def folder(self) -> Path | None:
        """Where code works; None where each call gets a folder of its own."""
        return self.work_dir or self._own

    # -- running ------------------------------------------------------------------------------------------------------

    async def execute_code_blocks(self, code_blocks: Sequence[CodeBlock]) -> CodeResult:
        """Run blocks in their order until one fails.

        A first line such as `# filename: plot.py` names the file that a block is kept in.

        Returns:
            Its exit code (124: it took too long, 137: it was stopped at a limit), and the output of all of them.
        """
        output: list[str] = []
        code = 0
        async with self._folder() as folder:
            for block in code_blocks:
                code, said = await self._run(block, folder)
                output.append(said)
                if code:
                    break
        return CodeResult(code, "".join(output))

    async def _run(self, block: CodeBlock, folder: Path) -> tuple[int, str]:
        suffix = SUFFIXES.get(block.language.lower())
        if suffix is None:
            known = ", ".join(sorted(SUFFIXES))
            return NO_LANGUAGE, f"There is nothing to run {block.language!r} with. There is for: {known}.\n"
        try:
            file = file_of(block, folder, suffix)
        except ConfigError as error:
            return NO_LANGUAGE, f"{error}\n"
        await in_thread(lambda: _write(file, block.code))
        command = [self.python, "-u", str(file)] if suffix == "py" else [_shell(block.language), str(file)]
        return await self._supervised(command, folder)

    async def _supervised(self, command: list[str], folder: Path) -> tuple[int, str]:
        limits = {
            "RLIMIT_AS": 4 * self.memory_bytes, "RLIMIT_FSIZE": self.file_bytes, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": 1024
        }  # fmt: skip
        said = {
            "command": command, "limits": limits, "processes": self.processes, "memory_bytes": self.memory_bytes,
        }  # fmt: skip
        process = await _begun(
            asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", _SUPERVISE, json.dumps(said), cwd=folder, env=self._environment(folder),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )
        )  # fmt: skip
        kept = _Output(self.output_bytes)
        try:
            assert process.stdout is not None
            await within(self.timeout_s, kept.read(process.stdout))
            return await process.wait(), kept.text()
        except TimedOut:
            await _ended(process)
            return TIMED_OUT, f"{kept.text()}\n[stopped: it took more than {self.timeout_s:g} s]\n"
        finally:
            await _ended(process)

    def _environment(self, folder: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        return {**kept, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **self.env}

    def __repr__(self) -> str:
        return f"LocalCommandLineCodeExecutor(work_dir={str(self.work_dir) if self.work_dir else None!r})"


class _Output:
    """The beginning and the end of what is written, the rest counted."""

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0

    async def read(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(_READ):
            room = self._half - len(self._head)
            self._head += piece[:room]
            self._tail += piece[room:] if room < len(piece) else b""
            over = len(self._tail) - self._half
            if over > 0:
                del self._tail[:over]
                self._left_out += over

    def text(self) -> str:
        head, tail = (bytes(part).decode(errors="replace") for part in (self._head, self._tail))
        return f"{head}\n[{self._left_out} bytes left out]\n{tail}" if self._left_out else head + tail


async def _begun(starting: Coroutine[Any, Any, asyncio.subprocess.Process]) -> asyncio.subprocess.Process:
    """Return a process that was started; one that nobody waits for any more is ended."""
    begun = asyncio.ensure_future(starting)  # noqa: TID251  # waited for here, whatever comes
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        await _done(begun)
        await _ended(begun.result())
        raise


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End what a supervisor stands over, and wait for it."""
    if process.returncode is None:
        if process.stdin is not None:
            process.stdin.close()  # its input ends, and with it all it stands over
        await _done(asyncio.ensure_future(process.wait()))  # noqa: TID251  # the same


async def _done(waiting: asyncio.Future[Any]) -> None:
    """Wait for something that must not be left; whoever cancels meanwhile is obeyed after it."""
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _shell(language: str) -> str:
    return "bash" if language.lower() == "bash" and shutil.which("bash") else "sh"


def is_named(block: CodeBlock) -> bool:
    """Whether a block says in which file it is kept."""
    return _NAMED.match(block.code) is not None


def file_of(block: CodeBlock, folder: Path, suffix: str) -> Path:
    """Return where a block is kept: in its folder, whatever it says.

    Raises:
        ConfigError: The name that it gives itself is of a file elsewhere.
    """
    named = _NAMED.match(block.code)
    if named is None:
        digest = blake2b(block.code.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        return folder / f"code_{digest}.{suffix}"
    found = (folder / named[1]).resolve()
    if not found.is_relative_to(folder.resolve()) or found == folder.resolve():
        raise ConfigError(f"{named[1]!r} is no file in the folder of the code.")
    return found


def _write(file: Path, code: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(code, encoding="utf-8", errors="replace")


__all__ = ["LocalCommandLineCodeExecutor", "file_of", "is_named"]
