from dataclasses import dataclass
from typing import Any

import pytest

from quorate.core import (
    AgentId,
    DefaultInterventionHandler,
    DropMessage,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    TopicId,
    message_handler,
)
from quorate.errors import ConfigError, MessageDropped


@dataclass
class Note:
    text: str


class Echo(RoutedAgent):
    def __init__(self, got: list[str]) -> None:
        super().__init__("echo")
        self.got = got

    @message_handler
    async def on(self, message: Note, ctx: MessageContext) -> str | None:
        self.got.append(message.text)
        return message.text if ctx.is_rpc else None


class Mark(DefaultInterventionHandler):
    def __init__(self, mark: str) -> None:
        self.mark = mark

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return Note(message.text + self.mark)

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return DropMessage if message.text == "drop" else Note(message.text + self.mark)

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return DropMessage() if message.startswith("hide") else message + f" by {sender}"


async def test_each_handler_gets_what_the_one_before_returned_and_may_drop() -> None:
    got: list[str] = []
    async with LocalRuntime(intervention_handlers=[Mark("1"), Mark("2")]) as runtime:
        await Echo.register(runtime, "e", lambda: Echo(got))
        id = AgentId("e", "k")

        assert await runtime.send_message(Note("x"), id) == "x12 by e/k by e/k"
        with pytest.raises(MessageDropped, match="dropped the answer of e/k"):
            await runtime.send_message(Note("hide"), id)
        await runtime.publish_message(Note("p"), TopicId("e:", "k"))
        await runtime.publish_message(Note("drop"), TopicId("e:", "k"))

    assert got == ["x12", "hide12", "p12"]


class Odd(DefaultInterventionHandler):
    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        if message.text == "drop":
            return DropMessage
        if message.text == "raise":
            raise PermissionError("not allowed")
        return None

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        raise PermissionError("not published")


async def test_error_of_an_intervention_and_a_forgotten_return_reach_the_sender_and_nobody_gets_the_message() -> None:
    got: list[str] = []
    async with LocalRuntime(intervention_handlers=[Odd()]) as runtime:
        await Echo.register(runtime, "e", lambda: Echo(got))
        id = AgentId("e", "k")

        with pytest.raises(MessageDropped, match="dropped the message to e/k"):
            await runtime.send_message(Note("drop"), id)
        with pytest.raises(PermissionError, match="not allowed"):
            await runtime.send_message(Note("raise"), id)
        with pytest.raises(ConfigError, match=r"Odd\.on_send returned None"):
            await runtime.send_message(Note("none"), id)
        with pytest.raises(PermissionError, match="not published"):
            await runtime.publish_message(Note("p"), TopicId("e:", "k"))
        assert runtime.unprocessed_messages_count == 0

    assert got == []
