"""The agent that runs code; what it tells in words of its own is left out."""

import asyncio
import re

from autogen_agentchat.agents import ApprovalRequest, ApprovalResponse, CodeExecutorAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import HandoffMessage, StopMessage, TextMessage
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.model_context import UnboundedChatCompletionContext
from scenes import model, refused, show, thinks

CODE = "so\n```python\nprint(1)\n```\nand\n```sh\nls\n```\n```js\nx\n```\n```\nno language\n```"
AGAIN, ENOUGH = '{"reason": "a typo", "retry": true}', '{"reason": "hopeless", "retry": false}'


class Scripted(CodeExecutor):
    """Comes to what it was told."""

    component_type = "code_executor"

    def __init__(self, *results: tuple[int, str]) -> None:
        self.results, self.ran = list(results), []

    async def execute_code_blocks(self, code_blocks, cancellation_token):
        self.ran.append([(block.language, block.code) for block in code_blocks])
        return CodeResult(*self.results.pop(0))

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def restart(self) -> None: ...


def same(item):
    """Leave out what is said in words of one's own, and tokens, which are counted by words."""
    if isinstance(item, TaskResult):
        return item
    data = item.model_copy()
    data.models_usage = None
    if hasattr(data, "full_message_id"):  # AutoGen's has none here
        data.full_message_id = None
    for name in ("content", "result"):
        value = getattr(data, name, None)
        if isinstance(value, str) and (re.search("rror|no code|No code|nothing|no output|Reason", value)):
            setattr(data, name, "(words)")
        elif isinstance(value, CodeResult) and (value.exit_code or not value.output):
            setattr(data, name, CodeResult(value.exit_code, "(words)"))
    return data


async def run(title, results, *tasks, **options) -> None:
    print("##", title)
    executor = Scripted(*results)
    agent = CodeExecutorAgent("coder", executor, **options)
    for task in tasks:
        async for item in agent.run_stream(task=task):
            show(same(item))
    print(executor.ran)
    print(dict(await agent.save_state()))
    await agent.on_reset(None)
    if "max_retries_on_error" not in options:  # AutoGen tells the task again
        print([type(m).__name__ for m in await agent.model_context.get_messages()])


async def main() -> None:
    await run("output", [(0, "out\n")], CODE)
    await run("no output", [(0, " ")], CODE)
    await run("failure", [(3, "bad")], CODE)
    await run("no code", [], "nothing to run", StopMessage(content=CODE, source="user"))
    two = [TextMessage(content=CODE, source="q"), TextMessage(content=CODE, source="w")]
    await run("sources and languages", [(0, "o")], two, sources=["w"], supported_languages=["JS", "Python"])

    approved: list[tuple[str, int]] = []

    def approve(request: ApprovalRequest) -> ApprovalResponse:
        approved.append((request.code, len(request.context)))
        return ApprovalResponse(approved=True, reason="fine")

    async def refuse(request: ApprovalRequest) -> ApprovalResponse:
        return ApprovalResponse(approved=False, reason="never")

    await run("approved", [(0, "o")], CODE, approval_func=approve)
    print(approved)
    await run("refused", [], CODE, approval_func=refuse)
    for title, answers, results, options in (
        ("the model needs no code", ["just words"], [], {}),
        ("the model writes code", [CODE, "final"], [(0, "o")], {"description": "Codes."}),
        ("its code fails", [CODE, "final"], [(1, "bad")], {}),
        ("it does not try again", [CODE, ENOUGH, "final"], [(1, "bad")], {"max_retries_on_error": 2}),
        ("it tries again", [CODE, AGAIN, CODE, "final"], [(1, "bad"), (0, "o")], {"max_retries_on_error": 2}),
        ("in vain", [CODE, AGAIN, CODE, "final"], [(1, "bad"), (1, "bad")], {"max_retries_on_error": 1}),
        ("thoughts", [thinks(CODE, "hm"), thinks("final", "well")], [(0, "o")], {}),
        ("streamed", ["one two"], [], {"model_client_stream": True}),
    ):
        client = model(*answers)
        options = {"system_message": "S", "model_context": UnboundedChatCompletionContext(), **options}
        over = HandoffMessage(content="yours", source="user", target="coder")
        await run(title, results, over, model_client=client, **options)
        if "max_retries_on_error" not in options:
            print(len(client.create_calls))
    agent = CodeExecutorAgent("coder", Scripted())
    print([kind.__name__ for kind in agent.produced_message_types], CodeExecutorAgent.DEFAULT_SUPPORTED_LANGUAGES)
    found = await agent.extract_code_blocks_from_messages([TextMessage(content=CODE, source="u")])
    print(found == [CodeBlock("print(1)\n", "python"), CodeBlock("ls\n", "sh")])
    no_structure = model(structured_output=False)
    refused(lambda: CodeExecutorAgent("coder", Scripted(), model_client=no_structure, max_retries_on_error=1))
    refused(lambda: CodeExecutorAgent("coder", Scripted(), approval_func=approve).dump_component())


asyncio.run(main())
