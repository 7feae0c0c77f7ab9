"""Propose, object, revise: until all can live with it."""

import json
from typing import Any

import pytest

from quorate import AssistantAgent, Consensus, UserProxyAgent, replay
from quorate.chat.patterns import ConsensusResult
from quorate.errors import ConfigError
from quorate.testing import ScriptedModel


def position(objection: str = "") -> str:
    return json.dumps({"agrees": not objection, "objection": objection})


def agents(**scripts: list[Any]) -> list[AssistantAgent]:
    return [AssistantAgent(name, ScriptedModel(lines)) for name, lines in scripts.items()]


async def test_proposal_is_revised_until_all_can_live_with_it() -> None:
    team = Consensus(agents(
        ann=["Meet at nine.", "Meet at ten."], ben=[position("Nine is too early."), position()],
        cy=[position(), position()],
    ))  # fmt: skip

    result = await team.run(task="When do we meet?")

    value = result.value
    assert isinstance(value, ConsensusResult)
    assert (value.proposal, value.reached, value.rounds) == ("Meet at ten.", True, 2)
    assert (value.agreed, value.objections) == (["ben", "cy"], [])
    assert result.stop_reason == "2 of 2 can live with it"
    assert result.turns == 4
    assert (await replay(result.run_id, team=team)).identical


async def test_who_objects_does_not_see_the_other_objections_of_the_round_and_who_revises_sees_all() -> None:
    members = agents(
        ann=["Nine.", "Ten."], ben=[position("Too early."), position()], cy=[position("Too cold."), position()]
    )

    await Consensus(members).run(task="When?")

    ann, ben, cy = [[str(b.content) for b in m.model_client.requests[-1].blocks] for m in members]  # type: ignore[union-attr]
    assert "Too early." not in str([b.content for b in members[2].model_client.requests[0].blocks])  # type: ignore[union-attr]
    assert "Too early." in str(ann)
    assert "Too cold." in str(ann)
    assert "ben and cy cannot live with it yet." in str(ann)
    assert len(ben) == len(cy)


async def test_rounds_are_bounded_and_the_objections_stand() -> None:
    members = agents(ann=["A", "B"], ben=[position("No."), position("Still no.")])

    result = await Consensus(members, rounds=2).run(task="When?")

    assert (result.value.reached, result.value.rounds, result.value.proposal) == (False, 2, "B")
    assert [(d.who, d.why) for d in result.value.objections] == [("ben", "Still no.")]
    assert result.stop_reason == "no consensus after 2 rounds: ben cannot live with it"
    assert result.turns == 4


async def test_fewer_than_all_may_be_enough() -> None:
    members = agents(ann=["A"], ben=[position("No.")], cy=[position()], dan=[position()])

    value = (await Consensus(members, quorum=2).run(task="When?")).value

    assert (value.reached, value.agreed) == (True, ["cy", "dan"])
    assert [d.who for d in value.objections] == ["ben"]


@pytest.mark.parametrize(
    ("said", "agrees"),
    [
        ("Agreed!", True),
        ("yes, fine", True),
        ("Looks good to me, thanks.", True),
        ("好的。", True),
        ("I would rather not.", False),
        ("Good start, but the date is wrong.", False),
        ("OK, aber der Titel fehlt.", False),
        ("Yes? On a Friday?", False),
        ("Thank you.", False),
    ],
)
async def test_person_answers_in_plain_words(said: str, agrees: bool) -> None:
    person = UserProxyAgent("zoe", input_func=lambda prompt: said)

    value = (await Consensus([*agents(ann=["A"]), person], rounds=1).run(task="When?")).value

    assert value.reached == agrees
    assert [d.why for d in value.objections] == ([] if agrees else [said])


@pytest.mark.parametrize("options", [{"rounds": 0}, {"quorum": 0}, {"quorum": 2}, {"moderator": "ann"}])
def test_what_cannot_be_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError):
        Consensus(agents(ann=[], ben=[]), **options)
    with pytest.raises(ConfigError, match="at least two"):
        Consensus(agents(ann=[]))
