"""Data out of what a model wrote: JSON in fenced code, alone, or in the middle of words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from quorate.errors import ModelError

_FENCE = re.compile(
    r"^(?P<before>(?P<indent>[ ]*)(?P<mark>(?:[-*+]|\d{1,9}[.)])[ ]+)?)(?P<fence>`{3,}|~{3,})"
    r"[ \t]*(?P<language>[^\s`]*)[^\n`]*\n"
    r"(?P<code>.*?)(?:^(?P=indent)?(?(mark)[ ]{0,12}|[ ]{0,3})(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)

_BEGINS = re.compile(r"\{|\[\s*\{")
MAX_STARTS = 1000
"""How many brackets between words are looked at before a text counts as one without JSON."""


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language, in small letters, and the code of each fence in Markdown, also of those in lists.

    Code loses the blanks that stand before its fence; a fence that is never closed goes to the end.
    """
    for match in _FENCE.finditer(text):
        code, width = match["code"], len(match["before"])
        yield match["language"].lower(), re.sub(rf"^ {{1,{width}}}", "", code, flags=re.MULTILINE) if width else code


def extract_json(text: str) -> list[Any]:
    """Return the JSON values in a text, in their order.

    Those in fenced code are taken, where it is called JSON, or has no language and is JSON; without such a fence the
    whole text; and if that is no JSON, the objects, and the lists of them, that stand between its words. Nobody has
    checked the values yet: hand them to a pydantic model.

    Raises:
        ModelError: There is none, or one that is called JSON is broken; the text says where, for the model to mend.
    """
    found = [_read(code) for language, code in fenced(text) if language == "json" or (not language and _is_json(code))]
    if found:
        return found
    try:
        return [_read(text)]
    except ModelError as error:
        found = list(_between(text))
        if not found:
            raise error from None
        return found


def extract_objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects in a text; see `extract_json`.

    Raises:
        ModelError: There is none, or one value is no object.
    """
    found = extract_json(text)
    for value in found:
        if not isinstance(value, dict):
            raise ModelError(f"The JSON in the answer is {type(value).__name__}; it must be an object: {{…}}.")
    return found


def _read(text: str) -> Any:
    try:
        return _DECODER.decode(text.strip())
    except RecursionError as error:
        raise ModelError("The JSON in the answer is nested too deep.") from error
    except ValueError as error:
        raise ModelError(f"The answer has no JSON that can be read: {error}.") from error


def _is_json(text: str) -> bool:
    try:
        _read(text)
    except ModelError:
        return False
    return True


def _between(text: str) -> Iterator[Any]:
    at = starts = 0
    while (begin := _BEGINS.search(text, at)) is not None and starts < MAX_STARTS:
        starts += 1
        try:
            value, at = _DECODER.raw_decode(text, begin.start())
            yield value
        except (ValueError, RecursionError):
            at = begin.start() + 1


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text} is too large")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
