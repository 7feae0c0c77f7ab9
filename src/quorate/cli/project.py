"""The operator's file, `quorate.toml`: which modules team files may use by name. Only it and the command line import.

[quorate]
modules = ["tools", "lib/stats.py"]   # whose @tool functions and @kind classes team files may name
plugins = ["acme"]                    # installed packages, by the names of their entry points, that add more of both
secrets = ["TEAM_KEY"]                # environment variables with keys that team files may name
isolation = "process"                 # the least that code of agents is kept apart in team files; "sandbox" if left out
app = "main:team"                     # the team in Python that `quorate resume` takes
store = "sqlite:///runs.db"           # where runs are kept
signing_key = "heads.pem"             # signs the heads that are given out (Ed25519)

[[quorate.budgets]]                   # what all runs from here share
scope = "acme/ann"
cost_usd = 20
per = "day"

[quorate.prices."my:model"]           # US dollars per million tokens, where the tables do not have a model
input_usd = 2.0
output_usd = 8.0
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from quorate.chat.agent import Speaker
from quorate.chat.alone import runnable
from quorate.chat.files.document import by_name, extended, is_marked, load_team, team_registry, team_schema
from quorate.chat.live import Runnable
from quorate.chat.team import Team
from quorate.cli import trouble
from quorate.core.config import Fields, Registry
from quorate.core.problems import problems_of
from quorate.core.source import Place, Source, Where, near
from quorate.errors import ConfigError
from quorate.executors.code import Isolation
from quorate.runs.budget import Budget, budget_of, merged
from quorate.runs.prices import Price, price_from
from quorate.tools.tool import Tool

FILE = "quorate.toml"


class _Table(Fields):
    modules: list[str] = Field(default_factory=list[str])
    plugins: list[str] = Field(default_factory=list[str])
    secrets: list[str] = Field(default_factory=list[str])
    isolation: Isolation = "sandbox"
    app: str | None = None
    store: str | None = None
    signing_key: str | None = None
    budgets: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    prices: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])


class _File(Fields):
    quorate: _Table = Field(default_factory=_Table)


class Vocabulary(NamedTuple):
    """What the operator's modules add to team files; `more` says where more of both come from, for errors."""

    tools: dict[str, Tool[..., Any]]
    registry: Registry
    more: str


@dataclass(frozen=True)
class Project:
    """What the operator has set down.

    Args:
        root: The folder that modules are relative to: that of the file, or where it was looked for.
        file: The `quorate.toml`, None if there is none.
        modules: Names of modules, or paths of files, whose tools and types team files may name.
        app: The team in Python, as `module:name`, that commands take when none is named.
        store: Where runs are kept when the command does not say; a path in it is complete.
        budgets: What runs share, unless the command says otherwise for the same scope and period.
        prices: What models cost that the tables do not have.
        signing_key: The file of the key that signs heads; complete.
        plugins: Installed packages whose tools and types team files may name.
        secrets: Environment variables with keys that team files may name.
        isolation: The least that code which agents write has to be kept apart in team files.
    """

    root: Path
    file: Path | None = None
    modules: tuple[str, ...] = ()
    app: str | None = None
    store: str | None = None
    budgets: tuple[Budget, ...] = ()
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    signing_key: str | None = None
    plugins: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    isolation: Isolation = "sandbox"

    def vocabulary(self) -> Vocabulary:
        """Import the modules and the plugins and return what they add.

        Raises:
            ConfigError: A module or a plugin is not there or cannot be imported, or two tools or types have one name.
        """
        modules = [imported(name, self.root, by=str(self.file)) for name in self.modules]
        tools: dict[str, tuple[Tool[..., Any], str]] = {}
        types: dict[type[Any], None] = {}
        for module in modules:
            for thing in _public(module):
                if isinstance(thing, Tool):
                    made: Tool[..., Any] = thing  # pyright: ignore[reportUnknownVariableType]: whatever it returns
                    first, where = tools.setdefault(made.name, (made, module.__name__))
                    if first is not made:
                        both = f"{where} and {module.__name__}" if where != module.__name__ else where
                        raise ConfigError(f"Two tools are named {made.name!r}, in {both}. Rename one: @tool(name=…).")
                elif is_marked(thing):
                    types[thing] = None
        registry, brought = self._with_plugins(team_registry(*types))
        known = by_name([*(made for made, _ in tools.values()), *brought])
        return Vocabulary(known, registry, self._more())

    def _with_plugins(self, registry: Registry) -> tuple[Registry, list[Tool[..., Any]]]:
        try:
            return extended(registry, self.plugins)
        except ConfigError as error:
            raise ConfigError(f"{self.file}: {error}") from error

    def _more(self) -> str:
        if self.file is None:
            return (
                f'No {FILE} is in {self.root} or above; one with [quorate] modules = ["tools"] adds what tools.py has.'
            )
        if not (self.modules or self.plugins):
            return f'{self.file} names no modules; modules = ["tools"] adds what tools.py has.'
        return f"{self.file} adds what these modules have: {', '.join((*self.modules, *self.plugins))}."

    def team(self, source: str | Path | Mapping[str, Any]) -> Team:
        """Make the team of a team file, or of a document that a run has journaled, with what the modules add.

        Raises:
            ConfigError: As `load_team` and `vocabulary`.
        """
        known = self.vocabulary()
        return load_team(
            source, tools=known.tools, registry=known.registry, secrets=self.secrets, isolation=self.isolation,
            more=known.more,
        )  # fmt: skip

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of team files here: with the tools and types that the modules add.

        Raises:
            ConfigError: As `vocabulary`.
        """
        known = self.vocabulary()
        return team_schema(known.registry, tools=known.tools)


def find_project(start: Path | None = None) -> Project:
    """Read the nearest `quorate.toml`, from a folder upwards.

    Args:
        start: The folder; by default the current one.

    Raises:
        ConfigError: Something is wrong in the file; names it, with its line.
    """
    folder = (start or Path.cwd()).absolute()
    file = next((path for at in (folder, *folder.parents) if (path := at / FILE).is_file()), None)
    if file is None:
        return Project(folder)
    table = _read(file)
    store = None if table.store is None else _complete(table.store, file.parent)
    key = None if table.signing_key is None else str(file.parent / table.signing_key)
    budgets, prices = _spending(file, table)
    modules, plugins, secrets = tuple(table.modules), tuple(table.plugins), tuple(table.secrets)
    return Project(
        file.parent, file, modules, table.app, store, budgets, prices, key, plugins, secrets, table.isolation
    )


def load_app(spec: str, root: Path) -> Runnable:
    """Return the team or agent that Python code holds under a name, or that a function of that name makes.

    Args:
        spec: `module:name`, or `file.py:name`.
        root: The folder that the module is looked for in first; a path is from there.

    Raises:
        ConfigError: There is no such module or name, or it is no team and no agent.
    """
    name, colon, attribute = spec.rpartition(":")
    if not (name and colon and attribute):
        raise ConfigError(f"{spec!r} names no team. Write MODULE:NAME, such as 'main:team'.")
    if name.endswith(".py"):
        name, root = _module_at(root / name, spec)
    module = imported(name, root, by=spec)
    thing = getattr(module, attribute, None)
    if thing is None:
        have = [key for key, value in vars(module).items() if isinstance(value, Runnable)]
        there = near(attribute, have) or f" Its teams: {', '.join(have) or 'none'}."
        raise ConfigError(f"{spec}: module {name} has no {attribute!r}.{there}")
    if not isinstance(thing, Runnable | Speaker) and callable(thing):
        thing = _made(thing, spec, root)
    if callable(find := getattr(thing, "view_team", None)):  # one of AutoGen's, through the view
        thing = find()
    if not isinstance(thing, type | Runnable) and isinstance(thing, Speaker):
        thing = runnable(thing)
    if not isinstance(thing, Runnable):
        raise ConfigError(
            f"{spec} is {type(thing).__name__}; it must be a team, an agent, or a function that makes one."
        )
    return thing


def imported(name: str, root: Path, *, by: str) -> ModuleType:
    """Import one of the operator's modules.

    Args:
        name: Of the module, or the path of its file in `root`.
        root: The folder that is looked in first.
        by: Who asks, for messages.

    Raises:
        ConfigError: It is not there, cannot be imported, or its name belongs to another module.
    """
    dotted = _dotted(name, root, by)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))  # stays: functions of the module may import their neighbours later
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{dotted}.".startswith(f"{error.name}."):
            raise ConfigError(f"{by}: {_said(error, root, f'module {dotted} cannot be imported')}") from error
        known = sorted(p.stem for p in root.iterdir() if p.suffix == ".py")
        fix = near(dotted, known) or f" Modules there: {', '.join(known[:10]) or 'none'}."
        raise ConfigError(f"{by}: there is no module {dotted!r} in {root}, and none is installed.{fix}") from error
    except Exception as error:
        raise ConfigError(f"{by}: {_said(error, root, f'module {dotted} cannot be imported')}") from error
    top = dotted.partition(".")[0]
    here = (root / f"{top}.py").exists() or (root / top).is_dir()
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", []))
    if here and not any(Path(place).absolute().is_relative_to(root) for place in places if place):
        raise ConfigError(f"{by}: {top!r} is also the name of another module, {places or 'built in'}. Rename yours.")
    return module


def _module_at(file: Path, spec: str) -> tuple[str, Path]:
    """Return the name of the module that a file is, and the folder that it is in or that has its package."""
    if not file.is_file():
        raise ConfigError(f"{spec}: there is no file {file}.")
    file = file.resolve()
    folder, names = file.parent, [] if file.stem == "__init__" else [file.stem]
    while (folder / "__init__.py").is_file():
        folder, names = folder.parent, [folder.name, *names]
    return ".".join(names), folder


def _dotted(name: str, root: Path, by: str) -> str:
    if not name.endswith(".py") and "/" not in name:
        return name
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{by}: {name!r} is not in {root}. Name a file in that folder, or an installed module.")
    if not (root / path).exists():
        raise ConfigError(f"{by}: there is no file {name!r} in {root}.")
    return ".".join(path.with_suffix("").parts)


def _public(module: ModuleType) -> Iterator[Any]:
    for name, thing in vars(module).items():
        if not name.startswith("_"):
            yield thing


def _made(factory: Any, spec: str, root: Path) -> Any:
    try:
        made = factory()
    except Exception as error:
        raise ConfigError(_said(error, root, f"{spec} could not make a team")) from error
    if inspect.iscoroutine(made):
        made.close()
        raise ConfigError(f"{spec} is async; write a plain function that returns a team.")
    return made


def _said(error: Exception, root: Path, what: str) -> str:
    """Return what went wrong in the operator's code, and on which of its lines."""
    place = trouble.place_of(error, root)
    return f"{what}: {f'{place}: ' if place else ''}{type(error).__name__}: {error}"


# -- the file ---------------------------------------------------------------------------------------------------------


def _read(file: Path) -> _Table:
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: This is no TOML: {error}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: It is no text in UTF-8: {error.reason} at byte {error.start}.") from error
    except OSError as error:
        raise ConfigError(f"{file}: It cannot be read: {error.strerror}.") from error
    source = Source(data, str(file), keys=(places := dict(_places(text))), values=places)
    try:
        return _File.model_validate(data, strict=True).quorate
    except ValidationError as error:
        raise source.refusal(problems_of(error, _File, FILE, ())) from error


def _spending(file: Path, table: _Table) -> tuple[tuple[Budget, ...], dict[str, Price]]:
    try:
        budgets = merged((), [budget_of(budget) for budget in table.budgets])
        return budgets, {model: price_from(model, price) for model, price in table.prices.items()}
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def _places(text: str) -> Iterator[tuple[Where, Place]]:
    """Yield where names stand, as far as a look at each line can tell."""
    table: Where = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[\s*(\w+)\s*\]", line):
            table = (found[1],)
            yield table, Place(number, found.start(1) + 1)
        elif found := re.match(r"\s*([\w-]+)\s*=", line):
            yield (*table, found[1]), Place(number, found.start(1) + 1)


def _complete(store: str, root: Path) -> str:
    """Return a store's URL in which the path is complete: paths in the file are relative to it."""
    scheme, path = ("sqlite:///", store.removeprefix("sqlite:///")) if store.startswith("sqlite:///") else ("", store)
    if not scheme and ("://" in store or store == "memory:"):
        return store
    return f"{scheme}{root / path}"
