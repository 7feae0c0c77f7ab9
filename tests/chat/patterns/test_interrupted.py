"""A person may cut a pattern short: who was not heard is asked again, and nothing is decided without them."""

import asyncio
import json
from typing import Any

import pytest

from quorate import AssistantAgent, Consensus, Debate, IndependentVote, Review, Team, Turn, replay
from quorate.testing import ScriptedModel


class Slow(AssistantAgent):
    """Takes its time when it is asked the first time in words, and the first time for something of a form."""

    slept: frozenset[str] = frozenset()

    async def speak(self, turn: Turn) -> Any:
        kind = turn.form.__name__ if turn.form else "words"
        if kind not in self.slept:
            self.slept |= {kind}
            await asyncio.sleep(30)
        return await super().speak(turn)


def answer(request: Any) -> str:
    """Answer in whatever form is asked for."""
    if request.output_schema is None:
        return f"{request.system} has an answer of its own."
    parts = json.loads(request.output_schema)["properties"]
    made = {"integer": 1, "boolean": True, "array": [1, 2], "string": "fine"}
    return json.dumps({name: made[part["type"]] for name, part in parts.items()})


def member(name: str, *, slow: bool = False) -> AssistantAgent:
    kind = Slow if slow else AssistantAgent
    return kind(name, ScriptedModel([answer] * 20), system_message=name)


PATTERNS: dict[str, Any] = {
    "vote": lambda: IndependentVote([member("ann"), member("ben", slow=True)], quorum=2),
    "ranking": lambda: IndependentVote([member("ann"), member("ben", slow=True)], method="ranking", quorum=2),
    "consensus": lambda: Consensus([member("ann"), member("ben"), member("cy", slow=True)]),
    "review": lambda: Review(member("ann"), [member("ben"), member("cy", slow=True)]),
    "debate": lambda: Debate([member("ann"), member("ben", slow=True)], member("judge"), rounds=1, parallel=True),
    "one by one": lambda: Debate([member("ann"), member("ben", slow=True)], member("judge"), rounds=2),
    "judge": lambda: Debate([member("ann"), member("ben")], member("judge", slow=True), rounds=1),
    "author": lambda: Review(member("ann", slow=True), [member("ben")]),
    "proposer": lambda: Consensus([member("ann", slow=True), member("ben")]),
}


@pytest.mark.parametrize("kind", PATTERNS)
async def test_who_was_interrupted_is_asked_again(kind: str) -> None:
    team: Team = PATTERNS[kind]()

    async with team.start(task="Go.") as run:
        slow = next(m for m in team.participants if isinstance(m, Slow))
        seen: frozenset[str] = frozenset()
        while run.outcome is None:
            await asyncio.sleep(0.01)
            if slow.slept != seen:
                seen = slow.slept
                await run.interrupt("Hurry up.")
        result = await run.result()

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    said = {m.source for m in result.messages}
    assert said >= {m.name for m in team.participants}
    if kind == "one by one":
        assert [m.source for m in result.messages].count("ben") == 2
    if kind in {"vote", "ranking"}:
        assert (result.value.by, result.value.abstained, result.value.unasked) == (kind, [], [])
        assert len(result.value.drafts) == 2
    assert (await replay(result.run_id, team=team)).identical
