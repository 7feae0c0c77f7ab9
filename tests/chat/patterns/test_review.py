"""A work and the checks that it has to pass; a run never ends `completed` while one of them fails."""

import itertools
import json
import random
from typing import Any

import pytest
from pydantic import BaseModel

from quorate import AssistantAgent, Review, TaskResult, UserProxyAgent, conversation, replay
from quorate.chat.patterns import Check, ReviewResult
from quorate.errors import ConfigError
from quorate.testing import ScriptedModel


class Invoice(BaseModel):
    total: int


def verdict(comments: str = "") -> str:
    return json.dumps({"approved": not comments, "comments": comments})


def author(*lines: str) -> AssistantAgent:
    return AssistantAgent("author", ScriptedModel(lines))


def reviewer(name: str, *lines: str) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel(lines))


def is_short(text: str) -> str | None:
    return None if len(text) < 12 else f"It has {len(text)} letters; 11 are allowed."


def kind(result: TaskResult) -> str:
    assert result.outcome is not None
    return result.outcome.kind


async def test_work_that_fails_a_check_by_code_is_written_again_before_anybody_reviews_it() -> None:
    critic = reviewer("critic", verdict())
    team = Review(author("Far too long a text.", "Short."), [critic], checks=[is_short])

    result = await team.run(task="Write.")

    value = result.value
    assert isinstance(value, ReviewResult)
    assert (value.work, value.rounds) == ("Short.", 2)
    assert [p.check for p in value.passed] == ["is_short", "critic"]
    assert len(critic.model_client.requests) == 1  # type: ignore[union-attr]
    told = [m.to_text() for m in result.messages if m.source == "moderator"]
    assert "- is_short: It has 20 letters; 11 are allowed." in told[0]
    assert (kind(result), result.stop_reason) == ("completed", "version 2 passed 2 checks")
    assert (await replay(result.run_id, team=team)).identical


async def test_what_reviewers_want_changed_is_told_together_and_all_check_the_next_version() -> None:
    one, two = reviewer("one", verdict("Add a date."), verdict()), reviewer("two", verdict("Add a name."), verdict())
    team = Review(author("A", "B"), [one, two])

    result = await team.run(task="Write.")

    told = next(m.to_text() for m in result.messages if m.source == "moderator" and "does not pass" in m.to_text())
    assert "- one: Add a date.\n- two: Add a name." in told
    assert result.value.work == "B"
    assert result.turns == 4


async def test_person_is_asked_last_and_only_about_what_the_agents_approved() -> None:
    asked: list[str] = []

    def person(prompt: str) -> str:
        asked.append(prompt)
        return "Approved." if len(asked) > 1 else "Please add a sum."

    critic = reviewer("critic", verdict("Too plain."), verdict(), verdict())
    team = Review(author("A", "B", "C"), [UserProxyAgent("ann", input_func=person), critic])

    result = await team.run(task="Write.")

    assert len(asked) == 2
    assert (result.value.work, result.value.rounds) == ("C", 3)
    assert [p.check for p in result.value.passed] == ["critic", "ann"]


async def test_person_who_is_not_there_is_waited_for_and_the_answer_goes_on() -> None:
    talk = conversation("talk")
    team = Review(author("A"), [UserProxyAgent("ann")])

    result = await team.run(task="Write.", conversation=talk)
    assert kind(result) == "waiting"
    again = await team.continue_run("talk", store=talk.store, answer=lambda question: "yes")

    assert (kind(again), again.value.work) == ("completed", "A")


@pytest.mark.parametrize("schema", [Invoice, Invoice.model_json_schema()])
async def test_schema_is_a_check(schema: Any) -> None:
    team = Review(author("It is 12.", '{"total": "many"}', '{"total": 12}'), checks=[schema])

    result = await team.run(task="Write.")

    assert (result.value.work, result.value.rounds) == ('{"total": 12}', 3)
    told = [m.to_text() for m in result.messages if m.source == "moderator"]
    assert "It is no Invoice" in told[0]


async def test_run_out_of_versions_is_at_its_limit_of_rounds_and_goes_on_with_more_of_them() -> None:
    talk = conversation("talk")
    lines = ["Far too long a text.", "Still too long a text.", "Short."]

    def team(rounds: int, *said: str) -> Review:
        return Review(author(*said), checks=[is_short], rounds=rounds)

    result = await team(2, *lines[:2]).run(task="Write.", conversation=talk)
    assert (kind(result), result.value) == ("limit", None)
    assert result.outcome is not None
    assert result.outcome.limit == "rounds"
    assert result.stop_reason == "after 2 versions, all that its rounds allow, it does not pass: is_short"
    same = await team(2).continue_run("talk", store=talk.store)
    assert kind(same) == "limit"
    again = await team(3, lines[2]).continue_run("talk", store=talk.store)

    assert (kind(again), again.value.work) == ("completed", "Short.")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda text: False, "It fails."),
        (lambda text: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda text: "Never.", "Never."),
        (lambda text: ["No title.", "No end."], "No title.; No end."),
        (lambda text: b"Never.", "ConfigError: it returned b'Never.', which says neither: return None or True"),
        (lambda text: len(text), "ConfigError: it returned 1, which says neither"),
    ],
)
async def test_check_that_fails_or_breaks_never_lets_a_work_pass(function: Any, told: str) -> None:
    result = await Review(author("A"), checks=[Check("rule", function)], rounds=1).run(task="Write.")

    assert kind(result) == "limit"
    result = await Review(author("A", "B"), checks=[Check("rule", function)], rounds=2).run(task="Write.")
    assert any(f"- rule: {told}" in m.to_text() for m in result.messages)


@pytest.mark.parametrize("nothing", [None, True, [], ()])
async def test_check_that_finds_nothing_passes(nothing: Any) -> None:
    result = await Review(author("A"), checks=[lambda text: nothing], rounds=1).run(task="Write.")

    assert kind(result) == "completed"


@pytest.mark.parametrize(("said", "passes"), [("Approved!", True), ("Good, but the tests fail.", False)])
async def test_person_who_says_more_than_yes_wants_something_changed(said: str, passes: bool) -> None:
    person = UserProxyAgent("zoe", input_func=lambda prompt: said)

    result = await Review(author("A"), [person], rounds=1).run(task="Write.")

    assert kind(result) == ("completed" if passes else "limit")


async def test_checks_without_a_name_are_told_apart_by_their_numbers() -> None:
    result = await Review(author("A"), checks=[lambda text: True, lambda text: False], rounds=1).run(task="Write.")

    assert result.stop_reason == "after 1 version, all that its rounds allow, it does not pass: check 2"


async def test_check_that_looks_at_the_world_is_asked_in_a_step_once() -> None:
    # ENGINE 2, 4
    tried: list[str] = []

    async def builds(text: str) -> str | None:
        tried.append(text)
        return None if text == "B" else "It does not build."

    def plain(text: str) -> bool:
        tried.append(text)
        return True

    team = Review(author("A", "B"), checks=[builds, Check("plain", plain, impure=True)])
    result = await team.run(task="Write.")
    assert tried == ["A", "A", "B", "B"]

    assert (await replay(result.run_id, team=team)).identical
    assert len(tried) == 4


@pytest.mark.parametrize("seed", range(8))
async def test_no_run_ends_completed_while_a_check_fails(seed: int) -> None:
    """Random works, checks and reviewers: whatever completes has passed everything, anew, in its last version."""
    draw = random.Random(seed)
    works = [f"work {n} {draw.choice(['ok', 'bad'])} {n * 37}" for n in range(6)]
    asked: dict[str, list[str]] = {"one": [], "two": []}

    def judge(name: str) -> Any:
        def answer(request: Any) -> str:
            seen = next(w for w in reversed(works) if any(w in str(b.content) for b in request.blocks))
            asked[name].append(seen)
            return draw.choice([verdict(), verdict(f"{name} wants change {len(asked[name])}."), "hm"])

        return AssistantAgent(name, ScriptedModel(itertools.repeat(answer)))

    def is_ok(text: str) -> bool:
        return " ok " in text

    team = Review(author(*works), [judge("one"), judge("two")], checks=[is_ok], rounds=6)

    result = await team.run(task="Write.")

    if kind(result) == "completed":
        assert " ok " in result.value.work
        assert {p.check for p in result.value.passed} == {"is_ok", "one", "two"}
        assert result.value.work == [m.to_text() for m in result.messages if m.source == "author"][-1]
        assert all(result.value.work in seen for seen in asked.values())
    else:
        assert kind(result) == "limit"
        assert result.value is None


async def test_stop_from_outside_is_no_completion() -> None:
    class Stopping(AssistantAgent):
        async def speak(self, turn: Any) -> Any:
            turn.run.stop("Enough.")
            return await super().speak(turn)

    team = Review(Stopping("author", ScriptedModel(["Far too long a text."])), checks=[is_short])

    assert kind(await team.run(task="Write.")) == "cancelled"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"checks": [3]},
        {"checks": is_short},
        {"checks": Invoice},
        {"checks": [is_short], "rounds": "3"},
        {"checks": [is_short], "rounds": 0},
        {"checks": [is_short], "moderator": "author"},
    ],
)
def test_what_cannot_be_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError):
        Review(author(), **options)
