"""Replaying a run: the same code, prompts and policies over the recorded outcomes must give the same journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quorate.chat import audit, wrapping
from quorate.chat.feed import Feed
from quorate.chat.live import Runnable
from quorate.chat.loop import converse
from quorate.chat.talk import Talk
from quorate.errors import ConfigError, Conflict, Divergence
from quorate.models.blocks import Blocks
from quorate.models.calls import request_digest, standing
from quorate.models.client import ModelRequest
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, split_run_id
from quorate.runs.history import RunRecord, fold, sorted_entries, split, stalls
from quorate.runs.journal import LOCAL_OWNER, Conversation, Store
from quorate.runs.meter import Halt
from quorate.runs.outcome import Outcome
from quorate.runs.replaying import ReplayRun
from quorate.runs.run import Parked
from quorate.runs.scope import Scope, entered, plain_digest
from quorate.tools.calls import asked_of


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found: it raises at the first difference, so a report means that there is none.

    Args:
        run_id: What was replayed.
        entries: How many entries were compared.
        outcome: How it ended, again; None where the journal ends in the middle of a turn.
        given: How many turns were taken as they are, because the definition changed after them.
    """

    run_id: str
    entries: int
    outcome: Outcome | None
    given: int = 0
    identical: bool = True


class _Replay(ReplayRun):
    """A replay that compares requests too, with those rebuilt from the journal."""

    asked: dict[str, list[audit.Asking]]
    strict_caps: bool

    def compare_request(self, path: str, request: ModelRequest, cap: int) -> None:
        """Make sure that a model is asked what it was asked.

        Raises:
            Divergence: It is not; says which part differs.
        """
        recorded = self.asked[f"{self.number}:{path}"][-1].request
        where = paths.shown(path)
        for name, expected, got in (
            ("standing parts", standing(recorded)[0], standing(request)[0]),
            ("number of blocks", len(recorded.blocks), len(request.blocks)),
            ("cap", recorded.max_tokens if self.strict_caps else cap, cap),
        ):
            if expected != got:
                raise Divergence(
                    f"{where}: the request's {name} was {expected!r}, now it is {got!r}.",
                    path=path, expected=expected, got=got,
                )  # fmt: skip
        for i, (was, now) in enumerate(zip(recorded.blocks, request.blocks, strict=True)):
            if was.content != now.content:
                raise Divergence(
                    f"{where}: block {i} of the request was {was.content!r}, now it is {now.content!r}.",
                    path=path, expected=was.content, got=now.content,
                )  # fmt: skip
        self.compared += 1


async def replay(run_id: str, *, team: Runnable, store: Store | None = None, owner: str = LOCAL_OWNER) -> ReplayReport:
    """Do a run again from its journal, with no outside call, and compare every entry.

    Args:
        run_id: Of the run, or of the conversation for its last run.
        team: The definition it ran with.
        store: Where it is kept; by default the team's own memory.
        owner: Whose it is.

    Raises:
        Divergence: The first difference: what was expected, what came, and where.
        ConfigError: There is no such run.
    """
    id, number = split_run_id(run_id)
    where = team._own_conversation(id) if store is None else store.conversation(id, owner=owner)  # pyright: ignore[reportPrivateUsage]: the team's own
    entries = await where.entries()
    runs = fold(entries)
    if not runs:
        raise ConfigError(f"There is no conversation {id} here.")
    record = runs.get(max(runs) if number is None else number)
    if record is None:
        raise ConfigError(f"Conversation {id} has no run {number}. It has: {', '.join(map(str, sorted(runs)))}.")
    past = [e for n in sorted(runs) if n < record.number for e in split(runs[n])[0]]
    run, ended = _prepared(where, record, past, entries)
    return await _replayed(run, team, record, ended)


def _prepared(
    where: Conversation, record: RunRecord, past: list[Entry], entries: list[Entry]
) -> tuple[_Replay, Entry | None]:
    """Split a run at the last change of its definition: what is before is given, what is after is done again."""
    ends = [e for e in record.entries if e.kind == "ended"]
    final = ends[-1] if ends and record.entries[-1].kind == "ended" else None
    changed = max((e.seq for e in record.entries if e.kind == "definition"), default=0)
    given = {e.path for e in record.entries if e.kind == "turn" and e.seq < changed and "/" not in e.path}
    branched = max((e.seq for e in record.entries if e.kind == "fork"), default=0)
    given |= {e.path.partition("/")[0] for e in record.entries if e.path and e.seq < branched}  # the parent replays it
    gone = {e.path for e in record.entries if e.kind == "turn" and e.payload.get("given_up")}
    recorded: dict[str, list[Entry]] = {}
    for entry in record.entries:
        turn = entry.path.partition("/")[0]
        if paths.is_wrap_up(entry.path):
            continue  # it belongs to the result
        if entry.path == paths.ROOT or turn in given or turn in gone:
            if entry.kind == "run" or entry.path != paths.ROOT:
                past.append(entry)
        elif not _beside(entry) and not (entry.seq in record.void and final is None):
            recorded.setdefault(entry.path, []).append(entry)
    run = _Replay(where, record.number, record.limits, recorded=recorded, past=sorted_entries(past))
    turns = {e.path.partition("/")[0] for e in record.entries if e.path and not paths.is_wrap_up(e.path)}
    run.open_turns = frozenset(turns - {entry.path for entry in record.entries if entry.kind == "turn"})
    run.stalled_at = stalls(record.entries)
    run.asked = audit.requests(where.id, entries)
    run.keyed_paths = dict(_keyed(run))
    run.strict_caps = len(ends) <= 1 and not any(e.kind == "resumed" for e in record.entries)
    run.at, run.marks, run.prices = record.started_at, record.marks, record.prices
    return run, final


def _beside(entry: Entry) -> bool:
    """Whether an entry is no outcome of a step: it tells how the attempts went, and a replay does not meet it."""
    said = entry.payload
    about_effect = (entry.kind == "question" and "name" in said and "approval" not in said) or "happened" in said
    return entry.kind in {"retry", "assigned"} or (entry.kind in {"question", "answer"} and about_effect)


def _keyed(run: _Replay) -> Iterator[tuple[str, str]]:
    """Yield the paths that steps in tasks of user code have here, and those that they have in the journal.

    The digests in the journal's paths are keyed with its owner's secret; here they are made of what is asked alone.
    """
    for path, entries in run.recorded.items():
        if not paths.with_digest(path, ""):
            continue
        asked = run.asked.get(f"{run.number}:{path}")
        called = next((e.payload for e in entries if "arguments" in e.payload), None)
        if asked:
            request = asked[-1].request._replace(blocks=Blocks(asked[-1].request.blocks))
            yield paths.with_digest(path, request_digest(request, plain_digest)), path
        elif called is not None:
            yield paths.with_digest(path, plain_digest(asked_of(called["name"], called["arguments"]))), path


async def _replayed(run: _Replay, team: Runnable, record: RunRecord, ended: Entry | None) -> ReplayReport:
    talk = Talk(team.cast())
    if talk.cast.agents:
        run.limit_agents(talk.cast.agents)
    if talk.cast.wrap_up:
        wrapping.keep(run, talk.cast)
    talk.fold(run.past, run)
    run.stop_reason = ""
    given = talk.turn
    outcome: Outcome | None
    try:
        with entered(Scope(run, paths.ROOT, run.at)) as root:
            outcome = await converse(root, talk, Feed())
    except Halt as halt:
        outcome = halt.outcome
    except Parked:
        outcome = None
    except Divergence:
        raise
    except Conflict as conflict:
        raise Divergence(str(conflict), path="") from conflict
    except Exception as error:
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    if run.recorded:
        first = min(run.recorded, key=paths.sort_key)
        kind = run.recorded[first][0].kind
        raise Divergence(
            f"The journal goes on with a {kind} at {paths.shown(first)}, where the code now ends.",
            path=first, expected=kind, got=outcome,
        )  # fmt: skip
    if ended is not None:
        _compare_end(run, record, ended, outcome)
    return ReplayReport(run.id, run.compared, outcome, given)


def _compare_end(run: _Replay, record: RunRecord, ended: Entry, outcome: Outcome | None) -> None:
    """Compare the outcome, unless time or a person outside decided it."""
    kind, reason = ended.payload["outcome"], ended.payload["reason"]
    if kind == "cancelled" or ended.payload.get("limit") == "active_s" or record.stop_reason:
        return
    if outcome is None:
        if kind in {"completed", "stalled"}:
            raise Divergence(
                f"The journal ends {kind}: {reason}. The code now goes on.", path=paths.ROOT, expected=reason, got=None
            )
        return
    said: Payload = {"outcome": outcome.kind, "reason": outcome.reason}
    run.compare(ended, said, without=frozenset(ended.payload) - {"outcome", "reason"})
