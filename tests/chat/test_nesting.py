"""Teams inside a run: as members, as tools, and run in a speech; in one journal, within the limits around them."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    Console,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TaskResult,
    Team,
    TeamTool,
    TextMentionTermination,
    TextMessage,
    Turn,
    UserProxyAgent,
    ask,
    compare,
    conversation,
    fork,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.past import audit
from quorate.chat.turns import Speak, Stop
from quorate.errors import ConfigError, ModelError, RunFailed
from quorate.models import ModelRequest, Reply, ToolCall
from quorate.runs.inbox import Note
from quorate.testing import FakeClock, ScriptedModel


def agent(name: str, *lines: Any, **options: Any) -> AssistantAgent:
    given = list(lines) or itertools.repeat(f"{name} speaks.")
    return AssistantAgent(name, ScriptedModel(given), system_message=name, **options)


def robin(*members: Any, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(members, **options)


class Saying(Agent):
    """Says what a function of its turn comes to."""

    def __init__(self, name: str, say: Callable[[Turn], Any]) -> None:
        super().__init__(name)
        self.say = say

    async def speak(self, turn: Turn) -> TextMessage:
        said = self.say(turn)
        return TextMessage(content=str(await said if asyncio.iscoroutine(said) else said), source=self.name)


def texts(result: TaskResult) -> list[str]:
    return [f"{m.source}: {m.to_text()}" for m in result.messages]


def heard(turn: Turn) -> str:
    return " ".join(f"{m.source}:{m.to_text()}" for m in turn.thread)


# -- a team as a member -----------------------------------------------------------------------------------------------


async def test_team_speaks_as_a_member_and_others_hear_its_last_word_under_its_name() -> None:
    lab = robin(agent("ann", "An idea."), agent("bob", "A better one."), max_turns=2, name="lab")

    result = await robin(lab, Saying("boss", heard), max_turns=2).run("Go.")

    assert texts(result)[2:] == ["lab: A better one.", "boss: user:Go. lab:A better one."]
    assert result.messages[2].models_usage is not None
    assert result.messages[2].models_usage.completion_tokens == 3 + 3 + 1


async def test_share_all_lets_others_hear_everything_under_the_names_of_those_who_said_it() -> None:
    lab = robin(agent("ann", "One."), agent("bob", "Two."), max_turns=2, name="lab", share_all=True)
    talk = conversation("talk")
    team = robin(lab, Saying("boss", heard), agent("eve", "Heard."), max_turns=3)

    result = await team.run("Go.", conversation=talk)

    assert texts(result)[2:] == ["ann: One.", "bob: Two.", "boss: user:Go. ann:One. bob:Two.", "eve: Heard."]
    assert (await replay("talk", team=team, store=talk.store)).identical
    asked = list(audit.requests("talk", await talk.entries()).values())[-1][0].request
    assert [block.text for block in asked.blocks] == ["Go.", "One.", "Two.", "user:Go. ann:One. bob:Two."]  # pyright: ignore[reportAttributeAccessIssue]: words


async def test_member_team_goes_on_from_turn_to_turn_and_run_to_run_and_hears_what_is_new() -> None:
    lab = robin(Saying("ann", heard), max_turns=1, name="lab")
    team = robin(agent("boss", "First.", "Second.", "Third."), lab, max_turns=4)
    talk = conversation("talk")

    first = await team.run("Go.", conversation=talk)
    second = await robin(agent("boss", "Third."), lab, max_turns=2).run("On.", conversation=talk)

    once = "user:Go. boss:First."
    twice = f"{once} ann:{once} boss:Second."
    assert [m.to_text() for m in first.messages if m.source == "lab" and isinstance(m, TextMessage)] == [once, twice]
    assert second.messages[-1].to_text() == f"{twice} ann:{twice} user:On. boss:Third."


async def test_task_of_a_member_team_is_in_the_journal_by_reference() -> None:  # ENGINE 14
    talk = conversation("talk")
    await robin(
        agent("boss", "Look at this very thing."), robin(agent("ann"), max_turns=1, name="lab"), max_turns=2
    ).run("Go.", conversation=talk)

    entries = await talk.entries()

    assert next(e.payload["task"] for e in entries if e.kind == "task") == ["1:#0", "1:1 turn/1 boss"]
    assert sum("Look at this very thing." in json.dumps(e.payload, default=str) for e in entries) == 1
    assert sum("ann speaks." in json.dumps(e.payload, default=str) for e in entries) == 1


async def test_team_in_which_nobody_speaks_says_so() -> None:
    silent = robin(agent("ann"), termination_condition=MaxMessageTermination(1), name="lab")

    result = await robin(silent, max_turns=1).run("Go.")

    assert texts(result)[-1] == "lab: (nobody said anything)"


# -- run in a speech, as a tool ---------------------------------------------------------------------------------------


async def test_agent_and_team_run_in_a_speech_as_a_part_of_its_run() -> None:
    lab = robin(agent("ann", "Found."), max_turns=1, name="lab")

    async def work(turn: Turn) -> str:
        found = await lab.run("Look.")
        said = await agent("eve", "Good.").run(found.messages)
        return f"{found.messages[-1].to_text()} {said.messages[-1].to_text()} {len(said.messages)}"

    talk = conversation("talk")
    team = robin(Saying("boss", work), max_turns=1)
    result = await team.run("Go.", conversation=talk)

    assert result.messages[-1].content == "Found. Good. 3"
    assert result.usage.completion_tokens > 0
    paths = [e.path for e in await talk.entries() if e.kind in {"task", "outcome"}]
    assert paths == ["1 turn/1 boss/1 lab"] * 2 + ["1 turn/1 boss/2 eve"] * 2
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_stream_inside_a_speech_yields_what_happens_and_leaving_it_cancels() -> None:
    async def work(turn: Turn) -> str:
        seen = [type(m).__name__ async for m in agent("eve", "Good.").run_stream("Look.")]
        async with aclosing(agent("ann").run_stream("Look.")) as items:
            async for _ in items:
                break
        return " ".join(name for name in seen if "Chunk" not in name)

    result = await robin(Saying("boss", work), max_turns=1).run("Go.")

    assert result.messages[-1].content == "TextMessage TaskResult"
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []


async def test_agent_tool_and_team_tool_work_on_a_task_and_their_words_are_the_result() -> None:
    lab = robin(agent("ann", "One."), agent("bob", "Two."), max_turns=2, name="lab")
    tools = [AgentTool(agent("eve", "Seen."), return_value_as_last_message=True), TeamTool(lab, "ask_lab", "Asks.")]
    calls = [ToolCall("1", "eve", '{"task":"Look."}'), ToolCall("2", "ask_lab", '{"task":"Think."}')]
    talk = conversation("talk")
    boss = agent("boss", calls, "Done.", tools=tools)

    await boss.run("Go.", conversation=talk)

    results = [e.payload["content"] for e in await talk.entries() if e.kind == "result"]
    assert sorted(results) == [
        "Seen.", "ann: One.\n\nbob: Two.\n\n(It ended before it was done: The limit of 2 turns is reached.)",
    ]  # fmt: skip
    assert {"1 turn/1 boss/2 eve/1 eve", "1 turn/1 boss/3 ask_lab/1 lab"} == {
        e.path for e in await talk.entries() if e.kind == "task"
    }


@pytest.mark.parametrize("remember", [False, True])
async def test_call_of_a_tool_starts_fresh_unless_it_remembers_and_then_calls_queue(remember: bool) -> None:
    helper = AgentTool(Saying("eve", heard), return_value_as_last_message=True, remember=remember)
    twice = [ToolCall(str(n), "eve", json.dumps({"task": f"t{n}"})) for n in (1, 2)]
    again = ToolCall("3", "eve", '{"task":"t3"}')
    talk = conversation("talk")
    boss = agent("boss", twice, "Well.", again, "Done.", tools=[helper])

    await boss.run("Go.", conversation=talk)
    await AssistantAgent("boss", ScriptedModel([again, "Done."]), tools=[helper]).run("More.", conversation=talk)

    results = [e.payload["content"] for e in await talk.entries() if e.kind == "result"]
    first, second = "user:t1", "user:t1 eve:user:t1 user:t2"
    if remember:
        assert results == [first, second, f"{second} eve:{second} user:t3"]
    else:
        assert results == [first, "user:t2", "user:t3"]


async def test_tool_outside_of_a_run_works_and_starts_fresh() -> None:
    helper = AgentTool(Saying("eve", heard), return_value_as_last_message=True)

    assert [await helper(task="a"), await helper(task="b")] == ["user:a", "user:b"]


async def test_teams_inside_teams_are_as_deep_as_anybody_builds_them() -> None:
    team: Any = AssistantAgent("ann", ScriptedModel(["At the bottom."]))
    for i in range(30):
        team = RoundRobinGroupChat([team], max_turns=1, name=f"level {i}")

    result = await team.run("Go.")

    assert result.messages[-1].to_text() == "At the bottom."


async def test_agent_that_calls_itself_without_end_is_told_so() -> None:
    tools: list[Any] = []
    eve = AssistantAgent("eve", ScriptedModel(itertools.repeat(lambda request: deeper(request))), tools=tools)
    deep = AgentTool(eve, return_value_as_last_message=True)
    eve.tools = eve.offered = {"eve": deep}  # no definition can be built so

    result = await eve.run("Go.")

    assert "inside each other" in result.messages[-1].to_text()


def deeper(request: ModelRequest) -> object:
    last = request.blocks[-1]
    results = getattr(last, "results", ())
    return results[0].content if results else ToolCall("1", "eve", '{"task":"Deeper."}')


# -- limits, ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "limit"), [({"turns": 2}, "turns"), ({"model_calls": 2}, "model_calls"), ({"tokens": 150}, "tokens")]
)
async def test_limit_of_a_teams_own_is_told_to_the_team_around_it_which_goes_on(
    own: dict[str, int], limit: str
) -> None:
    lab = robin(agent("ann"), agent("bob"), limits=Limits(**own), name="lab")

    result = await robin(lab, agent("boss", "So be it."), max_turns=2).run("Go.")

    told = [m for m in result.messages if m.type == "TeamOutcomeEvent"]  # pyright: ignore[reportAttributeAccessIssue]: every message has one
    assert [(m.outcome, m.limit) for m in told] == [("limit", limit)]  # pyright: ignore[reportAttributeAccessIssue]: it is that event
    assert texts(result)[-1] == "boss: So be it."


@pytest.mark.parametrize("limit", ["model_calls", "tool_calls", "tokens"])
@pytest.mark.parametrize("depth", [1, 3])
async def test_inherited_limit_ends_the_run_at_any_depth(limit: str, depth: int) -> None:
    @tool(effect="read", polls=True)
    async def look(n: int) -> str:
        """Look."""
        return "Seen."

    calls = itertools.chain.from_iterable(
        ([ToolCall(f"c{n}", "look", json.dumps({"n": n}))], f"Said {n} of many words.") for n in range(1000)
    )
    inner: Any = AssistantAgent("ann", ScriptedModel(calls), tools=[look])
    for n in range(depth):
        inner = robin(inner, name=f"team{n}", limits=Limits(model_calls=250, tool_calls=200, tokens=1_000_000))
    most = {"model_calls": 7, "tool_calls": 5, "tokens": 30_000}[limit]

    result = await robin(inner, limits=Limits(**{limit: most})).run("Go.")  # pyright: ignore[reportArgumentType]: whole numbers

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", limit)
    used = {"model_calls": 7, "tool_calls": 5}
    if limit in used:
        assert result.usage is not None


async def test_limit_of_a_team_in_the_middle_ends_that_and_not_what_is_around_it() -> None:
    inner = robin(agent("ann"), name="inner")
    middle = robin(inner, limits=Limits(model_calls=3), name="middle")

    result = await robin(middle, agent("boss", "On."), max_turns=2).run("Go.")

    assert [(m.source, m.limit) for m in result.messages if m.type == "TeamOutcomeEvent"] == [("middle", "model_calls")]  # pyright: ignore[reportAttributeAccessIssue]: every message has one
    assert texts(result)[-1] == "boss: On."


async def test_limits_given_to_a_call_replace_the_teams_own_within_those_around() -> None:
    lab = robin(agent("ann"), name="lab", limits=Limits(turns=9))

    async def work(turn: Turn) -> str:
        result = await lab.run("Look.", limits=Limits(turns=2))
        assert result.outcome is not None
        return f"{result.outcome.limit} {result.turns}"

    result = await robin(Saying("boss", work), max_turns=1).run("Go.")

    assert result.messages[-1].content == "turns 2"


async def test_stall_of_a_team_inside_is_told_and_the_team_around_it_goes_on() -> None:
    lab = robin(agent("ann"), name="lab", patience=3)

    result = await robin(lab, agent("boss", "Enough."), max_turns=2).run("Go.")

    assert [m.outcome for m in result.messages if m.type == "TeamOutcomeEvent"] == ["stalled"]  # pyright: ignore[reportAttributeAccessIssue]: every message has one
    assert texts(result)[-1] == "boss: Enough."


async def test_time_of_a_team_inside_is_looked_at_between_its_turns_and_replayed() -> None:
    clock = FakeClock()

    async def work(turn: Turn) -> str:
        await clock.sleep(4)
        return f"after {len(turn.thread)}"

    lab = robin(Saying("ann", work), name="lab", limits=Limits(active_s=10))
    team = robin(lab, agent("boss", "On."), max_turns=2)
    store = open_store("memory:", clock=clock)

    result = await team.run("Go.", conversation=store.conversation("talk"))

    assert [m.limit for m in result.messages if m.type == "TeamOutcomeEvent"] == ["active_s"]  # pyright: ignore[reportAttributeAccessIssue]: every message has one
    assert texts(result)[2:] == ["lab: after 3", "boss: On."]
    assert (await replay("talk", team=team, store=store)).identical


async def test_failure_is_the_exception_of_the_speech_and_going_on_makes_that_step_again() -> None:  # ENGINE 5
    talk = conversation("talk")
    failing = robin(robin(agent("ann", "Fine.", RuntimeError("boom")), name="inner"), name="lab", max_turns=2)
    with pytest.raises(RunFailed) as raised:
        await robin(failing, max_turns=1).run("Go.", conversation=talk)
    mended = robin(robin(agent("ann", "Better."), name="inner", max_turns=2), name="lab", max_turns=1)

    result = await robin(mended, max_turns=1).continue_run("talk", store=talk.store)

    assert "boom" in str(raised.value)
    outcomes = [(e.path, e.payload["outcome"]) for e in await talk.entries() if e.kind == "outcome"]
    inner, lab = "1 turn/1 lab/1 turn/1 inner", "1 turn/1 lab"
    assert outcomes == [(inner, "failed"), (lab, "failed"), (inner, "limit"), (lab, "limit")]
    assert texts(result)[-1] == "lab: Better."


async def test_failure_in_a_tool_is_its_result_and_the_agent_goes_on() -> None:
    helper = AgentTool(agent("eve", RuntimeError("boom")))

    result = await agent("boss", ToolCall("1", "eve", '{"task":"Look."}'), "Without it.", tools=[helper]).run("Go.")

    assert texts(result)[-1] == "boss: Without it."
    assert "boom" in texts(result)[-2]


async def test_stop_ends_the_run_after_the_inner_turn_and_going_on_goes_on_there() -> None:
    talk = conversation("talk")
    begun = asyncio.Event()

    async def work(turn: Turn) -> str:
        begun.set()
        await asyncio.sleep(0.01)
        return f"after {len(turn.thread)}"

    team = robin(robin(Saying("ann", work), name="lab", max_turns=4), max_turns=1)
    async with team.start("Go.", conversation=talk) as run:
        await begun.wait()
        run.stop("Enough.")
        stopped = await run.result()
    replayed = await replay("talk", team=team, store=talk.store)

    result = await team.continue_run("talk", store=talk.store)

    assert stopped.outcome is not None
    assert (stopped.outcome.kind, stopped.stop_reason) == ("cancelled", "Enough.")
    assert replayed.identical
    assert texts(result)[-1] == "lab: after 4"
    assert sum(e.kind == "said" and e.path.endswith("ann") for e in await talk.entries()) == 4


@pytest.mark.parametrize("how", ["cancel", "leave"])
async def test_cancel_in_depth_leaves_no_task(how: str) -> None:
    begun = asyncio.Event()

    async def hang(turn: Turn) -> str:
        begun.set()
        await asyncio.sleep(3600)
        return ""

    async def work(turn: Turn) -> str:
        async with asyncio.TaskGroup() as group:
            for n in range(2):
                group.create_task(robin(Saying("ann", hang), name=f"lab{n}").run("Look."))
        return ""

    talk = conversation("talk")
    team = robin(robin(Saying("boss", work), name="outer"))
    async with team.start("Go.", conversation=talk) as run:
        await begun.wait()
        if how == "cancel":
            run.cancel()
            await run.result()

    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
    assert (await talk.entries())[-1].payload["outcome"] == "cancelled"


# -- people -----------------------------------------------------------------------------------------------------------


async def test_question_in_depth_parks_the_run_once_siblings_are_done_and_its_answer_goes_on_there() -> None:
    spoken: list[str] = []

    def work(name: str) -> Callable[[Turn], Any]:
        async def say(turn: Turn) -> str:
            spoken.append(name)
            return await ask("Sure?") if name == "ann" else name

        return say

    class Both:
        def begin(self) -> int:
            return 0

        def see(self, memory: int, fact: Any) -> int:
            return memory

        async def next(self, memory: int, thread: Any, members: Sequence[str]) -> Any:
            return Speak(tuple(members), "all")

    labs = [robin(Saying(name, work(name)), max_turns=1, name=f"lab-{name}") for name in ("ann", "bob")]
    team = robin(Team(labs, turns=Both(), max_turns=1, name="office"), max_turns=1)
    talk = conversation("talk")

    waiting = await team.run("Go.", conversation=talk)
    assert waiting.outcome is not None
    await talk.store.post("talk", Note(waiting.outcome.questions[0], "answer", {"value": "Yes."}))
    result = await team.continue_run("talk", store=talk.store)

    assert waiting.outcome.kind == "waiting"
    assert spoken == ["ann", "bob", "ann"]
    assert result.outcome is not None
    assert result.outcome.kind == "limit"
    said = [
        e.payload["items"][-1][1]["content"]
        for e in await talk.entries()
        if e.path.endswith("1 ann")
        if e.kind == "said"
    ]
    assert said == ["Yes."]
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_steering_reaches_an_agent_in_a_team_inside_and_an_unknown_name_is_refused() -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    async def wait(turn: Turn) -> str:
        begun.set()
        await told.wait()
        return "Waited."

    asked: list[str] = []

    def answer(request: ModelRequest) -> str:
        asked.append(str(request.blocks[-1].content))
        return "Done."

    lab = robin(Saying("bob", wait), AssistantAgent("ann", ScriptedModel([answer])), max_turns=2, name="lab")
    async with robin(lab, max_turns=1).start("Go.") as run:
        await begun.wait()
        with pytest.raises(ConfigError, match="Nobody here"):
            await run.steer("Quick!", to="eve")
        await run.steer("Quick!", to="ann")
        told.set()
        await run.result()

    assert "Quick!" in asked[0]


# -- who looks on -----------------------------------------------------------------------------------------------------


async def test_who_looks_on_sees_what_happens_inside_with_the_names_on_the_way() -> None:
    team = robin(robin(robin(agent("ann", "Deep."), name="inner", max_turns=1), name="outer", max_turns=1), max_turns=1)

    seen = [
        (m.source, m.metadata.get("within", "")) async for m in team.run_stream("Go.") if isinstance(m, TextMessage)
    ]

    assert seen == [
        ("user", ""), ("ann", "outer/inner"), ("inner", "outer"), ("outer", ""),
    ]  # fmt: skip


async def test_condition_of_the_team_around_counts_what_a_team_inside_used() -> None:
    from quorate import TokenUsageTermination

    lab = robin(agent("ann"), agent("bob"), max_turns=3, name="lab")
    team = robin(lab, agent("boss"), termination_condition=TokenUsageTermination(max_completion_token=8))

    result = await team.run("Go.")

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert result.turns == 1


async def test_condition_that_stops_at_words_sees_those_of_a_team() -> None:
    lab = robin(agent("ann", "DONE"), max_turns=1, name="lab")

    result = await robin(agent("boss"), lab, termination_condition=TextMentionTermination("DONE")).run("Go.")

    assert result.stop_reason == "lab said 'DONE'"


async def test_console_tells_who_speaks_inside_a_team_and_says_nothing_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    inner = robin(agent("ann", "Deep."), name="inner", max_turns=1)
    outer = robin(inner, agent("bob", "Then this."), name="outer", max_turns=2)

    await Console(robin(outer, agent("boss", "Well."), max_turns=2).run_stream("Go."))

    lines = [line.partition("  ·")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines[1:-3] == [
        "outer/inner/ann: Deep.",
        "outer/inner: limit: The limit of 1 turn is reached.",
        "outer/inner: passes this on",
        "outer/bob: Then this.",
        "outer: limit: The limit of 2 turns is reached.",
        "outer: passes this on",
        "boss: Well.",
    ]


@pytest.mark.parametrize("how", ["interrupt", "pause"])
async def test_person_cuts_or_holds_a_team_inside_and_what_was_done_is_kept(how: str) -> None:
    begun, told = asyncio.Event(), asyncio.Event()
    times: list[int] = []

    async def work(turn: Turn) -> str:
        times.append(len(turn.thread))

        async def draw() -> int:
            return len(turn.thread)

        await step("draw", draw, effect="read")
        if times.count(3) == 1 and len(times) == 3:
            begun.set()
            await (asyncio.sleep(3600) if how == "interrupt" else told.wait())
        return f"after {await step('draw', draw, effect='read')}"

    talk = conversation("talk")
    team = robin(robin(Saying("ann", work), name="lab", max_turns=4), agent("boss"), max_turns=3)
    async with team.start("Go.", conversation=talk) as run:
        await begun.wait()
        await getattr(run, how)()
        told.set()
        await run.result()
    if how == "pause":
        await team.continue_run("talk", store=talk.store)

    said = [e.path for e in await talk.entries() if e.kind == "said" and e.path.endswith("ann") and e.path[0] == "1"]
    interrupted = [e.path for e in await talk.entries() if e.kind == "said" and "interrupted" in e.payload]
    assert len(said) == len(set(said)) == (3 if how == "interrupt" else 4)
    assert interrupted == (["1 turn/1 lab/3 turn/1 ann", "1 turn/1 lab"] if how == "interrupt" else [])
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_fork_at_a_step_of_a_team_inside_says_something_else_there_and_goes_on() -> None:
    store = open_store("memory:")

    def team() -> Team:
        return robin(robin(agent("ann", "One."), Saying("bob", heard), name="lab", max_turns=2), max_turns=1)

    await team().run("Go.", conversation=store.conversation("talk"))

    other = await fork(store, "talk", at="1 turn/1 lab/1 turn/1 ann/1 model", say="Two.")
    result = await team().continue_run(other.id, store=store)
    whole = await fork(store, "talk", at=2)
    same = await compare(store, "talk.1", f"{other.id}.1")

    assert result.messages[-1].to_text() == "user:Go. ann:Two."
    assert [d.a.who for d in same.differences if d.a and d.kind == "text"] == ["ann", "bob", "lab"]
    assert [e.kind for e in await whole.entries()].count("outcome") == 1


async def test_limits_of_agents_inside_a_team_end_that_team() -> None:
    greedy = AssistantAgent(
        "ann", ScriptedModel(itertools.repeat("More.")), limits=Limits(model_calls=2), system_message="ann"
    )

    result = await robin(robin(greedy, name="lab"), agent("boss", "On."), max_turns=2).run("Go.")

    assert [m.limit for m in result.messages if m.type == "TeamOutcomeEvent"] == ["ann.model_calls"]  # pyright: ignore[reportAttributeAccessIssue]: every message has one
    assert texts(result)[-1] == "boss: On."


async def test_race_with_a_team_in_it_leaves_no_word_of_the_loser_in_what_it_remembers() -> None:
    slow = asyncio.Event()

    async def say(turn: Turn) -> str:
        if len(turn.thread) == 2 and not slow.is_set():
            slow.set()
            await asyncio.sleep(3600)
        return heard(turn)

    class Racing:
        def begin(self) -> int:
            return 0

        def see(self, memory: int, fact: Any) -> int:
            return memory + (fact.choice is not None)

        async def next(self, memory: int, thread: Any, members: Sequence[str]) -> Any:
            return Speak(tuple(members), "all") if memory < 2 else Stop("Enough.")

        def enough(self, memory: int, done: Any) -> bool:
            return memory == 1 and "boss" in done

    async def first(turn: Turn) -> str:
        await slow.wait()
        return "First."

    lab = robin(agent("ann", *["Hm."] * 9), Saying("bob", say), max_turns=2, name="lab")
    talk = conversation("talk")
    team = Team([lab, Saying("boss", first)], turns=Racing())

    result = await team.run("Go.", conversation=talk)

    last = [m.to_text() for m in result.messages if m.source == "lab" and isinstance(m, TextMessage)]
    assert last == ["user:Go. boss:First. ann:Hm."]
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_what_a_member_named_user_says_comes_back_from_a_tool_too() -> None:
    person = UserProxyAgent("user", input_func=lambda prompt: "At noon.")
    asking = TeamTool(RoundRobinGroupChat([person], max_turns=1), "ask", "Asks.", return_value_as_last_message=True)
    model = ScriptedModel([ToolCall("1", "ask", '{"task": "When?"}'), "Noon."])

    await AssistantAgent("ann", model, tools=[asking]).run("When do we meet?")

    answered = model.requests[1].blocks[-1]
    assert isinstance(answered, Reply)
    assert answered.results[0].content.startswith("At noon.")


@pytest.mark.parametrize("error", [ValueError("no line"), KeyError(), ModelError("no line")], ids=str)
async def test_run_goes_on_after_a_conversation_inside_it_failed_and_is_replayed(error: Exception) -> None:
    def made() -> AssistantAgent:
        eve = AgentTool(agent("eve", error))
        return agent("ann", ToolCall("1", "eve", '{"task": "Look."}'), "She cannot.", tools=[eve])

    talk = conversation("talk")
    result = await made().run("Ask eve.", conversation=talk)
    report = await replay("talk", team=made(), store=talk.store)

    assert result.messages[-1].to_text() == "She cannot."
    assert report.identical
