"""A team with a planner: its ledgers, how it gets unstuck, how it ends; every call of it is journaled once."""

import json
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Limits,
    MagenticOneGroupChat,
    TextMentionTermination,
    conversation,
    load_team,
    replay,
)
from quorate.chat.files.document import dump
from quorate.chat.ledgers import filled_in, read_progress
from quorate.chat.magentic import PLANNER, RECENT
from quorate.chat.messages import TaskResult
from quorate.errors import ConfigError, ModelError
from quorate.models import ModelRequest
from quorate.testing import FakeClock, ScriptedModel

WORDS = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "ledge")


def ledger(speaker: str = "coder", *, done: bool = False, loop: bool = False, moves: bool = True, say: str = "") -> str:
    answers = (done, loop, moves, speaker, say or f"Work, {speaker}.")
    names = ("is_request_satisfied", "is_in_loop", "is_progress_being_made", "next_speaker", "instruction_or_question")
    return json.dumps({name: {"reason": f"why {name}", "answer": a} for name, a in zip(names, answers, strict=True)})


def workers(lines: int = 30) -> list[AssistantAgent]:
    def said(name: str, i: int) -> str:
        return f"{name} found {WORDS[i % 12]} {WORDS[(i * 5 + 3) % 12]} {i * 37}"

    return [
        AssistantAgent(name, ScriptedModel([said(name, i) for i in range(lines)]), description=f"Can {name}.")
        for name in ("coder", "surfer")
    ]


def team(*lines: Any, agents: Any = None, **options: Any) -> MagenticOneGroupChat:
    return MagenticOneGroupChat(agents or workers(), ScriptedModel(lines), **options)


def said(result: TaskResult) -> list[str]:
    return [f"{m.source}: {m.to_text()}" for m in result.messages]


def asked(working: MagenticOneGroupChat) -> list[str]:
    model: Any = working.model_client
    return [request.blocks[-1].text for request in model.requests]


async def test_it_plans_tells_who_does_what_and_answers_when_the_task_is_done() -> None:
    working = team(
        "GIVEN: a list", "- coder counts", ledger("coder", say="Count."), ledger("surfer", say="Check {it}."),
        ledger(done=True), "There are 3.",
    )  # fmt: skip
    talk = conversation("talk")

    result = await working.run(task="How many?", conversation=talk)

    plan, *rest = said(result)[1:]
    assert plan.startswith(
        f"{PLANNER}: The task:\nHow many?\n\nWho works on it:\ncoder: Can coder.\nsurfer: Can surfer."
    )
    assert plan.endswith("GIVEN: a list\n\nThe plan:\n- coder counts")
    assert [line.partition(":")[0] for line in rest] == [PLANNER, "coder", PLANNER, "surfer", PLANNER]
    assert rest[0] == f"{PLANNER}: Count."
    assert rest[2] == f"{PLANNER}: Check {{it}}."
    assert rest[-1] == f"{PLANNER}: There are 3."
    assert (result.stop_reason, result.turns) == ("why is_request_satisfied", 2)
    heard = working.participants[0].model_client.requests[0].blocks  # pyright: ignore[reportAttributeAccessIssue]
    assert [b.text for b in heard][-1] == "Count."
    assert (await replay("talk", team=team(agents=workers(0)), store=talk.store)).identical


async def test_answer_that_is_no_ledger_is_sent_back_and_then_who_was_silent_longest_goes_on() -> None:
    wrong = ["no JSON", '{"is_request_satisfied": {"answer": true}}', ledger("nobody")]
    mended = team("facts", "plan", *wrong[:2], ledger("surfer"), ledger(done=True), "Done.")
    never = team("facts", "plan", *wrong, ledger("surfer"), ledger(done=True), "Done.")
    talk = conversation("talk")

    first = await mended.run(task="Go.")
    second = await never.run(task="Go.", conversation=talk)

    assert [m.source for m in first.messages if m.source != PLANNER] == ["user", "surfer"]
    assert [m.source for m in second.messages if m.source != PLANNER] == ["user", "coder", "surfer"]
    assert asked(mended)[3].startswith("That cannot be used: The answer has no JSON")
    assert asked(mended)[4].startswith("That cannot be used: is_in_loop is missing")
    choices = [e.payload for e in await talk.entries() if e.kind == "choice"]
    assert choices[0]["reason"] == "the planner named nobody; has been silent longest"
    assert choices[0]["note"]["stalls"] == 1


STUCK = {"no progress": {"moves": False}, "a loop": {"loop": True}}


@pytest.mark.parametrize("what", STUCK)
async def test_after_so_many_stalls_there_is_a_new_plan(what: str) -> None:
    stuck = ledger("surfer", **STUCK[what])
    working = team(
        "old facts", "old plan", ledger(), stuck, stuck, "new facts", "new plan", ledger("coder"), ledger(done=True),
        "Done.", max_stalls=2,
    )  # fmt: skip
    talk = conversation("talk")

    result = await working.run(task="Go.", conversation=talk)

    assert [m.source for m in result.messages if m.source != PLANNER] == ["user", "coder", "surfer", "coder"]
    plans = [text for text in said(result) if "The plan:" in text]
    assert [p.rpartition("\n")[2] for p in plans] == ["old plan", "new plan"]
    assert "Before, it was this:\n\nold facts" in asked(working)[5]
    assert [e.payload["note"]["stalls"] for e in await talk.entries() if e.kind == "choice"][:3] == [0, 1, 0]


async def test_progress_takes_a_stall_back() -> None:
    stuck, fine = ledger(moves=False), ledger()
    lines = ["facts", "plan", fine, stuck, fine, stuck, fine, stuck, ledger(done=True), "Done."]
    working = team(*lines, max_stalls=2)

    result = await working.run(task="Go.")

    assert result.turns == 6
    assert not any("new plan" in text for text in asked(working))


async def test_rounds_are_limited_and_the_answer_is_given_with_what_there_is() -> None:
    working = team("facts", "plan", *[ledger(say=f"Step {i}.") for i in range(3)], "As far as I know.", max_turns=3)

    result = await working.run(task="Go.")

    assert (result.stop_reason, result.turns) == ("Max rounds reached.", 3)
    assert said(result)[-1] == f"{PLANNER}: As far as I know."


async def test_planner_that_is_never_content_ends_by_its_rounds() -> None:
    def line(request: ModelRequest) -> str:
        return ledger("coder", moves=False) if request.output_schema else f"words {len(request.blocks)}"

    model = ScriptedModel([line] * 100)
    result = await MagenticOneGroupChat(workers(), model, max_turns=12).run(task="Go.")

    assert result.stop_reason == "Max rounds reached."
    assert result.turns == 12
    assert 3 <= sum("The plan:" in text for text in said(result)) <= 5


async def test_loop_that_a_new_plan_does_not_end_is_stalled() -> None:
    agents = [AssistantAgent("coder", ScriptedModel(["I cannot do that."] * 90))]

    def line(request: ModelRequest) -> str:
        return ledger("coder", moves=False, say="Do it.") if request.output_schema else "the same words"

    working = MagenticOneGroupChat(agents, ScriptedModel([line] * 300), max_turns=80)
    result = await working.run(task="Go.")

    assert result.outcome is not None
    assert result.outcome.kind == "stalled"
    assert sum("The plan:" in text for text in said(result)) >= 2
    assert result.turns <= 20


@pytest.mark.parametrize("limits", [Limits(turns=3), Limits(model_calls=9), Limits(tokens=6_000)])
async def test_limits_hold_for_planner_and_team_together(limits: Limits) -> None:
    def line(request: ModelRequest) -> str:
        return ledger("coder") if request.output_schema else "words"

    model = ScriptedModel([line] * 100)
    working = MagenticOneGroupChat(workers(), model, max_turns=None)

    result = await working.run(task="Go.", limits=limits)

    assert result.outcome is not None
    assert result.outcome.kind == "limit"
    assert result.turns <= 9


async def test_team_of_one_is_planned_for_too_and_conditions_see_what_is_said() -> None:
    alone = [AssistantAgent("coder", ScriptedModel(["thinking", "FOUND it"]))]
    working = MagenticOneGroupChat(
        alone,
        ScriptedModel(["facts", "plan", ledger(), ledger()]),
        termination_condition=TextMentionTermination("FOUND"),
    )

    result = await working.run(task="Go.")

    assert result.stop_reason == "coder said 'FOUND'"


async def test_final_prompt_of_ones_own_has_the_task_where_it_wants_it() -> None:
    working = team("facts", "plan", ledger(done=True), "Done.", final_answer_prompt="In {words}: {task}")

    await working.run(task="Count {all}.")

    assert asked(working)[-1] == "In {words}: Count {all}."


async def test_next_task_is_planned_anew_with_the_conversation_before_it() -> None:
    working = team(*["facts", "plan", ledger(), ledger(done=True), "Three."] * 2)
    await working.run(task="How many?")

    result = await working.run(task="And in French?")

    model: Any = working.model_client
    texts = [b.text for b in model.requests[5].blocks]
    assert "Three." in texts
    assert texts[-2] == "And in French?"
    assert said(result)[1].startswith(f"{PLANNER}: The task:\nAnd in French?\n")


async def test_planner_is_shown_no_more_however_long_it_goes_on() -> None:
    sizes: list[int] = []

    def line(request: ModelRequest) -> str:
        sizes.append(len(request.blocks))
        return ledger("coder", say=f"Do step {len(sizes)}.") if request.output_schema else "words"

    working = MagenticOneGroupChat(workers(90), ScriptedModel([line] * 200), max_turns=60, patience=None)
    await working.run(task="Go.")

    assert RECENT < max(sizes) <= 2 * RECENT + 1
    first: Any = working.model_client.requests[-2]  # pyright: ignore[reportAttributeAccessIssue]
    assert "The plan:" in first.blocks[0].text


async def test_run_cut_after_any_entry_goes_on_without_asking_anything_again(killed: Any) -> None:
    # ENGINE 1, 2: crash everywhere
    stuck = ledger("surfer", moves=False)
    script = ["facts", "plan", ledger(), stuck, "bad", stuck, "facts 2", "plan 2", ledger(), ledger(done=True), "Done."]
    talk = conversation("talk", clock=FakeClock())
    whole = await team(*script, agents=workers(3), max_stalls=2).run(task="Go.", conversation=talk)
    entries = await talk.entries()
    lines = {name: [m.to_text() for m in whole.messages if m.source == name] for name in ("coder", "surfer")}

    for after in range(1, len(entries)):
        left = await killed(entries, after=after)
        made = [e for e in entries[:after] if e.kind == "reply"]
        planned = [e for e in made if "/0 choose/" in e.path]
        agents = [
            AssistantAgent(name, ScriptedModel(lines[name][done:]), description=f"Can {name}.")
            for name in lines
            for done in [sum(f" {name}/" in e.path for e in made)]
        ]

        again = team(*script[len(planned) :], agents=agents, max_stalls=2)
        result = await again.continue_run("talk", store=left.store)

        assert said(result) == said(whole)
        assert result.stop_reason == whole.stop_reason
        assert again.model_client.check() is None  # pyright: ignore[reportAttributeAccessIssue]
        assert (await replay("talk", team=team(agents=workers(0), max_stalls=2), store=left.store)).identical


def test_ledger_is_read_out_of_what_models_write() -> None:
    members = ("Ann", "ben")
    fenced = f"Here it is:\n```json\n{ledger('ANN')}\n```"
    assert read_progress(fenced, members).speaker == "Ann"
    for change, match in (
        (("true", '"yes"'), "is neither true nor false"),
        (("next_speaker", "speaker"), "next_speaker is missing"),
    ):
        with pytest.raises(ModelError, match=match):
            read_progress(ledger("ben", loop=True).replace(*change), members)


def test_words_are_filled_in_whatever_braces_they_have() -> None:
    assert filled_in("{a} {b} {c} {", a="{b}", b="x") == "{b} x {c} {"


@pytest.mark.parametrize("wrong", [{"max_turns": 0}, {"max_stalls": 0}, {"max_stalls": True}])
def test_figures_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"must be at least 1|must be a whole number"):
        team(**wrong)


def test_it_is_a_team_file_too() -> None:
    working = MagenticOneGroupChat([AssistantAgent("a", "embedded")], "embedded", max_turns=7, max_stalls=2)

    again = load_team(dump(working))

    assert isinstance(again, MagenticOneGroupChat)
    assert (again.max_turns, again.max_stalls, again.limits.turns) == (7, 2, None)
    assert dump(again) == dump(working)


def test_check_warns_of_members_that_the_planner_cannot_tell_apart() -> None:
    alike = MagenticOneGroupChat([AssistantAgent(name, "embedded") for name in "ab"], "embedded").check()

    assert [(f.rule, f.where) for f in alike.findings] == [("same-description", "b")]
    assert MagenticOneGroupChat(workers(), "embedded").check().findings == ()
