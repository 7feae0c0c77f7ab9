import random
from collections.abc import Iterable
from typing import Any

import pytest

from quorate import AssistantAgent, RoundRobinGroupChat, TextMessage, tool
from quorate.chat.facts import Fact
from quorate.chat.messages import (
    FunctionCall,
    FunctionExecutionResult,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from quorate.chat.progress import Progress
from quorate.models import ToolCall
from quorate.runs.meter import Halt
from quorate.testing import ScriptedModel

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
