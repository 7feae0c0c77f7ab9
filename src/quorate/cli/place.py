"""Where runs are kept, and how a run is called by a few letters of its id."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from quorate.errors import ConfigError
from quorate.runs.entries import run_id, split_run_id
from quorate.runs.history import RunRecord, fold
from quorate.runs.open import POSTGRES, open_store

if TYPE_CHECKING:
    from quorate.cli.project import Project
    from quorate.runs.journal import Store, Summary

HERE = ".quorate/quorate.db"
MOST_NAMED = 8


@dataclass(frozen=True)
class Place:
    """A store, as the commands that are printed name it.

    Args:
        url: What `open_store` takes.
        asked: Whether the user named it, so that the next command has to name it too.
        signing_key: The file of the key that signs heads, if the operator has one.
    """

    url: str
    asked: bool = False
    signing_key: str | None = None

    @classmethod
    def of(cls, option: str | None, project: Project) -> Place:
        """Return what `--store` says, else what `quorate.toml` says, else the one in `.quorate/` beside it, or here."""
        key = project.signing_key
        if option:
            return cls(option, True, key)
        if project.store:
            return cls(project.store, signing_key=key)
        return cls(HERE if project.root == Path.cwd() else str(project.root / HERE), signing_key=key)

    @property
    def told(self) -> str:
        """The URL as it may be printed: a password in it is left out."""
        return open_store(self.url).url if self.url.startswith(POSTGRES) else self.url

    @property
    def file(self) -> Path | None:
        """The file, None for a store that has none."""
        path = self.url.removeprefix("sqlite:///")
        return None if "://" in path or path == "memory:" else Path(path)

    @property
    def home(self) -> Path | None:
        """The folder that a store in a file belongs to, None for one that has no file."""
        file = self.file
        if file is None:
            return None
        folder = file.absolute().parent
        return folder.parent if folder.name == Path(HERE).parent.name else folder

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.file or self.told)

    def command(self, *words: str) -> str:
        """Return a command that can be pasted into a shell."""
        store = ("--store", self.told) if self.asked else ()
        return shlex.join(["quorate", *words, *store])

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Store]:
        """Open the store, a new one if there is none."""
        file = self.file
        if file is not None and not self.asked:
            _keep_out_of_git(file.parent)
        async with open_store(self.url, signing_key=self.signing_key) as store:
            yield store

    @asynccontextmanager
    async def there(self) -> AsyncGenerator[Store]:
        """Open a store that exists.

        Raises:
            ConfigError: There is none.
        """
        file = self.file
        if file is None:
            store = open_store(self.url, signing_key=self.signing_key)  # a URL of no known kind says so itself
            if store.url:
                async with store:
                    yield store
                return
            raise ConfigError(f"{self.url} keeps nothing after its process. Name the file of a store: --store work.db.")
        if not file.is_file():
            raise ConfigError(f"There is no store {file}. `quorate run` makes one here; --store names another.")
        async with open_store(self.url, signing_key=self.signing_key) as store:
            yield store


def _keep_out_of_git(folder: Path) -> None:
    """Make the folder of a project's runs, hidden from its version control."""
    if not folder.exists() and folder.name == Path(HERE).parent.name:
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n")


class Found(NamedTuple):
    """What an id stands for; `number` is None where a whole conversation was named."""

    conversation: str
    number: int | None
    runs: dict[int, RunRecord]

    @property
    def latest(self) -> int:
        """The number of the conversation's last run."""
        return max(self.runs)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the runs that were named."""
        return sorted(self.runs) if self.number is None else [self.number]

    @property
    def record(self) -> RunRecord:
        """The run that was named, of a conversation the last."""
        return self.runs[self.latest if self.number is None else self.number]

    @property
    def run_id(self) -> str:
        """The full id of that run."""
        return run_id(self.conversation, self.record.number)


async def find(store: Store, text: str) -> Found:
    """Return the run or conversation that an id, or the beginning of one, stands for.

    Raises:
        ConfigError: There is none, or several begin like that.
    """
    conversation, number = await chosen(store, text)
    return Found(conversation, number, fold(await store.read(conversation)))


async def chosen(store: Store, text: str) -> tuple[str, int | None]:
    """Return conversation and run number for an id, or the beginning of one.

    Raises:
        ConfigError: There is none, or several begin like that.
    """
    return named(await store.conversations(starting=split_run_id(text)[0]), text)


def named(known: Sequence[Summary], text: str) -> tuple[str, int | None]:
    """Return conversation and run number for an id, or the beginning of one, out of those that are known.

    Raises:
        ConfigError: There is none, or several begin like that.
    """
    beginning, number = split_run_id(text)
    ways: list[tuple[str, int | None]] = [(text, None)]  # a conversation's own id may look like that of a run
    if number is not None:
        ways.append((beginning, number))
    for start, n in ways:
        exact = [s for s in known if s.id == start]
        alike = exact or [s for s in known if start and s.id.startswith(start)]
        if len(alike) > 1:
            some = ", ".join(sorted(s.id for s in alike)[:MOST_NAMED]) + (", …" if len(alike) > MOST_NAMED else "")
            raise ConfigError(f"{len(alike)} conversations begin with {start!r}: {some}. Write more of it.")
        if alike and (n is None or 1 <= n <= alike[0].runs):
            return alike[0].id, n
        if alike:
            raise ConfigError(f"Conversation {alike[0].id} has runs 1 to {alike[0].runs}, no run {n}.")
    raise ConfigError(f"No run and no conversation begins with {text!r} here. `quorate runs` lists them.")
