"""From the journal alone an auditor rebuilds what every model was asked, to the letter (ENGINE 14)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple

from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Team,
    UserProxyAgent,
    conversation,
    open_store,
    tool,
)
from quorate.chat.past import audit
from quorate.chat.turns import Speak
from quorate.errors import ModelError, StoreError
from quorate.models import Finished, ModelRequest, ReasoningDelta, TextDelta, ToolCall, Usage
from quorate.testing import ScriptedModel


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(effect="read")
async def read_file() -> str:
    """Read a long file."""
    return "line\n" * 20_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Any]:
    async with open_store(tmp_path / "work.db") as opened:
        yield opened


def same(rebuilt: ModelRequest, sent: ModelRequest) -> bool:
    return astuple(rebuilt)[1:] == astuple(sent)[1:] and [b.content for b in rebuilt.blocks] == [
        b.content for b in sent.blocks
    ]


async def check(store: Any, *models: ScriptedModel) -> int:
    """Compare all that the models of a conversation were asked with what its journal says, and return how many."""
    entries = await store.read("talk")
    found = audit.requests("talk", entries)
    asked = [asking for attempts in found.values() for asking in attempts]
    sent = [request for model in models for request in model.requests]
    journal = await store.open("talk")
    for where, attempts in found.items():
        for asking in attempts:
            assert asking.digest
            audit.check_digest(asking, journal.fingerprint, where)
    await journal.release()
    assert len(asked) == len(sent)
    for asking in asked:
        matching = [request for request in sent if same(asking.request, request)]
        assert matching, asking.request
        sent.remove(matching[0])
    return len(asked)


async def test_team_with_tools_and_thoughts_and_long_results(store: Any) -> None:
    one = ScriptedModel(
        [
            [ToolCall("c1", "add", '{"a":1, "b":2}'), ToolCall("c2", "read_file", "{}")],
            "It is 3.",
            [ReasoningDelta("Hm.", "sig"), TextDelta("Yes, sure."), Finished(Usage(1, 1))],
        ]
    )
    two = ScriptedModel(["Is it?", "I believe you."])
    team = RoundRobinGroupChat(
        [AssistantAgent("a", one, tools=[add, read_file]), AssistantAgent("b", two, system_message="Doubt.")],
        termination_condition=MaxMessageTermination(5),
    )

    await team.run(task="1 + 2?", conversation=store.conversation("talk"))

    assert await check(store, one, two) == 5


async def test_several_runs_of_one_conversation(store: Any) -> None:
    model = ScriptedModel(["one", ToolCall("c1", "add", '{"a":1,"b":2}'), "three", "four"])

    for task in ("A?", "B?", "C?"):
        await AssistantAgent("a", model, tools=[add]).run(task=task, conversation=store.conversation("talk"))

    assert await check(store, model) == 4


async def test_attempts_that_failed(store: Any) -> None:
    busy = ModelError("busy", retryable=True, retry_after_s=0.001)
    model = ScriptedModel([busy, [TextDelta("Hel")], "Hello."])

    await AssistantAgent("a", model).run(task="Hi.", conversation=store.conversation("talk"))

    assert await check(store, model) == 3


async def test_run_that_went_on_in_another_process_with_another_prompt(store: Any) -> None:
    # ENGINE 3
    model = ScriptedModel(["one fish", ModelError("down"), "two birds", "three cats"])

    def team(system: str) -> RoundRobinGroupChat:
        agents = [AssistantAgent(name, model, system_message=f"{system} {name}") for name in "ab"]
        return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(4))

    with pytest.raises(Exception, match="down"):
        await team("Be").run(task="Go.", conversation=store.conversation("talk"))
    await team("Become").continue_run("talk", store=store)

    assert await check(store, model) == 4


async def test_selector_that_had_to_repair_its_choice(store: Any) -> None:
    model = ScriptedModel(["nonsense", '{"speaker": "b"}', '{"speaker": "a"}'])
    agents = [AssistantAgent(name, ScriptedModel([f"{name} speaks"])) for name in "ab"]
    team = SelectorGroupChat([*agents, UserProxyAgent("ann")], model, max_turns=2)

    await team.run(task="Go.", conversation=store.conversation("talk"))

    assert await check(store, model, *[a.model_client for a in agents]) == 5  # type: ignore[list-item]


async def test_speakers_side_by_side(store: Any) -> None:
    class Waves:
        def begin(self) -> None: ...

        def see(self, memory: None, fact: Any) -> None: ...

        async def next(self, memory: None, thread: Any, members: Any) -> Speak:
            return Speak(tuple(members), "all")

    models = [ScriptedModel([f"{name} {n} {n * 7}" for n in range(3)]) for name in "abc"]
    team = Team([AssistantAgent(n, m) for n, m in zip("abc", models, strict=True)], turns=Waves(), max_turns=3)

    await team.run(task="Go.", conversation=store.conversation("talk"))

    assert await check(store, *models) == 9


async def test_person_and_agent(store: Any) -> None:
    model = ScriptedModel(["What colour?", "Thank you."])
    ann = UserProxyAgent("ann", input_func=lambda _: "Blue.")

    await RoundRobinGroupChat([AssistantAgent("a", model), ann], max_turns=3).run(
        task="Go.", conversation=store.conversation("talk")
    )

    assert await check(store, model) == 2


async def test_request_that_the_journal_does_not_hold_any_more_is_found(store: Any) -> None:
    model = ScriptedModel(["Hello."])
    await AssistantAgent("a", model).run(task="Hi.", conversation=store.conversation("talk"))
    entries = await store.read("talk")
    entries[0].payload["task"][0]["content"] = "Something else."
    asking = next(iter(audit.requests("talk", entries).values()))[0]
    journal = await store.open("talk")

    with pytest.raises(StoreError, match="here: the journal's text is not what the model was asked"):
        audit.check_digest(asking, journal.fingerprint, "here")


async def test_standing_parts_and_long_results_are_kept_once_however_often_they_are_sent(store: Any) -> None:
    # ENGINE 14, 24
    system = "Be brief. " * 50
    lines: list[object] = [ToolCall("c1", "read_file", "{}"), "Read it.", ToolCall("c2", "read_file", "{}"), "Again."]
    agent = AssistantAgent("a", ScriptedModel(lines), tools=[read_file], system_message=system)
    team = RoundRobinGroupChat([agent], max_turns=2)

    await team.run(task="Read.", conversation=store.conversation("talk"))
    await store.close()

    assert store.path.read_bytes().count(system.encode()) == 1
    assert store.path.stat().st_size < 1.9 * len("line\n" * 20_000)


async def test_call_holds_only_what_is_new_since_the_one_before(store: Any) -> None:
    # ENGINE 14
    model = ScriptedModel([f"{word} and so on" for word in ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")])
    team = RoundRobinGroupChat([AssistantAgent(name, model) for name in "ab"], max_turns=8)

    await team.run(task="Go.", conversation=store.conversation("talk"))

    calls = [e.payload for e in await store.read("talk", kinds=["call"])]
    assert [len(call["blocks"]) for call in calls] == [1, 2, 2, 2, 2, 2, 2, 2]
    assert all("parts" not in call for call in calls[2:])


async def test_short_turns_cost_few_bytes_beside_their_text(store: Any) -> None:
    # DESIGN 9: at most 400 bytes an entry for shorter ones, linear
    texts = [f"{n:03d} " + "word " * 11 for n in range(100)]
    model = ScriptedModel([f"{text}{chr(97 + n % 26)}{n * 7919}" for n, text in enumerate(texts)])
    team = RoundRobinGroupChat([AssistantAgent(name, model) for name in "ab"], max_turns=100)
    talk = store.conversation("talk")

    await team.run(task="Go.", conversation=talk)
    entries = await talk.entries()
    await store.close()

    beside = store.path.stat().st_size - sum(map(len, texts))
    assert beside / len(entries) < 400


async def test_origin_of_what_was_said_is_in_the_journal_and_in_the_request() -> None:
    # ENGINE 24
    ann = UserProxyAgent("ann", input_func=lambda prompt: "Blue.")
    model = ScriptedModel(["Which colour?", "Blue it is."])
    painter = AssistantAgent("painter", model)
    talk = conversation("talk")
    team = RoundRobinGroupChat([painter, ann], max_turns=3)

    await team.run(task="Paint.", conversation=talk)

    entries = await talk.entries()
    assert [e.payload.get("origin", "agent") for e in entries if e.kind == "said"] == ["agent", "person", "agent"]
    asked = audit.requests("talk", entries)["1:3 turn/1 painter/1 model"][0].request
    assert [getattr(block, "origin", "agent") for block in asked.blocks] == ["person", "agent", "person"]
    assert list(asked.blocks) == list(model.requests[1].blocks)
