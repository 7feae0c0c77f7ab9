"""Teams: who speaks, what they hear, when it stops, what is saved."""

import asyncio
from typing import Literal

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
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
from autogen_agentchat.messages import BaseTextChatMessage, HandoffMessage, StopMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from autogen_core.model_context import BufferedChatCompletionContext
from scenes import Echo, Passes, add, asked, calls, model, numbers, refused, state, stream

SUM = ("add", '{"a": 1, "b": 2}')


begun = asyncio.Event()


class Waits(Echo):
    """Waits until its token is cancelled."""

    async def on_messages(self, messages, cancellation_token):
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        cancellation_token.link_future(waiting)
        begun.set()
        await waiting


def pair(**options):
    return RoundRobinGroupChat([Echo("ann"), Echo("bob")], **options)


async def conditions() -> None:
    print("## conditions in a team")
    for condition in (
        MaxMessageTermination(3),
        MaxMessageTermination(4, include_agent_event=True),
        TextMentionTermination("go"),
        TextMentionTermination("x<", sources=["bob"]),
        TextMentionTermination("thought"),
        SourceMatchTermination(["bob"]),
        TextMessageTermination(),
        TextMessageTermination("bob"),
        TimeoutTermination(0),
        StopMessageTermination() | MaxMessageTermination(3),
        MaxMessageTermination(2) & TextMentionTermination("bob:"),
        (MaxMessageTermination(2) & SourceMatchTermination(["bob"])) | TextMentionTermination("nothing"),
        FunctionalTermination(lambda new: len(new) == 2) | MaxMessageTermination(9),
        FunctionalTermination(lambda new: False) & MaxMessageTermination(2) | MaxMessageTermination(5),
    ):
        print("#", type(condition).__name__)
        await stream(pair(termination_condition=condition, max_turns=8), "go", "again")
    print("# tokens")
    for limits in ((30, None, None), (None, 20, None), (None, None, 3)):
        agents = [AssistantAgent(name, model("a b", "c d", "e f"), system_message="Be brief.") for name in ("p", "q")]
        await stream(
            RoundRobinGroupChat(agents, termination_condition=TokenUsageTermination(*limits), max_turns=5), "go"
        )
    print("# function call")
    agent = AssistantAgent("p", model("no", calls(SUM), "no"), tools=[add], system_message=None)
    await stream(RoundRobinGroupChat([agent], termination_condition=FunctionCallTermination("add")), "go")
    print("# stop message")
    stops = RoundRobinGroupChat([Echo("ann", kind=StopMessage)], termination_condition=StopMessageTermination())
    await stream(stops, "go")
    print("# external")
    external = ExternalTermination()
    team = pair(termination_condition=external, max_turns=2)
    external.set()
    await stream(team, "go", "go")
    async for item in team.run_stream(task="more"):
        if not isinstance(item, TaskResult) and item.source == "ann":
            external.set()
        if isinstance(item, TaskResult):
            print(item.stop_reason in {"External termination requested", "Maximum number of turns 2 reached."})
    print("# one that was there already")
    used = MaxMessageTermination(1)
    await used([TextMessage(content="q", source="u")])
    await stream(pair(termination_condition=used, max_turns=1), "go", "go")


async def round_robin() -> None:
    print("## round robin")
    team = pair(termination_condition=MaxMessageTermination(4))
    await stream(team, "go", None, "more")
    await state(team)
    print("# turns")
    team = pair(max_turns=1, name="duo", description="Two.")
    print(team.name, team.description)
    await stream(team, "go", None)
    await state(team)
    await team.reset()
    await state(team)
    await stream(team, "go")
    print("# several messages, not told again")
    several = [TextMessage(content="1", source="u"), StopMessage(content="2", source="v")]
    await stream(pair(max_turns=1), several, output_task_messages=False)
    print("# team events")
    await stream(pair(max_turns=3, emit_team_events=True), "go")
    print("# assistants")
    tools = AssistantAgent("doer", model(calls(SUM, thought="t"), "two"), tools=[add], system_message="Add.")
    team = RoundRobinGroupChat(
        [AssistantAgent("teller", model("hello", "bye"), system_message="Tell."), tools], max_turns=3
    )
    await stream(team, "go")
    await state(team)
    print("# streaming")
    teller = AssistantAgent("teller", model("one two", "three"), model_client_stream=True)
    await stream(RoundRobinGroupChat([teller, Echo("ann")], max_turns=3), "go")
    print("# saved and loaded")
    team = pair(max_turns=1)
    await stream(team, "go")
    saved = await team.save_state()
    other = pair(max_turns=1)
    await other.load_state(saved)
    await stream(other, None, "q")
    await state(other)
    for wrong in ({}, {"agent_states": {"ann": {}}}):
        try:
            await other.load_state(wrong)
        except ValueError:
            print("refused")


async def selector() -> None:
    print("## selector")
    for answers, options in (
        (["bob", "ann", "bob", "cy_d"], {"max_turns": 4}),
        (["say ann", "it is cy d", r"cy\_d", "ann"], {"max_turns": 3, "allow_repeated_speaker": True}),
        (["nobody", "ann", "ann and bob", "bob"], {"max_turns": 2}),
        (["bob", "ann"], {"max_turns": 2, "emit_team_events": True}),
        (["it is bob", "ann"], {"max_turns": 2, "emit_team_events": True, "model_client_streaming": True}),
        (["bob", "ann"], {"max_turns": 2, "name": "N", "description": "D", "max_selector_attempts": 1}),
    ):
        client = model(*answers)
        team = SelectorGroupChat([Echo("ann"), Echo("bob"), Echo("cy_d")], client, **options)
        await stream(team, "go")
        await state(team)
    print("# what the model is asked")
    for family in ("unknown", "gpt-4o"):
        client = model("bob", "ann", family=family)
        team = SelectorGroupChat(
            [Echo("ann"), Echo("bob")],
            client,
            max_turns=2,
            selector_prompt="{roles}|{participants}|{history}",
            allow_repeated_speaker=True,
        )
        await stream(team, "go")
        asked(client)
    print("# with a context")
    client = model("bob", "ann", "bob")
    team = SelectorGroupChat(
        [Echo("ann"), Echo("bob")],
        client,
        max_turns=3,
        selector_prompt="{history}",
        allow_repeated_speaker=True,
        model_context=BufferedChatCompletionContext(buffer_size=1),
    )
    await stream(team, "go")
    asked(client)
    print("# functions")
    seen: list[list[str]] = []

    def choose(messages):
        seen.append([type(m).__name__ for m in messages])
        return "cy" if len(messages) < 3 else None

    async def candidates(messages):
        return ["ann", "bob"]

    members = [Echo("ann"), Echo("bob"), Echo("cy")]
    client = model("bob", "ann")
    team = SelectorGroupChat(members, client, max_turns=4, selector_func=choose, candidate_func=candidates)
    await stream(team, "go")
    print(seen)
    repeats = model("ann", "ann", "bob")
    both = {"max_turns": 2, "candidate_func": lambda messages: ["ann", "bob"]}
    await stream(SelectorGroupChat([Echo("ann"), Echo("bob")], repeats, **both), "go")
    print(len(repeats.create_calls))
    one = SelectorGroupChat([Echo("ann"), Echo("bob")], model(), max_turns=2, candidate_func=lambda messages: ["bob"])
    await stream(one, "go")
    for options in (
        {"selector_func": lambda messages: "zoe"},
        {"candidate_func": lambda messages: []},
        {"candidate_func": lambda messages: ["zoe"]},
    ):
        team = SelectorGroupChat([Echo("ann"), Echo("bob")], model(), max_turns=2, **options)
        try:
            await team.run(task="go")
        except ValueError:
            print("refused")


async def swarm() -> None:
    print("## swarm")
    team = Swarm(
        [Passes("ann", [("bob",)]), Echo("bob", ["x", ("user",)])], termination_condition=HandoffTermination("user")
    )
    await stream(team, "go")
    await state(team)
    await stream(team, None, HandoffMessage(content="back", source="user", target="bob"))
    await stream(team, HandoffMessage(content="back", source="user", target="zoe"))
    await state(team)
    print("# with assistants")
    ann = AssistantAgent(
        "ann",
        model(calls(SUM, ("transfer_to_bob", "{}"), thought="over"), "ann again"),
        tools=[add],
        handoffs=["bob"],
        system_message=None,
    )
    bob = AssistantAgent(
        "bob", model("from bob", calls(("transfer_to_ann", "{}"))), handoffs=["ann"], system_message=None
    )
    team = Swarm([ann, bob], max_turns=4, emit_team_events=True)
    await stream(team, "go")
    await state(team)
    other = Swarm([Passes("ann", [("bob",)]), Echo("bob")], max_turns=1)
    again = Swarm([Passes("ann", [("bob",)]), Echo("bob")], max_turns=2)
    await stream(other, "go")
    await again.load_state(await other.save_state())
    await stream(again, "go")
    await state(again)


async def nested() -> None:
    print("## a team in a team")
    inner = RoundRobinGroupChat([Echo("x"), Echo("y")], max_turns=2, name="inner")
    team = RoundRobinGroupChat([inner, Echo("z")], max_turns=3)
    await stream(team, "go", "more")
    team = SelectorGroupChat(
        [RoundRobinGroupChat([Echo("x")], max_turns=1, name="inner"), Echo("z")], model("inner", "z"), max_turns=2
    )
    await stream(team, "go")


async def trouble() -> None:
    print("## trouble")
    await stream(RoundRobinGroupChat([Echo("ann", [ValueError("bad")])], max_turns=2), "go", "again")
    await stream(RoundRobinGroupChat([AssistantAgent("ann", model())], max_turns=2), "go")
    await stream(pair(max_turns=0), "go")
    for make in (
        lambda: RoundRobinGroupChat([]),
        lambda: RoundRobinGroupChat([Echo("a"), Echo("a")]),
        lambda: SelectorGroupChat([Echo("a")], model()),
        lambda: Swarm([Echo("a")]),
        lambda: Swarm([RoundRobinGroupChat([Echo("a")])]),
        lambda: TokenUsageTermination(),
    ):
        refused(make)
    for task in ([], ["x"], 5):
        await stream(pair(max_turns=1), task)
    team = pair(max_turns=2)
    for name in ("pause", "resume"):
        try:
            await getattr(team, name)()
        except RuntimeError:
            print("refused")
    token = CancellationToken()
    token.cancel()
    try:
        await pair(max_turns=2).run(task="go", cancellation_token=token)
    except asyncio.CancelledError:
        print("cancelled")
    for of in (Waits("ann"), RoundRobinGroupChat([Waits("ann")], max_turns=2)):
        token = CancellationToken()
        begun.clear()
        running = asyncio.create_task(of.run(task="go", cancellation_token=token))
        await begun.wait()
        token.cancel()
        try:
            print(await running)
        except asyncio.CancelledError:
            print("cancelled in its turn")
    running = team.run_stream(task="go")
    await anext(running)
    await stream(team, "at the same time")
    try:
        await team.reset()
    except RuntimeError:
        print("refused")
    async for _ in running:
        pass


async def on_a_runtime() -> None:
    print("## on a runtime")
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    await stream(pair(max_turns=2, runtime=runtime), "go", None)
    await stream(Swarm([Passes("ann", [("bob",)]), Echo("bob")], max_turns=2, runtime=runtime), "go")
    choosing = SelectorGroupChat([Echo("ann"), Echo("bob")], model("bob", "ann"), max_turns=2, runtime=runtime)
    await stream(choosing, "go")
    await runtime.stop_when_idle()


class Note(BaseTextChatMessage):
    """A type of this program's own."""

    type: Literal["Note"] = "Note"


async def own_types() -> None:
    print("## types of messages")
    known = {"max_turns": 2, "custom_message_types": [Note]}
    members = [Echo("ann", kind=Note), Echo("bob")]
    await stream(RoundRobinGroupChat(members, **known), "go", Note(content="n", source="user"))
    await stream(SelectorGroupChat(members, model("ann", "bob"), **known), "go")
    await stream(Swarm([Passes("ann", [("bob",)]), Echo("bob", kind=Note)], **known), "go")


async def main() -> None:
    for part in (round_robin, conditions, selector, swarm, nested, trouble, on_a_runtime, own_types):
        numbers.clear()
        await part()


asyncio.run(main())
