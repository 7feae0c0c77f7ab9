"""What is said in a request, in an order that every provider takes.

Views leave blocks out, agents speak twice in a row, tools say nothing: a conversation has any shape. Providers do not
take any: some want a user first, roles in turn, no empty text, a user or results last, an answer after results. So all
clients put what they send in order at the last moment, by `in_order`. The conversation itself and what is journaled of
it stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from quorate.models.blocks import Block, Reply, Said, ToolCall, ToolResult
from quorate.models.call_ids import fitting

if TYPE_CHECKING:
    from quorate.models.client import ModelRequest
    from quorate.models.image import Image

CALL, RESULT, ERROR = "Call: ", "Result: ", "Error: "
EMPTY = "(empty)"
NO_RESULT = "There is no result."

_GO_ON, _NOTED = Said("Go on."), Reply("Noted.")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_LETTERS = 64
_read = msgspec.json.Decoder(dict).decode


def in_order(request: ModelRequest, *, tool_role: bool = True, call_ids: str | None = None) -> list[Block]:
    """Return what is said in a request as the strictest provider takes it.

    - It is never empty. Something said comes first, and something said or a reply with results comes last.
    - What is said and replies come in turn: neighbours are one block. Only a reply may follow a reply with results.
    - No text is blank, or has half a character.
    - Each call has one result, an id that no other call has, a JSON object for its arguments, and a name of at most 64
      letters, digits, `_` and `-`, unless a tool that is offered has that very name.
    - Where no tools are offered, calls and results are text.

    Blocks that are fine stay the same objects, with what clients keep in their `wire`.

    Args:
        request: What is asked.
        tool_role: Whether results are messages of a role of their own. A client that writes calls and results out
            itself gets them as they are, and what is said may follow results.
        call_ids: Which ids of calls are taken, as `ModelInfo.call_ids` has it. One that is not becomes another, the
            same in each request; None leaves them as they are.

    Raises:
        ConfigError: `call_ids` does not say characters and how many.
    """
    fit = fitting(call_ids)
    groups: list[list[Block]] = []
    before: Block | None = None
    for block in _sound(request, fit, as_text=tool_role and not request.tools):
        closed = isinstance(before, Reply) and bool(before.results)
        if groups and not closed and isinstance(block, Said) == isinstance(before, Said):
            groups[-1].append(block)
        else:
            if not groups and isinstance(block, Reply):
                groups.append([_GO_ON])
            elif closed and tool_role and isinstance(block, Said):
                groups.append([_NOTED])
            groups.append([block])
        before = block
    if before is None or (isinstance(before, Reply) and not before.results):
        groups.append([_GO_ON])
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def instruction(request: ModelRequest) -> str:
    """Return the standing instruction of a request, empty if there is none."""
    return "" if request.system is None or _is_blank(request.system) else _whole(request.system)


def words(said: Said) -> str:
    """Return what is said as one text; who says it stands before it, but for the user."""
    return said.text if said.source == "user" else f"{said.source}: {said.text}"


def shown(said: Said) -> list[str | Image]:
    """Return what is said as texts and images."""
    if not said.parts:
        return [words(said)]
    return [*said.parts] if said.source == "user" else [f"{said.source}:", *said.parts]


# -- neighbours -------------------------------------------------------------------------------------------------------


def _joined(group: Sequence[Block]) -> Block:
    said = [block for block in group if isinstance(block, Said)]
    if said:
        parts = [part for one in said for part in shown(one)] if any(one.parts for one in said) else ()
        return Said("\n\n".join(map(words, said)), parts=tuple(parts))
    replies = [block for block in group if isinstance(block, Reply)]
    last = replies[-1]  # only that one may have calls
    text = "\n\n".join(reply.text for reply in replies if reply.text)
    return Reply(text, last.calls, tuple(thought for reply in replies for thought in reply.reasoning), last.results)


# -- each block -------------------------------------------------------------------------------------------------------


def _sound(request: ModelRequest, fit: Callable[[str], str], *, as_text: bool) -> Iterator[Block]:
    """Yield the blocks of a request, each sound by itself, with ids that fit and none twice among all."""
    used: set[str] = set()
    for given in request.blocks:
        for block in _mended(given):
            if isinstance(block, Said) or not block.calls:
                yield block
            elif as_text:
                yield from _told(block)
            else:
                yield _told_apart(block, used, fit, request)


def _mended(block: Block) -> Sequence[Block]:
    """Return what is sound of a block: nearly always the block itself. Each is looked at once."""
    if block.wire is None:
        block.wire = {}
    if "mended" not in block.wire:
        found = _sound_said(block) if isinstance(block, Said) else _sound_reply(block)
        # Nothing may hold itself: it would wait for the garbage collector.
        block.wire["mended"] = None if len(found) == 1 and found[0] is block else found
    kept: Sequence[Block] | None = block.wire["mended"]
    return (block,) if kept is None else kept


def _sound_said(block: Said) -> Sequence[Block]:
    text, source = _whole(block.text), _whole(block.source)
    parts = tuple(p for p in [_whole(p) if isinstance(p, str) else p for p in block.parts] if p and not _is_blank(p))
    if parts and _is_blank(text):
        text = EMPTY
    if source == "user" and _is_blank(text):
        return ()
    same = text is block.text and source is block.source and parts == block.parts
    return (block if same else Said(text, source, block.origin, block.ref, parts),)


def _sound_reply(block: Reply) -> Sequence[Block]:
    """Return a reply with one result for each call, and results without a call as what is said."""
    left = list(block.results)
    calls: list[ToolCall] = []
    results: list[ToolResult] = []
    for call in block.calls:
        mine = next((one for one in left if one.call_id == call.id), None)
        if mine is not None:
            left.remove(mine)
        calls.append(ToolCall(_whole(call.id), _whole(call.name), _arguments(call.arguments)))
        content, failed = (NO_RESULT, True) if mine is None else (_content(mine), mine.is_error)
        results.append(ToolResult(calls[-1].id, calls[-1].name, content, failed))
    text = "" if _is_blank(block.text) else _whole(block.text)
    sound = Reply(text, tuple(calls), block.reasoning, tuple(results), block.ref)
    said = [Said("\n".join(map(_line, left)))] if left else []
    if not (text or calls):
        return said
    return [block if sound == block else sound, *said]


def _told(block: Reply) -> Iterator[Block]:
    """Yield a reply with its calls as text, and their results as what is said."""
    lines = [block.text] if block.text else []
    yield Reply("\n".join([*lines, *(f"{CALL}{call.name} {call.arguments}" for call in block.calls)]))
    yield Said("\n".join(map(_line, block.results)))


def _told_apart(block: Reply, used: set[str], fit: Callable[[str], str], request: ModelRequest) -> Reply:
    """Return a reply whose calls have ids that fit and are not `used` yet, and names that providers take."""
    calls: list[ToolCall] = []
    for call in block.calls:
        id = _free(fit(call.id), used)
        used.add(id)
        calls.append(ToolCall(id, _name(call.name, request), call.arguments))
    if calls == list(block.calls):
        return block
    results = zip(calls, block.results, strict=True)
    return Reply(
        block.text, tuple(calls), block.reasoning,
        tuple(ToolResult(call.id, call.name, one.content, one.is_error) for call, one in results), block.ref,
    )  # fmt: skip


def _line(result: ToolResult) -> str:
    return f"{ERROR if result.is_error else RESULT}{_content(result)}"


def _content(result: ToolResult) -> str:
    return EMPTY if _is_blank(result.content) else _whole(result.content)


def _free(id: str, used: set[str]) -> str:
    """Return an id that is not used; another one has nine letters and digits, which all providers take."""
    at = len(used)
    while not id or id in used:
        id, at = f"call{at:05}", at + 1
    return id


def _name(name: str, request: ModelRequest) -> str:
    """Return the name of a tool, which the model may have made up, as every provider takes it."""
    if _NAME.fullmatch(name) or any(tool.name == name for tool in request.tools):
        return name
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:_MOST_LETTERS] or "unnamed"


def _arguments(text: str) -> str:
    """Return arguments as a JSON object: what is none, as the text in one."""
    text = _whole(text)
    try:
        _read(text)
    except (msgspec.DecodeError, RecursionError):
        return json.dumps({"not_json": text}, ensure_ascii=False)
    return text


def _is_blank(text: str | Image) -> bool:
    return isinstance(text, str) and (not text or text.isspace())


def _whole(text: str) -> str:
    """Return a text without halves of characters, which nothing can send: tools find them in names of files."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
