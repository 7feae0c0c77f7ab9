"""`quorate fork`."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.chat import shown
from quorate.chat.past.fork import END, fork
from quorate.cli import definition as definitions
from quorate.cli.again import in_python
from quorate.cli.place import Found, Place, find
from quorate.cli.printing import print_json
from quorate.cli.project import Project, find_project
from quorate.runs import paths
from quorate.runs.entries import run_id
from quorate.runs.history import RunRecord, fold
from quorate.runs.start import checked_effects


async def forked(
    run: str,
    at: str,
    store: str | None,
    team: str | None,
    app: str | None,
    say: str | None,
    effects: str,
    name: str | None,
    *,
    as_json: bool,
) -> int:
    """Begin a fork, say how to go on with it, and return the exit code."""
    wanted = checked_effects(effects)
    project = find_project()
    place = Place.of(store, project)
    async with place.there() as opened:
        found = await find(opened, run)
        of = found.conversation if found.number is None else found.run_id
        chosen = _chosen(found, place, project, team, app) if team or app else None
        made = await fork(
            opened,
            of,
            at=at,
            say=say,
            effects=wanted,
            definition=chosen.entry if chosen and at != END else None,
            id=name,
        )
        runs = fold(await made.entries())
    record = runs[max(runs)]
    words = chosen.words if chosen else in_python(record, place)
    more = _next(place, made.id, record, (team or app or "TEAM"), words)
    if as_json:
        print_json(
            conversation=made.id, run_id=run_id(made.id, record.number), of=record.forked["of"], next=more,
            **{name: value for name, value in record.forked.items() if name != "of"},
        )  # fmt: skip
        return 0
    print(f"{made.id} {' '.join(told(record))}")
    print(f"Go on with: {shown.clean(more)}")
    return 0


def _chosen(found: Found, place: Place, project: Project, team: str | None, app: str | None) -> definitions.Definition:
    return definitions.recorded(found, place, project, team=team, app=app, verb="fork")


def _next(place: Place, id: str, record: RunRecord, team: str, words: tuple[str, ...]) -> str:
    """Return the command to go on with."""
    if not record.forked.get("reopens"):
        return place.command("run", team, "TASK", "--conversation", id)
    return place.command("resume", run_id(id, record.number), *words)


def told(record: RunRecord) -> Iterator[str]:
    """Yield what a fork is, in a few sentences."""
    said = record.forked
    of, step = shown.inline(said["of"]), shown.inline(paths.shown(said.get("step", "")))
    where = f"at message {said['message']}" if "message" in said else f"at {step}" if step else "at its end"
    yield f"is a fork of {of} {where}{', which says something else' if said.get('replaced') else ''}."
    if record.effects == "ask":
        yield "New calls that are not declared effect='read' ask first; --effects live makes them."
