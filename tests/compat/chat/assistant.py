"""An assistant by itself: events, their order, what its model is asked, its state."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.messages import MultiModalMessage, TextMessage
from autogen_core import Image
from autogen_core.memory import ListMemory, MemoryContent
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_core.models import ModelInfo, UserMessage
from autogen_core.tools import FunctionTool, StaticStreamWorkbench, StaticWorkbench
from autogen_ext.models.replay import ReplayChatCompletionClient
from PIL import Image as PillowImage
from pydantic import BaseModel
from scenes import ABLE, add, asked, calls, fail, model, refused, state, stream, tell, thinks

SUM = ("add", '{"a": 1, "b": 2}')


class Answer(BaseModel):
    n: int


async def play(title, client, *tasks, **options) -> None:
    print("##", title)
    options.setdefault("system_message", "Be brief.")
    agent = AssistantAgent("solver", client, **options)
    await stream(agent, *tasks)
    asked(client)
    await state(agent)


async def main() -> None:
    await play("text", model("one two", "three"), "go", "more")
    await play("no system message", model("one two"), "go", system_message=None)
    await play("thought", model(thinks("hi", "hm")), "go")
    await play("streamed", model("one two three", "four"), "go", None, model_client_stream=True, metadata={"k": "v"})
    await play("streamed thought", model(thinks("hi", "hm")), "go", model_client_stream=True)
    await play("tools", model(calls(SUM, SUM, thought="adding")), "go", tools=[add])
    await play(
        "wrong calls",
        model(calls(("add", '{"a": 1'), ("nope", "{}"), ("fail", '{"why": "so"}'), ("add", "[]"), SUM)),
        "go",
        tools=[add, fail],
    )
    await play("reflection", model(calls(SUM), thinks("three", "sure")), "go", tools=[add], reflect_on_tool_use=True)
    await play(
        "streamed reflection",
        model(calls(SUM, thought="t"), "it is three"),
        "go",
        tools=[add],
        reflect_on_tool_use=True,
        model_client_stream=True,
    )
    await play("iterations", model(calls(SUM), calls(SUM), calls(SUM)), "go", tools=[add], max_tool_iterations=2)
    await play("iterations end early", model(calls(SUM), "done"), "go", tools=[add], max_tool_iterations=5)
    await play(
        "summary format",
        model(calls(SUM, ("fail", '{"why": "so"}'))),
        "go",
        tools=[add, fail],
        tool_call_summary_format="{tool_name}({arguments}) = {result} {is_error}",
    )
    await play(
        "summary function",
        model(calls(SUM)),
        "go",
        tools=[add],
        tool_call_summary_formatter=lambda call, result: f"{call.name} gave {result.content}",
    )
    await play(
        "handoffs",
        model(calls(SUM, ("transfer_to_ann", "{}"), ("pass_on", "{}"), thought="over")),
        "go",
        tools=[add],
        handoffs=["ann", Handoff(target="bob", name="pass_on", description="To Bob.", message="Bob now.")],
    )
    await play(
        "handoff with a thought", model(calls(("transfer_to_ann", "{}"), thought="only")), "go", handoffs=["ann"]
    )
    await play("handoff alone", model(calls(("transfer_to_ann", "{}"))), "go", handoffs=["ann"])
    await play("structured", model('{"n": 1}'), "go", output_content_type=Answer)
    await play(
        "structured with a format",
        model('{"n": 1}', '{"n": 2}'),
        "go",
        "more",
        output_content_type=Answer,
        output_content_type_format="n is {n}",
    )
    await play("structured after tools", model(calls(SUM), '{"n": 3}'), "go", output_content_type=Answer, tools=[add])
    await play("not structured", model("no JSON"), "go", output_content_type=Answer)
    memory = ListMemory("facts")
    await memory.add(MemoryContent(content="water is wet", mime_type="text/plain"))
    print("## memory")
    agent = AssistantAgent("solver", model("x", "y"), system_message="Be brief.", memory=[memory])
    await stream(agent, "go", "more")
    await play(
        "buffered context",
        model("1", "2", "3"),
        "a",
        "b",
        "c",
        model_context=BufferedChatCompletionContext(buffer_size=2),
    )
    await play("a context that began", model("1"), "go", model_context=await begun())
    await play("workbench", model(calls(SUM)), "go", workbench=StaticWorkbench([FunctionTool(add, "Add.")]))
    await play(
        "workbenches",
        model(calls(SUM, ("fail", '{"why": "so"}'))),
        "go",
        workbench=[
            StaticStreamWorkbench([FunctionTool(add, "Add.")]),
            StaticWorkbench([FunctionTool(fail, "Fail.")]),
        ],
    )
    await play(
        "several messages", model("1"), [TextMessage(content="a", source="u"), TextMessage(content="b", source="v")]
    )
    image = Image(PillowImage.new("RGB", (2, 2)))
    await play("an image", model("seen"), MultiModalMessage(content=["look", image], source="user"))
    shown = MultiModalMessage(content=["look", image, "here"], source="user")
    print(shown.to_text(), "|", shown.to_model_text(), "|", shown.to_model_text(image_placeholder="(image)"))
    print(len(shown.to_model_message().content))
    await play("no more answers", model(), "go")

    print("## an answer without the task")
    agent = AssistantAgent("solver", model("1", "2"), system_message="Be brief.")
    result = await agent.run(task="go", output_task_messages=False)
    tell([m.dump() for m in result.messages], result.stop_reason)
    print([kind.__name__ for kind in agent.produced_message_types], agent.name, agent.description)
    print("## state moved to another")
    other = AssistantAgent("solver", model("3"), system_message="Be brief.")
    await other.load_state(await agent.save_state())
    await stream(other, "again")
    await state(other)
    await other.on_reset(None)
    await state(other)
    print(len(await agent.model_context.get_messages()))

    print("## what cannot be made")
    for options in (
        {"tools": [1]},
        {"tools": [add, add]},
        {"handoffs": ["b", "b"]},
        {"handoffs": [3]},
        {"tools": [add], "handoffs": [Handoff(target="q", name="add")]},
        {"memory": ListMemory("x")},
        {"max_tool_iterations": 0},
        {"tools": [add], "workbench": StaticWorkbench([])},
        {"tools": [add]},
    ):
        refused(lambda options=options: AssistantAgent("a", model(), **options))
    no_tools = ModelInfo(**{**ABLE, "function_calling": False})
    refused(lambda: AssistantAgent("a", ReplayChatCompletionClient([], no_tools), tools=[add]))
    refused(lambda: AssistantAgent("a b", model()))
    for task in ([], ["x"]):
        await stream(AssistantAgent("a", model("x")), task)


async def begun():
    context = BufferedChatCompletionContext(buffer_size=5)
    await context.add_message(UserMessage(content="earlier", source="ann"))
    return context


asyncio.run(main())
