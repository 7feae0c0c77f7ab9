"""`quorate show` and `quorate replay`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from quorate.chat import shown
from quorate.chat.console import View, watching
from quorate.chat.messages import BaseMessage
from quorate.chat.past.fork import Said, thread
from quorate.chat.shown import Line
from quorate.cli import forking
from quorate.cli.again import Again
from quorate.cli.place import Found, Place, chosen, find
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.cli.transcript import Told, ToldTurn, ended_figures, status, told
from quorate.errors import StoreError
from quorate.runs import paths
from quorate.runs.entries import split_run_id
from quorate.runs.history import RunRecord
from quorate.runs.journal import Store, given_out
from quorate.runs.stored import Head

PAGE = 1000
"""So many entries of a journal are printed at a time."""
FIGURES = ("turns", "model_calls", "tool_calls", "prompt_tokens", "completion_tokens", "tokens", "cost_usd", "active_s")


async def show(run: str, store: str | None, *, entries: bool, ids: bool, as_json: bool) -> int:
    """Show a run, or all of a conversation, and return the exit code: 1 for a journal that was altered."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        conversation, number = await chosen(opened, run)
        held = await opened.is_held(conversation)
        head, broken = (None, "") if held else await _verified(opened, conversation)
        try:
            found = None if entries else await find(opened, run)
            if found is None:
                await _print_entries(opened, conversation, number)
            elif as_json:
                for number in found.numbers:
                    run_told = told(conversation, found.runs[number])
                    thread = _thread(found, number)
                    _print_run(run_told, thread, held=held and number == found.latest, head=head)
            else:
                _show_runs(found, place, held=held, head=head, ids=ids, now=opened.clock.now_us())
        except (LookupError, TypeError, ValueError, AttributeError):
            if not broken:
                raise
    if broken:
        raise StoreError(f"The journal of {conversation} is not what was written: {broken}")
    return 0


def _show_runs(found: Found, place: Place, *, held: bool, head: Head | None, ids: bool, now: int) -> None:
    with watching(live=False) as view:
        for number in found.numbers:
            run = told(found.conversation, found.runs[number])
            numbers = {said.id: said.number for said in _thread(found, number)} if ids else {}
            _show_run(view, run, place, numbers, held=held and number == found.latest, now=now)
        if head is not None:
            entries = shown.counted(head.length, "entry", "entries")
            view.tell([(f"journal of {shown.inline(found.conversation)}: {entries}, head {head}", "dim")])


def _thread(found: Found, number: int) -> list[Said]:
    return [said for said in thread(found.conversation, found.runs) if said.run == number]


async def _print_entries(store: Store, conversation: str, run: int | None) -> None:
    after = 0
    while page := await store.read(conversation, after=after, limit=PAGE):
        after = page[-1].seq
        for entry in page:
            if run is None or entry.run == run:
                print_json(**structs.asdict(entry))


async def _verified(store: Store, conversation: str) -> tuple[Head | None, str]:
    """Return the head of a journal whose chain holds, else what is wrong with it."""
    try:
        return given_out(store.conversation(conversation), await store.verify(conversation)), ""
    except StoreError as error:
        return None, str(error)


def _show_run(view: View, run: Told, place: Place, numbers: dict[str, int], *, held: bool, now: int) -> None:
    record = run.record
    when = datetime.fromtimestamp(record.started_at / 1e6, UTC).astimezone()
    begun = f" · {when:%Y-%m-%d %H:%M:%S} · {shown.age((now - record.started_at) / 1e6)}"
    view.tell([("run ", "dim"), (run.id, "bold"), (begun, "dim")])
    if record.forked:
        view.tell([(f"{shown.inline(run.id)} {' '.join(forking.told(record))}", "dim")])

    def see(item: BaseMessage) -> None:
        view.see(item)
        if item.id in numbers:
            view.tell([(f"#{numbers[item.id]} {shown.inline(item.id)}", "dim")])

    for message in run.task:
        see(message)
    for turn in run.turns:
        view.title(", ".join(turn.speakers), _turn_words(turn))
        for item in turn.said:
            see(item)
        view.leave()
    view.tell([], *_end_lines(record, run.id, place, held=held))
    view.tell([])


def _turn_words(turn: ToldTurn) -> str:
    state = {"closed": "", "open": ", not finished"}.get(turn.state, f", {turn.state}")
    return f"turn {turn.number}{state}: {shown.inline(turn.reason)}"


def _end_lines(record: RunRecord, run_id: str, place: Place, *, held: bool) -> Iterator[Line]:
    kind = status(record, held=held)
    if record.outcome is not None:
        why = record.outcome.reason
    elif held:
        why = "A living process is at it."
    else:
        why = "Its process ended without a word."
    yield [(kind, f"bold {shown.STYLES[kind]}"), (f": {shown.inline(why)}", "")]
    if record.wrap_up:
        yield from shown.wrap_up_lines(paths.elements(record.entries[-1].payload["wrap_up"])[1][1], record.wrap_up)
    for intent in record.outcome.open_intents if record.outcome else ():
        yield [(f"effect unknown: {shown.cut(intent, shown.CALL_CHARS)}", "yellow")]
    figures = ended_figures(record)
    words = [
        shown.counted(figures["turns"], "turn"),
        shown.counted(figures["model_calls"], "model call"),
        shown.counted(figures["tool_calls"], "tool call"),
        _tokens(figures, record.cut_tokens()),
        shown.money(figures["cost_usd"]),
        shown.duration(figures["active_s"]),
    ]
    yield [(" · ".join(words), "dim")]
    agents = record.agents()
    for name in agents if len(agents) > 1 else ():
        yield [(f"  {_agent_words(name, record)}", "dim")]
    if not (held or record.closed):
        for line in Again.of(run_id, place, record).lines(record.outcome, record):
            yield [(shown.clean(line), "cyan")]


def _agent_words(name: str, record: RunRecord) -> str:
    figures = record.meter(name).figures()
    words = [shown.counted(figures["model_calls"], "model call"), shown.counted(figures["tool_calls"], "tool call")]
    if not figures["tool_calls"]:
        words.pop()
    who = shown.inline(name) or "choosing who speaks"
    return f"{who}: {' · '.join([*words, _tokens(figures, record.cut_tokens(name)), shown.money(figures['cost_usd'])])}"


def _tokens(figures: dict[str, Any], probably: int) -> str:
    """Say the tokens, and how many of them are a guess: calls whose outcome nobody knows count at their worst case."""
    unsettled = figures.get("unsettled_tokens", 0)
    guess = f" ({unsettled:,} of them reserved for cut calls, that probably used {probably:,})" if unsettled else ""
    return shown.tokens(figures["tokens"]) + guess


def _print_run(run: Told, said: list[Said], *, held: bool, head: Head | None) -> None:
    record = run.record
    figures = ended_figures(record)
    print_json(
        run_id=run.id,
        conversation=split_run_id(run.id)[0],
        task=[message.dump() for message in run.task],
        status=status(record, held=held),
        outcome=structs.asdict(record.outcome) if record.outcome else None,
        limits=record.limits.given(),
        figures={name: figures[name] for name in FIGURES},
        agents=[{"agent": name or None, **_used(record.meter(name).figures())} for name in record.agents()],
        started_at=record.started_at,
        last_at=record.last_at,
        turns=[_turn_data(turn) for turn in run.turns],
        messages=[{"number": message.number, "id": message.id} for message in said],
        fork=record.forked or None,
        questions=[entry.payload for entry in record.questions.values()],
        wrap_up=record.wrap_up or None,
        app=record.app or None,
        document=record.document,
        head=structs.asdict(head) if head else None,
    )


def _used(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in FIGURES if name not in {"turns", "active_s"}}


def _turn_data(turn: ToldTurn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "speakers": turn.speakers,
        "reason": turn.reason,
        "note": turn.note,
        "state": turn.state,
        "tokens": turn.tokens,
        "cost_usd": turn.cost_usd,
        "said": [message.dump() for message in turn.said],
    }
