from typing import Any

import pytest

from quorate import OperationKey, Tool, tool
from quorate.errors import ConfigError
from quorate.tools.tool import as_tool


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


def test_tool_stays_callable_and_keeps_its_name_and_docstring() -> None:
    made = tool(add)

    assert made(1, b=3) == 4
    assert made.__name__ == "add"
    assert made.__doc__ == "Add two numbers."
    assert made.__wrapped__ is add  # type: ignore[attr-defined]


async def test_async_tool_stays_awaitable() -> None:
    @tool(effect="read")
    async def double(n: int) -> int:
        """Double it."""
        return 2 * n

    assert await double(4) == 8


def test_tool_is_unsafe_unless_it_says_otherwise() -> None:
    # what is not known to be safe is never blindly repeated
    assert tool(add).effect == "unsafe"
    assert tool(effect="read")(add).effect == "read"


def test_model_reads_name_and_description_that_were_given() -> None:
    made = tool(name="plus", description="Adds.")(add)

    assert (made.spec.name, made.spec.description) == ("plus", "Adds.")
    assert repr(made) == "<tool plus (unsafe)>"


def bare(a: int) -> int:
    return a


def untyped(a) -> int:  # type: ignore[no-untyped-def]
    """Has no type."""
    return a


def many(*numbers: int) -> int:
    """Takes any number."""
    return sum(numbers)


def by_position(a: int, /) -> int:
    """Takes one by position."""
    return a


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (bare, "Tool bare has no description. Give the function a docstring"),
        (untyped, "parameter a needs a type"),
        (many, "parameter numbers must be an ordinary one"),
        (map, "Tool map: <class 'map'> does not say what it takes. Wrap it in a function"),
        (by_position, "parameter a must be an ordinary one"),
    ],
)
def test_function_that_a_model_could_not_call_is_refused_when_it_is_made_a_tool(fn: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        tool(fn)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"effect": "write"}, "effect='write' is none of read, idempotent, unsafe"),
        ({"timeout_s": 0}, "timeout_s=0 must be above 0"),
        ({"timeout_s": float("nan")}, "must be above 0"),
        ({"scope": True}, "a scope must be `async def`"),
    ],
)
def test_option_that_cannot_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        tool(**options)(add)


def test_plain_function_is_made_a_tool_and_a_tool_is_taken_as_it_is() -> None:
    made = tool(add)

    assert as_tool(made) is made
    assert isinstance(as_tool(add), Tool)
    with pytest.raises(ConfigError, match=r"'add' is no tool. Give a function"):
        as_tool("add")  # type: ignore[arg-type]


async def test_object_that_can_be_called_is_a_tool() -> None:
    class Scale:
        """Scale a number."""

        async def __call__(self, n: int) -> int:
            return 10 * n

    made = Tool(Scale(), description="Scale a number.")

    assert made.name == "Scale"
    assert made.is_async
    assert await made.run({"n": 3}, "") == 30


async def test_parameter_for_the_operation_key_is_filled_in_and_no_model_is_asked_for_it() -> None:
    @tool(effect="idempotent")
    async def put(name: str, key: OperationKey) -> str:
        """Put it there."""
        return f"{name} {key}"

    values, canonical = put.read('{"name": "x"}')

    assert await put.run(values, "k1") == "x k1"
    assert canonical == '{"name":"x"}'
    assert "key" not in put.spec.parameters
