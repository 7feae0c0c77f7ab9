from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from quorate.core import (
    AgentId,
    AgentInstantiationContext,
    BaseAgent,
    ClosureAgent,
    ClosureContext,
    DefaultSubscription,
    DefaultTopicId,
    LocalRuntime,
    MessageContext,
    MessageHandlerContext,
    RoutedAgent,
    TopicId,
    default_subscription,
    event,
    handles,
    message_handler,
    rpc,
    type_subscription,
)
from quorate.errors import CantHandle, ConfigError, WrongState


@dataclass
class Apple:
    weight: int = 1


class Pear(BaseModel):
    weight: int = 1


async def send(cls: type[BaseAgent], message: Any) -> Any:
    async with LocalRuntime() as runtime:
        await cls.register(runtime, "a", lambda: cls("test"))
        return await runtime.send_message(message, AgentId("a", "k"))


async def test_handler_is_chosen_by_type_of_a_union_and_the_first_that_matches_by_name() -> None:
    class Fruits(RoutedAgent):
        @message_handler
        async def z_any(self, message: Apple | Pear, ctx: MessageContext) -> str:
            return "any"

        @message_handler(match=lambda message, ctx: message.weight > 5)
        async def heavy(self, message: Apple, ctx: MessageContext) -> str:
            return "heavy apple"

    assert await send(Fruits, Apple(9)) == "heavy apple"
    assert await send(Fruits, Apple(1)) == "any"
    assert await send(Fruits, Pear(weight=9)) == "any"


async def test_event_and_rpc_handle_their_own_kind_and_inherited_handlers_count() -> None:
    got: list[str] = []

    class Parent(RoutedAgent):
        @event
        async def published(self, message: Apple, ctx: MessageContext) -> None:
            got.append(f"event at {MessageHandlerContext.agent_id()}")

    class Child(Parent):
        @rpc
        async def asked(self, message: Apple, ctx: MessageContext) -> int:
            return message.weight

    async with LocalRuntime() as runtime:
        await Child.register(runtime, "c", lambda: Child("child"))
        await runtime.publish_message(Apple(), TopicId("c:x", "k"))

        assert await runtime.send_message(Apple(3), AgentId("c", "k")) == 3

    assert got == ["event at c/k"]


async def test_answer_of_another_type_is_an_error_and_only_logged_without_strict(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Strict(RoutedAgent):
        @message_handler
        async def on(self, message: Apple, ctx: MessageContext) -> int | None:
            return "text"  # pyright: ignore[reportReturnType]: that is the point

    class Loose(RoutedAgent):
        @message_handler(strict=False)
        async def on(self, message: Apple, ctx: MessageContext) -> list[int]:
            return "text"  # pyright: ignore[reportReturnType]: that is the point

    with pytest.raises(ConfigError, match="annotated to return int or NoneType and returned str"):
        await send(Strict, Apple())
    with caplog.at_level(logging.WARNING):
        assert await send(Loose, Apple()) == "text"
    assert "annotated to return list and returned str" in caplog.text


def test_handler_without_annotations_or_not_async_or_event_with_answer_is_refused() -> None:
    with pytest.raises(ConfigError, match="annotate its argument `message`"):

        @message_handler
        async def no_message(self: Any, message, ctx: MessageContext) -> None: ...  # pyright: ignore[reportMissingParameterType]: that is the point

    with pytest.raises(ConfigError, match="annotate what it returns"):

        @rpc
        async def no_return(self: Any, message: Apple, ctx: MessageContext): ...

    with pytest.raises(ConfigError, match="nobody waits for an answer"):

        @event
        async def answers(self: Any, message: Apple, ctx: MessageContext) -> int:
            return 1

    with pytest.raises(ConfigError, match="async def"):

        @message_handler
        def not_async(self: Any, message: Apple, ctx: MessageContext) -> None: ...


async def test_type_that_cannot_be_written_is_refused_at_registration_unless_it_comes_with_a_serialiser() -> None:
    class Plain:
        pass

    class Bad(RoutedAgent):
        @message_handler
        async def on(self, message: Plain, ctx: MessageContext) -> None: ...

    runtime = LocalRuntime()
    with pytest.raises(ConfigError, match="Bad handles Plain, which cannot be written"):
        await Bad.register(runtime, "bad", lambda: Bad("bad"))

    @handles(Apple)
    class Other(BaseAgent):
        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            return message

    await Other.register(runtime, "bad", lambda: Other("other"))
    assert runtime.serializers.is_registered("Apple", "application/json")
    await runtime.close()


async def test_subscriptions_of_a_class_follow_the_type_and_are_not_inherited() -> None:
    got: list[str] = []

    @default_subscription
    @type_subscription("news")
    class Reader(RoutedAgent):
        @message_handler
        async def on(self, message: Apple, ctx: MessageContext) -> None:
            got.append(f"{self.type} {ctx.topic_id}")

    class Heir(Reader):
        pass

    async with LocalRuntime() as runtime:
        await Reader.register(runtime, "reader", lambda: Reader("r"))
        await Heir.register(runtime, "heir", lambda: Heir("h"))
        await runtime.publish_message(Apple(), TopicId("news", "s"))
        await runtime.publish_message(Apple(), DefaultTopicId())

    assert got == ["reader news/s", "reader default/default"]
    with pytest.raises(CantHandle, match="needs agent_type="):
        DefaultSubscription()


async def test_factory_knows_the_runtime_and_the_id_and_makes_only_what_it_should() -> None:
    class Curious(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("curious")
            self.knew = (AgentInstantiationContext.current_runtime(), AgentInstantiationContext.current_agent_id())

    async with LocalRuntime() as runtime:
        await Curious.register(runtime, "c", Curious)
        await runtime.register_factory("wrong", lambda: Curious(), expected_class=ClosureAgent)

        made = await runtime.try_get_underlying_agent_instance(AgentId("c", "k"), Curious)

        assert made.knew == (runtime, AgentId("c", "k"))
        with pytest.raises(ConfigError, match="made a Curious, not a ClosureAgent"):
            await runtime.get("wrong", lazy=False)
        with pytest.raises(TypeError, match="is a Curious, not a ClosureAgent"):
            await runtime.try_get_underlying_agent_instance(AgentId("c", "k"), ClosureAgent)
        with pytest.raises(ConfigError, match="takes arguments"):
            await runtime.register_factory("more", lambda runtime, id: Curious())  # pyright: ignore[reportArgumentType]: the point
    with pytest.raises(WrongState, match="No agent is being made"):
        AgentInstantiationContext.current_runtime()
    with pytest.raises(WrongState, match="has no id yet"):
        _ = RoutedAgent("alone").id


async def test_closure_is_an_agent_and_says_what_it_does_with_other_types(caplog: pytest.LogCaptureFixture) -> None:
    async def weigh(agent: ClosureContext, message: Apple, ctx: MessageContext) -> Any:
        return (str(agent.id), message)

    async with LocalRuntime() as runtime:
        for policy in ("warn", "error", "ignore"):
            await ClosureAgent.register_closure(runtime, policy, weigh, unknown_type_policy=policy, subscriptions=list)

        assert await runtime.send_message(Apple(), AgentId("warn", "k")) == ("warn/k", Apple())
        assert await runtime.send_message("text", AgentId("warn", "k")) is None
        assert "warn/k takes Apple, not str" in caplog.text
        assert await runtime.send_message("text", AgentId("ignore", "k")) == ("ignore/k", "text")
        with pytest.raises(CantHandle, match="takes Apple, not str"):
            await runtime.send_message("text", AgentId("error", "k"))

        async def two(agent: ClosureContext, message: Apple) -> None: ...

        with pytest.raises(ConfigError, match="three arguments"):
            await ClosureAgent.register_closure(runtime, "two", two)  # pyright: ignore[reportArgumentType]: the point


async def test_subscriptions_of_a_closure_know_the_type_that_is_registered() -> None:
    heard: list[str] = []

    async def listen(agent: ClosureContext, message: Apple, ctx: MessageContext) -> None:
        heard.append(f"{agent.id} {ctx.topic_id}")

    async def later() -> list[DefaultSubscription]:
        return [DefaultSubscription("more")]

    async with LocalRuntime() as runtime:
        await ClosureAgent.register_closure(runtime, "now", listen, subscriptions=lambda: [DefaultSubscription()])
        await ClosureAgent.register_closure(runtime, "later", listen, subscriptions=later)
        await runtime.publish_message(Apple(), TopicId("default", "s"))
        await runtime.publish_message(Apple(), TopicId("more", "s"))

    assert heard == ["now/s default/s", "later/s more/s"]
