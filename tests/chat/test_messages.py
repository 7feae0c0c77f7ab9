from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from uuid import RFC_4122, UUID

import pytest
from pydantic import ValidationError

from quorate import Agent, AssistantAgent, RoundRobinGroupChat, StopMessage, TaskResult, TextMessage, Turn, conversation
from quorate.chat import messages
from quorate.chat.messages import (
    BaseChatMessage,
    BaseMessage,
    BaseTextChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    RequestUsage,
    ToolCallSummaryMessage,
)
from quorate.errors import ConfigError, RunFailed
from quorate.models import Finished, TextDelta, Usage
from quorate.testing import FakeClock, ScriptedModel


class Weather(BaseTextChatMessage):
    """A message of a user's own class."""

    degrees: float
    type: Literal["Weather"] = "Weather"

    def to_model_text(self) -> str:
        return f"It is {self.degrees} degrees."


ONE_OF_EACH: list[BaseMessage] = [
    TextMessage(content="Hi.", source="a", models_usage=RequestUsage(1, 2), metadata={"k": "v"}),
    StopMessage(content="Stop.", source="a"),
    Weather(content="Warm.", source="a", degrees=21.5),
    ToolCallSummaryMessage(
        content="3",
        source="a",
        tool_calls=[FunctionCall("c", "{}", "add")],
        results=[FunctionExecutionResult("3", "add", "c")],
    ),
    messages.ToolCallRequestEvent(content=[FunctionCall("c", "{}", "add")], source="a"),
    messages.ToolCallExecutionEvent(content=[FunctionExecutionResult("3", "add", "c", True)], source="a"),
    messages.ThoughtEvent(content="Hm.", source="a"),
    messages.UserInputRequestedEvent(request_id="r", source="a"),
    messages.SelectSpeakerEvent(content=["b"], source="team"),
]


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda m: type(m).__name__)
def test_message_comes_back_from_plain_data_as_it_was(message: BaseMessage) -> None:
    again = messages.load(message.dump())

    assert again == message
    assert type(again) is type(message)


@pytest.mark.parametrize("zone", [UTC, None, timezone(timedelta(hours=2))])
@pytest.mark.parametrize("microsecond", [0, 6, 500_000])
def test_data_of_a_text_is_what_pydantic_makes_of_it(zone: Any, microsecond: int) -> None:
    when = datetime(2026, 11, 22, 3, 4, 5, microsecond, zone)
    message = TextMessage(id="m1", source="a", content="Hé.", created_at=when, models_usage=RequestUsage(1, 2))

    data = message.dump()

    assert list(data.items()) == list(message.model_dump(mode="json").items())
    assert data["metadata"] is not message.metadata


async def test_reply_of_a_client_that_is_no_text_fails_the_run() -> None:
    model = ScriptedModel([[TextDelta(b"Hi."), Finished(Usage(1, 1))]])  # type: ignore[arg-type]

    with pytest.raises(RunFailed):
        await AssistantAgent("a", model).run(task="Hi.")


class Loud(TextMessage):
    """A text of a user's own class, which models read otherwise."""

    def to_model_text(self) -> str:
        return self.content.upper()


def test_models_read_a_text_of_an_own_class_as_that_says() -> None:
    assert Loud(content="Hi.", source="a").to_block("agent", "1:x").text == "HI."
    assert TextMessage(content="Hi.", source="a").to_block("agent", "1:x").text == "Hi."


def test_type_without_words_of_its_own_is_told_as_its_fields() -> None:
    class Bill(BaseChatMessage):
        cents: int
        to: str

    bill = Bill(source="clerk", cents=5, to="Ann")

    assert bill.to_text() == bill.to_model_text() == '{"cents":5,"to":"Ann"}'


def test_id_made_outside_of_runs_is_a_random_uuid() -> None:
    made = {messages.new_id() for _ in range(50)}

    assert len(made) == 50
    assert all(str(UUID(id)) == id and UUID(id).version == 4 and UUID(id).variant == RFC_4122 for id in made)


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda m: type(m).__name__)
def test_message_and_its_class_dump_the_same(message: BaseMessage) -> None:
    assert type(message).load(message.dump()) == message
    assert message.model_dump(mode="json") == message.dump()


def test_message_of_a_type_that_nobody_knows_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"no message type 'Rumour'.*Import the module"):
        messages.load({"type": "Rumour", "content": "x"})


def test_field_that_a_message_does_not_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="contents"):
        TextMessage(contents="x", source="a")  # type: ignore[call-arg]


def test_message_made_outside_a_run_gets_an_id_of_its_own_and_the_systems_time() -> None:
    before = datetime.now(UTC)

    one, two = TextMessage(content="x", source="a"), TextMessage(content="x", source="a")

    assert one.id != two.id
    assert one.created_at >= before.replace(microsecond=0)
    assert one.created_at.tzinfo is not None


@pytest.mark.parametrize("task", [[], [TextMessage(content="x", source="a"), "y"], 7, None])
async def test_task_that_is_none_is_refused(task: Any) -> None:
    with pytest.raises(ConfigError, match="A task is a text, a message, or a list"):
        await AssistantAgent("a", ScriptedModel(["x"])).run(task=task)


async def test_task_may_be_several_messages_of_any_source() -> None:
    model = ScriptedModel(["ok"])
    task = [TextMessage(content="One.", source="ann"), Weather(content="Warm.", source="bob", degrees=3)]

    result = await AssistantAgent("a", model).run(task=task)

    assert [(b.source, b.text) for b in model.requests[0].blocks] == [("ann", "One."), ("bob", "It is 3.0 degrees.")]  # type: ignore[union-attr]
    assert [m.source for m in result.messages] == ["ann", "bob", "a"]


async def test_ids_and_times_of_messages_made_in_a_run_come_from_the_path() -> None:
    # ENGINE 13
    clock = FakeClock()

    class Saying(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            turn.emit(messages.ThoughtEvent(content="hm", source=self.name))
            clock.advance(5)
            return TextMessage(content=f"x{len(turn.thread)}", source=self.name)

    async def once() -> list[tuple[str, datetime]]:
        talk = conversation("talk", clock=clock)
        result = await RoundRobinGroupChat([Saying("a")], max_turns=2).run(task="Go.", conversation=talk)
        return [(m.id, m.created_at) for m in result.messages]

    first, second = await once(), await once()

    assert [id for id, _ in first] == [id for id, _ in second]
    assert [id for id, _ in first[1:3]] == ["talk.1/1 turn/1 a", "talk.1/1 turn/1 a#2"]
    assert len({id for id, _ in first}) == 5
    assert first[1][1] == first[2][1], "the time of the latest entry on the path, not of the clock"


async def test_consumer_of_a_stream_makes_messages_of_its_own() -> None:
    # ENGINE 25: the consumer's code never sees the run's context
    stream = AssistantAgent("a", ScriptedModel(["x"])).run_stream(task="Go.")

    ids = [TextMessage(content="mine", source="me").id async for _ in stream]

    assert all("turn" not in id for id in ids)


async def test_message_of_ones_own_class_survives_the_journal() -> None:
    class Station(Agent):
        async def speak(self, turn: Turn) -> BaseChatMessage:
            return Weather(content="Warm.", source=self.name, degrees=21.5)

    talk = conversation("talk")
    model = ScriptedModel(["I see.", "Indeed."])
    team = RoundRobinGroupChat([Station("station"), AssistantAgent("a", model)], max_turns=2)
    await team.run(task="Go.", conversation=talk)
    fresh = RoundRobinGroupChat([AssistantAgent("a", model)], max_turns=1)

    await fresh.run(task="And?", conversation=talk)

    said = [block.text for block in model.requests[1].blocks]
    assert said == ["Go.", "It is 21.5 degrees.", "I see.", "And?"]


def test_result_can_be_dumped_with_all_its_messages() -> None:
    result = TaskResult(messages=ONE_OF_EACH, stop_reason="done")

    data = result.model_dump(mode="json")

    assert [m["type"] for m in data["messages"]][:3] == ["TextMessage", "StopMessage", "Weather"]
    assert data["messages"][2]["degrees"] == 21.5


class Untyped(BaseChatMessage):
    """A message whose class says no type."""

    cents: int


class Otherwise(BaseChatMessage):
    """A message whose type is not its name."""

    cents: int
    type: Literal["otherwise-typed"] = "otherwise-typed"


class Priced(TextMessage):
    """A message that inherits its type."""

    cents: int


@pytest.mark.parametrize("kind", [Untyped, Otherwise, Priced])
def test_message_whose_type_is_not_the_name_of_its_class_comes_back_as_what_it_was(kind: Any) -> None:
    said = kind(source="clerk", cents=5, **({"content": "x"} if kind is Priced else {}))

    again = messages.load(said.dump())

    assert type(again) is kind
    assert again == said == kind.load(said.dump())
