from dataclasses import dataclass

import pytest

from quorate.core import (
    AgentId,
    DefaultSubscription,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    Subscription,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    message_handler,
)
from quorate.errors import CantHandle, ConfigError


@dataclass
class Note:
    text: str


class Keeper(RoutedAgent):
    def __init__(self, got: list[str]) -> None:
        super().__init__("writes down")
        self.got = got

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.got.append(f"{self.id} {message.text}")


class Shard:
    """Maps sources to one of two agents."""

    id = "shards"

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.type == "order"

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        return AgentId("keeper", f"shard-{len(topic_id.source) % 2}")


@pytest.mark.parametrize("kind", [TypeSubscription, TypePrefixSubscription])
def test_subscription_maps_the_source_to_the_key_and_refuses_other_topics(kind: type[TypeSubscription]) -> None:
    subscription = kind("news", "reader")

    assert subscription.map_to_agent(TopicId("news", "s/7")) == AgentId("reader", "s/7")
    with pytest.raises(CantHandle, match="does not match the topic other/s"):
        subscription.map_to_agent(TopicId("other", "s"))
    assert isinstance(subscription, Subscription)


def test_subscriptions_are_equal_by_what_they_do_or_by_id() -> None:
    assert TypeSubscription("t", "a") == TypeSubscription("t", "a", "x")
    assert TypeSubscription("t", "a", "x") == TypeSubscription("u", "b", "x")
    assert TypeSubscription("t", "a") != TypeSubscription("t", "b")
    assert TypeSubscription("t", "a") == DefaultSubscription("t", "a")
    assert TypePrefixSubscription("t", "a") != TypeSubscription("t", "a")


async def test_custom_subscription_added_and_removed_at_run_time_counts_from_then_on() -> None:
    got: list[str] = []
    async with LocalRuntime() as runtime:
        await Keeper.register(runtime, "keeper", lambda: Keeper(got))
        await runtime.publish_message(Note("early"), TopicId("order", "a"))
        await runtime.add_subscription(Shard())
        for source in ("a", "bb"):
            await runtime.publish_message(Note(source), TopicId("order", source))
        with pytest.raises(ConfigError, match="already exists"):
            await runtime.add_subscription(Shard())
        await runtime.remove_subscription("shards")
        await runtime.publish_message(Note("late"), TopicId("order", "a"))
        with pytest.raises(ConfigError, match="no subscription with the id 'shards'"):
            await runtime.remove_subscription("shards")

    assert sorted(got) == ["keeper/shard-0 bb", "keeper/shard-1 a"]


async def test_agent_that_several_subscriptions_name_gets_a_message_once() -> None:
    got: list[str] = []
    async with LocalRuntime() as runtime:
        await Keeper.register(runtime, "keeper", lambda: Keeper(got))
        for subscription in (
            TypeSubscription("a:b", "keeper"),
            TypePrefixSubscription("a", "keeper"),
            TypePrefixSubscription("a:", "keeper"),
        ):
            await runtime.add_subscription(subscription)
        await runtime.publish_message(Note("x"), TopicId("a:b", "k"))

    assert got == ["keeper/k x"]


async def test_subclass_that_matches_alike_is_equal_and_one_that_does_not_is_asked() -> None:
    class Alike(TypeSubscription):
        pass

    class Loosely(TypePrefixSubscription):
        def is_match(self, topic_id: TopicId) -> bool:
            return topic_id.type.lower().startswith(self.topic_type_prefix)

        def map_to_agent(self, topic_id: TopicId) -> AgentId:
            return AgentId(self.agent_type, topic_id.source)

    got: list[str] = []
    async with LocalRuntime() as runtime:
        await Keeper.register(runtime, "keeper", lambda: Keeper(got))
        await runtime.add_subscription(TypeSubscription("news", "keeper"))
        with pytest.raises(ConfigError, match="already exists"):
            await runtime.add_subscription(Alike("news", "keeper"))
        await runtime.add_subscription(Loosely("news", "keeper", "loosely"))
        await runtime.publish_message(Note("loud"), TopicId("NEWS-FLASH", "s"))
        await runtime.stop_when_idle()

        runtime.start()
        await runtime.remove_subscription("loosely")
        await runtime.publish_message(Note("not heard"), TopicId("NEWS-FLASH", "s"))
        await runtime.publish_message(Note("heard"), TopicId("news", "s"))

    assert got == ["keeper/s loud", "keeper/s heard"]
