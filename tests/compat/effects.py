"""Which options the programs about AutoGen's chat give without any effect: without them they would print the same.

    python tests/compat/effects.py        # with an environment that has autogen-agentchat 0.7.5, as play_chat.py

`coverage.py` counts what is given. Here each optional argument of a public class is left out in turn wherever a program
gives it, until one of the programs prints something else, fails, or does not end. That takes two minutes, so it is no
test: run it where a program or an option is new. Prints those that make no difference; 1 where there is one.
"""

import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import play_chat

MOST_S = 10
Option = tuple[str, str]
ONE_VALUE = {("UserInputRequestedEvent", "content")}
"""Options that have only one value, the default."""


class Leaving:
    """Watches programs make objects of the public classes, and leaves one option out.

    Attributes:
        out: The option that is left out now.
        given: The programs that give each option.
    """

    def __init__(self, programs: list[Path]) -> None:
        self.programs, self.playing = programs, programs[0]
        self.files = {*map(str, programs), str(coverage.HERE / "scenes.py")}
        self.out: Option | None = None
        self.given: dict[Option, list[Path]] = {}
        for name, (home, _) in coverage.signatures().items():
            thing = getattr(importlib.import_module(home), name)
            if inspect.isclass(thing):
                self._watch(name, thing)

    def _watch(self, name: str, thing: Any) -> None:
        before = thing.__init__
        parameters = [p for p in inspect.signature(before).parameters.values() if p.name != "self"]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        optional = set(_optional(thing, parameters)) - coverage.COMMON

        @functools.wraps(before)
        def watched(made: Any, *args: Any, **named: Any) -> None:
            if sys._getframe(1).f_code.co_filename not in self.files:
                return before(made, *args, **named)
            options = {**dict(zip(positional, args, strict=False)), **named}
            for option in optional & options.keys():
                where = self.given.setdefault((name, option), [])
                if self.playing not in where:
                    where.append(self.playing)
            if self.out is not None and self.out[0] == name:
                options.pop(self.out[1], None)
            return before(made, **options)

        thing.__init__ = watched


def _optional(thing: Any, parameters: list[inspect.Parameter]) -> Iterator[str]:
    fields = getattr(thing, "model_fields", None)
    if fields is not None:
        yield from (name for name, field in fields.items() if not field.is_required())
    else:
        yield from (p.name for p in parameters if p.default is not p.empty)


def without_effect(programs: list[Path]) -> Iterator[Option]:
    """Yield the options that make no difference to what programs print."""
    leaving = Leaving(programs)
    printed: dict[Path, str] = {}
    for program in programs:
        leaving.playing = program
        printed[program] = play_chat.played(program)
    for option, where in sorted(leaving.given.items()):
        leaving.out = option
        if option not in ONE_VALUE and not any(differs(program, printed[program]) for program in where):
            yield option


def differs(program: Path, before: str) -> bool:
    """Return whether a program prints something else than before, in a process of its own; one may not end."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(MOST_S)
        same = False
        try:
            same = play_chat.played(program) == before
        finally:
            os._exit(not same)
    return os.waitpid(child, 0)[1] != 0


if __name__ == "__main__":
    sys.modules.setdefault("tiktoken", ModuleType("tiktoken"))
    found = list(without_effect([p for p in play_chat.PROGRAMS if p.stem not in play_chat.EXTENSIONS]))
    for name, option in found:
        print(name, option)
    sys.exit(bool(found))
