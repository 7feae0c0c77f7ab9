"""What makes one piece of JSON data of another: small where little changed, also in what grows at its end.

| a difference | means |
|---|---|
| `{"is": value}` | it is this now |
| `{"set": {…}, "gone": […], "in": {name: difference}}` | of a mapping: names that came, went, or changed |
| `{"keep": n, "then": […]}` | of a list: its first `n` items, and these behind them |
| `{"at": {place: difference}}` | of a list that is as long as before: the items that changed |
| `{}` | nothing changed |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from quorate.core.plain import is_same

Difference = dict[str, Any]


def difference(before: Any, after: Any) -> Difference:
    """Return what makes `after` of `before`, both plain JSON data; None for `before` stands for nothing."""
    if type(before) is not type(after):
        return {"is": after}
    if isinstance(after, dict | list) and is_same(before, after):
        return {}
    if isinstance(after, dict):
        return _of_mappings(before, cast("dict[str, Any]", after))
    if isinstance(after, list):
        return _of_lists(before, cast("list[Any]", after))
    if isinstance(after, float):  # there are two zeros
        return {} if repr(before) == repr(after) else {"is": after}
    return {} if before == after else {"is": after}


def _of_mappings(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    new = {name: value for name, value in after.items() if name not in before}
    gone = [name for name in before if name not in after]
    inside = {name: found for name in after if name in before and (found := difference(before[name], after[name]))}
    parts = {"set": new, "gone": gone, "in": inside}
    return {name: part for name, part in parts.items() if part}


def _of_lists(before: list[Any], after: list[Any]) -> Difference:
    same = len(before)
    if not is_same(before, after[:same]):
        pairs = enumerate(zip(before, after, strict=False))
        same = next((i for i, (one, other) in pairs if difference(one, other)), min(same, len(after)))
    if same == len(before) == len(after):
        return {}
    if len(before) == len(after):
        inside = {str(i): found for i in range(same, len(after)) if (found := difference(before[i], after[i]))}
        if 2 * len(inside) <= len(after):
            return {"at": inside}
    return {"keep": same, "then": after[same:]}


def changed(value: Any, by: Mapping[str, Any]) -> Any:
    """Return a value with a difference; neither is changed, and what they have in common is shared.

    None, for nothing, stays that until a difference says what it is.
    """
    if "is" in by:
        return by["is"]
    if value is None:
        return None
    if "keep" in by:
        return [*value[: by["keep"]], *by["then"]]
    if "at" in by:
        items = list(value)
        for place, inside in by["at"].items():
            items[int(place)] = changed(items[int(place)], inside)
        return items
    if not by:
        return value
    gone = frozenset(by.get("gone", ()))
    kept = {name: one for name, one in value.items() if name not in gone}
    for name, inside in by.get("in", {}).items():
        kept[name] = changed(kept.get(name), inside)
    kept.update(by.get("set", {}))
    return kept
