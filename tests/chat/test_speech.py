"""What an agent is given to speak, and what is kept of its speech."""

import json
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    MessageFilterAgent,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    conversation,
    replay,
)
from quorate.chat.agents.filtering import MessageFilterConfig
from quorate.chat.facts import Fact
from quorate.chat.messages import BaseAgentEvent, ThoughtEvent
from quorate.errors import ConfigError, RunFailed
from quorate.models.views import PerSourceFilter
from quorate.testing import ScriptedModel


class Doing(Agent):
    """Does in its turn what a test says."""

    def __init__(self, name: str, act: Any) -> None:
        super().__init__(name)
        self.act = act

    async def speak(self, turn: Turn) -> Any:
        found = self.act(turn)
        return TextMessage(content=found, source=self.name) if isinstance(found, str) else found


def talker(name: str = "b") -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel([f"{name} says {w}" for w in ("ant", "bee", "cat", "dog", "elk", "fox")]))


# -- the state of an agent --------------------------------------------------------------------------------------------


def collecting(turn: Turn) -> str:
    """Keep all that was heard in a list inside the state."""
    turn.state.setdefault("heard", []).append(len(turn.thread))
    return json.dumps(turn.state)


async def test_state_is_kept_from_turn_to_turn_even_what_lies_deep_in_it() -> None:
    team = RoundRobinGroupChat([Doing("a", collecting), talker()], max_turns=5)

    result = await team.run(task="Go.")

    assert [m.to_text() for m in result.messages if m.source == "a"] == [
        '{"heard": [1]}',
        '{"heard": [1, 3]}',
        '{"heard": [1, 3, 5]}',
    ]


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
async def test_state_is_the_same_after_a_kill(killed: Any, nth: int) -> None:
    # ENGINE 1: a speech ends with a closing entry that holds its state
    talk = conversation("talk")
    team = RoundRobinGroupChat([Doing("a", collecting), talker()], max_turns=5)
    whole = await team.run(task="Go.", conversation=talk)
    entries = await talk.entries()
    left = await killed(entries, before="turn", nth=nth)
    said = sum(e.kind == "reply" for e in await left.entries())
    other = AssistantAgent("b", ScriptedModel([f"b says {w}" for w in ("ant", "bee", "cat")][said:]))

    result = await RoundRobinGroupChat([Doing("a", collecting), other], max_turns=5).continue_run(
        "talk", store=left.store
    )

    assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages]


async def test_state_is_written_only_when_it_changed() -> None:
    # ENGINE 14
    def act(turn: Turn) -> str:
        turn.state["first"] = True
        return f"message {len(turn.thread)}"

    talk = conversation("talk")
    await RoundRobinGroupChat([Doing("a", act)], max_turns=3).run(task="Go.", conversation=talk)

    said = [e.payload for e in await talk.entries() if e.kind == "said"]
    assert [payload.get("state") for payload in said] == [{"first": True}, None, None]


async def test_changing_a_state_later_changes_no_history() -> None:
    kept: list[dict[str, Any]] = []

    def act(turn: Turn) -> str:
        turn.state.setdefault("list", []).append(1)
        kept.append(turn.state)
        return f"message {len(turn.thread)}"

    talk = conversation("talk")
    await RoundRobinGroupChat([Doing("a", act)], max_turns=2).run(task="Go.", conversation=talk)
    kept[0]["list"].append("changed")
    kept[1]["list"].append("changed")

    said = [e.payload for e in await talk.entries() if e.kind == "said"]
    assert [payload["state"] for payload in said] == [{"list": [1]}, {"list": [1, 1]}]


async def test_state_that_is_no_plain_data_is_refused() -> None:
    def act(turn: Turn) -> str:
        turn.state["when"] = {1, 2}
        return "x"

    with pytest.raises((ConfigError, RunFailed), match=r"a: turn\.state must be plain JSON data"):
        await RoundRobinGroupChat([Doing("a", act)], max_turns=1).run(task="Go.")


async def test_state_of_a_turn_that_failed_is_not_kept() -> None:
    calls: list[dict[str, Any]] = []

    def act(turn: Turn) -> str:
        calls.append(dict(turn.state))
        turn.state["tried"] = True
        if len(calls) == 1:
            raise ValueError("broken")
        return "fine"

    talk = conversation("talk")
    team = RoundRobinGroupChat([Doing("a", act)], max_turns=1)
    with pytest.raises(RunFailed):
        await team.run(task="Go.", conversation=talk)

    await team.continue_run("talk", store=talk.store)

    assert calls == [{}, {}]


# -- what is new ------------------------------------------------------------------------------------------------------


def telling_news(turn: Turn) -> str:
    return f"{len(turn.thread)}: " + ", ".join(m.to_text().partition(":")[0] for m in turn.new)


async def test_new_is_what_was_said_since_the_agent_spoke_last() -> None:
    team = RoundRobinGroupChat([Doing("a", telling_news), talker(), talker("c")], max_turns=6)

    result = await team.run(task="Go.")

    own = [m.to_text() for m in result.messages if m.source == "a"]
    assert own == ["1: Go.", "4: 1, b says ant, c says ant"]


@pytest.mark.parametrize("nth", range(1, 7))
async def test_new_is_the_same_after_a_kill(killed: Any, nth: int) -> None:
    # ENGINE 1
    def team() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([Doing("a", telling_news), Doing("b", telling_news)], max_turns=6)

    talk = conversation("talk")
    whole = await team().run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="turn", nth=nth)

    result = await team().continue_run("talk", store=left.store)

    assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages]


# -- what it remembers ------------------------------------------------------------------------------------------------


class Counting(Agent):
    """Remembers by a fold how many messages of each source there were."""

    def begin(self) -> dict[str, int]:
        return {}

    def see(self, memory: dict[str, int], fact: Fact) -> dict[str, int]:
        if fact.message is None:
            return memory
        return {**memory, fact.message.source: memory.get(fact.message.source, 0) + 1}

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=json.dumps(turn.memory, sort_keys=True), source=self.name)


async def test_memory_is_folded_from_all_facts_live_and_from_the_journal(killed: Any) -> None:
    talk = conversation("talk")
    whole = await RoundRobinGroupChat([Counting("a"), Counting("b")], max_turns=5).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="turn", nth=4)

    result = await RoundRobinGroupChat([Counting("a"), Counting("b")], max_turns=5).continue_run(
        "talk", store=left.store
    )

    assert whole.messages[-1].to_text() == '{"a": 2, "b": 2, "user": 1}'
    assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages]


# -- what is kept -----------------------------------------------------------------------------------------------------


async def test_event_on_the_way_is_shown_and_kept_with_the_speech() -> None:
    class Step(BaseAgentEvent):
        note: str
        type: str = "Step"

    def act(turn: Turn) -> str:
        turn.emit(Step(note="thinking", source="a"))
        return "done"

    talk = conversation("talk")
    team = RoundRobinGroupChat([Doing("a", act)], max_turns=1)
    items = [item async for item in team.run_stream(task="Go.", conversation=talk)]
    await RoundRobinGroupChat([talker()], max_turns=1).run(task="More.", conversation=talk)

    assert [type(item).__name__ for item in items] == ["TextMessage", "Step", "TextMessage", "TaskResult"]
    assert items[-1].messages[1].note == "thinking"


async def test_reply_is_kept_once_and_the_message_made_of_it() -> None:
    # ENGINE 14
    talk = conversation("talk")

    await AssistantAgent("b", ScriptedModel(["A very particular sentence."])).run(task="Go.", conversation=talk)

    entries = await talk.entries()
    holding = [e for e in entries if "particular" in json.dumps(e.payload)]
    assert [e.kind for e in holding] == ["reply"]
    assert next(e for e in entries if e.kind == "said").payload == {"items": (("reply", 1),)}


async def test_message_that_an_agent_passes_on_is_kept_whole() -> None:
    talk = conversation("talk")
    passed = TextMessage(content="passed on", source="somebody else", metadata={"k": "v"})

    result = await RoundRobinGroupChat([Doing("a", lambda turn: passed)], max_turns=1).run(
        task="Go.", conversation=talk
    )

    said = next(e for e in await talk.entries() if e.kind == "said").payload["items"][0]
    assert said == ("json", passed.dump())
    assert result.messages[-1].source == "somebody else"


@pytest.mark.parametrize("answer", [None, 7, {"content": "x"}, ThoughtEvent(content="x", source="a")])
async def test_agent_that_returns_no_message_is_told_what_to_return(answer: Any) -> None:
    with pytest.raises((ConfigError, RunFailed), match=r"a\.speak\(\) returned .*it must return a message"):
        await RoundRobinGroupChat([Doing("a", lambda turn: answer)], max_turns=1).run(task="Go.")


async def test_agent_that_speaks_at_length_sees_the_thread_as_it_was_when_it_was_named() -> None:
    def act(turn: Turn) -> str:
        before = list(turn.thread)
        assert list(turn.thread) == before
        assert turn.thread[-1] is before[-1]
        assert turn.thread[:1] == before[:1]
        return f"{len(turn.thread)}"

    result = await RoundRobinGroupChat([Doing("a", act)], max_turns=2).run(task="Go.")

    assert [m.to_text() for m in result.messages] == ["Go.", "1", "2"]


async def test_item_of_a_speech_that_nobody_knows_is_refused_clearly() -> None:
    # ENGINE 24
    talk = conversation("talk")
    await talker().run(task="Go.", conversation=talk)
    other = conversation("talk")
    journal = await other.store.open("talk")
    for entry in await talk.entries():
        payload = {"items": [["tomorrow", 1]]} if entry.kind == "said" else entry.payload
        journal.append(entry.run, entry.path, entry.kind, payload)
    await journal.release()

    with pytest.raises(ConfigError, match="item of kind 'tomorrow', which this Quorate does not know"):
        await talker().run(task="More.", conversation=other)

    assert not await other.store.is_held("talk")


# -- an agent that waits for nothing ----------------------------------------------------------------------------------


class Echo(Agent):
    """Says again what it heard; its `speak` is a plain function."""

    def speak(self, turn: Turn) -> TextMessage:
        turn.state["said"] = turn.state.get("said", 0) + 1
        return TextMessage(content=f"{turn.state['said']}: {turn.new[-1].to_text()}", source=self.name)


async def test_an_agent_whose_speak_is_a_plain_function_speaks_as_any_other() -> None:
    talk = conversation("talk")
    filtered = MessageFilterAgent("filtered", Echo("echo"), MessageFilterConfig([PerSourceFilter("user")]))
    team = RoundRobinGroupChat([Echo("a"), filtered, talker()], max_turns=4)

    result = await team.run(task="Go.", conversation=talk)

    said = [(m.source, m.to_text()) for m in result.messages if m.source != "b"]
    assert said == [("user", "Go."), ("a", "1: Go."), ("filtered", "1: Go."), ("a", "2: b says ant")]
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_a_plain_speak_goes_on_after_a_kill(killed: Any) -> None:
    # ENGINE 1: a speech that is closed is folded, whatever its speak is
    talk = conversation("talk")
    team = RoundRobinGroupChat([Echo("a"), talker()], max_turns=3)
    whole = await team.run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="turn", nth=3)

    resumed = await team.continue_run("talk.1", store=left.store)

    assert [m.to_text() for m in resumed.messages] == [m.to_text() for m in whole.messages]


async def test_a_plain_speak_that_returns_no_message_is_told_so() -> None:
    with pytest.raises((ConfigError, RunFailed), match=r"a\.speak\(\) returned None; it must return a message"):
        await RoundRobinGroupChat([Forgetful("a")], max_turns=1).run(task="Go.")


class Forgetful(Agent):
    def speak(self, turn: Turn) -> Any:
        return None
