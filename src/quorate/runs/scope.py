"""Where the running code is: the scope that numbers its steps, found through a context variable."""

from __future__ import annotations

import hashlib
from asyncio import Task, current_task
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from quorate.errors import ConfigError, Conflict
from quorate.runs import paths

if TYPE_CHECKING:
    from quorate.runs.meter import Spent
    from quorate.runs.run import Run


class Scope(Struct, eq=False):
    """A part of a run that contains steps: the run, a turn, a speech, a tool that is a scope, a branch.

    `at` is the time of the latest entry on this path. A scope that is a *leaf* is the inside of a step: what happens
    there is part of the step and gets no entries of its own.

    A scope belongs to the task that it was opened in (`task`), and numbers the steps of that task. In a task that was
    started from there timing would decide who gets which number, so what happens there is told apart by what is asked.
    `feed` is who looks on where it is chosen who speaks next.
    """

    run: Run
    path: str
    at: int
    task: Task[Any] | None = None
    spent: list[Spent] | None = None
    feed: Any = None
    leaf: bool = False
    count: int = 0
    made: int = 0
    is_lent: bool = False
    names: dict[tuple[str, str], tuple[int, Task[Any] | None]] | None = None
    lanes: dict[Task[Any] | None, tuple[str, int]] | None = None

    @classmethod
    def here(cls, run: Run, path: str, at: int) -> Scope:
        """Return one that belongs to the running task."""
        return cls(run, path, at, current_task())

    def opened(self, path: str) -> Scope:
        """Return one inside this, at `path`, that belongs to the running task."""
        return Scope(self.run, path, self.at, current_task(), None, self.feed)

    def next(self, name: str, asked: Callable[[Any, Callable[[bytes], str]], str] | None = None, of: Any = None) -> str:
        """Return the path of the next step or scope in here.

        Args:
            name: Of the step.
            asked: Returns a digest of what is asked of it, given `of` and what makes one of bytes. Without it only the
                name tells it from others.
            of: What `asked` needs.

        Raises:
            ConfigError: In a task of its own: another task has made a step of this name, and nothing else tells the
                two apart.
        """
        task = current_task()
        run = self.run
        if run.ended:
            raise Conflict(f"{paths.shown(self.path)}: the run has ended, and with it what a task can do in it.")
        if run.lost:
            run.check_lost(self.path)
        if task is self.task:
            self.count = count = self.count + 1
            return paths.child(self.path, count, name)
        path = self.keyed(name, "" if asked is None else asked(of, self.run.fingerprint))
        if self.lanes is None:
            self.lanes = {}
        self.lanes[task] = path, 0
        self.run.tasks.add(task)
        return path

    def keyed(self, name: str, digest: str = "") -> str:
        """Return the path of something that its name and a digest tell from others, and its occurrence from itself.

        Without a digest a name belongs to the task that uses it first.

        Raises:
            ConfigError: It belongs to another.
        """
        if self.names is None:
            self.names = {}
        task = current_task()
        times, first = self.names.get((name, digest), (0, task))
        if first is not task and not digest:
            raise ConfigError(
                f"Two tasks in {paths.shown(self.path) or 'the run'} each make a step or branch named {name!r}: after "
                "a crash nothing would tell whose outcome is whose. Give each a name of its own, or put each task's "
                "steps in `async with branch(NAME):`."
            )
        self.names[name, digest] = times + 1, first
        return self.run.keyed_path(paths.keyed(self.path, name, digest, times + 1))

    def spend(self, spent: Spent) -> None:
        """Count what was used inside this leaf; it is journaled with the leaf's outcome."""
        if self.spent is None:
            self.spent = []
        self.spent.append(spent)

    def new_id(self) -> str:
        """Return an id for something made here, the same whenever this path is run again."""
        if self.lanes is not None:
            task = _task_here()
            if task in self.lanes:
                path, made = self.lanes[task]
                self.lanes[task] = path, made + 1
                return f"{self.run.id}/{path}#{made + 1}"
        self.made += 1
        suffix = f"#{self.made}" if self.made > 1 else ""
        return f"{self.run.id}/{self.path}{suffix}"

    def is_owned_here(self) -> bool:
        """Whether the running task is the one whose steps are numbered.

        Raises:
            ConfigError: The code runs in another scope, such as a branch.
        """
        here = current.get()
        if here is not self and here is not None and not here.leaf:
            raise ConfigError(
                f"An agent that is given the turn {paths.shown(self.path)} speaks in a branch of it. Leave the branch "
                "out, or let a turn policy name it as a speaker."
            )
        return current_task() is self.task

    @contextmanager
    def lent(self) -> Generator[None]:
        """Let the running task be the one whose steps are numbered, in the block: what awaits it does nothing else.

        Raises:
            ConfigError: It is lent already.
        """
        if self.is_lent:
            raise ConfigError(
                f"Two tasks speak in {paths.shown(self.path)} at the same time. Let a turn policy name both speakers: "
                "those run side by side."
            )
        owner, self.task, self.is_lent = self.task, current_task(), True
        try:
            yield
        finally:
            self.task, self.is_lent = owner, False


def _task_here() -> Task[Any] | None:
    """Return the running task, None in a thread that has none."""
    try:
        return current_task()
    except RuntimeError:
        return None


def plain_digest(data: bytes) -> str:
    """Return a digest that is keyed with nothing, for journals that end with their process."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


current: ContextVar[Scope | None] = ContextVar("quorate_scope", default=None)
"""The scope of the running code; None outside any run."""
scope_here, enter, leave = current.get, current.set, current.reset
"""Its three ways, by names: of what is imported Python makes a method anew each time that it is named."""


class entered:  # read as a verb: `with entered(scope):`; a generator would take three times as long
    """Make `scope` the current one inside the block."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __enter__(self) -> Scope:
        self._token = current.set(self._scope)
        return self._scope

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)


@contextmanager
def nested(name: str) -> Generator[Scope]:
    """Open a scope in the current one.

    Raises:
        RuntimeError: There is no run around it.
    """
    outer = current.get()
    if outer is None:
        raise RuntimeError("There is no run around this code, so there is nothing to open a scope in.")
    with entered(outer.opened(outer.next(name))) as scope:
        yield scope


@asynccontextmanager
async def branch(name: str) -> AsyncGenerator[None]:
    """Give a task that you start a part of the run of its own, in which its steps are numbered.

        async with asyncio.TaskGroup() as group:
            for topic in ("law", "tax"):
                group.create_task(look_into(topic))     # its body: `async with branch(topic): …`

    Steps in tasks without one are told apart by what they ask, or for `step` by name. Outside a run, and inside a
    step, it does nothing.

    Args:
        name: Tells it from the others that are started from the same place.

    Raises:
        ConfigError: Another task there has a branch or step of this name.
    """
    outer = current.get()
    if outer is None or outer.leaf:
        yield
        return
    with entered(outer.opened(outer.keyed(name))) as scope:
        try:
            yield
        finally:
            outer.at = max(outer.at, scope.at)
