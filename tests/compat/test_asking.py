"""What models are asked in the AutoGen view, as the journal has it."""

import json
from pathlib import Path
from typing import Any

import pytest

from quorate import open_store, replay
from quorate.chat.messages import BaseChatMessage
from quorate.chat.past import audit
from quorate.compat.autogen import quorate_team
from quorate.compat.autogen.clients import blocks_of


async def looked(place: str) -> str:
    """Look at a place."""
    return f"There is nothing at {place}."


async def broken(number: int) -> str:
    """Raise."""
    raise ValueError(f"no {number}")


def calls(*asked: tuple[str, str]) -> Any:
    from autogen_core import FunctionCall
    from autogen_core.models import CreateResult, RequestUsage

    content = [FunctionCall(id=f"c{n}", name=name, arguments=arguments) for n, (name, arguments) in enumerate(asked)]
    return CreateResult(finish_reason="function_calls", content=content, usage=RequestUsage(1, 1), cached=False)


async def test_journal_refers_to_calls_their_results_and_handovers_and_rebuilds_what_was_asked(
    autogen_core: None,
) -> None:
    """ENGINE 14: nothing is written twice, and requests are rebuilt from the journal alone."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import TextMentionTermination
    from autogen_agentchat.teams import Swarm
    from autogen_core.models import ModelFamily, ModelInfo
    from autogen_ext.models.replay import ReplayChatCompletionClient

    script = [
        calls(("looked", '{"place": "a"}'), ("broken", '{"number": 1}')),
        "I looked.",
        calls(("transfer_to_writer", "{}"), ("looked", '{"place": "c"}')),
        "Somebody looked.",
        calls(("transfer_to_clerk", "{}")),
        "DONE",
    ]
    info = ModelInfo(
        vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
    )
    client = ReplayChatCompletionClient(script, model_info=info)
    more: dict[str, Any] = {"tools": [looked, broken], "reflect_on_tool_use": True}
    members = [
        AssistantAgent("clerk", client, handoffs=["writer"], **more),
        AssistantAgent("writer", client, handoffs=["clerk"], **more),
    ]
    team: Any = Swarm(members, termination_condition=TextMentionTermination("DONE"))

    await team.run(task="Go.")

    own = team._engine.__dict__["_own"]  # the view itself shows nobody its journal
    entries = await own.store.read(own.id)
    asked = [one.request for attempts in audit.requests(own.id, entries).values() for one in attempts]
    sent = [call["messages"] for call in client.create_calls]
    assert len(asked) == len(sent) == len(script)
    for request, messages in zip(asked, sent, strict=True):
        assert [b.content for b in request.blocks] == [b.content for b in blocks_of(messages)]
    references = [ref for entry in entries if entry.kind == "call" for ref in entry.payload["blocks"]]
    assert "=1:1 turn/1 clerk/1 model+2" in references
    assert "1:1 turn/1 clerk" in references
    assert "1:4 turn/1 writer" in references
    assert not [ref for ref in references if "nothing at a" in ref]


async def test_agent_that_goes_to_another_team_does_not_refer_to_the_journal_of_the_first(autogen_core: None) -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.models.replay import ReplayChatCompletionClient

    client = ReplayChatCompletionClient(["In the first.", "In the second."])
    agent = AssistantAgent("clerk", client)
    for task in ("Begin.", "Go on elsewhere."):
        team: Any = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
        await team.run(task=task)

    own = team._engine.__dict__["_own"]
    entries = await own.store.read(own.id)
    (asked,) = [one.request for attempts in audit.requests(own.id, entries).values() for one in attempts]
    sent = client.create_calls[-1]["messages"]
    assert [b.content for b in asked.blocks] == [b.content for b in blocks_of(sent)]
    assert [b.content for b in asked.blocks][1:] == ["reply\nIn the first.", "said\nuser\nGo on elsewhere."]


@pytest.mark.parametrize("place", ["memory:", "work.db"])
async def test_what_a_redaction_changed_is_used_as_it_is_kept(autogen_core: None, tmp_path: Path, place: str) -> None:
    """ENGINE 24, through the view: neither its agents nor its tools go on with what the journal does not hold."""
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_core.models import ModelFamily, ModelInfo
    from autogen_ext.models.replay import ReplayChatCompletionClient

    def masking(path: str, kind: str, payload: Any) -> Any:
        return json.loads(json.dumps(payload).replace("K4711", "####"))

    given: list[str] = []

    async def card(owner: str) -> str:
        """Look a card up."""
        given.append(owner)
        return f"{owner} has one."

    script = [calls(("card", '{"owner": "K4711"}')), "It is K4711.", "I see K4711.", "Bye."]
    info = ModelInfo(
        vision=False, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
    )
    client = ReplayChatCompletionClient(script, model_info=info)

    def team() -> Any:
        members = [AssistantAgent(name, client, tools=[card], reflect_on_tool_use=True) for name in ("a", "b")]
        return quorate_team(RoundRobinGroupChat(list(members), termination_condition=MaxMessageTermination(4)))

    async with open_store(place if place == "memory:" else tmp_path / place, redact=masking) as store:
        result = await team().run("Whose is it?", conversation=store.conversation("talk"))
        report = await replay("talk", team=team(), store=store)

    told = [m.to_text() for m in result.messages if isinstance(m, BaseChatMessage)]
    assert told == ["Whose is it?", "It is ####.", "I see ####.", "Bye."]
    assert given == ["####"]
    assert len(client.create_calls) == len(script)
    assert "K4711" not in str([call["messages"] for call in client.create_calls])
    assert report.identical


async def test_copy_that_says_something_else_is_journaled_as_what_the_model_was_told(autogen_core: None) -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.conditions import MaxMessageTermination
    from autogen_agentchat.teams import RoundRobinGroupChat
    from autogen_ext.models.replay import ReplayChatCompletionClient

    class Shouted(AssistantAgent):
        """Hears everything in capital letters, in copies that keep the ids."""

        def on_messages_stream(self, messages: Any, cancellation_token: Any) -> Any:
            loud = [one.model_copy(update={"content": one.content.upper()}) for one in messages]
            return super().on_messages_stream(loud, cancellation_token)

    client = ReplayChatCompletionClient(["So.", "And so."])
    team: Any = RoundRobinGroupChat(
        [Shouted("a", client), AssistantAgent("b", client)], termination_condition=MaxMessageTermination(3)
    )
    await team.run(task="Be quiet.")

    own = team._engine.__dict__["_own"]
    entries = await own.store.read(own.id)
    asked = [one.request for attempts in audit.requests(own.id, entries).values() for one in attempts]
    sent = [call["messages"] for call in client.create_calls]
    assert [[b.content for b in one.blocks] for one in asked] == [[b.content for b in blocks_of(one)] for one in sent]
    assert [b.content for b in asked[0].blocks] == ["said\nuser\nBE QUIET."]
    assert [b.content for b in asked[1].blocks] == ["said\nuser\nBe quiet.", "said\na\nSo."]
