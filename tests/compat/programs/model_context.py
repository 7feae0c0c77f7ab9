"""What of a conversation a model is shown."""

import asyncio

from autogen_core import FunctionCall
from autogen_core.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    HeadAndTailChatCompletionContext,
    UnboundedChatCompletionContext,
)
from autogen_core.models import AssistantMessage, FunctionExecutionResult, FunctionExecutionResultMessage, UserMessage

CALL = AssistantMessage(content=[FunctionCall("1", "{}", "f")], source="a")
RESULT = FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="r", name="f", call_id="1")])


def said(text):
    return UserMessage(content=text, source="u")


def shown(messages):
    short = {CALL.type: "say", RESULT.type: "result", "UserMessage": "user"}
    return [m.content if isinstance(m.content, str) else short[m.type] for m in messages]


async def main():
    talk = [said("1"), said("2"), CALL, RESULT, said("5"), said("6")]
    for size in range(1, 7):
        context = BufferedChatCompletionContext(size, initial_messages=talk)
        print("last", size, shown(await context.get_messages()))
    for head, tail in [(1, 1), (1, 3), (3, 1), (2, 2), (3, 3), (9, 9)]:
        context = HeadAndTailChatCompletionContext(head, tail, initial_messages=talk)
        print("head", head, "tail", tail, shown(await context.get_messages()))
    for make in [
        lambda: BufferedChatCompletionContext(0),
        lambda: HeadAndTailChatCompletionContext(0, 1),
        lambda: HeadAndTailChatCompletionContext(1, -1),
    ]:
        try:
            make()
        except ValueError:
            print("ValueError")

    context = UnboundedChatCompletionContext([said("first")])
    await context.add_message(said("second"))
    state = await context.save_state()
    print(state)
    other = UnboundedChatCompletionContext()
    await other.load_state(state)
    print(shown(await other.get_messages()), [type(m).__name__ for m in await other.get_messages()])
    print(context.dump_component().config)
    await context.clear()
    print(await context.get_messages())
    got = await other.get_messages()
    got.clear()

    for made in [
        UnboundedChatCompletionContext(),
        BufferedChatCompletionContext(3),
        HeadAndTailChatCompletionContext(2, 4),
    ]:
        data = made.dump_component()
        print(data.provider, data.component_type, data.version, data.label, data.config)
        print(type(ChatCompletionContext.load_component(data)) is type(made))
    again = UnboundedChatCompletionContext.load_component(
        UnboundedChatCompletionContext([said("kept")]).dump_component()
    )
    print(shown(await again.get_messages()))


asyncio.run(main())
