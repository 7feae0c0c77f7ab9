"""Handing the conversation over: the tool, the message, the team."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Delegate,
    Handoff,
    HandoffMessage,
    HandoffTermination,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SocietyOfMindAgent,
    Swarm,
    TextMentionTermination,
    TextMessage,
    TextMessageTermination,
    UserProxyAgent,
    conversation,
    load_team,
    open_store,
    replay,
    tool,
)
from quorate.chat.messages import BaseChatMessage, ToolCallExecutionEvent
from quorate.errors import ConfigError
from quorate.models.blocks import Reply, Said, ToolCall
from quorate.testing import ScriptedModel


@tool(effect="read")
async def look_up(order: int) -> str:
    """Look an order up."""
    return f"Order {order} was shipped."


def call(name: str, arguments: str = "{}", id: str = "1") -> ToolCall:
    return ToolCall(id, name, arguments)


def swarm(triage: ScriptedModel, refunds: ScriptedModel, **options: Any) -> Swarm:
    stop = TextMentionTermination("DONE") | HandoffTermination("customer")
    return Swarm(
        [
            AssistantAgent("triage", triage, tools=[look_up], handoffs=["refunds", "customer"]),
            AssistantAgent("refunds", refunds, handoffs=[Handoff("triage", message="Back to you.")]),
        ],
        termination_condition=stop,
        **options,
    )


async def test_whoever_is_handed_the_conversation_speaks_until_they_hand_it_on() -> None:
    team = swarm(
        ScriptedModel([call("transfer_to_refunds"), "DONE"]), ScriptedModel(["Let me see.", call("transfer_to_triage")])
    )

    result = await team.run("I want my money back.")

    said = [(m.source, m.to_text()) for m in result.messages if not m.type.startswith("ToolCall")]
    assert said == [
        ("user", "I want my money back."),
        ("triage", "refunds takes over from here."),
        ("refunds", "Let me see."),
        ("refunds", "Back to you."),
        ("triage", "DONE"),
    ]


async def test_other_calls_of_the_reply_are_made_and_their_results_go_with_the_handoff() -> None:
    calls = [call("look_up", '{"order": 7}'), call("transfer_to_refunds", id="2")]
    refunds = ScriptedModel(["DONE"])

    result = await swarm(ScriptedModel([calls]), refunds).run("Where is order 7?")

    [message] = [m for m in result.messages if isinstance(m, HandoffMessage)]
    assert message.target == "refunds"
    assert [m["type"] for m in message.context] == ["AssistantMessage", "FunctionExecutionResultMessage"]
    assert message.context[0]["content"] == [{"id": "1", "arguments": '{"order": 7}', "name": "look_up"}]
    heard = refunds.requests[0].blocks[-1]
    assert isinstance(heard, Said)
    assert heard.text == "refunds takes over from here.\nlook_up: Order 7 was shipped."


async def test_who_hands_over_keeps_the_call_and_its_result_together() -> None:
    triage = ScriptedModel([call("transfer_to_refunds"), "DONE"])

    await swarm(triage, ScriptedModel([call("transfer_to_triage")])).run("Hello.")

    own = [block for block in triage.requests[1].blocks if isinstance(block, Reply)]
    assert [(block.calls[0].name, block.results[0].content) for block in own] == [
        ("transfer_to_refunds", "refunds takes over from here.")
    ]


async def test_of_two_handoffs_the_first_counts_and_the_other_is_told_so() -> None:
    calls = [call("transfer_to_refunds"), call("transfer_to_customer", id="2")]
    triage = ScriptedModel([calls, "DONE"])

    result = await swarm(triage, ScriptedModel([call("transfer_to_triage")])).run("Hello.")

    assert [m.target for m in result.messages if isinstance(m, HandoffMessage)] == ["refunds", "triage"]
    own = next(block for block in triage.requests[1].blocks if isinstance(block, Reply))
    assert [r.content for r in own.results] == [
        "refunds takes over from here.",
        "Not done: the conversation goes to refunds already, and to one only.",
    ]


async def test_handoff_that_is_called_with_arguments_tells_the_model_and_moves_nothing() -> None:
    triage = ScriptedModel([call("transfer_to_refunds", '{"why": "money"}'), call("transfer_to_refunds")])

    result = await swarm(triage, ScriptedModel(["DONE"])).run("Hello.")

    assert [m.source for m in result.messages if not m.type.startswith("ToolCall")] == ["user", "triage", "refunds"]
    first = next(block for block in triage.requests[1].blocks if isinstance(block, Reply))
    assert first.results[0].is_error


async def test_handoff_to_who_is_outside_ends_the_run_and_the_next_task_goes_on() -> None:
    talk = conversation()
    triage = ScriptedModel([call("transfer_to_customer")])
    team = swarm(triage, ScriptedModel(["DONE"]))

    first = await team.run("Hello.", conversation=talk)
    back = HandoffMessage(source="customer", target="refunds", content="Ann Smith.")
    second = await team.run(back, conversation=talk)

    assert first.stop_reason == "triage handed over to customer"
    assert [m.source for m in second.messages] == ["customer", "refunds"]


async def test_any_text_from_outside_goes_to_who_had_the_conversation_last() -> None:
    talk = conversation()
    triage = ScriptedModel([call("transfer_to_refunds")])
    refunds = AssistantAgent("refunds", ScriptedModel([call("transfer_to_customer"), "DONE"]), handoffs=["customer"])
    team = Swarm(
        [AssistantAgent("triage", triage, handoffs=["refunds"]), refunds],
        termination_condition=TextMentionTermination("DONE") | HandoffTermination("customer"),
    )

    await team.run("Hello.", conversation=talk)
    second = await team.run("Ann Smith.", conversation=talk)

    assert [m.source for m in second.messages] == ["user", "refunds"]
    assert second.stop_reason == "refunds said 'DONE'"


def handing_over_inside(lines: list[Any], **options: Any) -> Swarm:
    """Return a swarm named office, in which ann begins, who hands over to bob, who hands over to boss, outside."""
    return Swarm(
        [
            AssistantAgent("ann", ScriptedModel([call("transfer_to_bob")]), handoffs=["bob"]),
            AssistantAgent("bob", ScriptedModel(lines), handoffs=["boss"]),
        ],
        termination_condition=HandoffTermination("boss") | TextMentionTermination("enough"),
        name="office",
        **options,
    )


def desk_and_boss(office: Swarm, *said: Any) -> Swarm:
    desk = AssistantAgent("desk", ScriptedModel([call("transfer_to_office")]), handoffs=["office"])
    boss = AssistantAgent("boss", ScriptedModel(said), handoffs=["office"])
    return Swarm([desk, office, boss], termination_condition=TextMentionTermination("DONE"), max_turns=6)


async def test_swarm_inside_a_swarm_is_handed_the_conversation_and_hands_it_on(tmp_path: Path) -> None:
    def made() -> Swarm:
        office = handing_over_inside([call("transfer_to_boss"), call("transfer_to_boss")])
        return desk_and_boss(office, call("transfer_to_office"), "DONE")

    async with open_store(f"sqlite:///{tmp_path}/work.db") as store:
        result = await made().run("Hello.", conversation=store.conversation("c"))
        report = await replay("c.1", team=made(), store=store)

    spoke = [m.source for m in result.messages if isinstance(m, BaseChatMessage)]
    assert spoke == ["user", "desk", "office", "boss", "office", "boss"]
    assert result.stop_reason == "boss said 'DONE'"
    assert report.identical


@pytest.mark.parametrize("share_all", [False, True])
async def test_handoff_between_those_inside_is_none_to_those_around(share_all: bool) -> None:
    office = handing_over_inside(["Still at it.", "That is enough."], max_turns=1, share_all=share_all)

    result = await desk_and_boss(office).run("Hello.", limits=Limits(turns=4))

    assert result.messages[-1].to_text() == "That is enough."


async def test_swarm_in_a_society_begins_whoever_the_society_was_handed_over_by() -> None:
    inner = Swarm([AssistantAgent("ann", ScriptedModel(["Five."]))], max_turns=1)
    desk = AssistantAgent("desk", ScriptedModel([call("transfer_to_office")]), handoffs=["office"])

    result = await Swarm([desk, SocietyOfMindAgent("office", inner, ScriptedModel(["It is five."]))], max_turns=2).run(
        "Hello."
    )

    assert result.messages[-1].to_text() == "It is five."


async def test_handoff_to_nobody_fails_and_says_what_to_do() -> None:
    agent = AssistantAgent("triage", ScriptedModel([call("transfer_to_boss")]), handoffs=["boss"])

    with pytest.raises(ConfigError, match="handed to 'boss', who is no member: triage"):
        await Swarm([agent]).run("Hello.")


async def test_person_who_is_handed_the_conversation_gives_it_back() -> None:
    agent = AssistantAgent("triage", ScriptedModel([call("transfer_to_ann"), "DONE"]), handoffs=["ann"])
    team = Swarm(
        [agent, UserProxyAgent("ann", input_func=lambda prompt: "Order 7.")],
        termination_condition=TextMentionTermination("DONE"),
    )

    result = await team.run("Hello.")

    said = [(m.source, m.to_text()) for m in result.messages if isinstance(m, HandoffMessage)]
    assert said == [("triage", "ann takes over from here."), ("ann", "Order 7.")]


def shared_office(*bob: Any, outside: str = "boss") -> Swarm:
    """Return a team all of which is heard outside: ann hands over to bob, who says his lines."""
    return Swarm(
        [
            AssistantAgent("ann", ScriptedModel([call("transfer_to_bob"), "Ann again."]), handoffs=["bob"]),
            AssistantAgent("bob", ScriptedModel(bob), handoffs=[outside]),
        ],
        termination_condition=HandoffTermination(outside) | TextMentionTermination("DONE"),
        name="office",
        share_all=True,
    )


def told(result: Any) -> list[tuple[str, str]]:
    return [(m.source, m.to_text()) for m in result.messages if isinstance(m, HandoffMessage | TextMessage)]


@pytest.mark.parametrize("deep", [False, True])
async def test_person_gives_back_to_whom_they_heard_out_of_a_team(tmp_path: Path, deep: bool) -> None:
    def made() -> Swarm:
        office = shared_office(call("transfer_to_boss"), "DONE")
        if deep:
            until = HandoffTermination("boss") | TextMentionTermination("DONE")
            office = Swarm([office], termination_condition=until, name="house", share_all=True)
        boss = UserProxyAgent("boss", input_func=lambda prompt: "Order 7.")
        return Swarm([office, boss], termination_condition=TextMentionTermination("DONE"), max_turns=6)

    async with open_store(tmp_path / "work.db") as store:
        result = await made().run("Hello.", conversation=store.conversation("c"))
        report = await replay("c.1", team=made(), store=store)

    assert told(result) == [
        ("user", "Hello."),
        ("ann", "bob takes over from here."),
        ("bob", "boss takes over from here."),
        ("boss", "Order 7."),
        ("bob", "DONE"),
    ]
    assert report.identical


async def test_who_is_outside_may_answer_whom_they_heard_out_of_a_team() -> None:
    talk = conversation()
    office = shared_office(call("transfer_to_customer"), "DONE", outside="customer")
    until = HandoffTermination("customer") | TextMentionTermination("DONE")
    team = Swarm([office], termination_condition=until)

    first = await team.run("Hello.", conversation=talk)
    back = HandoffMessage(source="customer", target=first.messages[-1].source, content="Order 7.")
    second = await team.run(back, conversation=talk)

    assert told(second) == [("customer", "Order 7."), ("bob", "DONE")]


async def test_who_only_spoke_in_a_team_can_be_named_too() -> None:
    ann = AssistantAgent("ann", ScriptedModel(["It is late.", "DONE."]))
    bob = AssistantAgent("bob", ScriptedModel([call("transfer_to_boss")]), handoffs=["boss"])
    until = HandoffTermination("boss") | TextMentionTermination("DONE")
    office = RoundRobinGroupChat([ann, bob], termination_condition=until, name="office", share_all=True)
    boss = AssistantAgent("boss", ScriptedModel([call("transfer_to_ann")]), handoffs=["ann"])

    result = await Swarm([office, boss], termination_condition=TextMentionTermination("DONE")).run("Hello.")

    assert [source for source, _ in told(result)] == ["user", "ann", "bob", "boss", "ann"]


async def test_member_is_meant_before_somebody_of_that_name_inside_a_team() -> None:
    office = shared_office(call("transfer_to_boss"))
    boss = AssistantAgent("boss", ScriptedModel([call("transfer_to_bob")]), handoffs=["bob"])
    bob = AssistantAgent("bob", ScriptedModel(["DONE, says the other bob."]))

    result = await Swarm([office, boss, bob], termination_condition=TextMentionTermination("DONE"), max_turns=4).run(
        "Hello."
    )

    assert told(result)[-1] == ("bob", "DONE, says the other bob.")


async def test_handoff_inside_a_team_goes_to_no_other_team_in_which_that_name_was_heard() -> None:
    first = shared_office(call("transfer_to_boss"))
    boss = AssistantAgent("boss", ScriptedModel([call("transfer_to_lab")]), handoffs=["lab"])
    ben = AssistantAgent("ben", ScriptedModel([call("transfer_to_bob")]), handoffs=["bob"])
    lab = Swarm(
        [ben, AssistantAgent("bob", ScriptedModel(["DONE in the lab."]))], max_turns=1, name="lab", share_all=True
    )

    result = await Swarm([first, boss, lab], termination_condition=TextMentionTermination("DONE"), max_turns=4).run(
        "Hello."
    )

    assert told(result)[-1] == ("bob", "DONE in the lab.")


async def test_member_that_was_delegated_to_gets_a_task_back_from_a_person() -> None:
    boss = AssistantAgent(
        "boss", ScriptedModel([call("delegate_to_office", '{"task": "Pay."}'), "All paid."]), tools=[Delegate("office")]
    )
    office = shared_office(call("transfer_to_kim"), "Paid: DONE", outside="kim")
    kim = UserProxyAgent("kim", input_func=lambda prompt: "Order 7.")

    result = await RoundRobinGroupChat([boss, office, kim], max_turns=1).run("Go.")

    [event] = [m for m in result.messages if isinstance(m, ToolCallExecutionEvent)]
    assert event.content[0].content == "Paid: DONE"


async def test_run_with_handoffs_is_resumed_and_replayed(tmp_path: Path) -> None:
    # ENGINE 1, 4
    async with open_store(tmp_path / "work.db") as store:
        talk = store.conversation("talk")
        first = swarm(ScriptedModel([call("transfer_to_refunds")]), ScriptedModel([]), max_turns=1)
        cut = await first.run("Hello.", conversation=talk)
        second = swarm(ScriptedModel(["DONE"]), ScriptedModel([call("transfer_to_triage")]), max_turns=9)

        result = await second.continue_run(cut.run_id, store=store, limits=second.limits)
        again = await replay(result.run_id, store=store, team=second)

        assert result.stop_reason == "triage said 'DONE'"
        assert again.identical


async def test_agent_alone_ends_with_its_handoff() -> None:
    result = await AssistantAgent("a", ScriptedModel([call("transfer_to_b")]), handoffs=["b"]).run("Hello.")

    assert isinstance(result.messages[-1], HandoffMessage)


async def test_text_message_condition_waits_for_a_text_message_of_its_source() -> None:
    team = swarm(ScriptedModel([call("transfer_to_refunds")]), ScriptedModel(["One.", "Two."]))
    team.termination_condition = TextMessageTermination("refunds") | MaxMessageTermination(9)

    result = await team.run("Hello.")

    assert result.stop_reason == "refunds sent a text message"


def test_swarm_in_a_team_file_reads_and_dumps_its_handoffs() -> None:
    document = {
        "type": "swarm",
        "participants": [
            {
                "type": "assistant",
                "name": "a",
                "model_client": "embedded",
                "handoffs": ["b", {"target": "c", "name": "ask_c"}],
            },
            {"type": "assistant", "name": "b", "model_client": "embedded"},
        ],
        "termination_condition": {
            "type": "any",
            "conditions": [{"type": "handoff", "target": "c"}, {"type": "text_message"}],
        },
    }

    team = load_team(document)
    first = team.participants[0]

    assert isinstance(team, Swarm)
    assert isinstance(first, AssistantAgent)
    assert [one.given() for one in first.handoffs] == [{"target": "b"}, {"target": "c", "name": "ask_c"}]
    assert list(first.offered) == ["transfer_to_b", "ask_c"]


@pytest.mark.parametrize(
    ("handoffs", "told"),
    [
        (["a"], "a cannot hand over to itself"),
        (["b", "b"], "two tools named 'transfer_to_b'"),
        ([Handoff("b", name="look_up")], "two tools named 'look_up'"),
    ],
)
def test_handoffs_that_cannot_be_are_refused(handoffs: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        AssistantAgent("a", ScriptedModel([]), tools=[look_up], handoffs=handoffs)


@pytest.mark.parametrize(
    ("made", "told"),
    [({"target": ""}, "needs a target"), ({"target": 5}, "not 5"), ({"target": "b", "name": "to b"}, "must be a word")],
)
def test_handoff_that_is_none_is_refused(made: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Handoff(**made)
