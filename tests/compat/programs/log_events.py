"""Events as objects whose text is JSON."""

from autogen_core import (
    EVENT_LOGGER_NAME,
    ROOT_LOGGER_NAME,
    TRACE_LOGGER_NAME,
    AgentId,
    MessageHandlerContext,
    TopicId,
)
from autogen_core.logging import (
    AgentConstructionExceptionEvent,
    DeliveryStage,
    LLMCallEvent,
    LLMStreamEndEvent,
    LLMStreamStartEvent,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
    ToolCallEvent,
)

print(ROOT_LOGGER_NAME, EVENT_LOGGER_NAME, TRACE_LOGGER_NAME)
print(list(MessageKind), list(DeliveryStage))
id, topic = AgentId("a", "k"), TopicId("t", "s")
call = LLMCallEvent(messages=[{"m": 1}], response={"r": 2}, prompt_tokens=3, completion_tokens=4, extra="e")
end = LLMStreamEndEvent(response={"r": 2}, prompt_tokens=3, completion_tokens=4)
print(call.prompt_tokens, call.completion_tokens, end.prompt_tokens, end.completion_tokens)
for event in [
    call,
    end,
    LLMStreamStartEvent(messages=[]),
    ToolCallEvent(tool_name="t", arguments={"x": 1}, result="r"),
    MessageEvent(
        payload="p", sender=id, receiver=topic, kind=MessageKind.PUBLISH, delivery_stage=DeliveryStage.SEND, extra=1
    ),
    MessageDroppedEvent(payload="p", sender=None, receiver=id, kind=MessageKind.DIRECT),
    MessageHandlerExceptionEvent(payload="p", handling_agent=id, exception=ValueError("oh")),
    AgentConstructionExceptionEvent(agent_id=id, exception=ValueError("oh")),
]:
    print(str(event))
    print(event.kwargs)
with MessageHandlerContext.populate_context(id):
    print(LLMStreamStartEvent(messages=[]).kwargs["agent_id"])
