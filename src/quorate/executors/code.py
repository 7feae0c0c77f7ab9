"""Code that agents write: its blocks in a text, what running them comes to, and who runs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

from quorate.errors import ConfigError
from quorate.models.extract import fenced

Isolation = Literal["none", "process", "sandbox", "container"]
"""How well running code is kept apart, least first.

`none`: in this very process. `process`: in processes of its own that are limited and killed as a whole, with the files
and the network of this user. `sandbox`: with no files but its own and no network. `container`: in a system of its own.
"""

LEVELS: tuple[Isolation, ...] = get_args(Isolation)
LANGUAGES = ("python", "sh")
MOST_BLOCKS = 20


@dataclass
class CodeBlock:
    """A piece of code in a language."""

    code: str
    language: str


@dataclass
class CodeResult:
    """What running code came to: 0 is success, as in a shell."""

    exit_code: int
    output: str


@runtime_checkable
class CodeExecutor(Protocol):
    """Runs code. Any object with this shape will do.

    It may have `timeout_s`, how long one block may take.
    """

    @property
    def isolation(self) -> Isolation:
        """How well it keeps code apart."""
        ...

    async def execute_code_blocks(self, code_blocks: Sequence[CodeBlock]) -> CodeResult:
        """Run blocks in their order until one fails; return the output of all of them. Cancelling ends all of it."""
        ...


def check_isolation(who: str, executor: object, least: Isolation) -> None:
    """Make sure that an executor keeps code apart as well as it must.

    Raises:
        ConfigError: It does not, or is none. Nothing is ever run at a lower level instead.
    """
    if least not in LEVELS:
        raise ConfigError(f"{who}: min_isolation={least!r} is none of {', '.join(LEVELS)}.")
    if not isinstance(executor, CodeExecutor):
        raise ConfigError(f"{who}: {executor!r} is no code executor: it has no isolation and execute_code_blocks(…).")
    if executor.isolation not in LEVELS:
        raise ConfigError(f"{who}: {executor!r} has isolation={executor.isolation!r}, none of {', '.join(LEVELS)}.")
    if LEVELS.index(executor.isolation) < LEVELS.index(least):
        raise ConfigError(
            f"{who}: {type(executor).__name__} keeps code apart at the level {executor.isolation!r}, and {least!r} is "
            f"the least that is allowed. Use an executor of that level, or, where you trust what is run with your "
            f"files and your network, say so: min_isolation={executor.isolation!r}."
        )


def code_blocks_in(text: str, languages: Iterable[str] = LANGUAGES) -> list[CodeBlock]:
    """Return the fenced code in a text, in its order, that says it is in one of some languages."""
    wanted = {language.lower() for language in languages}
    return [CodeBlock(code, language) for language, code in fenced(text) if language in wanted]


__all__ = ["LANGUAGES", "CodeBlock", "CodeExecutor", "CodeResult", "Isolation", "check_isolation", "code_blocks_in"]
