"""The terminal view of a conversation: `await Console(team.run_stream(task="…"))`.

In a terminal the words come as they are said, in a live region below what is certain; once a message is whole it is
printed for good in their place, so nothing is ever there twice. Elsewhere (a pipe, a log, `NO_COLOR`) it is lines of
plain text, each printed when it is certain.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from quorate.chat import shown
from quorate.chat.messages import (
    ASIDE,
    BaseChatMessage,
    BaseMessage,
    FreshStartEvent,
    FunctionCall,
    LimitWarningEvent,
    ModelClientStreamingChunkEvent,
    SelectSpeakerEvent,
    TaskResult,
    TeamOutcomeEvent,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserInputRequestedEvent,
)
from quorate.chat.shown import Line
from quorate.errors import ConfigError, RunFailed

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.live import Live
    from rich.text import Text

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green", "bright_blue")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
REFRESH_HZ = 12
NARROWEST = 12


async def Console(stream: AsyncIterator[Any], *, output_stats: bool = False) -> TaskResult:
    """Show a conversation in the terminal as it goes on, and return what it came to.

    Args:
        stream: `team.run_stream(…)`, or `run.events()` of a run that is going on.
        output_stats: Whether to tell the tokens of prompts and replies apart, and count the messages.

    Returns:
        The result that the stream ended with; for `run.events()`, which ends without one, just the messages it showed.

    Raises:
        ConfigError: It is no stream, or nothing came.
        RunFailed: The run failed; how it ended was shown.
    """
    if not hasattr(stream, "__aiter__"):
        raise ConfigError("Console shows a stream: await Console(team.run_stream(task=…)).")
    result: TaskResult | None = None
    seen: list[BaseMessage] = []
    began = time.perf_counter()
    with watching(output_stats=output_stats) as view:
        try:
            async for item in stream:
                if isinstance(item, TaskResult):
                    result = item
                    continue
                view.see(item)
                if not isinstance(item, ModelClientStreamingChunkEvent):
                    seen.append(item)
        except RunFailed as error:
            if isinstance(error.result, TaskResult):
                view.end(error.result, time.perf_counter() - began)
            raise
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        if result is not None:
            view.end(result, time.perf_counter() - began)
    if result is None and not seen:
        raise ConfigError("The stream ended before anything came. Give Console a stream that nobody has read yet.")
    return result or TaskResult(messages=seen)


@contextmanager
def watching(*, output_stats: bool = False, live: bool = True) -> Generator[View]:
    """Open the view that fits where the output goes, and leave the terminal as it was; without `live` nothing moves."""
    view: View
    if is_terminal(sys.stdout):
        view = TerminalView(output_stats=output_stats, live=live)
    else:
        view = PlainView(sys.stdout, output_stats=output_stats)
    try:
        yield view
    finally:
        view.close()


def is_terminal(file: TextIO) -> bool:
    """Whether somebody looks on who can be shown colours and words that move."""
    if not file.isatty() or os.environ.get("NO_COLOR"):
        return False
    utf8 = (getattr(file, "encoding", "") or "").lower().replace("-", "") == "utf8"
    return utf8 and os.environ.get("TERM", "").lower() not in {"", "dumb", "unknown"}


class _Words:
    """What is streamed of one message so far."""

    __slots__ = ("attempt", "pieces", "source")

    def __init__(self, source: str) -> None:
        self.source, self.attempt = source, 0
        self.pieces: list[str] = []

    def add(self, attempt: int, piece: str) -> None:
        """Take in a piece; one of a newer attempt replaces what was there, one of an older is late."""
        if attempt > self.attempt:
            self.attempt, self.pieces = attempt, []
        if attempt == self.attempt:
            self.pieces.append(piece)


class View(ABC):
    """Folds a stream into lines that are certain, and hands them to a subclass that knows where they go.

    Attributes:
        words: What is being said, by the id of the message it will be part of, oldest first.
        calls: Tool calls that have no result yet, by the speaker and the call's id; each with what asking for it cost.
    """

    def __init__(self, *, output_stats: bool = False) -> None:
        self.output_stats = output_stats
        self.held = False
        self.words: dict[str, _Words] = {}
        self.calls: dict[tuple[str, str], tuple[FunctionCall, Line]] = {}
        self._inner: dict[str, str | None] = {}  # what was said last in each team inside, by the names on the way

    @abstractmethod
    def put(self, source: str, lines: Sequence[Line]) -> None:
        """Print what somebody said or did."""

    @abstractmethod
    def title(self, source: str, words: str) -> None:
        """Print who begins to speak, and why."""

    @abstractmethod
    def tell(self, *lines: Line) -> None:
        """Print lines that are nobody's."""

    def hold(self) -> None:
        """Draw nothing until `go_on`: somebody types."""
        self.held = True

    def go_on(self) -> None:
        """Draw again."""
        self.held = False

    def close(self) -> None:
        """Leave the output as it was; may be called twice."""
        self.leave()

    def leave(self) -> None:
        """Print what nobody will finish."""
        unsaid, uncalled = list(self.words.values()), list(self.calls.items())
        self.words.clear()
        self.calls.clear()
        for words in unsaid:
            if words.pieces:
                self.put(words.source, [*_dim(shown.paragraphs("".join(words.pieces))), [("(cut off)", "yellow")]])
        for (source, _), (call, note) in uncalled:
            self.put(source, [shown.call_line(call, None) + note])

    def end(self, result: TaskResult, seconds: float) -> None:
        """Print how the run ended; `seconds` is how long it was watched."""
        self.leave()
        self.tell([], *shown.ending(result, seconds, stats=self.output_stats))

    def see(self, item: BaseMessage) -> None:
        """Take in the next message, event or chunk; what comes from inside a team has the names on the way to it."""
        if "within" in item.metadata:
            self._inner[item.metadata["within"]] = item.to_text() if isinstance(item, BaseChatMessage) else None
            item = _placed(item)
        if isinstance(item, ModelClientStreamingChunkEvent):
            id = item.full_message_id or item.source
            words = self.words.get(id) or self.words.setdefault(id, _Words(item.source))
            words.add(item.attempt, item.content)
            return
        spoken = self.words.pop(item.id.removesuffix(ASIDE), None) or self.words.pop(item.source, None)
        if isinstance(item, ToolCallRequestEvent):
            if spoken is not None and "".join(spoken.pieces).strip():  # what it said before it called
                self.put(item.source, _dim(shown.paragraphs("".join(spoken.pieces))))
            last = len(item.content) - 1
            for i, call in enumerate(item.content):
                self.calls[item.source, call.id] = call, self._note(item) if i == last else []
        elif isinstance(item, ToolCallExecutionEvent):
            self._see_results(item)
        elif isinstance(item, BaseChatMessage):
            self.put(item.source, self._message(item))
        else:
            self._see_event(item)

    def _see_results(self, item: ToolCallExecutionEvent) -> None:
        lines: list[Line] = []
        for result in item.content:
            unknown: tuple[FunctionCall, Line] = FunctionCall(result.call_id, "{}", result.name), []
            call, note = self.calls.pop((item.source, result.call_id), unknown)
            lines.append(shown.call_line(call, result) + note)
        self.put(item.source, lines)

    def _message(self, item: BaseChatMessage) -> list[Line]:
        text = item.to_text()
        lines = shown.paragraphs(text)
        if self._inner.pop(item.source, None) == text:  # it was shown right above
            lines = [[("passes this on", "dim")]]
        return [*lines[:-1], lines[-1] + self._note(item)]

    def _note(self, item: BaseMessage) -> Line:
        note = shown.cost_note(item, stats=self.output_stats)
        return [(f"  · {note}", "dim")] if note else []

    def _see_event(self, item: BaseMessage) -> None:
        if isinstance(item, ThoughtEvent) and item.id.endswith(ASIDE):  # said beside tool calls, not thought
            self.put(item.source, _dim(shown.paragraphs(item.content)))
        elif isinstance(item, ThoughtEvent):
            self.put(item.source, [[(f"thinks: {shown.cut(item.content, shown.THOUGHT_CHARS)}", "dim italic")]])
        elif isinstance(item, SelectSpeakerEvent):
            why = f": {item.metadata['reason']}" if item.metadata.get("reason") else ""
            self.tell([(shown.inline(f"next: {', '.join(item.content)}{why}"), "dim")])
        elif isinstance(item, LimitWarningEvent | FreshStartEvent):
            self.tell([(shown.inline(item.content), "yellow")])
        elif isinstance(item, TeamOutcomeEvent):
            self.put(item.source, [[(shown.inline(f"{item.outcome}: {item.content}"), "yellow")]])
        elif isinstance(item, UserInputRequestedEvent):
            self.put(item.source, [[("is asked for an answer", "bold")]])
        else:
            self.put(
                item.source, [[(f"{type(item).__name__}: {shown.cut(item.to_text(), shown.RESULT_CHARS)}", "dim")]]
            )


def _placed(item: BaseMessage) -> BaseMessage:
    """Return a message from inside a team with the names on the way to who said it: `researchers/ann`."""
    within = item.metadata["within"]
    metadata = {name: value for name, value in item.metadata.items() if name != "within"}
    return item.model_copy(update={"source": f"{within}/{item.source}", "metadata": metadata})


def _dim(lines: list[Line]) -> list[Line]:
    return [[(text, "dim") for text, _ in line] for line in lines]


class PlainView(View):
    """Lines of text: `writer: Hello.` What goes on below is indented, so that no text can pose as another's."""

    def __init__(self, file: TextIO, *, output_stats: bool = False) -> None:
        super().__init__(output_stats=output_stats)
        self._file = file

    def put(self, source: str, lines: Sequence[Line]) -> None:
        name = shown.inline(source)
        for i, line in enumerate(lines):
            self._write(("  " if i else f"{name}: ") + "".join(text for text, _ in line))

    def title(self, source: str, words: str) -> None:
        self._write("")
        self._write(f"--- {words} · {shown.inline(source)}")

    def tell(self, *lines: Line) -> None:
        for line in lines:
            self._write("".join(text for text, _ in line))

    def _write(self, text: str) -> None:
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        data = (text.rstrip() + "\n").encode(encoding, errors="backslashreplace")
        self._file.write(data.decode(encoding))
        self._file.flush()


class TerminalView(View):
    """Colours and live words: what is certain is printed for good, above a small region that is drawn again."""

    def __init__(self, *, output_stats: bool = False, live: bool = True) -> None:
        super().__init__(output_stats=output_stats)
        from rich.console import Console as Terminal

        self.terminal: Terminal = Terminal(highlight=False, markup=False, emoji=False, no_color=False)
        self._moves = live
        self._live: Live | None = None
        self._above = ""  # whose name stands above what is printed next
        self._asked = ""  # who is typing an answer, so that nothing may be drawn
        self._colours: dict[str, str] = {}
        self._certain_at = time.perf_counter()

    def see(self, item: BaseMessage) -> None:
        if not isinstance(item, ModelClientStreamingChunkEvent):
            self._certain_at = time.perf_counter()
        if item.source == self._asked:
            self._asked = ""
        super().see(item)
        if isinstance(item, UserInputRequestedEvent):
            self._asked = item.source
            self._still()
        elif self._moves and not (self._asked or self.held) and self._live is None:
            self._draw()

    def hold(self) -> None:
        super().hold()
        self._still()

    def close(self) -> None:
        super().close()
        self._still()

    def end(self, result: TaskResult, seconds: float) -> None:
        self._still()
        super().end(result, seconds)

    def put(self, source: str, lines: Sequence[Line]) -> None:
        colour = self._colour(source)
        printed = self._header(source)
        for line in lines:
            printed += self._barred(line, colour)
        self._above = source
        self._print(printed)

    def title(self, source: str, words: str) -> None:
        self._above = ""
        name, *more = self._header(source)[1:]
        self._print([self._text(), name + self._text(f" · {words}", "dim"), *more])
        self._above = source

    def tell(self, *lines: Line) -> None:
        self._above = ""
        self._print([text for line in lines for text in self._wrapped(line, self.terminal.width)])

    # -- the live region ----------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        from rich.live import Live

        self._live = Live(
            get_renderable=self._frame, console=self.terminal, transient=True, refresh_per_second=REFRESH_HZ
        )
        self._live.start()

    def _still(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _frame(self) -> Text:
        """Return what is not certain yet. The thread that draws asks for it."""
        now = time.perf_counter()
        spin = SPINNER[int(now * REFRESH_HZ) % len(SPINNER)]
        words, calls = list(self.words.values()), list(self.calls.items())[:5]
        lines: list[Text] = []
        above = self._above
        if words:
            lines += self._header(words[0].source)
            above = words[0].source
            room = max(1, self.terminal.height - 6 - 2 * len(calls))
            lines += self._tail("".join(words[0].pieces), self._colour(above), room)
        for (source, _), (call, _) in calls:
            if source != above:
                lines += self._header(source)
                above = source
            lines += self._barred(
                [(shown.called(call.name, call.arguments), ""), (f" {spin}", "dim")], self._colour(source)
            )
        others = ", ".join(dict.fromkeys(shown.inline(w.source) for w in words[1:]))
        status = f"{spin} {shown.duration(now - self._certain_at)}" + (f"  also speaking: {others}" if others else "")
        lines += self._wrapped([(status, "dim")], self.terminal.width)[:2]
        return self._text("\n").join(lines)

    def _tail(self, said: str, colour: str, room: int) -> list[Text]:
        """Return the last lines of what is being said, as many as there is room for."""
        width, height = self.terminal.size
        said = said[-(width * height) :]
        lines = [text for line in shown.clean(said).split("\n") for text in self._barred([(line, "")], colour)]
        return lines[-room:]

    # -- lines --------------------------------------------------------------------------------------------------------

    def _print(self, lines: Sequence[Text]) -> None:
        if self._live is not None:
            self._live.refresh()  # without what is printed now: nothing is there twice, not for a moment
        self.terminal.print(self._text("\n").join(lines), no_wrap=True, overflow="ignore", crop=False)

    def _text(self, text: str = "", style: str = "") -> Text:
        from rich.text import Text

        return Text(text, style, no_wrap=True, overflow="ignore", tab_size=4)

    def _wrapped(self, line: Line, width: int) -> list[Text]:
        text = self._text()
        for words, style in line:
            text.append(words, style)
        return list(text.wrap(self.terminal, max(NARROWEST, width), no_wrap=False, overflow="fold")) or [text]

    def _barred(self, line: Line, colour: str) -> list[Text]:
        bar = self._text("│ ", colour)
        return [bar + text for text in self._wrapped(line, self.terminal.width - 2)]

    def _header(self, source: str) -> list[Text]:
        if source == self._above:
            return []
        return [self._text(), self._text(shown.inline(source), f"bold {self._colour(source)}".strip())]

    def _colour(self, source: str) -> str:
        """Return a speaker's colour: its own from run to run, unless another in here has it already."""
        if source not in self._colours:
            taken = set(self._colours.values())
            at = zlib.crc32(source.encode(errors="surrogatepass"))
            wanted = [COLOURS[(at + i) % len(COLOURS)] for i in range(len(COLOURS))]
            self._colours[source] = next((colour for colour in wanted if colour not in taken), wanted[0])
        return self._colours[source]
