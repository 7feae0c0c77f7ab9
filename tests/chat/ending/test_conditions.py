import dataclasses
import gc
import itertools
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Condition,
    CostTermination,
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffMessage,
    HandoffTermination,
    Limits,
    MaxMessageTermination,
    NoProgressTermination,
    Price,
    RoundRobinGroupChat,
    SelectorGroupChat,
    SourceMatchTermination,
    StopMessage,
    StopMessageTermination,
    TextMentionTermination,
    TextMessage,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
    Turn,
    conversation,
    open_store,
    replay,
)
from quorate.chat.ending.conditions import NEVER, AllOf, AnyOf
from quorate.chat.facts import Fact
from quorate.chat.messages import FunctionExecutionResult, ThoughtEvent, ToolCallExecutionEvent
from quorate.errors import ConfigError
from quorate.models import ModelRequest, Usage
from quorate.testing import FakeClock, ScriptedModel


def said(
    source: str,
    text: str = "x",
    *,
    at: int = 0,
    usage: Usage | None = None,
    cost: float | None = 0.0,
    task: bool = False,
) -> Fact:
    message = TextMessage(content=text, source=source)
    return Fact(message=message, speaker="" if task else source, at=at, usage=usage, cost_usd=cost)


def reason(condition: Condition[Any], *facts: Fact) -> str | None:
    memory = condition.begin()
    for fact in facts:
        memory = condition.see(memory, fact)
    return condition.reason(memory)


TASK = said("user", "Say APPROVE when done.", task=True)
RESULTS = [FunctionExecutionResult("3", "add", "c1")]
CALLED = Fact(event=ToolCallExecutionEvent(content=RESULTS, source="a"), speaker="a")
THOUGHT = Fact(event=ThoughtEvent(content="hm", source="a"), speaker="a")

CASES: list[tuple[Condition[Any], list[Fact], str | None]] = [
    (TextMentionTermination("APPROVE"), [TASK, said("a", "Hm.")], None),
    (TextMentionTermination("APPROVE"), [TASK, said("a", "I APPROVE.")], "a said 'APPROVE'"),
    (TextMentionTermination("APPROVE"), [TASK, said("a", "I approve.")], None),
    (TextMentionTermination("APPROVE", ["b"]), [said("a", "APPROVE")], None),  # type: ignore[arg-type]
    (TextMentionTermination("APPROVE", ["b"]), [said("a", "APPROVE"), said("b", "APPROVE")], "b said 'APPROVE'"),  # type: ignore[arg-type]
    (TextMentionTermination("A", "b"), [said("b", "A")], "b said 'A'"),  # type: ignore[arg-type]
    (MaxMessageTermination(2), [TASK], None),
    (MaxMessageTermination(2), [TASK, THOUGHT], None),
    (MaxMessageTermination(2), [TASK, said("a")], "2 messages of at most 2"),
    (MaxMessageTermination(2, include_agent_event=True), [TASK, THOUGHT], "2 messages of at most 2"),
    (TokenUsageTermination(max_total_token=10), [said("a", usage=Usage(5, 4))], None),
    (TokenUsageTermination(max_total_token=10), [said("a", usage=Usage(5, 5))], "10 tokens of at most 10"),
    (TokenUsageTermination(max_prompt_token=5), [said("a", usage=Usage(5, 1))], "5 prompt tokens of at most 5"),
    (TokenUsageTermination(max_completion_token=1), [said("a", usage=Usage(5, 1))], "1 completion tokens of at most 1"),
    (TimeoutTermination(2), [said("u", at=5_000_000), said("a", at=6_900_000)], None),
    (TimeoutTermination(2), [said("u", at=5_000_000), said("a", at=7_000_000)], "2.0 s of at most 2"),
    (ExternalTermination(), [said("a")], None),
    (ExternalTermination(), [said("a"), Fact(stop="Enough.")], "Enough."),
    (StopMessageTermination(), [said("a")], None),
    (
        StopMessageTermination(),
        [Fact(message=StopMessage(content="stop", source="a"), speaker="a")],
        "a sent a stop message",
    ),
    (StopMessageTermination(), [Fact(message=StopMessage(content="stop", source="user"))], None),
    (SourceMatchTermination(["b", "c"]), [TASK, said("a")], None),  # type: ignore[arg-type]
    (SourceMatchTermination(["b", "c"]), [said("a"), said("c")], "c answered"),  # type: ignore[arg-type]
    (SourceMatchTermination(["user"]), [TASK], None),  # type: ignore[arg-type]
    (FunctionCallTermination("add"), [CALLED], "the tool 'add' was called"),
    (FunctionCallTermination("sub"), [CALLED, said("a")], None),
    (CostTermination(0.5), [said("a", cost=0.3), said("b", cost=None)], None),
    (CostTermination(0.5), [said("a", cost=0.3), said("b", cost=0.2)], "$0.5000 of at most $0.5"),
    (NoProgressTermination(2), [said("a", "The harbour is deep."), said("b", "Thank you!")], None),
    (
        NoProgressTermination(2),
        [said("a", "The harbour is deep."), said("b", "Thank you!"), said("a", "Deep is the harbour.")],
        "2 messages in a row said nothing new",
    ),
    (
        NoProgressTermination(2),
        [said("a", "The harbour is deep."), said("b", "Thanks!"), TASK, said("a", "The harbour is deep.")],
        None,
    ),
    (NoProgressTermination(1), [said("a", "It counts 3."), said("a", "It counts 4.")], None),
    (NoProgressTermination(1), [said("a", "Good."), CALLED, said("b", "Thanks.")], None),
    (
        NoProgressTermination(1),
        [CALLED, said("a", "Good."), CALLED, said("b", "Thanks.")],
        "1 message in a row said nothing new",
    ),
    (NEVER, [TASK, said("a")] * 50, None),
]


@pytest.mark.parametrize(("condition", "facts", "expected"), CASES, ids=lambda value: type(value).__name__)
def test_condition_says_why_to_stop_or_nothing(condition: Any, facts: list[Fact], expected: str | None) -> None:
    assert reason(condition, *facts) == expected


@pytest.mark.parametrize(
    ("condition", "facts", "expected"),
    [c for c in CASES if c[2] and not isinstance(c[0], NoProgressTermination)],
    ids=lambda v: type(v).__name__,
)
def test_condition_that_has_said_stop_does_not_take_it_back(condition: Any, facts: list[Fact], expected: str) -> None:
    assert reason(condition, *facts, said("z", "nothing")) is not None


def test_either_stops_at_the_first_and_both_at_the_last() -> None:
    either = TextMentionTermination("A") | MaxMessageTermination(3)
    both = TextMentionTermination("A") & MaxMessageTermination(3)

    assert reason(either, said("a", "A")) == "a said 'A'"
    assert reason(both, said("a", "A")) is None
    assert reason(both, said("a", "A"), said("b"), said("c")) == "a said 'A', 3 messages of at most 3"


def test_joined_conditions_are_flat_and_name_their_parts() -> None:
    a, b, c = MaxMessageTermination(1), MaxMessageTermination(2), MaxMessageTermination(3)

    joined = (a | b | c) & a

    assert isinstance(joined, AllOf)
    assert isinstance(joined.conditions[0], AnyOf)
    assert joined.conditions[0].conditions == (a, b, c)
    assert list(joined.parts()) == [a, b, c, a]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: TextMentionTermination(""), "needs a text to look for"),
        (lambda: TextMentionTermination(5), "needs a text to look for, not 5"),
        (lambda: TextMentionTermination("x", sources=[5]), "sources=5 must be a name"),
        (lambda: MaxMessageTermination(0), "max_messages=0 must be at least 1"),
        (lambda: MaxMessageTermination("3"), "max_messages='3' must be a whole number"),
        (lambda: TokenUsageTermination(max_total_token=-1), "max_total_token=-1 must be at least 1"),
        (lambda: TimeoutTermination(-1), "timeout_seconds=-1 must be a number above 0"),
        (lambda: TimeoutTermination("1"), "timeout_seconds='1' must be a number above 0"),
        (lambda: HandoffTermination(None), "target=None must be a name"),
        (lambda: FunctionCallTermination(""), "function_name='' must be a name"),
        (lambda: TextMessageTermination(""), "source='' must be a name"),
        (lambda: FunctionalTermination("done"), "'done'.: give a function"),
        (lambda: MaxMessageTermination(3) | "APPROVE", "'APPROVE' is no condition"),
        (lambda: MaxMessageTermination(3) & StopMessageTermination, "is no condition"),
        (lambda: TokenUsageTermination(), "needs one of max_total_token"),
        (lambda: SourceMatchTermination(frozenset()), "needs at least one name"),
        (lambda: CostTermination(0), "max_cost_usd=0 must be a number above 0"),
        (lambda: NoProgressTermination(0), "messages=0 must be at least 1"),
    ],
)
def test_condition_that_could_never_work_is_refused(make: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make()


def test_condition_is_a_value() -> None:
    one, two = TextMentionTermination("A", ["b", "c"]), TextMentionTermination("A", ["c", "b"])  # type: ignore[arg-type]

    assert one == two
    assert hash(one) == hash(two)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.text = "B"  # type: ignore[misc]


# -- in runs ----------------------------------------------------------------------------------------------------------


def team(condition: Condition[Any], *, turns: int = 9) -> RoundRobinGroupChat:
    lines = [f"line {word}" for word in ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis")]
    agents = [AssistantAgent(name, ScriptedModel(lines)) for name in "ab"]
    return RoundRobinGroupChat(agents, termination_condition=condition, max_turns=turns)


async def test_one_value_serves_many_runs_and_needs_no_reset() -> None:
    condition = MaxMessageTermination(3)
    one, two = team(condition), team(condition)

    results = [await one.run(task="A?"), await two.run(task="B?"), await one.run(task="C?")]

    assert [len(result.messages) for result in results] == [3, 3, 3]


async def test_run_stopped_from_outside_completes_after_its_turn_where_a_condition_asks_for_it() -> None:
    external = ExternalTermination()

    class Stopping(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            if len(turn.thread) == 3:
                external.set()
            return TextMessage(content=f"message {len(turn.thread)}", source=self.name)

    working = RoundRobinGroupChat([Stopping("a"), Stopping("b")], termination_condition=external, max_turns=9)
    result = await working.run(task="Go.")

    assert result.turns == 3
    assert result.outcome is not None
    assert (result.outcome.kind, result.stop_reason) == ("completed", "External termination requested")


async def test_external_termination_reaches_only_runs_that_use_it_now() -> None:
    external = ExternalTermination()
    talk = conversation("talk")
    working = team(external, turns=2)
    async with working.start(task="Go.", conversation=talk) as run:
        await run.result()
    before = await talk.entries()

    external.set()

    assert await talk.entries() == before
    result = await working.run(task="More.", conversation=conversation("other"))
    assert result.turns == 2
    del run
    gc.collect()


async def test_condition_of_ones_own_is_asked_like_any_other() -> None:
    @dataclasses.dataclass(frozen=True)
    class TwoInARow(Condition[tuple[str, int]]):
        """Stop when the same text was said twice in a row."""

        def begin(self) -> tuple[str, int]:
            return "", 0

        def see(self, memory: tuple[str, int], fact: Fact) -> tuple[str, int]:
            if fact.message is None:
                return memory
            text = fact.message.to_text()
            return text, memory[1] + 1 if text == memory[0] else 1

        def reason(self, memory: tuple[str, int]) -> str | None:
            return "twice" if memory[1] > 1 else None

    result = await team(TwoInARow() | MaxMessageTermination(8)).run(task="Go.")

    assert [m.to_text() for m in result.messages] == ["Go.", "line ant", "line ant"]
    assert result.stop_reason == "twice"


async def test_time_out_goes_by_the_clock_of_the_store() -> None:
    clock = FakeClock()

    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            clock.advance(10)
            return TextMessage(content=f"after {len(turn.thread)}", source=self.name)

    talk = conversation("talk", clock=clock)
    result = await RoundRobinGroupChat(
        [Slow("a"), AssistantAgent("b", ScriptedModel(["one", "two", "three"]))],
        termination_condition=TimeoutTermination(15),
        max_turns=9,
    ).run(task="Go.", conversation=talk)

    assert result.stop_reason is not None
    assert result.stop_reason.endswith("s of at most 15")
    assert result.turns in {3, 4}


STOPS_IN_THE_TASK: list[Condition[Any]] = [
    TextMentionTermination("APPROVE"),
    TextMessageTermination(),
    StopMessageTermination(),
    SourceMatchTermination(["user"]),  # type: ignore[arg-type]
    HandoffTermination("ben"),
    FunctionalTermination(lambda new: "APPROVE" in "".join(m.to_text() for m in new)),
]


@pytest.mark.parametrize("condition", STOPS_IN_THE_TASK, ids=lambda c: type(c).__name__)
async def test_what_the_task_says_does_not_end_the_run_before_anybody_spoke(condition: Condition[Any]) -> None:
    task: list[Any] = [
        TextMessage(content="Say APPROVE when done.", source="user"),
        StopMessage(content="APPROVE", source="user"),
        HandoffMessage(content="APPROVE", target="ben", source="user"),
    ]

    result = await team(condition, turns=2).run(task=task)

    assert result.turns >= 1


class Numbering(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=f"Order {37 * len(turn.thread)} is for {self.name}.", source=self.name)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    ("condition", "told"),
    [(CostTermination(0.05), "of at most $0.05"), (TokenUsageTermination(200), "tokens of at most 200")],
    ids=["cost", "tokens"],
)
async def test_what_it_takes_to_choose_who_speaks_counts_live_after_a_crash_and_in_a_replay(
    condition: Any, told: str, inside: bool, killed: Any
) -> None:
    def choose(request: ModelRequest) -> str:
        size = request.blocks.size_bytes
        return "nobody" if len(request.blocks) == 1 and size % 3 == 0 else "abc"[size % 3]

    def team() -> RoundRobinGroupChat | SelectorGroupChat:
        chooser = ScriptedModel(itertools.repeat(choose))
        chooser.info = dataclasses.replace(chooser.info, free=False)
        members = [Numbering(name) for name in "abc"]
        chosen = SelectorGroupChat(members, chooser, termination_condition=condition, name="chosen", max_turns=50)
        return RoundRobinGroupChat([chosen], max_turns=1) if inside else chosen

    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    result = await team().run(task="Go.", conversation=talk, prices={"scripted": Price(100, 1000)})
    entries = await talk.entries()

    used = [e.payload for e in entries if e.kind == "reply"]
    noted = [e.payload for e in entries if e.kind == "choice" and "in" in e.payload]
    ended = next(e for e in entries if e.kind == ("outcome" if inside else "ended"))
    assert (ended.payload["outcome"], told in ended.payload["reason"]) == ("completed", True)
    assert sum(reply["in"] + reply["out"] for reply in used) == sum(c["in"] + c["out"] for c in noted)
    assert sum(reply["cost"] for reply in used) == pytest.approx(sum(choice["cost"] for choice in noted))
    assert (await replay("talk", team=team(), store=talk.store)).identical
    for cut in range(1, len(entries), 2):
        left = await killed(entries, after=cut)
        again = await team().continue_run("talk", store=left.store)
        assert [m.to_text() for m in again.messages] == [m.to_text() for m in result.messages]
        assert (await replay("talk", team=team(), store=left.store)).identical


@pytest.mark.parametrize(("most", "told"), [(0.25, "completed"), (9.0, "limit")])
async def test_cost_ends_the_run_as_completed_where_a_limit_would_cut_it(most: float, told: str) -> None:
    model = ScriptedModel(f"line {word} " + "x" * 400 for word in ("ant", "bee", "cat", "dog"))
    model.info = dataclasses.replace(model.info, free=False)
    priced = {"scripted": Price(0, 1000)}
    working = RoundRobinGroupChat(
        [AssistantAgent(name, model, max_tokens=200) for name in "ab"],
        termination_condition=CostTermination(most),
        max_turns=4,
    )

    result = await working.run(task="Go.", prices=priced, limits=Limits(turns=4))

    assert result.outcome is not None
    assert result.outcome.kind == told
    assert result.turns == (3 if told == "completed" else 4)


async def test_cost_of_a_model_without_a_known_price_is_refused_before_the_start() -> None:
    model = ScriptedModel(["one"])
    model.info = dataclasses.replace(model.info, free=False)
    working = RoundRobinGroupChat([AssistantAgent("a", model)], termination_condition=CostTermination(1))

    with pytest.raises(ConfigError, match=r"a uses scripted, whose price is not known, so CostTermination\(1\)"):
        await working.run(task="Go.")
    assert model.requests == []


async def test_talk_that_says_nothing_new_completes_the_run() -> None:
    lines = ["The harbour is four metres deep.", "Wonderful, thank you!", "You are welcome.", "Anything else?", "No."]
    pair = [AssistantAgent(name, ScriptedModel(lines[at::2])) for at, name in enumerate("ab")]
    working = RoundRobinGroupChat(pair, termination_condition=NoProgressTermination(2), max_turns=9)

    result = await working.run(task="How deep is the harbour?")

    assert result.stop_reason == "2 messages in a row said nothing new"
    assert result.turns == 3
