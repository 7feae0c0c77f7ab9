from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from quorate.core import (
    AgentId,
    AgentProxy,
    AgentRuntime,
    BaseAgent,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    TopicId,
    default_subscription,
    message_handler,
)
from quorate.errors import CantHandle, ConfigError, WrongState


@dataclass
class Note:
    text: str


@default_subscription
class Keeper(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("keeps notes")
        self.notes: list[str] = []

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> str | None:
        self.notes.append(message.text)
        return f"{ctx.message_id} from {ctx.sender}" if ctx.is_rpc else None

    async def save_state(self) -> Mapping[str, Any]:
        return {"notes": self.notes}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.notes = list(state["notes"])


async def notes(runtime: LocalRuntime, key: str) -> list[str]:
    return (await runtime.try_get_underlying_agent_instance(AgentId("keeper", key), Keeper)).notes


async def test_proxy_is_the_agent_as_an_object_to_call() -> None:
    async with LocalRuntime() as runtime:
        await Keeper.register(runtime, "keeper", Keeper)
        proxy = AgentProxy(AgentId("keeper", "k"), runtime)

        assert await proxy.send_message(Note("x"), sender=AgentId("a", "b"), message_id="m-1") == "m-1 from a/b"
        assert await proxy.metadata == {"type": "keeper", "key": "k", "description": "keeps notes"}
        assert await proxy.save_state() == {"notes": ["x"]}
        await proxy.load_state({"notes": ["y"]})

        assert await notes(runtime, "k") == ["y"]
        assert isinstance(runtime, AgentRuntime)


async def test_registered_type_gets_class_topics_and_direct_topics_unless_they_are_skipped() -> None:
    async with LocalRuntime() as runtime:
        await Keeper.register(runtime, "keeper", Keeper)
        await Keeper.register(runtime, "none", Keeper, skip_class_subscriptions=True)
        await Keeper.register(runtime, "deaf", Keeper, skip_direct_message_subscription=True)
        for topic in ("default", "keeper:rpc", "none:rpc", "deaf:rpc"):
            await runtime.publish_message(Note(topic), TopicId(topic, "k"))
        await runtime.stop_when_idle()
        runtime.start()

        found = {
            name: (await runtime.try_get_underlying_agent_instance(AgentId(name, "k"), Keeper)).notes
            for name in ("keeper", "none", "deaf")
        }

    assert found == {"keeper": ["default", "keeper:rpc"], "none": ["none:rpc"], "deaf": ["default"]}


async def test_registered_instance_gets_the_topic_that_is_its_key() -> None:
    async with LocalRuntime() as runtime:
        one, two = Keeper(), Keeper()
        await one.register_instance(runtime, AgentId("keeper", "news"))
        await two.register_instance(runtime, AgentId("keeper", "mail"))
        await runtime.publish_message(Note("n"), TopicId("news", "news"))
        await runtime.publish_message(Note("m"), TopicId("keeper:x", "mail"))
        await runtime.publish_message(Note("d"), TopicId("default", "news"))

    assert (one.notes, two.notes) == (["n"], ["m"])
    with pytest.raises(WrongState, match="cannot become"):
        await one.bind_id_and_runtime(AgentId("keeper", "other"), runtime)


async def test_state_of_one_agent_is_saved_and_loaded_alone() -> None:
    async with LocalRuntime() as runtime:
        await Keeper.register(runtime, "keeper", Keeper)
        await runtime.send_message(Note("x"), AgentId("keeper", "a"))

        saved = await runtime.agent_save_state(AgentId("keeper", "a"))
        await runtime.agent_load_state(AgentId("keeper", "b"), saved)

        assert await notes(runtime, "b") == ["x"]
        assert await runtime.save_state() == {"keeper/a": {"notes": ["x"]}, "keeper/b": {"notes": ["x"]}}


async def test_agent_with_one_handler_for_all_says_itself_what_it_does_not_take() -> None:
    class Any_(BaseAgent):
        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            if message == "no":
                raise CantHandle("not this one", recipient=self.id)
            return message

    async with LocalRuntime() as runtime:
        await Any_.register(runtime, "any", lambda: Any_("takes what comes"))

        assert await runtime.send_message({"a": 1}, AgentId("any", "k")) == {"a": 1}
        with pytest.raises(CantHandle, match="not this one"):
            await runtime.send_message("no", AgentId("any", "k"))

    with pytest.raises(ConfigError, match="is text"):
        Any_(7)  # pyright: ignore[reportArgumentType]: the point
