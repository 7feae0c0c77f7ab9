"""Tools that are listed and called by name."""

import asyncio

from autogen_core import CancellationToken
from autogen_core.tools import (
    BaseStreamTool,
    BaseToolWithState,
    FunctionTool,
    StaticStreamWorkbench,
    StaticWorkbench,
    TextResultContent,
    ToolOverride,
    ToolResult,
    Workbench,
)
from pydantic import BaseModel


def double(x: int) -> int:
    return x * 2


def fails(x: int) -> int:
    raise ValueError(f"no {x}")


class Args(BaseModel):
    n: int


class Memory(BaseModel):
    last: int = 0


class Last(BaseToolWithState[Args, int, Memory]):
    component_provider_override = "__main__.Last"

    def __init__(self):
        super().__init__(Args, int, Memory, "last", "Remember.")
        self.memory = Memory()

    async def run(self, args, cancellation_token):
        self.memory = Memory(last=args.n)
        return args.n

    def save_state(self):
        return self.memory

    def load_state(self, state):
        self.memory = state


class Steps(BaseStreamTool[Args, str, int]):
    def __init__(self):
        super().__init__(Args, int, "steps", "Go in steps.")

    async def run(self, args, cancellation_token):
        return args.n

    async def run_stream(self, args, cancellation_token):
        for n in range(args.n):
            yield f"step {n}"
        yield args.n


async def main():
    last = Last()
    override = {
        "double": ToolOverride(name="twice", description="Twice as much."),
        "fails": ToolOverride(description="No."),
    }
    bench = StaticWorkbench([FunctionTool(double, "Double."), FunctionTool(fails, "Fail."), last], override)
    print(isinstance(bench, Workbench))
    async with bench as entered:
        print(entered is bench)
        for tool in await bench.list_tools():
            print(tool["name"], "|", tool["description"], "|", list(tool["parameters"]["properties"]))
        print(await bench.call_tool("twice", {"x": 4}))
        print(await bench.call_tool("double", {"x": 5}, CancellationToken(), call_id="c"))
        print(await bench.call_tool("fails", {"x": 1}))
        print(await bench.call_tool("nothing", {}))
        wrong = await bench.call_tool("double", {"x": "?"})
        print(wrong.is_error, "1 validation error" in wrong.to_text())
        print((await bench.call_tool("double")).is_error)
        await bench.call_tool("last", {"n": 7})
        state = await bench.save_state()
        print(state)
        state["tools"]["last"] = {"last": 99}
        await bench.load_state(state)
        print(last.memory)
        await bench.reset()

    for names in [{"double": "fails"}, {"double": "same", "fails": "same"}]:
        try:
            StaticWorkbench(
                [FunctionTool(double, "x"), FunctionTool(fails, "x")],
                {tool: ToolOverride(name=name) for tool, name in names.items()},
            )
        except ValueError as error:
            print("conflicts with existing tool name" in str(error), "is used by multiple tools" in str(error))

    streaming = StaticStreamWorkbench([Steps(), FunctionTool(double, "Double.")])
    for name, args in [("steps", {"n": 2}), ("double", {"x": 1}), ("nothing", {})]:
        print([item async for item in streaming.call_tool_stream(name, args)])

    result = ToolResult(name="t", result=[TextResultContent(content="a"), TextResultContent(content="b")])
    print(result.to_text(), result.model_dump())

    slow = asyncio.Event()

    async def waits() -> str:
        await slow.wait()
        return "never"

    token = CancellationToken()
    call = asyncio.ensure_future(StaticWorkbench([FunctionTool(waits, "Wait.")]).call_tool("waits", {}, token))
    await asyncio.sleep(0.01)
    token.cancel()
    try:
        print(await call)
    except asyncio.CancelledError:
        print("cancelled")


asyncio.run(main())
