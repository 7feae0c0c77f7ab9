"""Where the running code is: the scope that numbers its steps, found through a context variable."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from quorate.errors import ConfigError
from quorate.runs import paths

if TYPE_CHECKING:
    from quorate.runs.meter import Spent
    from quorate.runs.run import Run


class Scope:
    """A part of a run that contains steps: the run, a turn, a speech, a tool that is a scope.

    `at` is the time of the latest entry on this path. A scope that is a *leaf* is the inside of a step: what happens
    there is part of the step and gets no entries of its own. It is *busy* while a step of it is under way.
    """

    __slots__ = ("at", "busy", "count", "leaf", "made", "path", "run", "spent")

    def __init__(self, run: Run, path: str, at: int, *, leaf: bool = False) -> None:
        self.run, self.path, self.at, self.leaf = run, path, at, leaf
        self.count = 0
        self.busy = False
        self.made = 0
        self.spent: list[Spent] | None = None

    def next(self, name: str) -> str:
        """Return the path of the next step or scope in here.

        Raises:
            ConfigError: Another step is under way: numbered by who comes first, a resume could give each the other's
                outcome.
        """
        if self.busy:
            raise ConfigError(
                f"Two steps of {paths.shown(self.path) or 'the run'} are under way at the same time. Make one after "
                "the other, or let the model call tools side by side: those are told apart."
            )
        self.count += 1
        return paths.child(self.path, self.count, name)

    def spend(self, spent: Spent) -> None:
        """Count what was used inside this leaf; it is journaled with the leaf's outcome."""
        if self.spent is None:
            self.spent = []
        self.spent.append(spent)

    def new_id(self) -> str:
        """Return an id for something made here, the same whenever this path is run again."""
        self.made += 1
        suffix = f"#{self.made}" if self.made > 1 else ""
        return f"{self.run.id}/{self.path}{suffix}"


current: ContextVar[Scope | None] = ContextVar("quorate_scope", default=None)
"""The scope of the running code; None outside any run."""


@contextmanager
def entered(scope: Scope) -> Generator[Scope]:
    """Make `scope` the current one inside the block."""
    token = current.set(scope)
    try:
        yield scope
    finally:
        current.reset(token)


@contextmanager
def nested(name: str) -> Generator[Scope]:
    """Open a scope in the current one.

    Raises:
        RuntimeError: There is no run around it.
    """
    outer = current.get()
    if outer is None:
        raise RuntimeError("There is no run around this code, so there is nothing to open a scope in.")
    with entered(Scope(outer.run, outer.next(name), outer.at)) as scope:
        yield scope
