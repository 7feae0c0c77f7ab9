"""The other agents, agents and teams as tools, and the console."""

import asyncio

from autogen_agentchat.agents import (
    AssistantAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.messages import HandoffMessage, StopMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_agentchat.ui import Console, UserInputManager
from autogen_core import CancellationToken
from autogen_core.model_context import UnboundedChatCompletionContext
from scenes import Echo, asked, calls, family, model, refused, state, stream, tell


async def user() -> None:
    print("## user")
    sync = UserProxyAgent("ann", description="Ann herself.", input_func=lambda prompt: f"[{prompt}]")
    print(sync.name, sync.description, [kind.__name__ for kind in sync.produced_message_types])
    await stream(sync, "go", HandoffMessage(content="yours", source="bob", target="ann"))
    try:
        await sync.run(task=HandoffMessage(content="yours", source="bob", target="zoe"))
    except RuntimeError:
        print("refused")
    await state(sync)

    async def typed(prompt: str, token: CancellationToken | None) -> str:
        return f"{prompt}{len(UserProxyAgent.InputRequestContext.request_id()) > 5}"

    async def broken(prompt: str, token: CancellationToken | None) -> str:
        raise ValueError("no keyboard")

    await stream(UserProxyAgent("ann", input_func=typed), "go", None)
    await stream(UserProxyAgent("ann", input_func=broken), "go")
    refused(UserProxyAgent.InputRequestContext.request_id)
    refused(UserProxyAgent.InputRequestContext)
    answers = iter(["first", "second"])
    team = RoundRobinGroupChat(
        [UserProxyAgent("ann", input_func=lambda prompt: next(answers)), Echo("bob")], max_turns=3
    )
    await stream(team, "go")
    await state(team)


def said(source: str, text: str) -> TextMessage:
    return TextMessage(content=text, source=source)


async def filtered() -> None:
    print("## filter")
    new = [said("a", "1"), said("b", "2"), said("a", "3"), said("b", "4"), said("b", "5"), said("c", "6")]
    for per_source in (
        [("a", "first", 1), ("b", "last", 2)],
        [("b", None, None), ("a", None, 1)],
        [("a", "last", None), ("c", "first", 9)],
    ):
        rules = [PerSourceFilter(source=s, position=p, count=n) for s, p, n in per_source]
        agent = MessageFilterAgent("some", Echo("all"), MessageFilterConfig(per_source=rules))
        print(agent.description, [kind.__name__ for kind in agent.produced_message_types])
        response = await agent.on_messages(new, CancellationToken())
        print(response.chat_message.content)
        await agent.on_reset(CancellationToken())
        await state(agent)
    rules = MessageFilterConfig(
        per_source=[PerSourceFilter(source="user"), PerSourceFilter(source="x", position="last", count=1)]
    )
    client = model("one", "two")
    wrapped = MessageFilterAgent("some", AssistantAgent("inner", client, system_message=None), rules)
    await stream(RoundRobinGroupChat([Echo("x"), Echo("y"), wrapped], max_turns=6), "go")
    asked(client)


async def society() -> None:
    print("## society")
    for options in ({}, {"instruction": "I", "response_prompt": "R", "description": "D"}):
        client = model("the answer", "another")
        inner = RoundRobinGroupChat([Echo("x"), Echo("y")], max_turns=2)
        agent = SocietyOfMindAgent("all", inner, client, **options)
        print(agent.name, len(agent.description) > 0, [kind.__name__ for kind in agent.produced_message_types])
        await stream(agent, "go", [said("u", "more"), said("v", "and more")])
        if options:
            asked(client)
        await state(agent)
        await agent.on_reset(CancellationToken())
        print(len(await agent.model_context.get_messages()))
    many = model("the answer", multiple_system_messages=True)
    kept = UnboundedChatCompletionContext()
    inner = RoundRobinGroupChat([Echo("x")], max_turns=1)
    agent = SocietyOfMindAgent("all", inner, many, instruction="I", response_prompt="R", model_context=kept)
    await stream(agent, "go")
    asked(many)
    print(len(await kept.get_messages()))
    inner = RoundRobinGroupChat([Echo("x"), Echo("y")], max_turns=2)
    team = RoundRobinGroupChat([SocietyOfMindAgent("all", inner, model("one", "two")), Echo("z")], max_turns=3)
    await stream(team, "go")
    await state(team)


async def tools() -> None:
    print("## tools")
    for last in (False, True):
        inner = AssistantAgent("inner", model("in one", "in two"), description="Does it.", system_message="Do it.")
        tool = AgentTool(inner, return_value_as_last_message=last)
        tell(dict(tool.schema))
        asks = model(calls(("inner", '{"task": "do it"}')), calls(("inner", '{"task": "again"}')))
        outer = AssistantAgent("outer", asks, tools=[tool], max_tool_iterations=2, system_message=None)
        await stream(outer, "go")
        await state(outer)
        tell(dict(await tool.save_state_json()))
    for last in (False, True):
        inner = RoundRobinGroupChat([Echo("x"), Echo("y")], max_turns=2)
        tool = TeamTool(inner, "crew", "A crew.", return_value_as_last_message=last)
        tell(dict(tool.schema))
        asks = model(calls(("crew", '{"task": "do it"}')), calls(("crew", '{"task": "again"}')), "done")
        outer = AssistantAgent("outer", asks, tools=[tool], max_tool_iterations=2, system_message=None)
        await stream(RoundRobinGroupChat([outer, Echo("z")], max_turns=3), "go")


async def console() -> None:
    print("## console")
    teller = AssistantAgent("teller", model("one two", "x"), model_client_stream=True, system_message=None)
    team = RoundRobinGroupChat([teller, Echo("bob"), Echo("cy", kind=StopMessage)], max_turns=4)
    result = await Console(team.run_stream(task="go"))
    print(type(result).__name__, len(result.messages))
    doer = AssistantAgent("doer", model(calls(("nope", "{}"), thought="t")), system_message=None, tools=[nothing])
    response = await Console(doer.on_messages_stream([said("u", "q")], CancellationToken()), no_inline_images=True)
    print(type(response).__name__)
    manager = UserInputManager(lambda prompt: f"typed after {prompt}")
    asking = RoundRobinGroupChat([UserProxyAgent("ann", input_func=manager.get_wrapped_callback())], max_turns=1)
    await Console(asking.run_stream(task="go"), user_input_manager=manager)

    async def nobody():
        for item in ():
            yield item

    try:
        await Console(nobody())
    except ValueError as error:
        print(family(error))


def nothing() -> str:
    """Do nothing."""
    return ""


async def main() -> None:
    for part in (user, filtered, society, tools, console):
        await part()


asyncio.run(main())
