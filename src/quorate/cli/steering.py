"""`quorate steer`, `queue`, `interrupt`, `pause`, `stop`: telling a run that is going on, in whatever process."""

from __future__ import annotations

from quorate.chat.hearing import post
from quorate.cli.again import Again
from quorate.cli.place import Place, find
from quorate.cli.project import find_project
from quorate.errors import ConfigError, Conflict
from quorate.runs.history import RunRecord

DONE = {
    "steer": "Told. It is read at the next model call.",
    "queue": "Told. It is heard before the next turn.",
    "interrupt": "Told. The turn is cut short.",
    "pause": "Told. No further step is made.",
    "stop": "Told. The run ends after its turn.",
}


async def say(kind: str, run: str, text: str, store: str | None, by: str, to: str = "") -> int:
    """Post a note to a run, and return the exit code."""
    if kind in {"steer", "queue"} and not text.strip():
        raise ConfigError("There is nothing in the message.")
    place = Place.of(store, find_project())
    async with place.there() as opened:
        found = await find(opened, run)
        held = await opened.is_held(found.conversation)
        again = Again.of(found.run_id, place, found.record)
        if found.record.number != found.latest or (not held and found.record.closed):
            new = place.command("run", "TEAM", "TASK", "--conversation", found.conversation)
            raise Conflict(f"Run {found.run_id} is over. Give its conversation a new task: {new}")
        if not held and kind in {"interrupt", "pause", "stop"}:
            raise Conflict(f"Run {found.run_id} is not going on, so there is nothing to {kind}. {again.hint()}")
        _check_name(found.record, to)
        await post(opened, (found.conversation, found.record.number), kind, text, to=to, by=by)
    print(DONE[kind] if held else f"Told. It is heard once the run goes on: {again.command()}")
    return 0


def _check_name(record: RunRecord, to: str) -> None:
    """Refuse to steer somebody who is not in the team, as far as the journal knows it.

    Raises:
        ConfigError: It names those who are.
    """
    spoke = {name for e in record.entries if e.kind == "choice" for name in e.payload["speakers"]}
    members = (record.document or {}).get("participants") if record.document else None
    if not to or to in spoke or not isinstance(members, list):
        return
    names = [str(member.get("name")) for member in members if isinstance(member, dict)]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]: it is JSON
    if names and to not in names:
        raise ConfigError(f"Nobody in the team is named {to!r}. There are: {', '.join(names)}.")
