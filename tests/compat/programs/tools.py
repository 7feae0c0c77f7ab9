"""Tools written as classes."""

import asyncio
import json

from autogen_core import CancellationToken
from autogen_core.tools import BaseStreamTool, BaseTool, BaseToolWithState, StreamTool, Tool
from pydantic import BaseModel, ConfigDict, ValidationError


class Point(BaseModel):
    x: int
    y: int = 0


class Line(BaseModel):
    """Two points."""

    start: Point
    others: list[Point] = []
    label: str | None = None


class Length(BaseModel):
    value: float


class Measure(BaseTool[Line, Length]):
    def __init__(self, strict=False):
        super().__init__(Line, Length, "measure", "Measure a line.", strict)

    async def run(self, args: Line, cancellation_token: CancellationToken) -> Length:
        return Length(value=args.start.x + len(args.others))


class Count(BaseStreamTool[Point, int, Length]):
    def __init__(self, ends="well"):
        super().__init__(Point, Length, "count", "Count.")
        self.ends = ends

    async def run(self, args: Point, cancellation_token: CancellationToken) -> Length:
        return Length(value=0)

    async def run_stream(self, args: Point, cancellation_token: CancellationToken):
        if self.ends == "at once":
            return
        for number in range(args.x):
            yield number
        if self.ends == "well":
            yield Length(value=args.x)


class Memory(BaseModel):
    calls: int = 0


class Remembers(BaseToolWithState[Point, int, Memory]):
    def __init__(self):
        super().__init__(Point, int, Memory, "remembers", "Count calls.")
        self.calls = 0

    async def run(self, args: Point, cancellation_token: CancellationToken) -> int:
        self.calls += 1
        return self.calls

    def save_state(self) -> Memory:
        return Memory(calls=self.calls)

    def load_state(self, state: Memory) -> None:
        self.calls = state.calls


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


def schema_tool(model, strict):
    class Nothing(BaseTool[model, str]):
        async def run(self, args, cancellation_token):
            return ""

    return Nothing(model, str, "nothing", "Do nothing.", strict)


async def main():
    token = CancellationToken()
    measure = Measure()
    print(json.dumps(measure.schema, sort_keys=True))
    print(measure.name, measure.description, measure.args_type(), measure.return_type(), measure.state_type())
    print(isinstance(measure, Tool), isinstance(measure, StreamTool), isinstance(Count(), StreamTool))
    result = await measure.run_json({"start": {"x": 3}, "others": [{"x": 1}]}, token, call_id="c1")
    print(repr(result), measure.return_value_as_string(result))
    print([measure.return_value_as_string(value) for value in ["text", 5, None, {"a": 1}, [1, "b"]]])
    try:
        await measure.run_json({"start": "nowhere"}, token)
    except ValidationError:
        print("ValidationError")
    print(await measure.save_state_json())
    await measure.load_state_json({})

    print([item async for item in Count().run_json_stream({"x": 2}, token)])
    for ends, kind in [("at once", AssertionError), ("badly", TypeError)]:
        try:
            print([item async for item in Count(ends).run_json_stream({"x": 2}, token)])
        except kind:
            print(kind.__name__)

    remembers = Remembers()
    await remembers.run_json({"x": 1}, token)
    print(await remembers.save_state_json())
    await remembers.load_state_json({"calls": 41})
    print(await remembers.run_json({"x": 1}, token))

    for model in [Exact, Open, Point]:
        for strict in [False, True]:
            try:
                print(json.dumps(schema_tool(model, strict).schema, sort_keys=True))
            except ValueError:
                print(model.__name__, "ValueError")


asyncio.run(main())
