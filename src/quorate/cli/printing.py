"""What the command line prints of a run that goes on: as people read it, or as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from msgspec.structs import asdict

from quorate.chat import shown
from quorate.chat.console import PlainView, View, watching
from quorate.chat.live import LiveRun
from quorate.chat.messages import (
    BaseChatMessage,
    BaseMessage,
    FunctionCall,
    TaskResult,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from quorate.cli.place import Place

PAST_CHARS = 100
PAST_LINES = 12


class Printer:
    """Shows a run as people read it."""

    def __init__(self, view: View, place: Place | None) -> None:
        self.view, self.place = view, place

    def begin(self, live: LiveRun, conversation: str, before: Sequence[BaseMessage] | None = None) -> None:
        """Say which run this is and, of one that goes on, what it said before."""
        kept = f"kept in {self.place.name}" if self.place else "kept nowhere"
        verb = "" if before is None else " goes on"
        rest = f"{verb} · conversation {conversation} · pid {os.getpid()} · {shown.inline(kept)}"
        self.view.tell([("run ", "dim"), (live.id, "bold"), (rest, "dim")])
        if before:
            lines = list(past(before))
            more = [[(f"… {len(lines) - PAST_LINES} more before", "dim")]] if len(lines) > PAST_LINES else []
            self.view.tell(*more, *lines[-PAST_LINES:])

    def see(self, item: BaseMessage) -> None:
        """Show the next item."""
        self.view.see(item)

    def notice(self, text: str) -> None:
        """Say something on the way."""
        self.view.tell([(text, "yellow")])

    def end(self, result: TaskResult, seconds: float) -> None:
        """Show how it ended."""
        self.view.end(result, seconds)


class JsonPrinter(Printer):
    """Prints a JSON object a line: `run`, messages and events as they are dumped, `ended`."""

    def __init__(self, place: Place | None, file: TextIO) -> None:
        super().__init__(PlainView(file), place)
        self.file = file

    def begin(self, live: LiveRun, conversation: str, before: Sequence[BaseMessage] | None = None) -> None:
        print_json(
            self.file, type="run", run_id=live.id, conversation=conversation, pid=os.getpid(),
            store=self.place.told if self.place else None, resumed=before is not None,
        )  # fmt: skip

    def see(self, item: BaseMessage) -> None:
        print_json(self.file, **item.dump())

    def notice(self, text: str) -> None:
        print(text, file=sys.stderr)

    def end(self, result: TaskResult, seconds: float) -> None:
        assert result.outcome is not None
        print_json(
            self.file, type="ended", run_id=result.run_id, **asdict(result.outcome), turns=result.turns,
            prompt_tokens=result.usage.prompt_tokens, completion_tokens=result.usage.completion_tokens,
            cost_usd=result.cost_usd, seconds=round(seconds, 3), head=result.head,
            wrap_up=result.wrap_up.content if result.wrap_up else None,
        )  # fmt: skip


@contextmanager
def printing(place: Place | None, *, as_json: bool) -> Generator[Printer]:
    """Open what prints a run, and leave the terminal as it was. What tools print goes beside the JSON, not into it."""
    if as_json:
        out = sys.stdout
        with redirect_stdout(sys.stderr):
            yield JsonPrinter(place, out)
    else:
        with watching() as view:
            yield Printer(view, place)


def print_json(file: TextIO | None = None, /, **fields: Any) -> None:
    """Print an object on a line; in ASCII, so that it holds nothing a terminal could obey."""
    print(json.dumps(fields).replace("\x7f", "\\u007f"), file=file, flush=True)


def past(said: Sequence[BaseMessage]) -> Iterator[shown.Line]:
    """Yield a dim line, cut short, for each message and each tool call that was there before."""
    calls: dict[str, FunctionCall] = {}
    for item in said:
        name = shown.inline(item.source)
        if isinstance(item, ToolCallRequestEvent):
            calls |= {call.id: call for call in item.content}
        elif isinstance(item, ToolCallExecutionEvent):
            for result in item.content:
                call = calls.get(result.call_id) or FunctionCall(result.call_id, "{}", result.name)
                line = "".join(text for text, _ in shown.call_line(call, result))
                yield [(f"  {name}: {shown.cut(line, PAST_CHARS)}", "dim")]
        elif isinstance(item, BaseChatMessage):
            yield [(f"  {name}: {shown.cut(item.to_text(), PAST_CHARS)}", "dim")]
