"""The runtime beside a model of it that fits on a page: same deliveries, whatever is registered, sent and removed."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from quorate.core import (
    AgentId,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    Subscription,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    message_handler,
)
from quorate.errors import ConfigError, Undeliverable

TYPES = ["a", "b", "c"]
TOPICS = ["t", "t:x", "u"]
PREFIXES = ["", "t", "t:", "u"]
KEYS = ["k", "l"]

register = st.tuples(st.just("register"), st.sampled_from(TYPES))
subscribe = st.tuples(st.just("type"), st.sampled_from(TOPICS), st.sampled_from(TYPES))
prefix = st.tuples(st.just("prefix"), st.sampled_from(PREFIXES), st.sampled_from(TYPES))
custom = st.tuples(st.just("custom"), st.sampled_from(KEYS), st.sampled_from(TYPES))
unsubscribe = st.tuples(st.just("unsubscribe"), st.integers(0, 8))
senders = st.none() | st.tuples(st.sampled_from(TYPES), st.sampled_from(KEYS))
publish = st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from(KEYS), senders)
kinds = st.sampled_from(["ok", "fail", "wait"])
send = st.tuples(
    st.just("send"), st.sampled_from(TYPES), st.sampled_from(KEYS), st.sampled_from(["ok", "fail", "wait"])
)
remove = st.tuples(st.just("remove"), st.sampled_from(TYPES), st.sampled_from(KEYS))
operations = st.lists(
    st.one_of(register, subscribe, prefix, custom, unsubscribe, publish, publish, send, remove), max_size=40
)


@dataclass
class Message:
    number: int
    kind: str = "ok"


class Everything:
    """A subscription of one source, whatever the topic type: not one that the runtime knows."""

    def __init__(self, source: str, agent_type: str, id: str) -> None:
        self.source, self.agent_type, self.id = source, agent_type, id

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.source == self.source

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        return AgentId(self.agent_type, "custom")


class Recorder(RoutedAgent):
    def __init__(self, log: dict[str, list[int]]) -> None:
        super().__init__("writes down what it gets")
        self.log = log

    @message_handler
    async def on_message_of_test(self, message: Message, ctx: MessageContext) -> int | None:
        self.log[str(self.id)].append(message.number)
        if message.kind == "fail":
            raise ArithmeticError(message.number)
        if message.kind == "wait" or message.number % 3 == 0:
            await asyncio.sleep(0)
        return message.number if ctx.is_rpc else None


@dataclass
class Model:
    """What should happen, in the plainest way."""

    types: set[str] = field(default_factory=set)
    subscriptions: list[tuple[str, str, str, str]] = field(default_factory=list)  # kind, what, agent type, id
    log: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def publish(self, topic: str, source: str, sender: str | None, number: int) -> None:
        got: list[str] = []
        for kind, what, agent_type, _ in self.subscriptions:
            matches = {"type": topic == what, "prefix": topic.startswith(what), "custom": source == what}[kind]
            id = f"{agent_type}/{'custom' if kind == 'custom' else source}"
            if matches and agent_type in self.types and id != sender and id not in got:
                got.append(id)
        for id in got:
            self.log[id].append(number)

    def subscribe(self, kind: str, what: str, agent_type: str, id: str) -> bool:
        same = kind != "custom" and any(one[:3] == (kind, what, agent_type) for one in self.subscriptions)
        if not same:
            self.subscriptions.append((kind, what, agent_type, id))
        return not same


def subscription(kind: str, what: str, agent_type: str, id: str) -> Subscription:
    make: Any = {"type": TypeSubscription, "prefix": TypePrefixSubscription, "custom": Everything}[kind]
    return make(what, agent_type, id)


async def apply(runtime: LocalRuntime, model: Model, log: dict[str, list[int]], steps: list[tuple[Any, ...]]) -> None:
    for number, (what, *rest) in enumerate(steps):
        match what:
            case "register":
                new = rest[0] not in model.types
                model.types.add(rest[0])
                try:
                    await runtime.register_factory(rest[0], lambda: Recorder(log))
                    assert new
                except ConfigError:
                    assert not new
            case "type" | "prefix" | "custom":
                new = model.subscribe(what, *rest, f"s{number}")
                try:
                    await runtime.add_subscription(subscription(what, *rest, f"s{number}"))
                    assert new
                except ConfigError:
                    assert not new
            case "unsubscribe":
                if model.subscriptions:
                    id = model.subscriptions.pop(rest[0] % len(model.subscriptions))[3]
                    await runtime.remove_subscription(id)
            case "publish":
                topic, source, sender = rest
                model.publish(topic, source, sender and "/".join(sender), number)
                await runtime.publish_message(
                    Message(number), TopicId(topic, source), sender=sender and AgentId(*sender)
                )
            case "send":
                kind = rest[2]
                known = rest[0] in model.types
                if known:
                    model.log[f"{rest[0]}/{rest[1]}"].append(number)
                try:
                    answer = await runtime.send_message(Message(number, kind), AgentId(rest[0], rest[1]))
                    assert known
                    assert kind != "fail"
                    assert answer == number
                except Undeliverable:
                    assert not known
                except ArithmeticError:
                    assert kind == "fail"
            case _:
                try:
                    await runtime.remove_agent(AgentId(*rest))
                    assert rest[0] in model.types
                except Undeliverable:
                    assert rest[0] not in model.types


@given(operations)
@settings(max_examples=150, deadline=None)
def test_each_agent_gets_exactly_the_messages_of_the_model_in_its_order(steps: list[tuple[Any, ...]]) -> None:
    log: dict[str, list[int]] = defaultdict(list)
    model = Model()

    async def play() -> None:
        async with LocalRuntime(queue_size=3, queue_limit=3) as runtime:
            await apply(runtime, model, log, steps)

    asyncio.run(play())

    assert {id: got for id, got in log.items() if got} == {id: got for id, got in model.log.items() if got}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=12), st.data())
@settings(max_examples=100, deadline=None)
def test_whatever_asks_whatever_and_whoever_gives_up_everything_ends_and_all_agents_are_free(
    plan: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    """Agents 0 to 3 ask each other as the plan says, many at once; some senders are cancelled on the way."""
    asks: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for asker, asked, at_once in plan:
        asks[asker].append((asked, at_once))
    cancelled = data.draw(st.lists(st.integers(0, 7), max_size=4))

    @dataclass
    class Ask:
        hops: int
        root: int

    class Asker(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("asks others")
            self.root: list[int] = []

        @message_handler
        async def on_ask(self, message: Ask, ctx: MessageContext) -> int:
            assert all(root == message.root for root in self.root), "two chains at once"
            self.root.append(message.root)
            try:
                if message.hops:
                    await self.ask_others(Ask(message.hops - 1, message.root))
                return message.hops
            finally:
                self.root.remove(message.root)

        async def ask_others(self, message: Ask) -> None:
            mine = asks[int(self.id.key)]
            for asked, at_once in mine:
                if not at_once:
                    await asyncio.sleep(0)
                    await self.send_message(message, AgentId("asker", str(asked)))
            await asyncio.gather(
                *(self.send_message(message, AgentId("asker", str(asked))) for asked, at_once in mine if at_once)
            )

    async def play() -> None:
        runtime = LocalRuntime()
        await runtime.register_factory("asker", Asker)
        runtime.start()
        tasks = [
            asyncio.create_task(runtime.send_message(Ask(2, root), AgentId("asker", str(root % 4))))
            for root in range(8)
        ]
        for victim in cancelled:
            await asyncio.sleep(0)
            tasks[victim].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for one in found:
            assert (
                one == 2
                or (isinstance(one, Undeliverable) and one.reason == "circle")
                or isinstance(one, asyncio.CancelledError)
            )
        await runtime.stop_when_idle(timeout_s=60)
        report = runtime.describe()
        assert (report.unfinished, [agent for agent in report.agents if agent.busy or agent.queued]) == (0, [])
        await runtime.close()

    asyncio.run(asyncio.wait_for(play(), 60))
