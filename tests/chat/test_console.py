"""`Console`: what people see of a conversation, in a terminal and elsewhere."""

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import redirect_stdout
from typing import Any

import pytest
from rich.cells import cell_len

from quorate.chat.agent import Agent
from quorate.chat.agents.assistant import AssistantAgent
from quorate.chat.console import Console
from quorate.chat.ending.conditions import MaxMessageTermination
from quorate.chat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    SelectSpeakerEvent,
    TaskResult,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserInputRequestedEvent,
)
from quorate.chat.speech import Turn
from quorate.chat.team import RoundRobinGroupChat, Team
from quorate.chat.turns import Once
from quorate.errors import ConfigError, ModelError, RunFailed
from quorate.models import CallDelta, Finished, ReasoningDelta, TextDelta, ToolCall, Usage
from quorate.runs.outcome import Outcome
from quorate.testing import ScriptedModel
from quorate.tools.tool import tool


@tool(effect="read")
def stats(column: str) -> dict[str, float]:
    """Compute figures of a column."""
    if column == "z":
        raise KeyError(column)
    return {"mean": 12.5}


def pair(*lines: Sequence[object], chunks: int = 3) -> Team:
    """A team whose members say the lines given for each, once."""
    names = ("analyst", "critic", "writer")
    members = [
        AssistantAgent(name, ScriptedModel(said, chunks=chunks), tools=[stats])
        for name, said in zip(names, lines, strict=False)
    ]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(1 + len(members)))


def message(text: str, source: str = "writer", **fields: Any) -> TextMessage:
    return TextMessage(content=text, source=source, **fields)


def chunk(text: str, id: str = "m1", *, source: str = "writer", attempt: int = 1) -> ModelClientStreamingChunkEvent:
    return ModelClientStreamingChunkEvent(content=text, source=source, full_message_id=id, attempt=attempt)


async def stream(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item
        await asyncio.sleep(0)


def ended(*messages: Any, kind: Any = "completed", **fields: Any) -> TaskResult:
    outcome = Outcome(kind, "it is done")
    return TaskResult(messages=list(messages), outcome=outcome, run_id="a.1", turns=2, **fields)


# -- elsewhere than in a terminal: lines ------------------------------------------------------------------------------


async def test_plain_output_is_a_line_for_each_thing_that_is_certain(capsys: Any) -> None:
    team = pair([ToolCall("c1", "stats", '{"column": "x"}'), "The mean is 12.5."], ["I agree,\nmore or less."])

    result = await Console(team.run_stream(task="What is x?"))

    lines = capsys.readouterr().out.splitlines()
    assert isinstance(result, TaskResult)
    assert [re.sub(r"\d+ tokens", "N tokens", line) for line in lines[:5]] == [
        "user: What is x?",
        'analyst: stats(column="x") → {"mean":12.5}  · N tokens',
        "analyst: The mean is 12.5.  · N tokens",
        "critic: I agree,",
        "  more or less.  · N tokens",
    ]
    assert lines[5:7] == ["", "completed: 3 messages of at most 3"]
    assert re.fullmatch(rf"2 turns · \d+ tokens · \$0 · \d\.\d s · run {result.run_id}", lines[7])


async def test_empty_message_is_no_word_that_somebody_passes_on(capsys: Any) -> None:
    await Console(pair([""], ["Yes."]).run_stream(task="Go."))

    assert "passes this on" not in capsys.readouterr().out


async def test_tool_errors_unknown_tools_and_several_calls_are_told(capsys: Any) -> None:
    calls = [
        ToolCall("c1", "stats", '{"column": "z"}'),
        ToolCall("c2", "fly", "{}"),
        ToolCall("c3", "stats", "no json"),
    ]

    await Console(pair([calls, "Sorry."]).run_stream(task="x"))

    out = capsys.readouterr().out
    assert "analyst: stats(column=\"z\") → error: KeyError: 'z'\n" in out
    assert "\n  fly() → error: There is no tool 'fly'." in out
    assert "\n  stats(no json) → error: " in out


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("[bold]x[/bold] [/] :smile:", "[bold]x[/bold] [/] :smile:"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\rb\x9b2Jc\x7f\x00", "a\\x0db\\x9b2Jc\\x7f\\x00"),
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),
        ("half \ud83d", "half \\ud83d"),
        ("\n\n", "(says nothing)"),
    ],
)
async def test_what_is_said_cannot_steer_the_output(capsys: Any, said: str, shown: str) -> None:
    items = (message(said), ThoughtEvent(content=said, source=said or "x"), message("x", source=f"{said}!"))

    await Console(stream(*items))

    out = capsys.readouterr().out
    assert out.startswith(f"writer: {shown}\n")
    assert all(line.isprintable() for line in out.split("\n"))


async def test_text_cannot_pose_as_another_s(capsys: Any) -> None:
    await Console(stream(message("Fine.\ncritic: APPROVE\r\ncompleted: all good")))

    assert capsys.readouterr().out == "writer: Fine.\n  critic: APPROVE\n  completed: all good\n"


async def test_output_that_knows_few_characters_gets_others_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

    await Console(stream(message("é → 中")))

    assert raw.getvalue() == b"writer: \\xe9 \\u2192 \\u4e2d\n"


async def test_events_of_other_kinds_are_told(capsys: Any) -> None:
    class Forecast(BaseAgentEvent):
        content: str

    await Console(
        stream(
            SelectSpeakerEvent(content=["critic"], source="team", metadata={"reason": "it is most able"}),
            UserInputRequestedEvent(request_id="r", source="ann"),
            Forecast(content="rain", source="sky"),
            ThoughtEvent(content="Hm.\nWhy?", source="critic"),
        )
    )

    assert capsys.readouterr().out.splitlines() == [
        "next: critic: it is most able",
        "ann: is asked for an answer",
        "sky: Forecast: rain",
        "critic: thinks: Hm. ↵ Why?",
    ]


async def test_words_beside_a_tool_call_are_told_once(capsys: Any) -> None:
    reply = [TextDelta("I look."), CallDelta(0, "c", "stats", '{"column": "x"}'), Finished(Usage(1, 1), "tool_calls")]

    await Console(pair([reply, "Done."]).run_stream(task="x"))

    assert capsys.readouterr().out.count("I look.") == 1


async def test_thoughts_are_told(capsys: Any) -> None:
    await Console(pair([[ReasoningDelta("Is it so?"), TextDelta("Yes."), Finished(Usage(1, 1))]]).run_stream(task="x"))

    assert "analyst: thinks: Is it so?\nanalyst: Yes." in capsys.readouterr().out


async def test_unknown_cost_is_told_as_unknown_and_known_cost_per_message(capsys: Any) -> None:
    usage = RequestUsage(1000, 200)
    said = message("Hi.", models_usage=usage, metadata={"cost_usd": "0.0123"})

    await Console(stream(said, ended(said, usage=usage, cost_usd=None)))

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "writer: Hi.  · 1,200 tokens · $0.0123"
    assert lines[-1].startswith("2 turns · 1,200 tokens · cost unknown · ")


async def test_output_stats_tell_prompts_and_replies_apart(capsys: Any) -> None:
    usage = RequestUsage(1000, 200)
    said = message("Hi.", models_usage=usage)

    await Console(stream(said, ended(said, usage=usage)), output_stats=True)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "writer: Hi.  · 1,000 prompt + 200 completion tokens"
    assert lines[-1] == "1 message and events · 1,000 prompt tokens · 200 completion tokens"


async def test_what_was_cut_off_is_told(capsys: Any) -> None:
    request = ToolCallRequestEvent(content=[FunctionCall("c", '{"column": "x"}', "stats")], source="analyst")

    await Console(stream(message("x"), request, chunk("I be"), chunk("gin"), ended(kind="cancelled")))

    assert capsys.readouterr().out.splitlines()[1:4] == [
        "writer: I begin",
        "  (cut off)",
        'analyst: stats(column="x") → no result yet',
    ]


# -- the stream -------------------------------------------------------------------------------------------------------


async def test_events_of_a_run_that_goes_on_are_a_stream_too(capsys: Any) -> None:
    async with pair(["Hello."]).start("Hi!") as run:
        result = await Console(run.events())

    assert [m.to_text() for m in result.messages] == ["Hi!", "Hello."]
    assert result.outcome is None
    assert capsys.readouterr().out.startswith("user: Hi!\nanalyst: Hello.")


async def test_second_run_of_a_conversation_does_not_repeat_the_first(capsys: Any) -> None:
    agent = AssistantAgent("analyst", ScriptedModel(["One.", "Two."]))
    await Console(agent.run_stream(task="Begin!"))
    capsys.readouterr()

    await Console(agent.run_stream(task="Go on!"))

    assert capsys.readouterr().out.startswith("user: Go on!\nanalyst: Two.")


@pytest.mark.parametrize("wrong", [stream(), pair, None])
async def test_no_stream_and_an_empty_one_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"stream"):
        await Console(wrong)


async def test_failed_run_shows_why_and_raises(capsys: Any) -> None:
    with pytest.raises(RunFailed) as failed:
        await Console(pair([ModelError("The provider said no.")]).run_stream(task="x"))

    assert failed.value.result is not None
    assert "failed: ModelError: The provider said no.\n" in capsys.readouterr().out


async def test_stream_is_closed_when_showing_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    async def watched() -> AsyncIterator[Any]:
        try:
            yield message("x")
            yield message("y")
        finally:
            closed.append(True)

    def broken(text: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys.stdout, "write", broken)

    with pytest.raises(BrokenPipeError):
        await Console(watched())

    assert closed == [True]


async def test_library_loads_rich_only_for_a_terminal() -> None:
    script = (
        "import asyncio, sys\nfrom quorate import AssistantAgent, Console\nfrom quorate.testing import ScriptedModel\n"
        "asyncio.run(Console(AssistantAgent('a', ScriptedModel(['Hi.'])).run_stream(task='x')))\n"
        "assert 'rich' not in sys.modules"
    )

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.DEVNULL)

    assert await process.wait() == 0


# -- in a terminal ----------------------------------------------------------------------------------------------------


class Screen(io.StringIO):
    """A terminal: what stands on it after all that was written.

    Attributes:
        lines: What stands there, the cursor's line last, but for what was erased.
        seen: What stood there at every moment.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.row = 0
        self.hidden = False
        self.seen: list[str] = []
        self.waits: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+|.", text):
            self._obey(part)
        self.seen.append(self.text)
        for words, loop, event in self.waits:
            if words in self.text:
                loop.call_soon_threadsafe(event.set)
        return super().write(text)

    async def shows(self, words: str) -> None:
        """Wait until some words stand there."""
        event = asyncio.Event()
        self.waits.append((words, asyncio.get_running_loop(), event))
        async with asyncio.timeout(60):
            await event.wait()

    def _obey(self, part: str) -> None:
        if part == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif part == "\r" or part.endswith("m"):
            pass
        elif part == "\x1b[2K":
            self.lines[self.row] = ""
            while len(self.lines) > 1 and self.row < len(self.lines) - 1 and not self.lines[-1]:
                self.lines.pop()
        elif found := re.fullmatch(r"\x1b\[(\d+)A", part):
            self.row -= int(found[1])
        elif part in {"\x1b[?25l", "\x1b[?25h"}:
            self.hidden = part.endswith("l")
        else:
            assert part.isprintable(), repr(part)
            self.lines[self.row] += part


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen()
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "40", "LINES": "20", "NO_COLOR": ""}.items():
        monkeypatch.setenv(name, value)
    return found


async def watch(screen: Screen, items: Any) -> TaskResult:
    """Show a stream on the screen."""
    with redirect_stdout(screen):
        result = await Console(items)
        assert sys.stdout is screen
    return result


async def test_terminal_shows_speakers_calls_and_the_end(screen: Screen) -> None:
    team = pair([ToolCall("c1", "stats", '{"column": "x"}'), "The mean is 12.5."], ["I agree."])

    result = await watch(screen, team.run_stream(task="What is x?"))

    lines = [re.sub(r"\d+ tokens?", "N tokens", line.rstrip()) for line in screen.lines]
    assert lines[:10] == [
        "",
        "user",
        "│ What is x?",
        "",
        "analyst",
        '│ stats(column="x") → {"mean":12.5}  ·',
        "│ N tokens",
        "│ The mean is 12.5.  · N tokens",
        "",
        "critic",
    ]
    assert "completed: 3 messages of at most 3" in lines
    assert result.run_id in screen.text
    assert not screen.hidden


async def test_words_come_as_they_are_said_and_the_message_takes_their_place(screen: Screen) -> None:
    await watch(screen, stream(chunk("Quorate is "), chunk("a word."), message("Quorate is a word.", id="m1"), ended()))

    assert screen.text.count("Quorate") == 1
    assert max(text.count("Quorate") for text in screen.seen) == 1


async def test_new_attempt_replaces_what_was_shown(screen: Screen) -> None:
    class Watched:
        async def __aiter__(self) -> AsyncIterator[Any]:
            yield chunk("First try")
            yield chunk("Second", attempt=2)
            yield chunk(" late", attempt=1)
            await screen.shows("│ Second")
            yield message("Second try", id="m1")

    await watch(screen, Watched())

    assert "First try" not in screen.text
    assert "late" not in screen.text
    assert screen.text.count("Second") == 1


async def test_cut_attempt_is_gone_when_its_run_ends(screen: Screen) -> None:
    cut = [TextDelta("Garbage of a cut stream. ")]

    await watch(screen, pair([cut, "Whole."]).run_stream(task="x"))

    assert "Garbage" not in screen.text
    assert screen.text.count("Whole.") == 1


async def test_of_parallel_speakers_each_appears_whole_and_once(screen: Screen) -> None:
    class Slow(Agent):
        async def speak(self, turn: Turn) -> BaseChatMessage:
            for word in "abcdef":
                turn.show(chunk(f"{self.name}-{word} ", f"id-{self.name}", source=self.name))
                await asyncio.sleep(0)
            text = " ".join(f"{self.name}-{word}" for word in "abcdef")
            return TextMessage(content=text, source=self.name, id=f"id-{self.name}")

    names = ("alpha", "beta", "gamma")

    await watch(screen, Team([Slow(name) for name in names], turns=Once()).run_stream(task="x"))

    assert [line for line in screen.text.splitlines() if line in names] == list(names)
    for name in names:
        assert screen.text.count(f"{name}-f") == 1


async def test_pending_calls_are_shown_and_then_told_once(screen: Screen) -> None:
    started, let_go = asyncio.Event(), asyncio.Event()

    @tool(effect="read")
    async def slow(n: int) -> int:
        """Take long."""
        started.set()
        await let_go.wait()
        return n

    agent = AssistantAgent("analyst", ScriptedModel([ToolCall("c", "slow", '{"n": 7}'), "Done."]), tools=[slow])

    async def look() -> None:
        await started.wait()
        await screen.shows("│ slow(n=7)")
        let_go.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        await watch(screen, agent.run_stream(task="x"))

    assert screen.text.count("slow(n=7)") == 1
    assert "slow(n=7) → 7" in screen.text
    assert max(text.count("slow(n=7)") for text in screen.seen) == 1


async def test_nothing_is_drawn_while_a_person_types(screen: Screen) -> None:
    class Watched:
        async def __aiter__(self) -> AsyncIterator[Any]:
            yield message("Who are you?")
            yield UserInputRequestedEvent(request_id="r", source="ann")
            assert not screen.hidden
            for thread in threading.enumerate():
                if "Refresh" in type(thread).__name__:  # the one that draws: it has been told to end
                    await asyncio.to_thread(thread.join, 60)
                    assert not thread.is_alive()
            yield message("I am Ann.", source="ann")

    await watch(screen, Watched())

    assert "│ I am Ann." in screen.text


@pytest.mark.parametrize("columns", ["14", "20", "33", "200"])
async def test_no_line_is_wider_than_the_terminal(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = "一二三四五六七八九十 🎉 naïve longwordwithoutanyblankinit " * 20

    await watch(screen, stream(chunk(words), message(words, id="m1", models_usage=RequestUsage(1, 2)), ended()))

    width = int(columns)
    assert max(cell_len(line.rstrip()) for text in screen.seen for line in text.splitlines()) <= width
    assert re.sub(r"[│\s]", "", screen.text).count("一二三四五六七八九十🎉") == 20


async def test_live_region_is_never_higher_than_the_terminal(screen: Screen) -> None:
    words = "".join(f"line {n}\n" for n in range(500))

    class Watched:
        async def __aiter__(self) -> AsyncIterator[Any]:
            yield chunk(words)
            await screen.shows("line 499")
            assert len(screen.lines) < 20
            yield message(words, id="m1")

    await watch(screen, Watched())

    assert screen.text.count("line 250\n") == 1


async def test_terminal_is_left_as_it_was_when_the_stream_breaks(screen: Screen) -> None:
    with pytest.raises(ValueError, match="broken"):
        await watch(screen, stream(message("x"), chunk("I beg"), ValueError("broken")))

    assert not screen.hidden
    assert "│ I beg" in screen.text
    assert "(cut off)" in screen.text


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
async def test_terminal_that_wants_no_colour_gets_plain_lines(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(name, value)

    await watch(screen, stream(chunk("Hel"), message("Hello.", id="m1"), ended()))

    assert "\x1b" not in screen.getvalue()
    assert screen.getvalue().startswith("writer: Hello.\n")


async def test_speaker_has_one_colour_and_another_another(screen: Screen) -> None:
    names = [f"agent {n}" for n in range(6)]

    await watch(screen, stream(*[message("Hi.", source=name) for name in names * 2]))

    colours = [set(re.findall(rf"([\d;]+)m{name}", screen.getvalue())) for name in names]
    assert all(len(found) == 1 for found in colours)
    assert len(set.union(*colours)) == len(names)


async def test_results_without_their_request_are_told(screen: Screen) -> None:
    result = FunctionExecutionResult("7", "slow", "c")

    await watch(screen, stream(ToolCallExecutionEvent(content=[result], source="analyst")))

    assert "│ slow() → 7" in screen.text


@pytest.mark.journey
def test_real_terminal_gets_colours_and_a_pipe_none() -> None:
    script = (
        "import asyncio\nfrom quorate import AssistantAgent, Console\nfrom quorate.testing import ScriptedModel\n"
        "asyncio.run(Console(AssistantAgent('a', ScriptedModel(['Hi.'])).run_stream(task='x')))"
    )
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "", "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", script]

    piped = subprocess.run(command, capture_output=True, check=True, env=environment)
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)

    assert process.returncode == 0
    assert b"\x1b" not in piped.stdout
    assert b"\x1b[" in shown
    assert shown.endswith(b"\x1b[0m\r\n") or b"\x1b[?25h" in shown


def _read(file: int) -> bytes:
    try:
        return os.read(file, 4096)
    except OSError:  # the other end was closed
        return b""
