"""Teams on a runtime: the same code, the same transcript and, with no intervention, the same journal to the byte."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    TaskResult,
    Team,
    TextMessage,
    TokenUsageTermination,
    Turn,
    UserProxyAgent,
    compare,
    conversation,
    fork,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.files.document import dump, team_schema
from quorate.chat.messages import BaseChatMessage, ThoughtEvent
from quorate.chat.placing import SpeakRequest
from quorate.chat.turns import Speak
from quorate.cli.transcript import told
from quorate.core import (
    AgentId,
    DefaultInterventionHandler,
    DropMessage,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    SendPolicy,
    message_handler,
)
from quorate.errors import CantHandle, ConfigError, RunFailed, WrongState
from quorate.models import ModelRequest, ToolCall
from quorate.runs.entries import Entry, canonical_export
from quorate.runs.history import fold
from quorate.testing import FakeClock, ScriptedModel

TASK = TextMessage(content="Go.", source="user", id="task", created_at=datetime(2026, 1, 1, tzinfo=UTC))


@tool(effect="read")
async def look(n: int) -> str:
    """Look."""
    await asyncio.sleep(0)
    return f"saw {n}"


@tool
async def pay(n: int) -> str:
    """Pay."""
    if n == 1:
        raise ValueError("no money")
    return f"paid {n}"


@tool(scope=True)
async def work(n: int) -> int:
    """Do it in steps."""

    async def dig() -> int:
        await asyncio.sleep(0)
        return n

    return await step("dig", dig, effect="idempotent") + await step("dig", dig, effect="read")


class Remembering(Agent):
    """Keeps a state, makes a step, tells an event."""

    async def speak(self, turn: Turn) -> TextMessage:
        turn.state.setdefault("heard", []).append(len(turn.thread))

        async def draw() -> list[int]:
            return [len(turn.thread)]

        drew = await step("draw", draw, effect="read")
        turn.emit(ThoughtEvent(content=str(drew), source=self.name))
        return TextMessage(content=f"{drew} {turn.state} {[m.source for m in turn.new]}", source=self.name)


class Waves:
    """All at once, or one alone, in turn."""

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak:
        at = memory % len(members)
        return Speak((members[at],), "alone") if memory % 2 else Speak((*members[at:], *members[:at]), "all at once")


def answer(request: ModelRequest) -> object:
    """Answer as the request says: call several tools at once, or say something."""
    seen = f"{request.system}{[block.content for block in request.blocks]}{request.output_schema}"
    sign = hashlib.sha256(seen.encode()).hexdigest()[:8]
    if request.output_schema:
        names = json.loads(request.output_schema)["properties"]["speaker"]["enum"]
        return json.dumps({"speaker": names[int(sign, 16) % len(names)]})
    if not request.tools or getattr(request.blocks[-1], "results", ()):
        return f"{request.system} says {sign}"
    return [ToolCall(f"c{i}{sign}", spec.name, json.dumps({"n": i})) for i, spec in enumerate(request.tools)]


def team(kind: str, runtime: LocalRuntime | None = None, **given: Any) -> Team:
    model = ScriptedModel(itertools.repeat(answer))
    members = [
        AssistantAgent("the writer", model, system_message="writer", tools=[look, pay, work]),
        Remembering("clerk"),
        AssistantAgent("critic", model, system_message="critic", tools=[pay]),
    ]
    given = {"termination_condition": MaxMessageTermination(9), "runtime": runtime, **given}
    if kind == "robin":
        return RoundRobinGroupChat(members, **given)
    if kind == "waves":
        return Team(members, turns=Waves(), **given)
    return SelectorGroupChat(members, model, **given)


async def run(made: Team, where: Any = None) -> tuple[TaskResult, list[Entry]]:
    talk = where or open_store("memory:", clock=FakeClock()).conversation("talk")
    result = await made.run(TASK, conversation=talk)
    return result, list(await talk.entries())


def words(result: TaskResult) -> list[Any]:
    return [m.dump() for m in result.messages]


@pytest.mark.parametrize("kind", ["robin", "waves", "selector"])
async def test_transcript_and_canonical_export_are_the_same_with_and_without_a_runtime(kind: str) -> None:
    plain, plain_entries = await run(team(kind))

    async with LocalRuntime() as runtime:
        placed, placed_entries = await run(team(kind, runtime))
        assert runtime.describe().agents == (), "the actors of a run leave with it"

    assert words(placed) == words(plain)
    assert (placed.stop_reason, placed.usage, placed.turns) == (plain.stop_reason, plain.usage, plain.turns)
    assert canonical_export(placed_entries) == canonical_export(plain_entries)
    assert len(plain_entries) > 40


@pytest.mark.parametrize("kind", ["robin", "waves", "selector"])
async def test_run_that_was_cut_goes_on_with_or_without_the_runtime_and_is_replayed_without(
    killed: Any, kind: str
) -> None:
    # ENGINE 1, 2, 4
    async with LocalRuntime() as runtime:
        whole, entries = await run(team(kind, runtime))
        cuts = [cut for cut in range(1, len(entries)) if not _unsafe_open(entries[:cut])]
        for cut in cuts[::5]:
            for then in (runtime, None):
                left = await killed(entries, after=cut)
                made = team(kind, then)

                result = await made.continue_run("talk", store=left.store)

                assert words(result) == words(whole), f"cut after {entries[cut - 1].kind} at {entries[cut - 1].path}"
                assert (await replay("talk", team=team(kind), store=left.store)).identical
                assert (await replay("talk", team=team(kind, runtime), store=left.store)).identical
    assert len(cuts) > 20


def _unsafe_open(entries: Sequence[Entry]) -> bool:
    opened = {e.path for e in entries if e.kind == "intent" and e.payload["effect"] == "unsafe"}
    return bool(opened - {e.path for e in entries if e.kind == "result"})


# --- interventions ----------------------------------------------------------------------------------------------------


class Censor(DefaultInterventionHandler):
    """Mutes the clerk in its first turn, changes what the critic says, and lets nobody hear a writer's second word."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard: dict[str, int] = {}

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        assert isinstance(message, SpeakRequest)
        self.asked.append(f"{message.name} {message.run_id} {len(message.thread)}")
        if message.name == "clerk" and len(message.thread) < 3:
            return DropMessage
        return message

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        assert isinstance(message, TextMessage)
        times = self.heard[message.source] = self.heard.get(message.source, 0) + 1
        if message.source == "critic":
            return message.model_copy(update={"content": f"[{len(message.content)} characters]"})
        return DropMessage() if message.source == "the writer" and times == 2 else message


async def censored(kind: str = "robin") -> tuple[TaskResult, list[Entry]]:
    async with LocalRuntime(intervention_handlers=[Censor()]) as runtime:
        return await run(team(kind, runtime))


async def test_what_an_intervention_changed_or_dropped_is_a_step_of_the_speech() -> None:
    result, entries = await censored()

    said = [(m.source, m.to_text()) for m in result.messages if isinstance(m, BaseChatMessage)]
    assert [source for source, _ in said[:6]] == ["user", "the writer", "critic", "clerk", "critic", "the writer"]
    assert all(text == "[20 characters]" for source, text in said if source == "critic")
    steps = [(e.path, e.payload["value"]) for e in entries if e.path.endswith("intervention")]
    assert [(path, value.get("dropped") or value["changed"]) for path, value in steps[:5]] == [
        ("2 turn/1 clerk/1 intervention", "turn"),
        ("3 turn/1 critic/4 intervention", "answer"),
        ("4 turn/1 the writer/6 intervention", "answer"),
        ("6 turn/1 critic/4 intervention", "answer"),
        ("9 turn/1 critic/4 intervention", "answer"),
    ]
    assert "critic says" not in "".join(m.to_text() for m in result.messages)


async def test_changed_words_are_what_everybody_has_also_who_said_them() -> None:
    _, entries = await censored()
    asked: list[Any] = []
    model = ScriptedModel(["first", "second"])
    critic = AssistantAgent("critic", model, system_message=None)
    async with LocalRuntime(intervention_handlers=[Censor()]) as runtime:
        await RoundRobinGroupChat([critic], termination_condition=MaxMessageTermination(3), runtime=runtime).run(TASK)
    asked = [block.content for block in model.requests[1].blocks]

    assert "first" not in str(asked)
    assert "[5 characters]" in str(asked)
    assert entries


@pytest.mark.parametrize("kind", ["robin", "waves", "selector"])
async def test_run_with_interventions_goes_on_and_is_replayed_without_the_runtime(killed: Any, kind: str) -> None:
    whole, entries = await censored(kind)
    talk = await killed(entries, after=len(entries) - 1)
    report = await replay("talk", team=team(kind), store=talk.store)
    assert report.identical
    steps = [i for i, e in enumerate(entries) if e.path.endswith("intervention")]
    for cut in (steps[0] + 1, steps[-1] + 1):
        left = await killed(entries, after=cut)

        result = await team(kind).continue_run("talk", store=left.store)

        assert result.outcome is not None
        assert result.outcome.kind == "completed"
        kept = canonical_export(entries[cut - 1 : cut]).decode()
        assert kept in canonical_export(await left.entries()).decode()
        assert (await replay("talk", team=team(kind), store=left.store)).identical
    assert words(whole)


async def test_tokens_of_a_changed_answer_count_for_conditions_too() -> None:
    until = TokenUsageTermination(max_total_token=30)
    async with LocalRuntime(intervention_handlers=[Censor()]) as runtime:
        critic = AssistantAgent("critic", ScriptedModel(itertools.repeat("some words that cost tokens")))
        made = RoundRobinGroupChat([critic], termination_condition=until, max_turns=20, runtime=runtime)
        result = await made.run(TASK)

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert 1 < len(result.messages) < 10


async def test_changed_words_are_read_again_in_the_next_run() -> None:
    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    async with LocalRuntime(intervention_handlers=[Censor()]) as runtime:
        model = ScriptedModel(["first", "second"])
        made = RoundRobinGroupChat([AssistantAgent("critic", model)], max_turns=1, runtime=runtime)
        await made.run("One.", conversation=talk)
        fresh = RoundRobinGroupChat([AssistantAgent("critic", model)], max_turns=1)
        await fresh.run("Two.", conversation=talk)

    assert "[5 characters]" in str([block.content for block in model.requests[1].blocks])
    assert "first" not in str([block.content for block in model.requests[1].blocks])


async def test_changed_message_is_forked_compared_and_shown_like_any_other() -> None:
    store = open_store("memory:", clock=FakeClock())
    async with LocalRuntime(intervention_handlers=[Censor()]) as runtime:
        result, _ = await run(team("robin", runtime), store.conversation("talk"))
    changed = next(m for m in result.messages if m.source == "critic" and isinstance(m, TextMessage))
    assert changed.id == "talk.1/3 turn/1 critic/4 intervention"

    kept = await fork(store, "talk", at=changed.id, id="kept", effects="live")
    other = await fork(store, "talk", at=changed.id, say="Other words.", id="other", effects="live")
    found = [await team("robin").continue_run(talk.id, store=store) for talk in (kept, other)]

    said = [[m.to_text() for m in one.messages if m.source == "critic" and isinstance(m, TextMessage)] for one in found]
    assert [texts[0] for texts in said] == ["[20 characters]", "Other words."]
    assert (await compare(store, "talk", "talk")).identical
    shown = [m.to_text() for m in told("talk", fold(await store.conversation("talk").entries())[1]).said]
    assert shown.count("[20 characters]") == 3


@pytest.mark.parametrize(
    ("given", "why"),
    [(PermissionError("not today"), "not today"), ("text", "must be a message"), (None, "returned None")],
)
async def test_error_of_an_intervention_and_a_wrong_answer_end_the_run_as_failed(given: Any, why: str) -> None:
    class Odd(DefaultInterventionHandler):
        async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
            if isinstance(given, Exception):
                raise given
            return given

    async with LocalRuntime(intervention_handlers=[Odd()]) as runtime:
        with pytest.raises((RunFailed, ConfigError), match=why):
            await team("robin", runtime).run(TASK)


# --- life on the runtime ----------------------------------------------------------------------------------------------


async def test_cancelling_the_run_cancels_the_handler_and_waits_for_its_end() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append("ended")
            raise AssertionError

    async with LocalRuntime() as runtime:
        made = RoundRobinGroupChat([Slow("slow")], max_turns=1, runtime=runtime)
        async with made.start(TASK) as live:
            await begun.wait()
            assert [str(agent.id) for agent in runtime.describe().agents if agent.busy] == [
                f"RoundRobinGroupChat.slow/{live.id.rpartition('.')[0]}"
            ]
        assert ended == ["ended"]
        assert runtime.describe().agents == ()
        assert runtime.unprocessed_messages_count == 0


async def test_turn_that_a_person_interrupts_is_cut_short_on_a_runtime_too() -> None:
    begun, ended = asyncio.Event(), list[str]()

    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            if len(turn.thread) > 1:
                return TextMessage(content=f"heard {turn.thread[-1].to_text()}", source=self.name)
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cut")
            raise AssertionError

    async with LocalRuntime() as runtime:
        made = RoundRobinGroupChat([Slow("slow")], max_turns=2, runtime=runtime)
        async with made.start(TASK) as live:
            await begun.wait()
            await live.interrupt("Faster!")
            result = await live.result()

    assert ended == ["cut"]
    assert [m.to_text() for m in result.messages] == ["Go.", "Faster!", "heard Faster!"]


async def test_runtime_that_is_stopped_fails_the_run_which_goes_on_when_it_is_started_again() -> None:
    wanted, stopped = asyncio.Event(), asyncio.Event()

    class Counting(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            if len(turn.thread) == 2:
                wanted.set()
                await stopped.wait()
            return TextMessage(content=str(len(turn.thread)), source=self.name)

    runtime, store = LocalRuntime(), open_store("memory:")
    runtime.start()
    made = RoundRobinGroupChat([Counting("a")], max_turns=4, runtime=runtime)
    running = asyncio.create_task(made.run(TASK, conversation=store.conversation("talk")))
    await wanted.wait()
    await runtime.stop()
    stopped.set()
    with pytest.raises(RunFailed, match="is not started"):
        await running
    runtime.start()

    result = await made.continue_run("talk", store=store)

    assert [m.to_text() for m in result.messages] == ["Go.", "1", "2", "3", "4"]
    await runtime.stop()
    await runtime.close()


async def test_team_in_a_tool_of_another_team_runs_on_the_same_runtime() -> None:
    async with LocalRuntime() as runtime:
        inner = RoundRobinGroupChat([AssistantAgent("expert", ScriptedModel(["42"]))], max_turns=1, runtime=runtime)

        @tool(effect="read")
        async def consult(question: str) -> str:
            """Ask the experts."""
            return (await inner.run(question)).messages[-1].to_text()

        call = ToolCall("c1", "consult", '{"question": "What is it?"}')
        boss = AssistantAgent("boss", ScriptedModel([call, "It is 42."]), tools=[consult])
        result = await RoundRobinGroupChat([boss], max_turns=1, runtime=runtime).run(TASK)

    assert result.messages[-1].to_text() == "It is 42."
    assert "content='42'" in result.messages[2].to_text()


async def test_many_conversations_of_one_team_run_side_by_side_on_one_runtime() -> None:
    async with LocalRuntime() as runtime:
        made = team("waves", runtime)
        results = await asyncio.gather(*(made.run(TASK, conversation=conversation(f"talk-{n}")) for n in range(20)))
        again = team("waves", runtime)
        assert (await again.run(TASK)).outcome == results[0].outcome

    assert {result.outcome.kind for result in results if result.outcome} == {"completed"}


async def test_members_of_teams_and_other_agents_talk_on_the_same_runtime() -> None:
    class Counter(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("counts")
            self.count = 0

        @message_handler
        async def on_text(self, message: str, ctx: MessageContext) -> int:
            self.count += 1
            return self.count

    class Asker(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            count = await step("count", lambda: runtime.send_message("x", AgentId("counter", "k")), effect="read")
            return TextMessage(content=str(count), source=self.name)

    async with LocalRuntime() as runtime:
        await Counter.register(runtime, "counter", Counter)
        result = await RoundRobinGroupChat([Asker("a"), Asker("b")], max_turns=4, runtime=runtime).run(TASK)

    assert [m.to_text() for m in result.messages] == ["Go.", "1", "2", "3", "4"]


async def test_run_that_waits_for_a_person_leaves_nothing_on_the_runtime() -> None:
    async with LocalRuntime() as runtime:
        store = open_store("memory:")
        made = RoundRobinGroupChat([UserProxyAgent("ann")], max_turns=1, runtime=runtime)
        result = await made.run(TASK, conversation=store.conversation("talk"))
        assert result.outcome is not None
        assert result.outcome.kind == "waiting"
        assert runtime.describe().agents == ()

        result = await made.continue_run("talk", store=store, answer=lambda question: "yes")

        assert result.messages[-1].to_text() == "yes"


async def test_policy_of_the_runtime_does_not_have_a_speech_tried_again() -> None:
    tries: list[int] = []

    class Failing(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            tries.append(1)
            raise ConnectionError("down")

    async with LocalRuntime(policy=SendPolicy(attempts=5, pause_s=0)) as runtime:
        with pytest.raises(RunFailed, match="down"):
            await RoundRobinGroupChat([Failing("a")], max_turns=1, runtime=runtime).run(TASK)

    assert tries == [1]


async def test_runtime_that_is_not_started_and_names_that_are_taken_are_told_before_anything_runs() -> None:
    runtime = LocalRuntime()
    with pytest.raises(WrongState, match="is not started"):
        await team("robin", runtime).run(TASK)

    class Other(RoutedAgent):
        @message_handler
        async def on_text(self, message: str, ctx: MessageContext) -> None: ...

    async with runtime:
        await Other.register(runtime, "desk.clerk", lambda: Other("other"))
        with pytest.raises(ConfigError, match=r"clerk would be desk\.clerk .* name the team"):
            await team("robin", runtime, name="desk").run(TASK)
        await team("robin", runtime, name="office").run(TASK)
        with pytest.raises(CantHandle, match="speaks when its team sends it"):
            await runtime.send_message("hello", AgentId("office.clerk", "k"))


def test_runtime_is_no_part_of_a_team_file() -> None:
    with_runtime = RoundRobinGroupChat([AssistantAgent("a", "embedded")], max_turns=1, runtime=LocalRuntime())

    assert "runtime" not in str(dump(with_runtime))
    assert '"runtime"' not in json.dumps(team_schema())
