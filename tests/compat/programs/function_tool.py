"""Tools made of functions."""

import asyncio
import functools
import json
import threading
from typing import Annotated, Literal

from autogen_core import CancellationToken
from autogen_core.tools import FunctionTool
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    zip: int = 0


def weather(
    place: Place,
    unit: Annotated[Literal["C", "F"], "the unit of temperature"] = "C",
    days: int | None = None,
    *,
    factor: float = 1.5,
) -> str:
    """Not shown to the model."""
    return f"{type(place).__name__} {place.city} {unit} {days} {factor}"


async def add(a: int, b: int) -> int:
    return a + b


def where(cancellation_token: CancellationToken) -> list:
    return [threading.current_thread() is threading.main_thread(), type(cancellation_token).__name__]


async def cancelled(cancellation_token: CancellationToken, note: str = "") -> bool:
    return cancellation_token.is_cancelled()


class Caller:
    def method(self, x: int) -> str:
        return f"method {x}"


async def main():
    token = CancellationToken()
    tool = FunctionTool(weather, "Tell the weather.")
    print(json.dumps(tool.schema, indent=1))
    print(tool.name, tool.return_type(), sorted(tool.args_type().model_fields))
    print(await tool.run_json({"place": {"city": "Rome"}}, token))
    print(await tool.run_json({"place": {"city": "Rome"}, "unit": "F", "days": "3", "unknown": 1}, token))

    strict = FunctionTool(add, description="Add.", name="plus", strict=True)
    print(json.dumps(strict.schema), await strict.run_json({"a": "1", "b": 2}, token))
    try:
        FunctionTool(weather, "x", strict=True).schema  # noqa: B018
    except ValueError:
        print("ValueError")
    for args in [{"a": 1}, {"a": "one", "b": 2}]:
        try:
            await strict.run_json(args, token)
        except ValueError as error:
            print(error.error_count(), error.errors()[0]["type"])

    print(await FunctionTool(where, "Where.").run_json({}, token), FunctionTool(where, "Where.").schema["parameters"])
    print(await FunctionTool(cancelled, "Cancelled?").run_json({}, token))
    part = FunctionTool(functools.partial(add, b=5), "Add five.", name="five")
    print(await part.run_json({"a": 1}, token), part.schema["parameters"]["required"])
    print(await FunctionTool(Caller().method, "A method.").run_json({"x": 1}, token))

    def fails(x: int) -> int:
        raise KeyError(x)

    try:
        await FunctionTool(fails, "Fails.").run_json({"x": 1}, token)
    except KeyError as error:
        print("KeyError", error)

    def untyped(x): ...

    try:
        FunctionTool(untyped, "x").schema  # noqa: B018
    except (KeyError, ValueError):
        print("refused")

    data = FunctionTool(add, "Add.", global_imports=["json"]).dump_component()
    print(data.provider, data.component_type, data.label, json.dumps(data.config, sort_keys=True))


asyncio.run(main())
