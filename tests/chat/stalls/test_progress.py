import importlib.util
import pickle
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, RoundRobinGroupChat, TextMessage, conversation, load_team, replay, tool
from quorate.chat.facts import Fact
from quorate.chat.messages import (
    FunctionCall,
    FunctionExecutionResult,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from quorate.chat.stalls.progress import Progress
from quorate.errors import ConfigError
from quorate.models import ToolCall
from quorate.runs.meter import Halt
from quorate.testing import ScriptedModel

_SPEC = importlib.util.spec_from_file_location("talks", Path(__file__).with_name("talks.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
talks = importlib.util.module_from_spec(_SPEC)
sys.modules["talks"] = talks
_SPEC.loader.exec_module(talks)

SEEDS = 48
HEALTHY_SEEDS = 8

WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in "lmnrst"]


def said(speaker: str, text: str) -> Fact:
    return Fact(message=TextMessage(content=text, source=speaker or "user"), speaker=speaker)


def called(speaker: str, *calls: tuple[str, str, str]) -> list[Fact]:
    """Return the facts of calls side by side: name, arguments, result of each."""
    asked = [FunctionCall(f"c{i}", arguments, name) for i, (name, arguments, _) in enumerate(calls)]
    results = [FunctionExecutionResult(result, name, f"c{i}") for i, (name, _, result) in enumerate(calls)]
    return [
        Fact(event=ToolCallRequestEvent(content=asked, source=speaker), speaker=speaker),
        Fact(event=ToolCallExecutionEvent(content=results, source=speaker), speaker=speaker),
    ]


def stalled_after(facts: Iterable[Fact], **options: Any) -> int | None:
    """Return after how many facts it counts as stalled, None if it never does."""
    progress = Progress(**options)
    for n, fact in enumerate(facts, 1):
        progress.see(fact)
        if progress.stalled:
            return n
    return None


def test_pair_that_repeats_itself_stalls_within_few_turns() -> None:
    facts = [said("", "Plan a trip.")] + [said("a", "After you."), said("b", "No, after you!")] * 20

    assert stalled_after(facts) in range(5, 10)


def test_nearly_the_same_again_and_again_stalls_too() -> None:
    talk = [
        "Thank you so much for your kind help with the plan today, goodbye!",
        "Thank you so much for your kind help with the plan, goodbye!",
        "Thank you so much for the kind help with your plan today - goodbye.",
        "So much thank you for your kind help with the plan today! Goodbye!",
        "Goodbye, thank you so much for your kind help with the plan today.",
    ]

    assert stalled_after([said("a", text) for text in talk]) in range(3, 6)


def test_reason_says_who_repeated_what() -> None:
    progress = Progress()
    for _ in range(4):
        progress.see(said("critic", "Looks good."))

    with pytest.raises(Halt) as raised:
        progress.check()

    assert raised.value.outcome.kind == "stalled"
    assert "critic said the same 3 times" in raised.value.outcome.reason
    assert "Looks good." in raised.value.outcome.reason


def test_healthy_talk_of_three_hundred_turns_does_not_stall() -> None:
    draw = random.Random(7)
    facts = [said("", "Write a story.")]
    for n in range(300):
        text = " ".join(draw.choices(WORDS, k=12))
        facts.append(said("ab"[n % 2], f"{text}."))

    assert stalled_after(facts) is None


def test_approving_again_and_again_is_no_stall_while_the_other_brings_something_new() -> None:
    facts = [f for word in WORDS[:60] for f in (said("writer", f"The part about {word}."), said("critic", "Go on."))]

    assert stalled_after(facts) is None


def test_counting_is_progress() -> None:
    assert stalled_after([said("ab"[n % 2], f"Step {n} is done.") for n in range(200)]) is None


def test_what_a_person_says_is_always_new() -> None:
    facts = [f for _ in range(20) for f in (said("ann", "again"), said("clerk", "Here it is again."))]

    assert stalled_after(facts, persons=frozenset({"ann"})) is None
    assert stalled_after(facts) is not None


def test_new_task_is_new() -> None:
    facts = [f for _ in range(20) for f in (said("", "Once more."), said("clerk", "Done."))]

    assert stalled_after(facts) is None


def test_script_without_words_is_compared_by_the_exact_text() -> None:
    assert stalled_after([said("a", "👍")] * 5) == 3
    assert stalled_after([said("a", "👍" * n) for n in range(1, 9)]) is None


def test_same_call_with_the_same_result_stalls() -> None:
    facts = [f for _ in range(9) for f in called("clerk", ("look", "{}", "nothing yet"))]

    assert stalled_after(facts) == 6


def test_same_calls_side_by_side_stall_too() -> None:
    facts = [f for _ in range(9) for f in called("clerk", ("look", "{}", "none"), ("seek", "{}", "nil"))]

    assert stalled_after(facts) is not None


def test_two_calls_in_turn_stall_too() -> None:
    pair = [*called("clerk", ("look", "{}", "none")), *called("clerk", ("seek", "{}", "nil"))]

    assert stalled_after(pair * 9) is not None


@pytest.mark.parametrize("what", ["arguments", "result"])
def test_same_call_that_differs_in_something_is_progress(what: str) -> None:
    def call(n: int) -> list[Fact]:
        return called(
            "clerk", ("look", f'{{"n":{n}}}', "none") if what == "arguments" else ("look", "{}", f"{n} found")
        )

    assert stalled_after([f for n in range(30) for f in call(n)]) is None


def test_tool_that_may_be_polled_does_not_stall() -> None:
    facts = [f for _ in range(30) for f in called("clerk", ("status", "{}", "pending"))]

    assert stalled_after(facts, polls=frozenset({"status"})) is None


def test_something_new_between_lets_repetition_begin_anew() -> None:
    again = [said("a", "Let me see."), said("a", "Let me see.")]
    facts = [*again, said("b", "There are penguins."), *again, said("b", "And walruses."), *again]

    assert stalled_after(facts) is None


# -- by dice, on seeds and phrases that were not used for tuning ------------------------------------------------------


def ends_at(calls: Iterable[list[Fact]], **options: Any) -> int | None:
    """Return after how many model calls it counts as stalled, None if it never does."""
    progress = Progress(**options)
    for n, facts in enumerate(calls, 1):
        for fact in facts:
            progress.see(fact)
        if progress.stalled:
            return n
    return None


@pytest.mark.parametrize("kind", talks.LOOPS)
def test_loop_that_was_not_tuned_on_ends_when_it_came_round_for_the_kth_time(kind: str) -> None:
    late: list[str] = []
    for seed in range(SEEDS):
        patience = (3, 3, 3, 2, 4, 5)[seed // 6 % 6]
        loop = talks.loop(kind, 5_000_000 + seed, held_out=True, rounds=patience + 6)

        end = ends_at(loop.calls, patience=patience)

        # its first act for the kth time, and two calls more; with a patience of 2 all of them have to come twice
        most = max((patience - 1) * loop.period + 3, 2 * loop.period)
        if end is None or not 0 < end - loop.start <= most:
            late.append(f"seed {seed}: {end} - {loop.start} is more than {most}")
    assert len(late) <= SEEDS // 100, late


@pytest.mark.parametrize("kind", talks.HEALTHY)
def test_healthy_talk_that_was_not_tuned_on_is_let_be(kind: str) -> None:
    for seed in range(HEALTHY_SEEDS):
        talk = talks.healthy(kind, 5_000_000 + seed, held_out=True)

        assert ends_at(talk.calls, persons=talk.persons, polls=talk.polls) is None, f"seed {seed}"


@pytest.mark.parametrize("kind", [kind for kind in talks.HEALTHY if kind not in {"polling", "asked"}])
def test_talk_that_was_healthy_ends_once_it_goes_in_circles(kind: str) -> None:
    calls = talks.healthy(kind, 1, held_out=True).calls
    circles = calls[-2:] * 6

    end = ends_at([*calls, *circles])

    assert end is not None
    assert 0 < end - len(calls) <= 7


def test_what_is_kept_does_not_grow_with_the_conversation() -> None:
    calls = [call for seed in range(30) for call in talks.healthy("varied", seed, held_out=True).calls]
    progress, sizes = Progress(), list[int]()

    for n, facts in enumerate(calls, 1):
        for fact in facts:
            progress.see(Fact(message=fact.message, speaker="ab"[n % 2]))
        if n % 100 == 0:
            sizes.append(len(pickle.dumps(progress)))

    assert len(calls) > 5000
    assert max(sizes[5:]) < 2 * max(sizes[:5])


# -- what makes something new, and what does not ----------------------------------------------------------------------


def test_times_ids_and_the_number_of_a_try_make_nothing_new() -> None:
    texts = [
        "[10:02:11] I will look at the budget once more (attempt 1)",
        "[10:02:19] I will look at the budget once more (attempt 2)",
        "2026-11-21T10:03:00Z I will look at the budget once more, ref 8f3a2b1c9d",
    ]

    assert stalled_after([said("a", text) for text in texts]) == 3


def test_courtesy_and_other_words_for_the_same_make_nothing_new() -> None:
    texts = [
        "Absolutely! I fully agree with your plan for the budget.",
        "Great point. I completely support your proposal for the budget.",
        "Yes indeed, I could not agree more with your excellent idea for the budget!",
    ]

    assert stalled_after([said("a", text) for text in texts]) == 3


@pytest.mark.parametrize(
    "text",
    [
        "Step {n} is done.",
        "{n}",
        "reply {n}",
        "This is message number {n} from the writer.",
        "I have finished the {word}. Let me move on to the next one.",
        "The {word} costs {n} euros.",
        "Draft {n}",
    ],
)
def test_item_after_item_is_progress(text: str) -> None:
    facts = [said("a", text.format(n=n, word=word)) for n, word in enumerate(WORDS[:200], 1)]

    assert stalled_after(facts) is None


def test_tool_that_fails_again_in_other_words_stalls() -> None:
    def failing(n: int) -> list[Fact]:
        asked, results = called("clerk", ("fetch", f'{{"page": "start", "attempt": {n}}}', f"timed out after {n}.5 s"))
        assert isinstance(results.event, ToolCallExecutionEvent)
        results.event.content[0].is_error = True
        return [asked, results]

    assert stalled_after([f for n in range(1, 9) for f in failing(n)]) == 6


def test_same_call_twice_side_by_side_counts_once() -> None:
    twice = called("clerk", ("look", "{}", "none"), ("look", "{}", "none"))

    assert stalled_after(twice * 2) is None
    assert stalled_after(twice * 3) == 6


def test_result_that_differs_in_the_middle_of_a_long_text_is_new() -> None:
    def read(n: int) -> list[Fact]:
        return called("clerk", ("read", "{}", "x" * 9000 + str(n) + "y" * 9000))

    assert stalled_after([f for n in range(9) for f in read(n)]) is None
    assert stalled_after([f for _ in range(9) for f in read(1)]) == 6


def test_script_without_spaces_is_compared_too() -> None:
    texts = ["我完全同意你的预算计划。谢谢你。", "谢谢你。我完全同意你的预算计划。", "我完全同意你的预算计划。谢谢。"]

    assert stalled_after([said("a", text) for text in texts]) == 3


def test_reason_says_what_repeated_between_whom_and_quotes_it() -> None:
    progress = Progress()
    for fact in [said("ann", "After you."), said("ben", "No, after you!")] * 3:
        progress.see(fact)

    assert progress.stalled == (
        "ben said the same 3 times, in turn with ann, and nothing new came between: No, after you!"
    )


def test_reason_of_what_was_not_quite_the_same_says_so() -> None:
    progress = Progress()
    for text in ("Sorry, I will fix the budget.", "My apologies! I will fix the budget.", "I will fix the budget."):
        progress.see(said("ann", text))

    assert progress.stalled.startswith("ann said much the same 3 times, and nothing new came between: I will fix")


# -- in a run ---------------------------------------------------------------------------------------------------------


async def test_same_tool_call_again_and_again_stalls_inside_one_speech() -> None:
    @tool(effect="read")
    async def look() -> str:
        """Look."""
        return "nothing yet"

    model = ScriptedModel([ToolCall("c", "look", "{}")] * 20)
    clerk = AssistantAgent("clerk", model, tools=[look], max_tool_iterations=20)

    result = await clerk.run(task="Wait for it.")

    assert result.outcome is not None
    assert result.outcome.kind == "stalled"
    assert "clerk called look({}) 3 times with the same result: nothing yet" in result.outcome.reason
    assert len(model.requests) == 3


async def test_polling_tool_is_called_as_often_as_the_agent_may() -> None:
    @tool(effect="read", polls=True)
    async def status() -> str:
        """Ask for the status."""
        return "pending"

    model = ScriptedModel([ToolCall("c", "status", "{}")] * 9 + ["Still pending."])
    clerk = AssistantAgent("clerk", model, tools=[status], max_tool_iterations=9)

    result = await clerk.run(task="Wait for it.")

    assert result.messages[-1].to_text() == "Still pending."


async def test_team_that_stalled_may_go_on_and_has_new_patience() -> None:
    team = RoundRobinGroupChat(
        [AssistantAgent(name, ScriptedModel(["After you."] * 20)) for name in ("a", "b")], max_turns=30
    )
    first = await team.run(task="Go first.")

    second = await team.continue_run(first.run_id)

    assert first.outcome is not None
    assert second.outcome is not None
    assert (first.outcome.kind, second.outcome.kind) == ("stalled", "stalled")
    assert first.turns <= 8
    assert second.turns > first.turns


def pair(*, turns: int = 30, **options: Any) -> RoundRobinGroupChat:
    ann, ben = (AssistantAgent(name, ScriptedModel(["After you."] * 40)) for name in ("ann", "ben"))
    return RoundRobinGroupChat([ann, ben], max_turns=turns, **options)


async def test_two_that_repeat_each_other_end_within_patience_and_two_model_calls() -> None:
    result = await pair().run(task="Go first.")

    assert result.outcome is not None
    assert result.outcome.kind == "stalled"
    assert result.turns == 5


async def test_team_without_patience_leaves_a_loop_to_its_limits() -> None:
    result = await pair(turns=20, patience=None).run(task="Go first.")

    assert result.outcome is not None
    assert (result.outcome.kind, result.turns) == ("limit", 20)


async def test_more_patience_lets_it_go_on_for_longer() -> None:
    result = await pair(patience=5).run(task="Go first.")

    assert result.outcome is not None
    assert (result.outcome.kind, result.turns) == ("stalled", 9)


@pytest.mark.parametrize("patience", [1, 0, -3, True, 2.5, "3"])
def test_patience_that_is_none_is_refused(patience: Any) -> None:
    with pytest.raises(ConfigError, match="give a whole number, 2 or more, or None"):
        pair(patience=patience)


@pytest.mark.parametrize(("written", "patience"), [("patience: 7", 7), ("patience: null", None), ("", 3)])
def test_team_file_sets_patience(written: str, patience: int | None) -> None:
    team = load_team(f"type: round_robin\n{written}\nparticipants:\n  - {{type: user_proxy, name: ann}}\n")

    assert team.patience == patience


async def test_run_that_was_interrupted_stalls_where_it_would_have_without() -> None:
    whole = await pair().run(task="Go first.")
    talk = conversation("cut")

    await pair().run(task="Go first.", conversation=talk, limits=Limits(turns=3))
    rest = await pair().continue_run("cut", store=talk.store, limits=Limits(turns=30))

    assert rest.outcome == whole.outcome
    assert rest.turns == whole.turns


async def test_run_that_stalled_inside_a_speech_may_go_on_with_new_patience_and_replays() -> None:
    @tool(effect="read")
    async def look() -> str:
        """Look."""
        return "nothing yet"

    def clerk(calls: int) -> AssistantAgent:
        model = ScriptedModel([ToolCall("c", "look", "{}")] * calls + ["I give up."])
        return AssistantAgent("clerk", model, tools=[look], max_tool_iterations=40)

    talk = conversation("waiting")
    first = await clerk(30).run(task="Wait for it.", conversation=talk)
    second = await clerk(30).continue_run("waiting", store=talk.store)
    third = await clerk(2).continue_run("waiting", store=talk.store)

    report = await replay("waiting", team=clerk(0), store=talk.store)

    assert first.outcome is not None
    assert second.outcome is not None
    assert (first.outcome.kind, second.outcome.kind) == ("stalled", "stalled")
    assert third.messages[-1].to_text() == "I give up."
    assert report.identical
    assert report.outcome == third.outcome


async def test_answer_after_a_loop_of_calls_is_no_stall() -> None:
    @tool(effect="read")
    async def look() -> str:
        """Look."""
        return "nothing yet"

    model = ScriptedModel([ToolCall("c", "look", "{}"), ToolCall("c", "look", "{}"), "There is nothing."])

    result = await AssistantAgent("clerk", model, tools=[look]).run(task="Look.")

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
