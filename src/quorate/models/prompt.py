"""What a local model is shown: the conversation as chat messages, tools as examples, and the grammar that holds it.

The templates of small models know nothing of tools, so tools are text here. What the model then writes is its own,
but a grammar lets it write only `Call: NAME {ARGUMENTS}`, with arguments that fit the tool's schema, or `Reply: TEXT`.

A model of 135M parameters does not follow instructions, it goes on as it has seen it done. So the tools are shown in
use, in turns made from their own schemas. Measured with one tool of two parameters: of the 24 questions that the form
was found with, all got the right call (18 with a description only), and of 32 others 25; nearly all misses are in the
second parameter. With a second tool, 21 of 32 (3 with a description only).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from quorate.models.blocks import Block, Reply, Said
from quorate.models.client import ModelRequest, ToolSpec
from quorate.models.order import CALL, ERROR, RESULT, in_order, instruction, words

REPLY = "Reply:"

LANGUAGE = "%llguidance {}\n"
HOW_TO_CALL = "To call a tool, write: Call: NAME {ARGUMENTS AS JSON}"
HOW_TO_REPLY = "To answer in words, write: Reply: TEXT"

MAX_EXAMPLES = 8

Message = dict[str, str]
Schema = dict[str, Any]


class Sampling(NamedTuple):
    """How freely a model writes.

    `loop_penalty` keeps a small one from going round in circles: it is for repeating more than `LOOP_TOKENS` in a row
    (llama.cpp calls it DRY). The usual penalty for every repeated token also keeps it from saying the numbers that it
    was told: with 1.1 it kept 4 of 18, with this one all. At temperature 0 nothing is penalised.
    """

    temperature: float = 0.2
    top_p: float = 0.9
    loop_penalty: float = 0.8
    seed: int = 7


LOOP_TOKENS = 6

SAMPLING = Sampling()


def to_wire(request: ModelRequest, sampling: Sampling = SAMPLING, *, words: bool = False) -> dict[str, Any]:
    """Return the body of a chat completion for the engine.

    Args:
        request: What is asked.
        sampling: How freely to write where the request does not say.
        words: Ask for the words of a reply, after the model chose to reply and not to call.
    """
    tools = offered(request)
    deciding = decides(request) and not words
    said = messages(request, tools)
    if tools and not deciding:
        said.append(_assistant(REPLY))  # which the model goes on with
    body: dict[str, Any] = {
        "messages": said,
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature if request.temperature is None else request.temperature,
        "top_p": sampling.top_p,
        "repeat_penalty": 1.0,
        "dry_multiplier": sampling.loop_penalty,
        "dry_allowed_length": LOOP_TOKENS,
        "seed": sampling.seed if request.seed is None else request.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
        # A chunk for every batch of the prompt: without them nothing could be stopped before its first word.
        "return_progress": True,
    }
    if deciding or request.output_schema:
        body["grammar"] = _choice(request, tools) if deciding else f"{LANGUAGE}start: {_json(request.output_schema)}\n"
        body["temperature"] = request.temperature or 0.0  # what is decided is the likeliest
    if deciding or request.output_schema or request.temperature == 0 or _answered(request):
        body["dry_multiplier"] = 0.0  # it would keep the model from saying again what it was just told
    return body


def decides(request: ModelRequest) -> bool:
    """Whether the model is to choose a tool, or between the tools and a reply."""
    return bool(request.tools) and request.tool_choice != "none"


def offered(request: ModelRequest) -> tuple[ToolSpec, ...]:
    """Return the tools that a request shows to the model: all, or the one that it must call."""
    named = tuple(tool for tool in request.tools if tool.name == request.tool_choice)
    return named or request.tools


def messages(request: ModelRequest, tools: Sequence[ToolSpec]) -> list[Message]:
    """Return the chat messages, with the roles of user and assistant in turn, a user's first and last."""
    blocks = in_order(request, tool_role=False)
    said = [*_examples(request, tools), *(m for block in blocks for m in _rendered(block, bool(tools)))]
    system = _system(instruction(request), tools)
    return [*([{"role": "system", "content": system}] if system else []), *_joined(said)]


# -- the conversation -------------------------------------------------------------------------------------------------


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _rendered(block: Block, marked: bool) -> Iterator[Message]:
    """Yield a block's messages; `marked` puts `Reply:` before words, as the model has to where it may also call."""
    if isinstance(block, Said):
        yield _user(words(block))
        return
    lines = [f"{REPLY} {block.text}" if marked else block.text] if block.text else []
    lines += [f"{CALL}{call.name} {call.arguments}" for call in block.calls]
    yield _assistant("\n".join(lines))
    if block.results:
        yield _user("\n".join(f"{ERROR if r.is_error else RESULT}{r.content}" for r in block.results))


def _joined(said: list[Message]) -> Iterator[Message]:
    """Yield the messages with neighbours of one role made one: many templates want the roles to alternate."""
    for role, several in groupby(said, key=lambda message: message["role"]):
        yield {"role": role, "content": "\n\n".join(message["content"] for message in several)}


# -- tools ------------------------------------------------------------------------------------------------------------


def _system(system: str, tools: Sequence[ToolSpec]) -> str:
    if not tools:
        return system
    lines = ["Tools:", *(f"- {_signature(tool)}" for tool in tools), "", HOW_TO_CALL, HOW_TO_REPLY]
    return "\n".join([system, "", *lines] if system else lines)


def _signature(tool: ToolSpec) -> str:
    schema: Schema = json.loads(tool.parameters)
    parameters = (f"{name}: {_kind(part, schema)}" for name, part in _properties(schema).items())
    return f"{tool.name}({', '.join(parameters)}): {tool.description}"


def _examples(request: ModelRequest, tools: Sequence[ToolSpec]) -> Iterator[Message]:
    """Yield turns that show the tools in use, each value of a choice in its turn.

    Before a call they show calls; after its results, answers made of results: a small model does again what it saw
    last. It is free to choose either at both times.
    """
    if not tools:
        return
    answered = _answered(request)
    yield _user("Thank you.")
    yield _assistant(f"{REPLY} You are welcome.")
    for i in range(2 if answered else min(MAX_EXAMPLES, max(4, 2 * len(tools)))):
        tool = tools[i % len(tools)]
        arguments = _arguments(tool, i)
        yield _user(", ".join([_spoken(tool.name), *(f"{_spoken(k)} {_plain(v)}" for k, v in arguments.items())]))
        yield _assistant(f"{CALL}{tool.name} {json.dumps(arguments, ensure_ascii=False)}")
        if answered:
            sentence = (
                f"The {' '.join(_plain(v) for v in reversed(arguments.values())) or _spoken(tool.name)} is {7 + 7 * i}."
            )
            yield _user(RESULT + sentence)
            yield _assistant(f"{REPLY} {sentence}")


def _answered(request: ModelRequest) -> bool:
    """Whether the model has just been told what its calls came to."""
    last = request.blocks[-1] if len(request.blocks) else None
    return isinstance(last, Reply) and bool(last.results)


def _arguments(tool: ToolSpec, i: int) -> dict[str, Any]:
    """Return the arguments of the example `i`; neighbours take different values of their choices."""
    schema: Schema = json.loads(tool.parameters)
    return {name: _value(part, schema, i + j) for j, (name, part) in enumerate(_properties(schema).items())}


WORDS = ("apples", "blue", "Paris", "music")


def _value(part: Schema, schema: Schema, i: int) -> Any:
    part = _resolved(part, schema)
    if choices := _choices(part):
        return choices[i % len(choices)]
    kind = part.get("type")
    if kind == "array":
        return [_value(part.get("items", {}), schema, i)]
    if kind == "object":
        return {name: _value(inner, schema, i) for name, inner in _properties(part).items()}
    plain: dict[Any, Any] = {"integer": i + 2, "number": i + 2.5, "boolean": i % 2 == 0, "null": None}
    return plain.get(kind, WORDS[i % len(WORDS)])


def _kind(part: Schema, schema: Schema) -> str:
    part = _resolved(part, schema)
    choices = _choices(part)
    return "|".join(map(_plain, choices)) if choices else str(part.get("type", "any"))


def _resolved(part: Schema, schema: Schema) -> Schema:
    """Return what a reference stands for, and of several kinds the first that is not null."""
    for _ in range(8):  # a reference to a reference; no schema means more
        if "$ref" in part:
            part = schema.get("$defs", {}).get(str(part["$ref"]).rpartition("/")[2], {})
            continue
        several: list[Schema] = part.get("anyOf") or part.get("oneOf") or []
        if not several:
            break
        part = next((one for one in several if one.get("type") != "null"), several[0])
    return part


def _properties(schema: Schema) -> dict[str, Schema]:
    return schema.get("properties", {})


def _choices(part: Schema) -> list[Any]:
    return [part["const"]] if "const" in part else part.get("enum", [])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


# -- the grammar ------------------------------------------------------------------------------------------------------


def _choice(request: ModelRequest, tools: Sequence[ToolSpec]) -> str:
    """Return the grammar of a decision: a call of one of the tools, or, where it is free to, the mark of a reply."""
    ways = [f"{json.dumps(f'{CALL}{tool.name} ')} call{i}" for i, tool in enumerate(tools)]
    calls = [f"call{i}: {_json(tool.parameters)}" for i, tool in enumerate(tools)]
    if request.tool_choice == "auto":
        ways.append(json.dumps(REPLY))
    return LANGUAGE + "\n".join(["start: " + " | ".join(ways), *calls, ""])


def _json(schema: str | None) -> str:
    """Return a schema in the grammar's language, one that leaves a model no room to wander: no idle spaces."""
    held: Schema = _closed(json.loads(schema or "{}"))
    held["x-guidance"] = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return f"%json {json.dumps(held)}"


def _closed(part: Any) -> Any:
    """Return a schema whose objects have nothing beside their properties."""
    if isinstance(part, list):
        return [_closed(one) for one in part]  # pyright: ignore[reportUnknownVariableType]: JSON
    if not isinstance(part, dict):
        return part
    closed: Schema = {key: _closed(value) for key, value in part.items()}  # pyright: ignore[reportUnknownVariableType]: JSON
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
