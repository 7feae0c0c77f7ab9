"""`quorate compare`."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.chat import shown
from quorate.chat.console import watching
from quorate.chat.past.compare import Comparison, Difference, Item, Side, Words, compare
from quorate.chat.shown import Line
from quorate.cli.lists import print_table
from quorate.cli.place import Place, find
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.runs import paths

MOST = 20
ITEM_CHARS = 300
CONTEXT_CHARS = 160
FIGURES = ("turns", "model_calls", "tool_calls", "prompt_tokens", "completion_tokens", "tokens")


async def compared(a: str, b: str, store: str | None, *, as_json: bool) -> int:
    """Compare two runs and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        ids = [(await find(opened, text)).run_id for text in (a, b)]
        found = await compare(opened, *ids)
    if as_json:
        print_json(**found.data())
        return 0
    _print_sides(found.a, found.b)
    with watching(live=False) as view:
        view.tell([], *_lines(found))
    return 0


def _print_sides(a: Side, b: Side) -> None:
    rows = [("outcome", a.outcome or "goes on", b.outcome or "goes on", "")]
    rows += [("why", shown.cut(a.reason, ITEM_CHARS), shown.cut(b.reason, ITEM_CHARS), "")]
    for name in FIGURES:
        one, other = getattr(a, name), getattr(b, name)
        rows.append((name.replace("_", " "), f"{one:,}", f"{other:,}", _more(other - one)))
    rows.append(("cost", shown.money(a.cost_usd), shown.money(b.cost_usd), _dearer(a.cost_usd, b.cost_usd)))
    rows.append(("work", shown.duration(a.active_s), shown.duration(b.active_s), ""))
    print_table(
        ("", a.run_id, b.run_id, "difference"),
        [((name, "dim"), (one, ""), (other, ""), (more, "yellow")) for name, one, other, more in rows],
    )


def _more(number: int) -> str:
    return f"{number:+,}" if number else ""


def _dearer(a: float | None, b: float | None) -> str:
    if a is None or b is None or a == b:
        return ""
    return ("+" if b > a else "-") + shown.money(abs(b - a))


def _lines(found: Comparison) -> Iterator[Line]:
    if found.shared:
        turns = f": the task and {shown.counted(found.turns_shared, 'turn')}" if found.turns_shared else ""
        yield [(f"The first {shown.counted(found.shared, 'item')} are the same{turns}.", "dim")]
    if not found.differences:
        yield [("They say and do the same." if found.shared else "Neither says anything.", "green")]
        return
    for difference in found.differences[:MOST]:
        yield from _difference(found, difference)
    if len(found.differences) > MOST:
        yield [(f"… {shown.counted(len(found.differences) - MOST, 'more difference')}: --json has them all.", "dim")]
    if found.same:
        yield [(f"{shown.counted(found.same, 'item')} after the first difference are the same.", "dim")]
    words = found.words()
    if words:
        yield []
        yield [("The first texts that differ, word by word:", "dim")]
        yield _worded(words)


def _difference(found: Comparison, difference: Difference) -> Iterator[Line]:
    yield [(_where(difference), "bold")]
    for side, item, mark, style in ((found.a, difference.a, "-", "red"), (found.b, difference.b, "+", "green")):
        text = "nothing" if item is None else shown.cut(_words_of(item), ITEM_CHARS)
        yield [(f"  {mark} {side.run_id}: ", style), (text, "" if item else "dim")]


def _where(difference: Difference) -> str:
    item = difference.a or difference.b
    if item is None or not item.path:
        return "the task"
    if item.kind == "choice":
        return f"{paths.shown(item.path)}: who speaks"
    return shown.inline(paths.shown(item.path))


def _words_of(item: Item) -> str:
    if item.kind == "choice":
        return f"{item.who} ({item.text})"
    return f"{item.who}: {item.text}" if item.who else item.text


def _worded(words: Words) -> Line:
    """Return a word-level difference as one line; what both have is cut in the middle."""
    line: Line = []
    for at, (kind, text) in enumerate(words):
        clean = shown.inline(text) if kind == "=" else shown.inline(text) or "␣"
        if kind == "=":
            space = (" " if text[:1].isspace() else "", " " if text[-1:].isspace() else "")
            line.append((space[0] + _short(clean, first=at == 0, last=at == len(words) - 1) + space[1], ""))
        else:
            line.append((f"[-{clean}-]", "red") if kind == "-" else (f"{{+{clean}+}}", "green"))
    return line


def _short(text: str, *, first: bool, last: bool) -> str:
    if len(text) <= CONTEXT_CHARS:
        return text
    half = CONTEXT_CHARS // 2
    return f"{'' if first else text[:half]} … {'' if last else text[-half:]}"
