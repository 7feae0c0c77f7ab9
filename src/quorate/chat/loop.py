"""The team's loop: choose, speak, append, check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from copy import deepcopy
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from quorate.chat.ending.verdicts import check, later, now
from quorate.chat.facts import Choice, Fact, Thread
from quorate.chat.feed import Feed
from quorate.chat.hearing import cut_late, fact_heard, hear
from quorate.chat.racing import Race
from quorate.chat.speech import Turn, spoken
from quorate.chat.talk import Cast, Member, Talk, facts_of
from quorate.chat.turns import Speak, Stop
from quorate.core import telemetry
from quorate.core.lazy import lazy
from quorate.core.plain import plain
from quorate.core.waiting import TimedOut, is_cancelled, stray, within
from quorate.errors import ConfigError, Conflict
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, canonical_order
from quorate.runs.meter import Halt, Meter, Spent
from quorate.runs.outcome import Outcome
from quorate.runs.run import Again, Interrupted, Parked, Run
from quorate.runs.scope import Scope, enter, leave
from quorate.runs.steps import RESUME_ADVICE

if TYPE_CHECKING:
    from quorate.chat import messages, placing
    from quorate.chat.agent import Speaker
    from quorate.chat.messages import BaseChatMessage
else:
    messages, placing = lazy("quorate.chat.messages"), lazy("quorate.chat.placing")


CHOSEN = (Speak, Stop)
WAITABLE = (CoroutineType, Awaitable)
EXPECTED = (Parked, Halt)
"""What says of a speech something else than that it failed."""
YIELD_EVERY = 32
CUT_S = 1.0


async def converse(scope: Scope, talk: Talk, feed: Feed) -> Outcome:
    """Let the members talk until the condition, the policy, a limit or a person ends it.

    In the scope of the run itself, or in one inside it: that of a team which speaks, or is a tool.

    Raises:
        Halt: A limit is reached, or nothing moves any more.
        Parked: No branch can go on before a person has answered.
    """
    run, condition, base = scope.run, talk.cast.condition, scope.path
    while True:
        path = paths.turn(base, talk.turn + 1)
        if path in run.stalled_at:
            talk.watch_anew()
        entries = run.recall(path) if run.recorded else []
        if not base:
            if (run.mail or run.recorded) and hear(run, path, talk, feed):
                continue
            if run.mail and entries:
                cut_late(run, path, entries)
        if run.gate is not None and not (base and _has_more(run, path, entries)):
            run.check_gate()
        if talk.cast.asked:
            await check(scope, path, talk, stands=any(e.kind == "choice" for e in entries))
        reason = talk.over or condition.reason(talk.condition)
        if not entries or not any(e.kind == "choice" for e in entries):
            if reason is not None:
                if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users' conditions say anything
                    raise ConfigError(f"{condition!r}: reason(…) returned {reason!r}; it must return a text, or None.")
                return Outcome("completed", reason)
            if base:
                if (ends := run.ends_inside(base)) is not None:
                    raise Halt(ends)
            elif run.stop_reason:
                return Outcome("cancelled", run.stop_reason)
            if talk.progress is not None:
                talk.progress.check()
        ended = await _turn(scope, path, entries, talk, feed)
        if ended is not None:
            return ended
        if feed.watched or talk.turn % YIELD_EVERY == 0:
            await asyncio.sleep(0)  # models that never wait must not keep others from their turn


def _has_more(run: Run, path: str, entries: list[Entry]) -> bool:
    """Whether the journal has something of the turn at `path`."""
    return bool(entries) or any(paths.below(step, path) for step in run.recorded)


async def _turn(root: Scope, path: str, entries: list[Entry], talk: Talk, feed: Feed) -> Outcome | None:
    """One turn: who speaks, their speeches, and its closing entry."""
    run = root.run
    say: tuple[BaseChatMessage, ...] | None = None
    choice = next((e for e in entries if e.kind == "choice"), None) if entries else None
    cut = next((e for e in entries if e.kind == "interrupt"), None) if entries else None
    nest = run.nests[root.path] if root.path else None
    if nest is None:
        run.open_turn = path
    if cut is not None:
        return await _cut_turn(run, path, entries, choice, cut, talk, feed)
    if choice is None:
        run.check()
        meter = run.meter if nest is None else nest.meter
        used: list[Spent] = []
        cast = talk.cast
        asked = cast.turns.next(talk.policy, Thread(talk.messages), cast.names)
        if type(asked) is CoroutineType or not isinstance(asked, CHOSEN):  # told apart from a coroutine by its type
            asked = await _choosing(root, path, asked, feed, used, meter)  # pyright: ignore[reportUnknownArgumentType]: as above
        chosen = _checked(asked, talk)
        if isinstance(chosen, Speak):
            meter.add_turn()
        elif not chosen.say and chosen.note is None:
            return Outcome("completed", chosen.reason)
        say = chosen.say
        if say:
            say = _all_signed(say, root, path)
        choice = run.append(path, "choice", _said_of(chosen, cast, say, used))
        if say and "redacted" in choice.payload:
            say = None  # what is not kept is not told
    elif run.recorded:  # the choice stands: the steps that led to it are not asked for again
        for step in [p for p in run.recorded if paths.below(p, paths.choosing(path))]:
            run.recall(step)
    scope = Scope(run, path, choice.at, root.task)
    told = _told_of(run, choice, talk, feed, say)
    if len(told.speakers) == 1:
        _take_in(scope, [await _speech(scope, 1, told.speakers[0], talk, feed, scope.task)], talk, feed)
    elif told.speakers:
        _take_in(scope, await _wave(scope, told, talk, feed, _won(entries)), talk, feed)
    if run.is_cut:
        raise Again
    if nest is None and run.stop_reason:
        talk.see(Fact(stop=run.stop_reason, at=scope.at))
    if not entries or not any(e.kind == "turn" for e in entries):
        run.append(path, "turn", {})
    if nest is None:
        run.open_turn = ""
        run.at = scope.at
    else:
        root.at = scope.at
    return None


def _told_of(
    run: Run, choice: Entry, talk: Talk, feed: Feed, say: tuple[BaseChatMessage, ...] | None = None
) -> Choice:  # fmt: skip
    """Begin a turn, and show what the policy says itself: `say`, or what the journal has of it."""
    before = len(talk.messages)
    told = talk.see_choice(choice, run, say)
    for message in talk.messages[before:]:
        feed.says(message)
    if talk.cast.tells is not None and told.speakers and (event := talk.facts[-1].event) is not None:
        feed.says(event)
    return told


def _won(entries: list[Entry]) -> Entry | None:
    """Return the entry that says who won, where the turn's wave was a race and is over."""
    return next((e for e in entries if e.kind == "won"), None) if entries else None


def _take_in(scope: Scope, speeches: list[list[Fact]], talk: Talk, feed: Feed) -> None:
    """Take in what those said who were chosen."""
    for facts in speeches:
        for fact in facts:
            talk.see(fact)
            if fact.at > scope.at:
                scope.at = fact.at
        if facts:
            feed.tell(facts[-1].message)
    feed.pending.clear()
    if scope.run.recorded:
        scope.run.check_all_met(scope.path)


async def _cut_turn(
    run: Run, path: str, entries: list[Entry], choice: Entry | None, cut: Entry, talk: Talk, feed: Feed
) -> None:
    """Close a turn that a person cut short: what was done is kept, nothing more is made, what they said is heard."""
    for step in [p for p in run.recorded if paths.below(p, paths.choosing(path))]:
        run.recall(step)
    scope = Scope.here(run, path, run.at if choice is None else choice.at)
    if choice is not None:
        run.gate = Interrupted
        try:
            told = _told_of(run, choice, talk, feed)
            if len(told.speakers) == 1:
                _take_in(scope, [await _speech(scope, 1, told.speakers[0], talk, feed, scope.task)], talk, feed)
            else:
                _take_in(scope, await _wave(scope, told, talk, feed, _won(entries)), talk, feed)
        finally:
            run.gate = Parked if run.paused_by else None
    else:
        talk.turn += 1
    said = fact_heard(cut, run.journal.conversation)
    talk.see(said)
    feed.tell(said.message)
    if not any(e.kind == "turn" for e in entries):
        run.append(path, "turn", {"interrupted": True})
    run.open_turn = ""
    run.at = max(scope.at, cut.at)


def _said_of(
    chosen: Speak | Stop, cast: Cast, say: tuple[BaseChatMessage, ...], used: list[Spent]
) -> Payload:  # fmt: skip
    speaks = isinstance(chosen, Speak)
    said: Payload = {"speakers": chosen.speakers if speaks else (), "reason": chosen.reason}
    if chosen.note is not None:
        said["note"] = chosen.note if cast.notes_plainly else plain("A turn policy's note", chosen.note)
    if say:
        said["say"] = (say[0].journaled(),) if len(say) == 1 else tuple([message.journaled() for message in say])
    if not speaks:
        said["stop"] = True
    if len(used) == 1:
        said["in"], said["out"], said["cost"] = used[0][:3]
    elif used:
        prompt, completion, usd, *_ = zip(*used, strict=True)
        said["in"], said["out"], said["cost"] = sum(prompt), sum(completion), None if None in usd else sum(usd)
    return said


def _all_signed(say: Sequence[BaseChatMessage], root: Scope, path: str) -> tuple[BaseChatMessage, ...]:
    if len(say) == 1:
        return (_signed(say[0], root, path, 0),)
    return tuple([_signed(message, root, path, i) for i, message in enumerate(say)])


def _signed(message: BaseChatMessage, root: Scope, path: str, i: int) -> BaseChatMessage:
    """Return what a policy says, as number i of its turn; what it gave no id or time gets it from the turn."""
    if type(message) is not messages.TextMessage and not isinstance(message, messages.BaseChatMessage):  # pyright: ignore[reportUnnecessaryIsInstance]: user code
        raise ConfigError(f"The turn policy says {message!r}; what it says are messages, such as TextMessage(…).")
    given = message.__pydantic_fields_set__
    if "id" in given and "created_at" in given:
        return message
    made = {"id": f"{root.run.id}/{path}#{i}", "created_at": messages.at(now(root))}
    return message.model_copy(update={name: made[name] for name in made if name not in given})


async def _choosing(
    root: Scope, path: str, asked: Awaitable[Speak | Stop], feed: Feed, used: list[Spent], meter: Meter
) -> Speak | Stop:  # fmt: skip
    """Wait for the policy's choice; its own steps get a scope of their own, and what they use is added to `used`."""
    if not isinstance(asked, WAITABLE):  # pyright: ignore[reportUnnecessaryIsInstance]: user code
        raise _no_choice(asked)
    try:
        meter.check_turns()  # before the choice is paid for
    except Halt:
        if isinstance(asked, Coroutine):
            asked.close()
        raise
    scope = Scope(root.run, paths.choosing(path), now(root), root.task, used, feed)
    token = enter(scope)
    try:
        chosen = await asked
        if not isinstance(chosen, CHOSEN):  # pyright: ignore[reportUnnecessaryIsInstance]: user code
            raise _no_choice(chosen)
        return chosen
    finally:
        later(root, scope.at)
        leave(token)


def _no_choice(said: Any) -> ConfigError:
    return ConfigError(f"The turn policy's next() returned {said!r}; it must return Speak((name,), why) or Stop(why).")


def _checked(chosen: Speak | Stop, talk: Talk) -> Speak | Stop:
    """Return what a policy chose, if it may.

    Raises:
        ConfigError: It named somebody who is no member, or somebody twice.
    """
    if isinstance(chosen, Speak):
        speakers = chosen.speakers
        legal = speakers[0] in talk.members if len(speakers) == 1 else _legal(speakers, talk)
        if not legal:
            if isinstance(speakers, str):
                raise ConfigError(f"Speak({speakers!r}, …): it names members in a tuple: Speak(({speakers!r},), …).")
            raise ConfigError(
                f"The turn policy named {list(speakers)}; it must name members, each once: "
                f"{', '.join(talk.cast.names)}."
            )
    elif not isinstance(chosen.reason, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users' policies say anything
        raise ConfigError(f"Stop({chosen.reason!r}): its reason must be a text.")
    return chosen


def _legal(speakers: tuple[str, ...], talk: Talk) -> bool:
    """Whether a policy may name these: members, at least one, each once."""
    return bool(speakers) and len(set(speakers)) == len(speakers) and talk.members.keys() >= set(speakers)


async def _wave(scope: Scope, choice: Choice, talk: Talk, feed: Feed, won: Entry | None) -> list[list[Fact]]:
    """Speakers side by side; each sees the thread as it was when they were named."""
    run = scope.run
    found: list[list[Fact] | Exception] = [[] for _ in choice.speakers]
    race: Race | None = None
    if talk.cast.enough is not None and (won is not None or run.gate is not Interrupted):
        race = Race(scope, choice.speakers, talk, talk.cast.enough, won)

    async def speak(at: int, name: str) -> None:
        try:
            found[at] = facts = await _speech(scope, at + 1, name, talk, feed)
            if race is not None:
                race.finished(name, facts)
        except Exception as error:
            if race is not None and race.may_drop(name, error):
                return
            if not isinstance(error, Parked | Halt) and not run.is_replay:
                raise
            found[at] = error  # siblings finish first
        except asyncio.CancelledError as raised:
            if is_cancelled():
                raise
            raise stray(name) from raised  # a task group would not tell of it

    try:
        async with asyncio.TaskGroup() as group:
            if race is None:
                for at, name in enumerate(choice.speakers):
                    group.create_task(speak(at, name))
            else:
                for at in race.order():
                    name = choice.speakers[at]
                    race.tasks[name] = group.create_task(speak(at, name))
                race.begin()
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__  # what it came from stays
    finally:
        if race is not None:
            race.over()
    if race is not None:
        for at in race.losers():
            found[at] = []
    failed = [facts for facts in found if isinstance(facts, Exception)]
    if race is not None:
        await race.close(whole=not failed)
    if failed:
        raise min(failed, key=lambda error: isinstance(error, Parked | Halt))
    return [facts for facts in found if isinstance(facts, list)]


async def _speech(
    turn_scope: Scope, position: int, name: str, talk: Talk, feed: Feed, task: asyncio.Task[Any] | None = None
) -> list[Fact]:
    """Let one member speak, in the running task (`task`, where it is known), or read what it said."""
    run = turn_scope.run
    path = paths.child(turn_scope.path, position, name)
    if run.recorded:
        closed = _recalled(run, path, name, talk)
        if closed is not None:
            return closed
    member = talk.members.get(name)
    if member is None:
        raise Conflict(
            f"{paths.shown(path)}: the journal says that {name} speaks, but the team has only "
            f"{', '.join(talk.cast.names)}. "
            f"{RESUME_ADVICE}"
        )
    cast = talk.cast
    scope = Scope.here(run, path, turn_scope.at) if task is None else Scope(run, path, turn_scope.at, task)
    memory = talk.remembered(member)
    thread, since = talk.news(member)
    state = deepcopy(member.state) if member.state else {}
    turn = Turn(
        name,
        scope,
        thread,
        since,
        memory,
        state,
        feed,
        cast.polls,
        member.asked,
        cast.patience,
    )
    if cast.wants is not None:
        turn.form = cast.wants(talk.policy, name)
    token = enter(scope)
    cut = False
    try:
        if run.gate is Interrupted:
            speaking = _cut_short(member.agent, turn)
        else:
            if cast.runtime is None and member.own is None and not run.recorded and not run.is_replay:
                speaking = member.agent.speak(turn)
                if not isinstance(speaking, CoroutineType):
                    speaking = spoken(speaking)
            else:
                speaking = placing.speak(cast, member.agent, turn)
            if telemetry.spans is not None:
                about = getattr(member.agent, "description", "")
                speaking = telemetry.spans.speech(
                    speaking,  # pyright: ignore[reportUnknownArgumentType]: narrowed to a coroutine of it knows not what
                    name, about, run.id, path, expected=EXPECTED,
                )  # fmt: skip
        if member.own is not None:
            speaking = member.own.speaking(speaking, member.agent, turn, talk)  # pyright: ignore[reportUnknownArgumentType]: as above
        message = await speaking
        if type(message) is not messages.TextMessage and not isinstance(message, messages.BaseChatMessage):
            raise ConfigError(f"{name}.speak() returned {message!r}; it must return a message, such as TextMessage(…).")
        turn.close(message)
    except Interrupted as why:
        cut = type(why) is Interrupted  # else an intervention dropped it
        turn.leave()
    except BaseException:
        member.heard = turn.since  # it may speak again where this one conversation ended, and others go on
        raise
    finally:
        leave(token)
    if run.lost:
        run.check_lost(path, closing=True)
    run.check()
    if run.waiting:
        run.check_questions(path)
    if run.open_intents:
        await run.check_effects(path)
    more = None if member.own is None else await member.own.saved(member.agent, turn, talk)
    _close(run, path, turn, member, talk, more, cut=cut)
    if not scope.count and scope.lanes is None and run.journal.durable:
        await run.journal.commit()  # a speech without steps: no other commit would come before its loss
    return turn.facts


async def _cut_short(agent: Speaker, turn: Turn) -> BaseChatMessage:
    """Let an agent come to where it was interrupted: its steps answer from the journal, and no other is made.

    Raises:
        Interrupted: There it is. What it does outside of steps gets a second for that, not as long as it takes.
    """
    inside = turn.scope.path
    if not any(paths.below(path, inside) for path in turn.run.recorded):
        raise Interrupted("It had done nothing yet.")
    try:
        return await within(CUT_S, placing.speak(None, agent, turn))
    except TimedOut as error:
        raise Interrupted("It was waiting for something that is no step.") from error


def _close(run: Run, path: str, turn: Turn, member: Member, talk: Talk, more: Payload | None, *, cut: bool) -> None:
    """Write the closing entry of a speech."""
    if run.recorded:
        run.check_all_met(path)
    said: Payload = {"items": tuple(turn.items)}
    if turn.state != member.state:
        said["state"] = member.state = plain(f"{turn.name}: turn.state", turn.state)
    if member.origin != "agent":
        said["origin"] = member.origin
        for fact in turn.facts:
            if fact.speaker == turn.name:
                fact.origin = member.origin
    if cut:
        said["interrupted"] = True
    if more:
        said |= more
    entry = run.append(path, "said", said)
    if member.own is not None:
        member.own.closed(member.agent, entry, talk)
    if entry.payload is not said and "redacted" in entry.payload:  # what is not kept is not told
        turn.reread(entry.payload["items"], member.origin)
        member.state = entry.payload.get("state", member.state)
    member.asked = turn.asked


def _recalled(run: Run, path: str, name: str, talk: Talk) -> list[Fact] | None:
    """Return what a closed speech of the open turn said, None if it is not closed."""
    closing = next((e for e in run.recorded.get(path, ()) if e.kind == "said"), None)
    if closing is None:
        return None
    inside = [e for e in run.recall(path) if e is not closing]
    talk.has_spoken(name, closing, len(talk.messages))
    inside += [e for p in sorted(run.recorded, key=paths.sort_key) if paths.below(p, path) for e in run.recall(p)]
    if any(e.kind == "task" for e in inside):
        talk.leave_inside(paths.parent(paths.parent(path)), sorted(inside, key=canonical_order))
    return facts_of(closing, inside, name, run)
