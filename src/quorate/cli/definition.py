"""The team of a run: from a file, from Python by its name, or from the document that its journal has.

A name becomes an import only where the operator wrote it: on the command line and in `quorate.toml`. What a journal or
a team file names is never imported.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from quorate.chat.live import Runnable
from quorate.cli.place import Found, Place
from quorate.cli.project import Project, load_app
from quorate.errors import ConfigError
from quorate.runs.entries import Payload

_IN_PYTHON = re.compile(r"([^\W\d][\w.]*|.+\.py):[^\W\d]\w*")


@dataclass(frozen=True)
class Definition:
    """A team, and how to come by it again.

    Attributes:
        team: What to run.
        entry: What to journal about it; None where the journal has it, or the team brings its document.
        words: What a later command has to be told, such as `--app demo:team`.
    """

    team: Runnable
    entry: Payload | None = None
    words: tuple[str, ...] = ()


def named(text: str, project: Project) -> Definition:
    """Return the team that `quorate run` was given: a file, or in Python `module:name` or `file.py:name`.

    Raises:
        ConfigError: There is none, or something is wrong in it.
    """
    if _IN_PYTHON.fullmatch(text) and not Path(text).exists():
        return _in_python(text, project, known="")
    module = Path(text.removesuffix(".py"))
    if Path(f"{module}.py").is_file() and (text.endswith(".py") or not module.exists()):
        raise ConfigError(f"{text} is Python. Name the team in it: {module}.py:TEAM.")
    return Definition(project.team(Path(text)))


def recorded(
    found: Found, place: Place, project: Project, *, team: str | None, app: str | None, verb: str = "resume"
) -> Definition:
    """Return the team to go on with: the one that was named, else the one that the run had.

    Raises:
        ConfigError: Two were named, or the run's own is known to its process only; says which command to use.
    """
    record = found.record
    if team and app:
        raise ConfigError("Name one definition: --team FILE, or --app MODULE:TEAM.")
    if team:
        loaded = project.team(Path(team))
        return Definition(loaded, None if loaded.document == record.document else {"document": loaded.document})
    if app:
        return _in_python(app, project, known=record.app)
    if record.document is not None:
        return Definition(project.team(record.document))
    if project.app and record.app in {"", project.app}:
        return _in_python(project.app, project, known=record.app)
    app = here(record.app, place, project.root) if record.app else "MODULE:TEAM"
    command = place.command(verb, found.run_id, "--app", app)
    raise ConfigError(
        f"The team of run {found.run_id} was built in Python, and a journal is never a reason to import code. Name it: "
        f'{command}, or write app = "{record.app or "module:team"}" under [quorate] in quorate.toml.'
    )


def here(app: str, place: Place, root: Path) -> str:
    """Return a team in Python, as a journal names it, as the next command has to name it.

    Args:
        app: `module:name`, or `file.py:name`, in the folder that the run was begun from.
        place: Where the run is kept; that is mostly the same folder.
        root: Where modules are looked for now.
    """
    name, _, team = app.rpartition(":")
    is_file = name.endswith(".py")
    path = Path(name) if is_file else Path(*name.split(".")).with_suffix(".py")
    if not is_file and ((root / path).is_file() or (root / path.with_suffix("")).is_dir()):
        return app
    file = next((at / path for at in (root, place.home) if at is not None and (at / path).is_file()), None)
    return app if file is None else f"{os.path.relpath(file)}:{team}"


def _in_python(spec: str, project: Project, *, known: str) -> Definition:
    name, _, team = spec.rpartition(":")
    root, app = project.root, spec
    if name.endswith(".py"):  # a path, which is from where the user stands, but for the one in quorate.toml
        root = Path.cwd() if spec != project.app and Path(name).is_file() else root
        app = f"{Path(os.path.relpath(root / name, project.root)).as_posix()}:{team}"
    made = load_app(spec, root)
    return Definition(made, None if app == known else {"app": app}, () if spec == project.app else ("--app", spec))
