"""Answers that are data: held to a type, asked for once more, the same from the journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, create_model

from quorate import (
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    StructuredMessage,
    TaskResult,
    TokenUsageTermination,
    fork,
    replay,
    tool,
)
from quorate.chat import messages
from quorate.chat.past.audit import requests
from quorate.chat.structured import AnyContent, message
from quorate.errors import ConfigError, ModelError, RunFailed
from quorate.models.blocks import Reply, Said, ToolCall
from quorate.models.client import Finished, ModelRequest, TextDelta, Usage
from quorate.runs.entries import ERASED, Entry
from quorate.runs.memory import MemoryStore
from quorate.testing import FakeClock, ScriptedModel


class Weather(BaseModel):
    """What the weather is."""

    city: str
    degrees: float


GOOD = '{"city": "Rome", "degrees": 21.5}'


def forecaster(lines: Any, **options: Any) -> AssistantAgent:
    return AssistantAgent("sky", ScriptedModel(lines), **{"output_content_type": Weather, **options})


def last(result: TaskResult) -> Any:
    return result.messages[-1]


@pytest.mark.parametrize("text", [GOOD, f"```json\n{GOOD}\n```", f"Here it is: {GOOD} Have a nice day."])
async def test_answer_is_an_object_of_the_type(text: str) -> None:
    agent = forecaster([text])

    said = last(await agent.run("How is Rome?"))

    assert isinstance(said, StructuredMessage)
    assert said.content == Weather(city="Rome", degrees=21.5)
    assert said.type == type(said).__name__ == "StructuredMessage[Weather]"
    assert said.models_usage is not None
    model: Any = agent.model_client
    schema = json.loads(model.requests[0].output_schema)
    assert (schema["required"], schema["additionalProperties"]) == (["city", "degrees"], False)


async def test_people_read_it_by_its_format_and_other_models_as_json() -> None:
    listener = ScriptedModel(["I see."])
    team = RoundRobinGroupChat(
        [forecaster([GOOD], output_content_type_format="{city}: {degrees:.0f} degrees"), AssistantAgent("b", listener)],
        termination_condition=MaxMessageTermination(3),
    )

    result = await team.run("How is Rome?")

    assert result.messages[1].to_text() == "Rome: 22 degrees"
    heard = listener.requests[0].blocks[-1]
    assert isinstance(heard, Said)
    assert json.loads(heard.text) == {"city": "Rome", "degrees": 21.5}


async def test_answer_that_does_not_fit_is_asked_for_once_more() -> None:
    agent = forecaster(['{"city": "Rome"}', GOOD])

    result = await agent.run("How is Rome?")

    assert last(result).content.degrees == 21.5
    model: Any = agent.model_client
    again = model.requests[1]
    assert again.tool_choice == "none"
    assert isinstance(again.blocks[-2], Reply)
    assert "degrees: Field required" in again.blocks[-1].text
    assert [m.type for m in result.messages] == ["TextMessage", "ThoughtEvent", "StructuredMessage[Weather]"]


async def test_what_did_not_fit_costs_but_is_not_remembered() -> None:
    agent = forecaster(["Nice!", GOOD, GOOD])
    team = RoundRobinGroupChat([agent], termination_condition=TokenUsageTermination(10**6) | MaxMessageTermination(3))

    result = await team.run("How is Rome?")

    model: Any = agent.model_client
    assert [type(b) for b in model.requests[2].blocks] == [Said, Reply]
    told = [m.models_usage.prompt_tokens for m in result.messages if m.models_usage]
    assert sum(told) == result.usage.prompt_tokens
    assert len(told) == 3


async def test_answer_that_was_cut_off_is_told_so() -> None:
    agent = forecaster([[TextDelta('{"city": "Ro'), Finished(Usage(1, 1), "length")], GOOD])

    await agent.run("How is Rome?")

    model: Any = agent.model_client
    assert "cut off at the most tokens" in model.requests[1].blocks[-1].text


async def test_answer_that_never_fits_is_a_clear_error_and_bounded() -> None:
    agent = forecaster(["Nice!", "[1, 2]"])

    with pytest.raises(RunFailed, match=r"scripted answered sky twice .*give_up_turn=True") as failed:
        await agent.run("How is Rome?")

    assert isinstance(failed.value.__cause__, ModelError)
    model: Any = agent.model_client
    assert len(model.requests) == 2


async def test_tools_come_first_and_their_calls_in_the_last_word_are_nobodys() -> None:
    @tool(effect="read")
    async def measure(city: str) -> float:
        """Measure."""
        return 21.5

    call = ToolCall("1", "measure", '{"city": "Rome"}')
    agent = forecaster([call, GOOD], tools=[measure])

    result = await agent.run("How is Rome?")

    assert [m.type for m in result.messages][1:] == [
        "ToolCallRequestEvent", "ToolCallExecutionEvent", "StructuredMessage[Weather]"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output_content_type": int}, "is neither a pydantic model nor the JSON schema"),
        ({"output_content_type": {"type": "object", "oops": 1}}, "oops"),
        ({"output_content_type_format": "{town}"}, r"asks for \{town\}. There are: \{city\}, \{degrees\}"),
        ({"output_content_type_format": "{city.__class__}"}, "asks for"),
        ({"output_content_type_format": "{city"}, "is no format"),
        ({"output_content_type_format": "{degrees:{city}}"}, "a field inside a field"),
        ({"output_content_type": None, "output_content_type_format": "{city}"}, "needs an output_content_type"),
    ],
)
def test_what_cannot_be_held_to_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        forecaster([], **options)


async def test_json_schema_will_do_as_a_type() -> None:
    schema = {"title": "Vote", "type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}

    said = last(await forecaster(['{"yes": true}'], output_content_type=schema).run("Vote."))

    assert said.content.yes is True
    assert said.type == "StructuredMessage[Vote]"


async def test_two_types_of_one_name_in_one_team_stay_apart() -> None:
    def of(field: str) -> Any:
        return create_model("Note", **{field: (str, ...)})  # pyright: ignore[reportCallIssue, reportArgumentType]

    a, b = of("a"), of("b")
    team = RoundRobinGroupChat(
        [forecaster(['{"a": "x"}'], output_content_type=a),
         AssistantAgent("other", ScriptedModel(['{"b": "y"}']), output_content_type=b)],
        termination_condition=MaxMessageTermination(3),
    )  # fmt: skip

    said: Any = (await team.run("Go.")).messages

    assert (type(said[1].content), type(said[2].content)) == (a, b)


# -- the journal ------------------------------------------------------------------------------------------------------


def pure(request: ModelRequest) -> str:
    """Answer by what is asked alone, wrong at first."""
    last = request.blocks[-1]
    return GOOD if isinstance(last, Said) and last.source == "System" else "It is warm."


def team(line: Callable[[ModelRequest], str] = pure) -> RoundRobinGroupChat:
    agents = [AssistantAgent(name, ScriptedModel([line] * 9), output_content_type=Weather) for name in "ab"]
    return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(4), limits=Limits(turns=9))


async def recorded() -> tuple[MemoryStore, list[Entry], TaskResult]:
    store = MemoryStore(clock=FakeClock())
    result = await team().run("How is Rome?", conversation=store.conversation("talk"))
    return store, await store.read("talk"), result


async def test_it_is_written_once_and_replays_and_can_be_audited() -> None:
    # ENGINE 14: the outcome of the model step is the reply; the message is derived from it
    store, entries, _ = await recorded()

    assert sum("21.5" in json.dumps(e.payload) for e in entries) == 3, "one reply of each turn"
    assert (await replay("talk", team=team(), store=store)).identical
    assert all(requests("talk", entries).values())


async def test_crash_anywhere_goes_on_to_the_same_messages() -> None:
    # ENGINE 1: closed is closed; an invalid answer that was journaled is not asked for again
    _, entries, whole = await recorded()

    for at in range(1, len(entries)):
        store = MemoryStore(clock=FakeClock())
        journal = await store.open("talk")
        for entry in entries[:at]:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()

        result = await team().continue_run("talk", store=store)

        assert [m.dump() | {"created_at": ""} for m in result.messages] == [
            m.dump() | {"created_at": ""} for m in whole.messages
        ]
        assert (await replay("talk", team=team(), store=store)).identical


async def test_class_that_is_gone_is_stood_in_for() -> None:
    gone = create_model("GoneWithTheProcess", city=(str, ...))
    dumped = StructuredMessage[gone](content=gone(city="Rome"), source="a", format_string="In {city}").dump()
    dumped["type"] = "StructuredMessage[NobodyHasThis]"

    again: Any = messages.load(dumped)

    assert isinstance(again, StructuredMessage)
    assert isinstance(again.content, AnyContent)
    assert (again.content.city, again.to_text(), again.dump()) == ("Rome", "In Rome", dumped)  # pyright: ignore[reportAttributeAccessIssue]


async def test_closed_answer_is_read_though_the_type_has_changed_since() -> None:
    # ENGINE 1: whatever code wrote it
    store, _, _ = await recorded()

    class Other(BaseModel):
        wind: int

    Other.__name__ = "Weather"
    other = AssistantAgent("a", ScriptedModel(['{"wind": 3}']), output_content_type=Other)
    result = await RoundRobinGroupChat([other], max_turns=1).run(
        "And the wind?", conversation=store.conversation("talk")
    )

    assert last(result).content == Other(wind=3)


def test_erased_answer_says_so() -> None:
    # ENGINE 23
    said = message("Weather#00000000", ERASED, source="a")

    assert (said.type, said.to_text()) == ("StructuredMessage[Weather]", ERASED)


async def test_fork_keeps_it_and_goes_on_in_another_way() -> None:
    # ENGINE 21
    store, _, whole = await recorded()
    [kept] = [m for m in whole.messages if m.source == "a"][1:2]

    for at in (2, kept.id):
        branch = await fork(store, "talk", at=at)
        result = await team().continue_run(branch.id, store=store)
        assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages]
        assert isinstance(result.messages[2], StructuredMessage)
