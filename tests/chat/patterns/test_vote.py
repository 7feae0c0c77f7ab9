"""Answers given blind, then a vote: who sees what, when it stops early, and what the result keeps."""

import asyncio
import json
from typing import Any

import pytest

from quorate import AssistantAgent, IndependentVote, Limits, UserProxyAgent, conversation, replay
from quorate.chat.messages import TextMessage
from quorate.chat.patterns import Draft, VoteResult
from quorate.errors import ConfigError
from quorate.testing import ScriptedModel

NAMES = ("ann", "ben", "cy", "dan", "eve")


def ballot(choice: int, why: str = "It is clear.") -> str:
    return json.dumps({"choice": choice, "why": why})


def ranking(*order: int) -> str:
    return json.dumps({"order": order, "why": "In this order."})


def crowd(*scripts: list[Any]) -> list[AssistantAgent]:
    return [AssistantAgent(name, ScriptedModel(lines)) for name, lines in zip(NAMES, scripts, strict=False)]


def asked(agents: list[AssistantAgent]) -> list[int]:
    return [len(agent.model_client.requests) for agent in agents]  # type: ignore[union-attr]


async def test_drafters_see_the_task_and_none_of_the_other_drafts() -> None:
    agents = crowd(["Blue.", ballot(1)], ["Green.", ballot(1)], ["Red.", ballot(2)])

    await IndependentVote(agents, quorum=3).run(task="Which colour?")

    for agent in agents:
        first, second = agent.model_client.requests  # type: ignore[union-attr]
        assert [block.text for block in first.blocks] == ["Which colour?"]
        said = [getattr(block, "text", "") for block in second.blocks]
        assert len(said) == 3
        assert said[0] == "Which colour?"
        assert all(colour in said[2] for colour in ("Answer 1:\nBlue.", "Answer 2:\nGreen.", "Answer 3:\nRed."))
        assert not any(name in said[2] for name in NAMES[:3])


async def test_vote_decides_and_dissent_is_kept() -> None:
    agents = crowd(["Blue.", ballot(1)], ["Green.", ballot(1)], ["Red.", ballot(3, "It is warm.")])
    team = IndependentVote(agents, quorum=3)

    result = await team.run(task="Which colour?")

    value = result.value
    assert isinstance(value, VoteResult)
    assert (value.answer, value.decided, value.by, value.tie) == ("Blue.", True, "vote", False)
    assert value.tally == {1: 2, 2: 0, 3: 1}
    assert [(d.who, d.answer, d.why) for d in value.dissent] == [("cy", "Red.", "It is warm.")]
    assert result.stop_reason == "answer 1 won with 2 of 3 points"
    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert result.turns == 2
    assert result.messages[-1].to_text() == "Blue."


async def test_models_are_held_to_the_form_of_a_ballot_in_the_vote_only() -> None:
    agents = crowd(["Blue.", ballot(1)], ["Green.", ballot(1)])

    await IndependentVote(agents, quorum=2).run(task="Which colour?")

    first, second = agents[0].model_client.requests  # type: ignore[union-attr]
    assert first.output_schema is None
    assert set(json.loads(second.output_schema)["required"]) == {"choice", "why"}


async def test_agreement_of_the_drafts_ends_it_without_a_vote_and_cancels_who_still_drafts() -> None:
    """Early stop saves calls: five drafters, three agree, nobody votes, two are not waited for."""

    class Slow(ScriptedModel):
        async def stream(self, request: Any) -> Any:  # type: ignore[override]
            await asyncio.sleep(60)
            yield None

    fast = crowd(["42"], [" 42. "], ["42!"])
    slow = [AssistantAgent("dan", Slow([])), AssistantAgent("eve", Slow([]))]

    result = await IndependentVote([slow[0], *fast, slow[1]]).run(task="What is six times seven?")

    value = result.value
    assert (value.answer, value.by, value.decided) == ("42", "agreement", True)
    assert value.drafts == [Draft(number=1, text="42", by=["ann", "ben", "cy"])]
    assert value.unasked == ["dan", "eve"]
    assert asked(fast) == [1, 1, 1]
    assert result.turns == 1


async def test_agreement_of_fewer_is_enough_where_that_is_wanted_and_the_others_are_dissent() -> None:
    agents = crowd(["Blue."], ["Red."], ["blue"])

    value = (await IndependentVote(agents, agree=2).run(task="Which colour?")).value

    assert (value.answer, value.by) == ("Blue.", "agreement")
    assert [(d.who, d.answer) for d in value.dissent] == [("ben", "Red.")]


async def test_vote_stops_when_nothing_can_change_it_any_more() -> None:
    scripts = [[f"Colour {n}."] for n in range(5)]
    for script in scripts[:3]:
        script.append(ballot(2))
    late = asyncio.Event()

    class Late(ScriptedModel):
        def __init__(self, lines: list[str]) -> None:
            super().__init__(lines)
            self.votes = 0

        async def stream(self, request: Any) -> Any:  # type: ignore[override]
            if request.output_schema is not None:
                self.votes += 1
                await late.wait()
            async for event in super().stream(request):
                yield event

    agents = crowd(*scripts[:3])
    agents += [AssistantAgent(name, Late([*scripts[at]])) for at, name in ((3, "dan"), (4, "eve"))]

    value = (await IndependentVote(agents).run(task="Which colour?")).value

    assert (value.answer, value.tally[2], value.unasked) == ("Colour 1.", 3, ["dan", "eve"])


async def test_ranking_counts_places() -> None:
    agents = crowd(["A", ranking(1, 2, 3)], ["B", ranking(2, 3, 1)], ["C", ranking(2, 1, 3)])

    value = (await IndependentVote(agents, method="ranking", quorum=3).run(task="Which?")).value

    assert value.tally == {1: 3, 2: 5, 3: 1}
    assert (value.answer, value.by) == ("B", "ranking")
    assert [(d.who, d.answer) for d in value.dissent] == [("ann", "A")]


async def test_ballots_that_are_none_abstain_and_plain_words_count_where_they_are_clear() -> None:
    bad = ["no idea", "still no idea"]
    agents = crowd(["A", *bad], ["B", "I vote for answer 2.", "2, as I said."], ["C", '{"choice": 9, "why": ""}'])

    value = (await IndependentVote(agents, quorum=1).run(task="Which?")).value

    assert (value.answer, value.abstained, value.tally) == ("B", ["ann", "cy"], {1: 0, 2: 1, 3: 0})


async def test_without_a_quorum_nothing_is_decided() -> None:
    agents = crowd(["A", "?", "?"], ["B", "?", "?"], ["C", ballot(1)])

    result = await IndependentVote(agents).run(task="Which?")

    assert (result.value.answer, result.value.decided) == ("", False)
    assert result.stop_reason == "no quorum: 1 valid ballot of at least 2"


async def test_tie_goes_to_what_more_drafted_then_to_the_first_and_is_told() -> None:
    agents = crowd(["A", ballot(2)], ["B", ballot(1)], ["B", ballot(1)], ["C", ballot(2)])

    value = (await IndependentVote(agents, agree=3, quorum=4).run(task="Which?")).value

    assert (value.answer, value.tie) == ("B", True)


async def test_others_may_vote_and_a_person_may_too() -> None:
    drafters = crowd(["A"], ["B"])
    judge = AssistantAgent("judge", ScriptedModel([ballot(2)]))
    person = UserProxyAgent("zoe", input_func=lambda prompt: "number 2 please")

    value = (await IndependentVote(drafters, voters=[judge, person]).run(task="Which?")).value

    assert (value.answer, value.tally) == ("B", {1: 0, 2: 2})
    assert asked(drafters) == [1, 1]


async def test_next_task_in_the_same_conversation_is_voted_on_anew() -> None:
    agents = crowd(["A", ballot(1), "C"], ["B", ballot(1), "C"])
    team, talk = IndependentVote(agents, quorum=2), conversation("talk")

    one = await team.run(task="One?", conversation=talk)
    two = await team.run(task="Two?", conversation=talk)

    assert (one.value.answer, two.value.answer) == ("A", "C")
    assert two.value.by == "agreement"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"agree": 1}, "agree=1 must be from 2 to 3"),
        ({"agree": 4}, "agree=4 must be from 2 to 3"),
        ({"quorum": 0}, "quorum=0 must be from 1 to 3"),
        ({"key": "x"}, "key='x' is no function of a text"),
        ({"voters": "ben"}, r"voters='ben' is no list. Write voters=\['ben'\]"),
        ({"voters": []}, r"voters=\[\] is nobody"),
        ({"voters": ["ann", "ben", "ann"]}, "'ann' is to vote twice"),
        ({"method": "war"}, "method='war' is neither"),
        ({"moderator": "ben"}, "A participant is named 'ben'"),
    ],
)
def test_what_cannot_be_is_refused(options: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        IndependentVote(crowd([], [], []), **options)


def test_one_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least two participants"):
        IndependentVote(crowd([]))


async def test_replay_of_an_early_stop_follows_the_winners() -> None:
    # ENGINE 4
    agents = crowd(["A"], ["B"], ["A"], ["C"], ["A"])
    team = IndependentVote(agents)

    result = await team.run(task="Which?")

    assert (await replay(result.run_id, team=team)).identical


async def test_it_holds_the_limits() -> None:
    agents = crowd(["A", ballot(1)], ["B", ballot(1)])

    result = await IndependentVote(agents).run(task="Which?", limits=Limits(model_calls=3))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "model_calls")
    assert result.value is None


async def test_task_may_be_several_messages() -> None:
    agents = crowd(["A"], ["A"])
    task = [TextMessage(content="One.", source="user"), TextMessage(content="Two.", source="user")]

    assert (await IndependentVote(agents).run(task=task)).value.answer == "A"
