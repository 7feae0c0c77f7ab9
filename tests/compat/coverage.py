"""Which public classes of AutoGen's chat, which of their options and which messages and events the programs reach.

    python tests/compat/coverage.py       # with Quorate's environment: prints the table; 1 where something is missing

What there is to reach is read from `signatures_chat.txt`, which has what autogen-agentchat 0.7.5 has. A class and an
option are reached where a program itself makes an object with it: what the view makes on its own, when it loads a
configuration for one, does not count, and no text that is printed does. A class to be subclassed is reached where a
program makes an object of a subclass of its own. A message or event is reached where a program also receives one from
a stream. What is given without any effect is found by `effects.py`.
"""

import functools
import importlib
import inspect
import io
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

COMMON = {"id", "source", "models_usage", "metadata", "created_at"}
"""What all messages and events take; counted once, for the class that they have it from."""
NO_CLASSES = {"ApprovalFuncType", "AgentEvent", "ChatMessage", "StructuredContentType"}
"""Names of types, which nothing is made of."""


@dataclass
class Row:
    """A public name: the options that it takes and those that were given, and how else it was reached."""

    options: set[str]
    given: set[str] = field(default_factory=set)
    made: bool = False
    subclassed: bool = False
    received: bool | None = None
    """None for what is not sent."""

    @property
    def missing(self) -> list[str]:
        """What was not reached."""
        found = [] if self.made or self.subclassed else ["made"]
        if self.received is False:
            found.append("received")
        return found + sorted(self.options - self.given)


def signatures() -> dict[str, tuple[str, set[str]]]:
    """Return by public name its module, and the names of what it takes."""
    found: dict[str, tuple[str, set[str]]] = {}
    module = ""
    for line in (HERE / "signatures_chat.txt").read_text().splitlines():
        if line.startswith("## "):
            module = line[3:]
            continue
        name, _, parameters = line.partition("(")
        if "." not in name and "." in module and name not in NO_CLASSES:
            found[name] = module, _names(parameters.rstrip(")"))
    found["SelectorEvent"] = "autogen_agentchat.messages", {"content"}  # public, and in no list
    return found


def _names(parameters: str) -> set[str]:
    found: set[str] = set()
    depth, start = 0, 0
    for at, sign in enumerate(f"{parameters},"):
        depth += (sign in "[{(") - (sign in "]})")
        if sign == "," and not depth:
            name = parameters[start:at].strip().partition("=")[0].lstrip("*")
            found |= {name} - {"", "type", "version"}
            start = at + 1
    return found


def reached(programs: Iterable[Path], played: Callable[[Path], str]) -> dict[str, Row]:
    """Play programs, and return what they reach."""
    rows: dict[str, Row] = {}
    undo: list[Callable[[], None]] = []
    programs = list(programs)
    files = {str(program) for program in programs} | {str(HERE / "scenes.py")}
    for name, (home, options) in signatures().items():
        module = importlib.import_module(home)
        thing = getattr(module, name)
        bases = inspect.getmro(thing) if inspect.isclass(thing) else ()
        is_sent = any(base.__name__ == "BaseMessage" for base in bases)
        if is_sent and not name.startswith("Base"):
            options = options - COMMON
        rows[name] = Row(options, received=False if is_sent and not name.startswith("Base") else None)
        undo.append(_watched(module, name, thing, rows, files))
    received: set[str] = set()
    try:
        with redirect_stdout(io.StringIO()):
            for program in programs:
                played(program)
                received |= getattr(sys.modules.get("scenes"), "received", set())
    finally:
        for take_back in undo:
            take_back()
    for name, row in rows.items():
        if row.received is not None:
            row.received = name in received
    return rows


def _watched(module: Any, name: str, thing: Any, rows: dict[str, Row], files: set[str]) -> Callable[[], None]:
    """Note what is made of a class, or a call of a function; return what takes that back."""
    is_class = inspect.isclass(thing)
    before, own = (thing.__init__, "__init__" in vars(thing)) if is_class else (thing, True)
    parameters = [p for p in inspect.signature(before).parameters.values() if p.name != "self"]
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    several = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]

    @functools.wraps(before)
    def noting(*args: Any, **named: Any) -> Any:
        given = {*positional[: len(args) - is_class], *named, *(several if len(args) > 1 else ())}
        if sys._getframe(1).f_code.co_filename in files:
            _note(rows, name, type(args[0]) if is_class else None, given)
        elif is_class and issubclass(thing, Exception):
            rows[name].made = True  # it is raised, not made by programs
        return before(*args, **named)

    if is_class:
        thing.__init__ = noting
        return lambda: setattr(thing, "__init__", before) if own else delattr(thing, "__init__")
    setattr(module, name, noting)
    return lambda: setattr(module, name, thing)


def _note(rows: dict[str, Row], name: str, made: type[Any] | None, given: set[str]) -> None:
    """Note that a program has made an object of a class, or called a function."""
    if made is None:
        rows[name].made = True
        rows[name].given |= given
        return
    own = made.__name__.partition("[")[0]
    is_programs = "[" not in made.__name__ and made.__module__ in {"scenes", "__main__"}
    if own in rows and not is_programs:
        rows[own].made = True
        rows[own].given |= given
    for base in made.__mro__[1:]:
        if base.__name__ in rows:
            row = rows[base.__name__]
            row.given |= given if is_programs else given & COMMON
            row.subclassed = row.subclassed or is_programs


def lines(rows: dict[str, Row]) -> list[str]:
    """Return the table as text."""
    width = max(len(name) for name in rows)
    found: list[str] = []
    for name in sorted(rows):
        row = rows[name]
        reached = len(row.options & row.given)
        how = "subclassed" if row.subclassed and not row.made else "received" if row.received else ""
        missing = f"not: {' '.join(row.missing)}" if row.missing else ""
        found.append(f"{name:{width}}  {reached:2} of {len(row.options):2}  {how:10}  {missing}".rstrip())
    return found


def missing(rows: dict[str, Row]) -> dict[str, list[str]]:
    """Return by name what no program reaches."""
    return {name: row.missing for name, row in rows.items() if row.missing}


if __name__ == "__main__":
    import play_chat

    from quorate.compat import autogen

    autogen.install()
    of_chat = [program for program in play_chat.PROGRAMS if program.stem not in play_chat.EXTENSIONS]
    table = reached(of_chat, play_chat.played)
    print("\n".join(lines(table)))
    sys.exit(bool(missing(table)))
