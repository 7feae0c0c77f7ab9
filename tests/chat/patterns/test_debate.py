"""Sides argue in rounds, and a judge decides."""

import json
from typing import Any

import pytest

from quorate import AssistantAgent, Debate, replay
from quorate.chat.patterns import DebateResult
from quorate.errors import ConfigError
from quorate.testing import ScriptedModel

BULL, BEAR = ["It grows.", "It will grow more."], ["It costs.", "It will cost more."]


def ruling(winner: str) -> str:
    return json.dumps({"winner": winner, "reason": "It had figures.", "synthesis": "Buy a little."})


def debate(judged: list[str], **options: Any) -> Debate:
    bull, bear = AssistantAgent("bull", ScriptedModel(BULL)), AssistantAgent("bear", ScriptedModel(BEAR))
    return Debate([bull, bear], AssistantAgent("judge", ScriptedModel(judged)), **options)


async def test_sides_argue_in_turn_and_the_judge_decides() -> None:
    team = debate([ruling("bear")])

    result = await team.run(task="Shall we buy?")

    value = result.value
    assert isinstance(value, DebateResult)
    assert value == DebateResult(winner="bear", reason="It had figures.", synthesis="Buy a little.", rounds=2)
    said = [m.source for m in result.messages]
    assert said == ["user", "moderator", "bull", "bear", "bull", "bear", "moderator", "judge", "moderator"]
    assert (result.turns, result.stop_reason) == (5, "judge decided for bear")
    assert result.messages[-1].to_text() == "It had figures.\nBuy a little."
    assert (await replay(result.run_id, team=team)).identical


async def test_sides_answer_each_other_or_speak_side_by_side() -> None:
    one, other = debate([ruling("bull")]), debate([ruling("bull")], parallel=True)

    await one.run(task="Shall we buy?")
    result = await other.run(task="Shall we buy?")

    heard = [str([b.content for b in t.sides[1].model_client.requests[0].blocks]) for t in (one, other)]  # type: ignore[attr-defined]
    assert "It grows." in heard[0]
    assert "It grows." not in heard[1]
    assert result.turns == 3


@pytest.mark.parametrize(
    ("judged", "winner"),
    [
        ([ruling("draw")], ""),
        ([ruling("The bull, clearly")], "bull"),
        ([ruling("nobody")], ""),
        (["I find for bear.", "bear!"], "bear"),
        (["Both were good.", "Both."], ""),
    ],
)
async def test_winner_is_a_side_or_nobody_whatever_the_judge_says(judged: list[str], winner: str) -> None:
    result = await debate(judged, rounds=1).run(task="Shall we buy?")

    assert result.value.winner == winner
    assert result.outcome is not None
    assert result.outcome.kind == "completed"


@pytest.mark.parametrize("options", [{"rounds": 0}, {"moderator": "judge"}])
def test_what_cannot_be_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError):
        debate([], **options)
    with pytest.raises(ConfigError, match="at least two sides"):
        Debate([AssistantAgent("a", ScriptedModel([]))], AssistantAgent("b", ScriptedModel([])))


@pytest.mark.parametrize(("rounds", "words"), [(1, "There is 1 round."), (2, "There are 2 rounds.")])
async def test_sides_are_told_how_many_rounds_there_are(rounds: int, words: str) -> None:
    sides = [AssistantAgent(name, ScriptedModel([f"{name} says {n}." for n in range(2)])) for name in ("ann", "ben")]
    judge = AssistantAgent("judge", ScriptedModel(['{"winner": "ann", "reason": "So.", "synthesis": "Yes."}']))

    result = await Debate(sides, judge, rounds=rounds).run(task="Go.")

    assert next(m.to_text() for m in result.messages if m.source == "moderator").endswith(words)
