from collections.abc import Sequence
from typing import Any

import pytest

from quorate import AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, Team, conversation
from quorate.chat.facts import Choice, Fact, Thread
from quorate.chat.turns import Once, RoundRobin, Speak, Stop
from quorate.errors import ConfigError
from quorate.testing import ScriptedModel

NOBODY = Thread([])


def fact(*speakers: str) -> Fact:
    return Fact(choice=Choice(speakers, "why"))


async def test_round_robin_begins_with_the_first_and_goes_around() -> None:
    policy, memory, spoke = RoundRobin(), RoundRobin().begin(), []
    for _ in range(5):
        chosen = policy.next(memory, NOBODY, ["a", "b", "c"])
        spoke += chosen.speakers
        memory = policy.see(memory, fact(*chosen.speakers))

    assert spoke == ["a", "b", "c", "a", "b"]
    assert chosen.reason == "next in order"


async def test_round_robin_begins_anew_when_who_spoke_last_has_left() -> None:
    assert RoundRobin().next("gone", NOBODY, ["a", "b"]).speakers == ("a",)


async def test_round_robin_goes_on_where_the_last_run_of_a_conversation_ended() -> None:
    talk = conversation("talk")
    team = RoundRobinGroupChat(
        [AssistantAgent(name, ScriptedModel([f"{name} one", f"{name} two"])) for name in "abc"],
        termination_condition=MaxMessageTermination(3),
    )
    await team.run(task="First.", conversation=talk)

    second = await team.run(task="Second.", conversation=talk)

    assert [m.source for m in second.messages] == ["user", "c", "a"]


async def test_once_lets_everybody_speak_once_a_task() -> None:
    policy = Once()
    memory = policy.begin()
    first = policy.next(memory, NOBODY, ["a", "b"])
    memory = policy.see(memory, fact("a", "b"))
    second = policy.next(memory, NOBODY, ["a", "b"])

    assert first == Speak(("a", "b"), "asked")
    assert second == Stop("It has answered.")


class Choosing:
    """Chooses what a test says."""

    def __init__(self, *choices: Any) -> None:
        self.choices = choices

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Any:
        return self.choices[memory]


async def _later(found: Any) -> Any:
    return found


def team(*choices: Any) -> Team:
    return Team(
        [AssistantAgent(name, ScriptedModel([f"{name} {n} {n * 7}" for n in range(9)])) for name in "ab"],
        turns=Choosing(*choices),
    )


@pytest.mark.parametrize(
    "speakers", [("c",), (), ("a", "a"), ("a", "c")], ids=["a stranger", "nobody", "one twice", "one stranger"]
)
async def test_choice_that_is_not_legal_is_refused_with_who_there_is(speakers: tuple[str, ...]) -> None:
    talk = conversation("talk")

    with pytest.raises(ConfigError, match=r"must name members, each once: a, b"):
        await team(Speak(speakers, "why")).run(task="Go.", conversation=talk)

    assert not any(e.kind == "choice" for e in await talk.entries())


async def test_policy_that_is_done_completes_the_run_with_its_reason() -> None:
    result = await team(Speak(("b",), "first"), Stop("All said.")).run(task="Go.")

    assert [m.source for m in result.messages] == ["user", "b"]
    assert result.outcome is not None
    assert (result.outcome.kind, result.stop_reason) == ("completed", "All said.")


@pytest.mark.parametrize(("waits", "ends"), [(False, "completed"), (True, "limit")])
async def test_policy_is_asked_at_the_limit_of_turns_unless_its_choice_may_cost(waits: bool, ends: str) -> None:
    class Either(Choosing):
        def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Any:
            found = self.choices[memory]
            return _later(found) if waits else found

    member = AssistantAgent("a", ScriptedModel(["One.", "Two."]))

    result = await Team([member], turns=Either(Speak(("a",), "first"), Stop("Done.")), max_turns=1).run(task="Go.")

    assert result.outcome is not None
    assert result.outcome.kind == ends


async def test_choice_and_its_reason_are_journaled_before_anybody_speaks() -> None:
    # ENGINE 2
    talk = conversation("talk")

    await team(Speak(("b",), "b knows best", note={"plan": [1]}), Stop("ok")).run(task="Go.", conversation=talk)

    choice = (await talk.entries())[1]
    assert (choice.path, choice.kind) == ("1 turn", "choice")
    assert choice.payload == {"speakers": ("b",), "reason": "b knows best", "note": {"plan": [1]}}


async def test_note_of_a_choice_gets_into_the_policys_memory_the_same_live_and_folded() -> None:
    # ENGINE 12: what is folded later is what was seen then
    class Noting(Choosing):
        def begin(self) -> Any:
            return []

        def see(self, memory: Any, fact: Fact) -> Any:
            return [*memory, fact.choice.note] if fact.choice is not None else memory

        async def next(self, memory: Any, thread: Thread, members: Sequence[str]) -> Any:
            seen.append(list(memory))
            return Speak(("a",), "why", note=("tuple", len(memory))) if len(memory) < 2 else Stop("enough")

    seen: list[Any] = []
    talk = conversation("talk")
    working = Team([AssistantAgent("a", ScriptedModel(["one", "two"]))], turns=Noting())
    await working.run(task="Go.", conversation=talk)
    await Team([AssistantAgent("a", ScriptedModel([]))], turns=Noting()).run(task="More.", conversation=talk)

    assert seen[2] == seen[3] == [["tuple", 0], ["tuple", 1]]


async def test_note_that_is_no_plain_data_is_refused() -> None:
    with pytest.raises(ConfigError, match="note must be plain JSON data"):
        await team(Speak(("a",), "why", note={1, 2})).run(task="Go.")
