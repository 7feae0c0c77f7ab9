"""Messages, conditions that are called, handoffs: what is computed without a model."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff, Response, TaskResult
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import (
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    MemoryQueryEvent,
    MessageFactory,
    ModelClientStreamingChunkEvent,
    SelectSpeakerEvent,
    StopMessage,
    StructuredMessage,
    StructuredMessageFactory,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserInputRequestedEvent,
)
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_agentchat.utils import content_to_str, remove_images
from autogen_core import ComponentLoader, FunctionCall
from autogen_core.code_executor import CodeBlock, CodeResult
from autogen_core.memory import MemoryContent
from autogen_core.models import FunctionExecutionResult, RequestUsage, UserMessage
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel
from scenes import ABLE, family, numbers, plain, refused, tell


class Point(BaseModel):
    x: int
    label: str = "p"


def text(source: str, content: str = "x", **fields) -> TextMessage:
    return TextMessage(content=content, source=source, **fields)


CALL = FunctionCall(id="1", arguments="{}", name="f")
RESULT = FunctionExecutionResult(content="done", name="f", call_id="1", is_error=False)
MESSAGES = [
    text("a", models_usage=RequestUsage(prompt_tokens=1, completion_tokens=2), metadata={"k": "v"}),
    StopMessage(content="stop", source="a"),
    HandoffMessage(content="over", source="a", target="b", context=[UserMessage(content="c", source="u")]),
    ToolCallSummaryMessage(content="sum", source="a", tool_calls=[CALL], results=[RESULT]),
    StructuredMessage[Point](content=Point(x=1), source="a"),
    StructuredMessage[Point](content=Point(x=1), source="a", format_string="at {x}"),
]
EVENTS = [
    ToolCallRequestEvent(content=[CALL], source="a"),
    ToolCallExecutionEvent(content=[RESULT], source="a"),
    MemoryQueryEvent(content=[MemoryContent(content="m", mime_type="text/plain")], source="a"),
    UserInputRequestedEvent(request_id="1", source="a"),
    ModelClientStreamingChunkEvent(content="chunk", source="a", full_message_id="2"),
    ThoughtEvent(content="hm", source="a"),
    SelectSpeakerEvent(content=["b"], source="m"),
    CodeGenerationEvent(content="c", retry_attempt=1, code_blocks=[CodeBlock(code="1", language="python")], source="a"),
    CodeExecutionEvent(retry_attempt=1, result=CodeResult(exit_code=0, output="out"), source="a"),
]


def messages() -> None:
    print("## messages")
    for message in MESSAGES:
        tell(type(message).__name__, message.dump())
        print(message.to_text(), "|", message.to_model_text(), "|", message.to_model_message())
        if not isinstance(message, StructuredMessage):
            print(type(message).load(message.dump()).dump() == message.dump())
    for event in EVENTS:
        tell(type(event).__name__, event.dump())
        if not isinstance(event, MemoryQueryEvent):
            print(event.to_text()[:60])
        print(type(event).load(event.dump()).dump() == event.dump())
    factory = MessageFactory()
    for message in [*MESSAGES[:4], *EVENTS]:
        print(
            type(message).__name__, factory.is_registered(type(message)), type(factory.create(message.dump())).__name__
        )
    print(factory.is_registered(StructuredMessage[Point]))
    factory.register(StructuredMessage[Point])
    print(type(factory.create(MESSAGES[4].dump())).__name__)
    for data in ({}, {"type": "Nope"}):
        refused(lambda data=data: factory.create(data))
    for kind in (TextMessage, int):
        refused(lambda kind=kind: factory.register(kind))
    made = StructuredMessageFactory(input_model=Point, format_string="at {x}")
    print(made.ContentModel.__name__, made.StructuredMessage.__name__, made.format_string)
    again = StructuredMessageFactory.load_component(made.dump_component())
    print(again.ContentModel.__name__, again.StructuredMessage.__name__, again.ContentModel(x=2).model_dump())
    named = StructuredMessageFactory(json_schema=Point.model_json_schema(), content_model_name="Spot")
    print(named.StructuredMessage.__name__)
    refused(StructuredMessageFactory)
    result = TaskResult(messages=MESSAGES[:1], stop_reason="so")
    print(result.stop_reason, plain(result.model_dump(mode="json")["messages"]))
    response = Response(chat_message=MESSAGES[0], inner_messages=EVENTS[:1])
    print(response.chat_message is MESSAGES[0], len(response.inner_messages))
    print(content_to_str(["a", "b"]), content_to_str("x"))
    print(remove_images([UserMessage(content="x", source="u")]))
    handoff = Handoff(target="Bob")
    print(handoff.model_dump(), handoff.handoff_tool.schema)
    refused(lambda: Handoff(target="b", name="a b"))


async def called(condition, *deltas) -> None:
    for delta in deltas:
        try:
            stop = await condition(delta)
        except BaseException as error:
            print(type(condition).__name__, "raised", isinstance(error, BaseException))
        else:
            print(type(condition).__name__, stop and (stop.content, stop.source), condition.terminated)
    await condition.reset()
    print("reset", condition.terminated)


async def conditions() -> None:
    print("## conditions, called")
    u, a = [text("u")], [text("a", "hey")]
    spent = [text("a", models_usage=RequestUsage(prompt_tokens=4, completion_tokens=4))]
    external = ExternalTermination()
    external.set()
    both = lambda: [MaxMessageTermination(2), TextMentionTermination("hey")]  # noqa: E731  # made anew each time
    for condition, *deltas in (
        (MaxMessageTermination(2), u, [*u, *u], a),
        (MaxMessageTermination(2, include_agent_event=True), EVENTS[:2]),
        (TextMentionTermination("hey", ["u"]), a, [text("u", "hey")]),
        (TextMentionTermination("hey"), u, a, u),
        (TokenUsageTermination(5, 9, 9), u, spent),
        (TokenUsageTermination(max_prompt_token=4), spent),
        (TokenUsageTermination(max_completion_token=5), spent, spent),
        (HandoffTermination("b"), MESSAGES[2:3]),
        (HandoffTermination("z"), MESSAGES[2:3]),
        (TimeoutTermination(0), []),
        (TimeoutTermination(1000), u),
        (external, [], u),
        (SourceMatchTermination(["a", "b"]), u, [*u, *a]),
        (TextMessageTermination(), MESSAGES[1:2], u),
        (TextMessageTermination("a"), u, a),
        (FunctionCallTermination("f"), EVENTS[:1], EVENTS[1:2]),
        (FunctionalTermination(lambda new: len(new) == 2), u, [*u, *a]),
        (FunctionalTermination(lambda new: 1), u),
        (StopMessageTermination(), u, MESSAGES[1:2]),
        (both()[0] & both()[1], u, [*u, *u], a, u),
        (both()[0] | both()[1], u, [*u, *a]),
        ((both()[0] & both()[1]) & TokenUsageTermination(5), [*u, *u], spent, a),
        ((both()[0] | StopMessageTermination()) & both()[1], u, u, a),
    ):
        await called(condition, *deltas)


def configurations() -> None:
    print("## configurations")
    replay = ReplayChatCompletionClient(["a"], ABLE)
    numbers.clear()
    for condition in (
        MaxMessageTermination(5) & StopMessageTermination() | TextMentionTermination("y"),
        HandoffTermination("x"),
        TimeoutTermination(2),
        ExternalTermination(),
        SourceMatchTermination(["a"]),
        TextMessageTermination("q"),
        FunctionCallTermination("f"),
        TextMentionTermination("x"),
    ):
        data = condition.dump_component()
        tell(data.model_dump())
        print(type(ComponentLoader.load_component(data)).__name__)
    agent = AssistantAgent("solver", replay, handoffs=["ann"], description="Solves.", system_message="Be brief.")
    other = AssistantAgent("ann", replay, output_content_type=Point, system_message=None)
    for thing in (
        other,
        RoundRobinGroupChat([agent, other], termination_condition=MaxMessageTermination(3), max_turns=2),
        SelectorGroupChat([agent, other], replay, selector_prompt="{history}", max_selector_attempts=2),
        Swarm([agent, other], name="N", description="D"),
    ):
        data = thing.dump_component()
        tell(data.model_dump())
        loaded = type(thing).load_component(data)
        print(loaded.dump_component().model_dump() == data.model_dump())


def main() -> None:
    messages()
    asyncio.run(conditions())
    configurations()


print(family(ValueError()))
main()
