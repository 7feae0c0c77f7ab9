"""Subscriptions by type and by prefix."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    AgentType,
    BaseAgent,
    DefaultSubscription,
    SingleThreadedAgentRuntime,
    Subscription,
    SubscriptionInstantiationContext,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
)
from autogen_core.exceptions import CantHandleException


@dataclass
class Note:
    text: str


class Listener(BaseAgent):
    def __init__(self):
        super().__init__("listens")

    async def on_message_impl(self, message, ctx):
        print(f"  {self.id} heard {message.text}")


class OnlyLoud:
    """Anything with this shape is a subscription."""

    id = "only-loud"

    def is_match(self, topic_id):
        return topic_id.type.isupper()

    def map_to_agent(self, topic_id):
        return AgentId("listener", "loud")

    def __eq__(self, other):
        return isinstance(other, OnlyLoud)


one = TypeSubscription("a", "x")
print(one.topic_type, one.agent_type, one.is_match(TopicId("a", "s")), one.is_match(TopicId("ab", "s")))
print(one.map_to_agent(TopicId("a", "s")), isinstance(one, Subscription), len(one.id))
print(one == TypeSubscription("a", AgentType("x")), one == TypeSubscription("b", "x"))
print(one == TypeSubscription("b", "y", id=one.id), TypeSubscription("a", "x", id="mine").id)
prefix = TypePrefixSubscription("a:", "x")
print(
    prefix.topic_type_prefix,
    prefix.agent_type,
    prefix.is_match(TopicId("a:b", "s")),
    prefix.is_match(TopicId("a", "s")),
)
print(prefix.map_to_agent(TopicId("a:b", "s")), prefix == TypePrefixSubscription("a:", "x"), prefix == one)
for subscription in [one, prefix]:
    try:
        subscription.map_to_agent(TopicId("zzz", "s"))
    except CantHandleException:
        print("CantHandleException")
try:
    DefaultSubscription()
except CantHandleException:
    print("CantHandleException")
print(DefaultSubscription(agent_type="x").topic_type, isinstance(DefaultSubscription("t", "x"), TypeSubscription))
with SubscriptionInstantiationContext.populate_context(AgentType("around")):
    print(DefaultSubscription().agent_type, DefaultSubscription("t").topic_type)


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Listener.register(runtime, "listener", Listener)
    by_type = TypeSubscription("a", "listener")
    await runtime.add_subscription(by_type)
    await runtime.add_subscription(OnlyLoud())
    for again in [TypeSubscription("a", "listener"), OnlyLoud(), TypePrefixSubscription("listener:", "listener")]:
        try:
            await runtime.add_subscription(again)
        except ValueError:
            print("ValueError")

    async def publish(topic):
        print(topic)
        runtime.start()
        await runtime.publish_message(Note("it"), topic)
        await runtime.stop_when_idle()

    await publish(TopicId("a", "s1"))
    await publish(TopicId("a", "s2"))
    await publish(TopicId("LOUD", "s"))
    await publish(TopicId("listener:direct", "s3"))
    await publish(TopicId("nobody", "s"))
    await runtime.remove_subscription(by_type.id)
    await publish(TopicId("a", "s1"))
    try:
        await runtime.remove_subscription(by_type.id)
    except ValueError:
        print("ValueError")


asyncio.run(main())
