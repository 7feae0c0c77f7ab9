"""Which class of a program a name in a journal means: those of one name are told apart by where they are defined."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from quorate.errors import ConfigError

C = TypeVar("C", bound=type[Any])

OURS = "quorate."
"""How the modules begin whose classes have names of their own, by themselves."""

_former: dict[str, tuple[str, ...]] = {}
"""Under which other names journals have a class, by its identity."""
_MAIN = frozenset({"__main__", "__mp_main__"})
_WHERE = re.compile(r"[^\[\],:#]*:(?:[^\[\],:#]*\.)?")


def identity(cls: type[Any]) -> str:
    """Return what a journal says of a class: its module and its name in it, `shop.bills:Invoice`.

    A class of Quorate's has its name alone. A module that runs as a program has the name by which another one imports
    it, so that both mean the same class. What a generic class was made of is told apart, too: `shop:Page[shop:Item]`.
    """
    made: Any = getattr(cls, "__pydantic_generic_metadata__", None) or {}
    if made.get("origin") is not None:
        parts = [identity(part) if isinstance(part, type) else str(part) for part in made["args"]]
        return f"{identity(made['origin'])}[{', '.join(parts)}]"
    module = cls.__module__
    if module in _MAIN:
        module = _program(module)
    elif module == "builtins" or module.startswith(OURS):
        return cls.__name__
    return f"{module}:{cls.__qualname__}"


def _program(module: str) -> str:
    """Return the name by which a program's own file would be imported."""
    main: Any = sys.modules.get(module)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    if file is None:  # a notebook, a prompt
        return "__main__"
    names, folder = [Path(file).stem], Path(file).absolute().parent
    while (folder / "__init__.py").is_file():
        names, folder = [folder.name, *names], folder.parent
    return ".".join(names)


def plain(identity: str) -> str:
    """Return the name of a class without where it is defined, as journals had it before they said that."""
    return _WHERE.sub("", identity)


def is_same(before: str, now: str) -> bool:
    """Whether what a journal says of a class means one that says something else of itself today: it was moved since."""
    return before == now or before in _former.get(now, ())


class Known(Generic[C]):
    """The classes that data may be of.

    Args:
        what: What they are, for messages.
        held: Makes what holds them: a `WeakValueDictionary` forgets those that nobody has any more.
    """

    def __init__(self, what: str, held: Callable[[], MutableMapping[str, C]] = dict[str, C]) -> None:
        self._what, self._held = what, held
        self._exact = held()
        self._named: dict[str, MutableMapping[str, C]] = {}
        self._formerly: dict[str, MutableMapping[str, C]] = {}

    def add(self, cls: C, where: str, name: str) -> None:
        """Take a class in. One of the same place takes the place of the one before: it was defined anew.

        Raises:
            ConfigError: Its `formerly` is one name, no tuple of names.
        """
        self._exact[where] = cls
        for meant in self._formerly.values():
            meant.pop(where, None)
        self._named.setdefault(name, self._held())[where] = cls
        _former[where] = _formerly(cls)
        for old in _former[where]:
            self._formerly.setdefault(old, self._held())[where] = cls

    def called(self, name: str) -> list[C]:
        """Return the classes of a name, each of another place."""
        return list(self._named.get(name, {}).values())

    def find(self, name: str, where: str = "") -> C | None:
        """Return the class that is meant, None if it is not known here.

        Args:
            name: Its name.
            where: Its `identity`; empty in data that says only a name.

        Raises:
            ConfigError: It may be one of several; says how to tell which.
        """
        said = where or name
        found = self._exact.get(where) if where else None
        if found is not None:
            return found
        meant = dict(self._formerly.get(said, {})) or ({} if where else dict(self._named.get(name, {})))
        if len(meant) > 1:
            raise ConfigError(
                f"The journal has a {self._what} {said!r}, and there are {' and '.join(sorted(meant))}. Write "
                f"formerly: ClassVar = ({said!r},) in the one class that it was when the journal was written."
            )
        return next(iter(meant.values()), None)


def _formerly(cls: type[Any]) -> tuple[str, ...]:
    """Return under which other names journals have a class, as it says itself: not what it inherits."""
    found: Any = vars(cls).get("formerly", ())
    if isinstance(found, str):
        raise ConfigError(
            f"{cls.__qualname__}.formerly={found!r} is no tuple of names. Write formerly: ClassVar = ({found!r},)."
        )
    return tuple(name for name in found if isinstance(name, str)) if isinstance(found, tuple | list) else ()  # pyright: ignore[reportUnknownVariableType]: anything


__all__ = ["OURS", "Known", "identity", "is_same", "plain"]
