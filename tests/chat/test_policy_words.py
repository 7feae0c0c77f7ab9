"""What a turn policy says itself, and whom it keeps from hearing what."""

from collections.abc import Sequence
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Team,
    TextMentionTermination,
    TextMessage,
    Turn,
    conversation,
    open_store,
    replay,
    step,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.live import Runnable
from quorate.chat.past.fork import fork
from quorate.chat.turns import Speak, Stop
from quorate.errors import ConfigError, RunFailed
from quorate.testing import FakeClock, ScriptedModel


def word(text: str) -> TextMessage:
    return TextMessage(content=text, source="chair")


class Chair:
    """Tells each member what to do, and has the last word."""

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        made = await step("think", self._thought, effect="read")
        if memory % 3 < 2:
            return Speak((members[memory % 3],), "told to", say=(word(f"{members[memory % 3]}: {made} {memory}"),))
        return Stop("All did.", say=(word("Thank you"), word("all")), note={"done": memory})

    async def _thought(self) -> str:
        return "work"


def team(*, policy: Any = None, condition: Any = None, lines: int = 9) -> Team:
    members = [AssistantAgent(n, ScriptedModel([f"{n} did {i}" for i in range(lines)])) for n in "ab"]
    return Team(members, turns=policy or Chair(), termination_condition=condition)


def texts(result: Any) -> list[str]:
    return [f"{m.source}: {m.to_text()}" for m in result.messages]


SAID = [
    "user: Go.",
    "chair: a: work 0",
    "a: a did 0",
    "chair: b: work 1",
    "b: b did 0",
    "chair: Thank you",
    "chair: all",
]


async def test_words_of_a_policy_are_heard_before_who_it_names_speaks_and_its_last_ones_end_the_run() -> None:
    talk = conversation("talk")
    working = team()

    result = await working.run(task="Go.", conversation=talk)

    assert texts(result) == SAID
    assert (result.stop_reason, result.turns) == ("All did.", 2)
    asked = working.participants[0].model_client.requests[0]  # pyright: ignore[reportAttributeAccessIssue]
    assert [b.text for b in asked.blocks] == ["Go.", "a: work 0"]
    assert result.messages[1].id == "talk.1/1 turn#0"
    assert (await replay("talk", team=team(lines=0), store=talk.store)).identical


async def test_words_of_a_policy_are_journaled_once_and_requests_refer_to_them() -> None:
    # ENGINE 14
    talk = conversation("talk")
    await team().run(task="Go.", conversation=talk)

    text = str([e.payload for e in await talk.entries() if e.kind in {"choice", "call"}])

    assert text.count("a: work 0") == 1


async def test_run_goes_on_wherever_it_was_cut_with_the_same_words(killed: Any) -> None:
    # ENGINE 1, 2
    talk = conversation("talk", clock=FakeClock())
    await team().run(task="Go.", conversation=talk)
    entries = await talk.entries()
    for after in range(1, len(entries)):
        left = await killed(entries, after=after)
        spoken = {n: sum(e.kind == "reply" and f" {n}/" in e.path for e in entries[:after]) for n in "ab"}
        members = [AssistantAgent(n, ScriptedModel([f"{n} did 0"] * (1 - spoken[n]))) for n in "ab"]

        result = await Team(members, turns=Chair()).continue_run("talk", store=left.store)

        assert texts(result) == SAID
        assert (result.stop_reason, result.turns) == ("All did.", 2)


async def test_next_run_of_a_conversation_begins_anew_after_the_last_words() -> None:
    talk = conversation("talk")
    working = team()
    await working.run(task="Go.", conversation=talk)

    second = await working.run(task="More.", conversation=talk)

    assert texts(second)[:2] == ["user: More.", "chair: a: work 3"]


async def test_conditions_see_the_words_of_a_policy() -> None:
    result = await team(condition=TextMentionTermination("b: work")).run(task="Go.")

    assert texts(result)[-1] == "b: b did 0"
    assert result.stop_reason == "chair said 'b: work'"


async def test_fork_can_begin_at_what_a_policy_said() -> None:
    store = open_store("memory:")
    await team().run(task="Go.", conversation=store.conversation("talk"))

    new = await fork(store, "talk", at=4, effects="live")
    result = await team().continue_run(new.id, store=store)

    assert texts(result)[:4] == SAID[:4]
    assert texts(result)[4] == "b: b did 0"
    with pytest.raises(ConfigError, match="nothing else can be said in its place"):
        await fork(store, "talk", at=4, say="b: rest")


async def test_viewers_see_the_words_of_a_policy_in_their_place() -> None:
    seen = [f"{m.source}: {m.to_text()}" async for m in team().run_stream(task="Go.") if isinstance(m, TextMessage)]

    assert seen == SAID[1:] or seen == SAID


async def test_what_is_no_message_is_no_word() -> None:
    class Wrong(Chair):
        async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Any:
            return Speak(("a",), "why", say=("hello",))  # pyright: ignore[reportArgumentType]

    with pytest.raises((ConfigError, RunFailed), match="what it says are messages"):
        await team(policy=Wrong()).run(task="Go.")


# -- who hears what ---------------------------------------------------------------------------------------------------


class Apart:
    """Everybody speaks in turn; who is on one side does not hear the other."""

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        return Speak((members[memory % len(members)],), "in turn") if memory < 8 else Stop("done")

    def hears(self, member: str, fact: Fact) -> bool:
        return not fact.speaker or fact.speaker[0] == member[0]


class Noting(Agent):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.notes: list[list[str]] = []

    async def speak(self, turn: Turn) -> TextMessage:
        self.notes.append([m.source for m in turn.thread] + ["|"] + [m.source for m in turn.new])
        return TextMessage(content=f"{self.name} {len(self.notes)}", source=self.name)


def sides() -> tuple[list[Noting], Runnable]:
    members = [Noting(name) for name in ("a1", "b1", "a2", "b2")]
    return members, Team(members, turns=Apart())


async def test_member_hears_its_side_only_live_and_when_going_on(killed: Any) -> None:
    talk = conversation("talk", clock=FakeClock())
    members, apart = sides()

    await apart.run(task="Go.", conversation=talk)

    assert members[0].notes == [["user", "|", "user"], ["user", "a1", "a2", "|", "a1", "a2"]]
    assert members[3].notes[1] == ["user", "b1", "b2", "b1", "|", "b2", "b1"]
    entries = await talk.entries()
    cut = next(i for i, e in enumerate(entries) if e.kind == "turn" and e.path == "5 turn")
    left = await killed(entries, after=cut + 1)
    others, again = sides()
    await again.continue_run("talk", store=left.store)
    assert others[3].notes == [members[3].notes[1]]
    assert others[1].notes == [members[1].notes[1]]


async def test_models_are_asked_with_what_their_agent_hears() -> None:
    models = {name: ScriptedModel([f"{name} x{i}" for i in range(2)]) for name in ("a1", "b1")}
    working = Team([AssistantAgent(n, m) for n, m in models.items()], turns=Apart(), max_turns=4)
    talk = conversation("talk")

    await working.run(task="Go.", conversation=talk)

    assert [b.text for b in models["a1"].requests[1].blocks] == ["Go.", "a1 x0"]
    assert await verify_ok(talk)


async def verify_ok(talk: Any) -> bool:
    return (await replay("talk", team=Team([AssistantAgent(n, ScriptedModel([])) for n in ("a1", "b1")],
                                           turns=Apart(), max_turns=4), store=talk.store)).identical  # fmt: skip
