import json
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from quorate.core import (
    EVENT_LOGGER_NAME,
    AgentConstructionExceptionEvent,
    AgentId,
    DefaultInterventionHandler,
    DeliveryStage,
    DropMessage,
    LocalRuntime,
    MessageContext,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
    RoutedAgent,
    TopicId,
    message_handler,
)
from quorate.errors import MessageDropped


@dataclass
class Note:
    text: str


class Agent(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("answers")

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> str | None:
        if message.text == "fail":
            raise LookupError("gone")
        return "secret answer" if ctx.is_rpc else None


class Drop(DefaultInterventionHandler):
    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return DropMessage if message.text == "drop" else message

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return DropMessage if message.text == "drop" else message


def broken() -> Agent:
    raise OSError("cannot be made")


async def play() -> None:
    """Send and publish what arrives, what fails and what is dropped."""
    a = AgentId("a", "k")
    async with LocalRuntime(intervention_handlers=[Drop()], on_error=lambda _: None) as runtime:
        await Agent.register(runtime, "a", Agent)
        await Agent.register(runtime, "broken", broken)
        await runtime.send_message(Note("secret"), a, message_id="m-1")
        await runtime.publish_message(Note("secret"), TopicId("a:", "k"), message_id="m-2")
        await runtime.stop_when_idle()
        runtime.start()
        with pytest.raises(LookupError):
            await runtime.send_message(Note("fail"), a, message_id="m-3")
        with pytest.raises(MessageDropped):
            await runtime.send_message(Note("drop"), a, message_id="m-4")
        await runtime.publish_message(Note("drop"), TopicId("a:", "k"), message_id="m-5")
        await runtime.publish_message(Note("lost"), TopicId("nobody", "k"), message_id="m-6")
        with pytest.raises(OSError, match="cannot be made"):
            await runtime.send_message(Note("x"), AgentId("broken", "k"), message_id="m-7")


def events(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record.msg for record in caplog.records if record.name == EVENT_LOGGER_NAME]


async def test_log_has_a_typed_event_for_what_becomes_of_each_message(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=EVENT_LOGGER_NAME):
        await play()

    a, topic = AgentId("a", "k"), TopicId("a:", "k")
    direct, publish, send, deliver = (
        MessageKind.DIRECT,
        MessageKind.PUBLISH,
        DeliveryStage.SEND,
        DeliveryStage.DELIVER,
    )
    found = events(caplog)
    assert found[:7] == [
        MessageEvent(Note("secret"), None, a, direct, send, "m-1"),
        MessageEvent(Note("secret"), None, a, direct, deliver, "m-1"),
        MessageEvent("secret answer", a, None, MessageKind.RESPOND, send, "m-1"),
        MessageEvent(Note("secret"), None, topic, publish, send, "m-2"),
        MessageEvent(Note("secret"), None, a, publish, deliver, "m-2"),
        MessageEvent(Note("fail"), None, a, direct, send, "m-3"),
        MessageEvent(Note("fail"), None, a, direct, deliver, "m-3"),
    ]
    failed, *rest = found[7:]
    assert isinstance(failed, MessageHandlerExceptionEvent)
    assert (failed.handling_agent, repr(failed.exception)) == (a, "LookupError('gone')")
    assert [one for one in rest if isinstance(one, MessageDroppedEvent)] == [
        MessageDroppedEvent(Note("drop"), None, a, direct, "intervention"),
        MessageDroppedEvent(Note("drop"), None, topic, publish, "intervention"),
        MessageDroppedEvent(Note("lost"), None, TopicId("nobody", "k"), publish, "no subscriber"),
    ]
    (made,) = [one for one in rest if isinstance(one, AgentConstructionExceptionEvent)]
    assert (made.agent_id, str(made.exception)) == (AgentId("broken", "k"), "cannot be made")


async def test_line_of_an_event_is_json_without_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=EVENT_LOGGER_NAME):
        await play()

    lines = [record.getMessage() for record in caplog.records if record.name == EVENT_LOGGER_NAME]
    assert "secret" not in "".join(lines)
    assert json.loads(lines[0]) == {
        "type": "Message",
        "message": "Note",
        "sender": None,
        "receiver": "a/k",
        "kind": "direct",
        "delivery_stage": "send",
        "message_id": "m-1",
    }
    assert json.loads(lines[7])["exception"] == "LookupError: gone"


async def test_nobody_who_wants_events_means_none_are_made(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger=EVENT_LOGGER_NAME):
        await play()

    assert events(caplog) == []
