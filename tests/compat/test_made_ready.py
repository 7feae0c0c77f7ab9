"""What is made without a validator, read by fields or taken in together is what the longer way makes."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.chat.facts import Fact
from quorate.chat.messages import TextMessage
from quorate.compat.autogen.core.models import AssistantMessage, UserMessage, answered, heard
from quorate.compat.autogen.orchestrating import ledger, read
from quorate.compat.autogen.planning import Instructed
from quorate.compat.autogen.speaking import Hearing

NAMES = ("ann", "ben")
KEYS = ("is_request_satisfied", "is_in_loop", "is_progress_being_made", "next_speaker", "instruction_or_question")

plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(NAMES)
parts = st.fixed_dictionaries({"reason": plain, "answer": plain}, optional={"more": plain}) | st.fixed_dictionaries(
    {}, optional={"reason": plain, "answer": plain}
)
ledgers = st.fixed_dictionaries(dict.fromkeys(KEYS, parts), optional={"extra": plain})
texts = st.one_of(
    ledgers.map(json.dumps),
    st.dictionaries(st.sampled_from(KEYS), parts | plain).map(json.dumps),
    ledgers.map(lambda found: f"```json\n{json.dumps(found)}\n```"),
    ledgers.map(lambda found: json.dumps({**found, "extra": "```"})),
    plain.map(json.dumps),
    st.text(max_size=20),
)


@given(st.text(), st.text())
def test_what_is_heard_is_as_its_validator_makes_it(text: str, source: str) -> None:
    same(heard(text, source), UserMessage(content=text, source=source))


@given(st.text(), st.text(), st.none() | st.text())
def test_what_is_answered_is_as_its_validator_makes_it(text: str, source: str, thought: str | None) -> None:
    same(answered(text, source, thought), AssistantMessage(content=text, source=source, thought=thought))


def same(found: Any, made: Any) -> None:
    assert type(found) is type(made)
    assert found == made
    assert found.model_fields_set == made.model_fields_set
    assert list(found.__dict__) == list(made.__dict__)
    assert found.model_dump() == made.model_dump()
    assert repr(found) == repr(made)
    for other in (copy.deepcopy(found), pickle.loads(pickle.dumps(found)), found.model_copy()):
        assert other == made
    found.source = "changed"
    assert found.source == "changed"
    assert made.source != "changed" or made == found


@given(texts, st.sampled_from([NAMES, NAMES[:1]]))
def test_a_ledger_by_fields_says_what_it_says_as_a_dictionary(text: str, names: tuple[str, ...]) -> None:
    plainly, by_fields = read(text, names), ledger(text, names)
    if plainly is None:
        assert by_fields is None
        return
    assert by_fields is not None
    for key in KEYS:
        said = getattr(by_fields, key)
        assert [said.reason, said.answer] == [plainly[key]["reason"], plainly[key]["answer"]]


class Member(Hearing):
    name = _name = "ann"
    description = ""


@given(
    st.lists(st.tuples(st.sampled_from(["MagenticOneOrchestrator", "ann", "ben", ""]), st.booleans()), max_size=12),
    st.data(),
)
def test_facts_that_are_taken_in_together_leave_what_they_leave_one_by_one(
    said: list[tuple[str, bool]], data: st.DataObject
) -> None:
    ids: set[str] = set()
    one, all_at_once = Instructed(Member(), ids), Instructed(Member(), ids)
    slowly, fast = one.begin(), all_at_once.begin()
    at = 0
    while at < len(said):
        count = data.draw(st.integers(1, len(said) - at))
        facts = list[Fact]()
        for n, (speaker, is_ledger) in enumerate(said[at : at + count], at):
            facts.append(Fact(TextMessage(content=str(n), source=speaker or "user", id=f"m{n}"), speaker=speaker))
            if is_ledger:
                ids.add(f"m{n}")
        for fact in facts:
            slowly = one.see(slowly, fact)
        assert all_at_once.see_all is not None
        fast = all_at_once.see_all(fast, facts)
        at += count
    assert [fact.message for fact in fast] == [fact.message for fact in slowly]


def test_two_conversations_of_one_member_begin_anew_each_by_itself() -> None:
    ids: set[str] = set()
    member = Instructed(Member(), ids)
    first, second = member.begin(), member.begin()
    take: Any = member.see_all
    first = take(first, [fact("a0"), fact("a1")])
    ids.add("a2")
    second = take(second, [fact("b0")])
    first = take(first, [fact("a2"), fact("a3")])
    assert [said.message.id for said in first] == ["a2", "a3"]
    assert [said.message.id for said in second] == ["b0"]


def fact(id: str) -> Fact:
    return Fact(TextMessage(content=id, source="planner", id=id), speaker="MagenticOneOrchestrator")


class Picky(Member):
    def see(self, memory: list[Fact], fact: Fact) -> list[Fact]:
        return [*memory, fact]


@pytest.mark.parametrize(("kind", "bulk"), [(Member, True), (Picky, False)])
def test_who_has_a_way_to_see_of_their_own_is_told_one_by_one(kind: type[Hearing], bulk: bool) -> None:
    assert (kind().see_all is not None) is bulk
    assert (Instructed(kind(), set()).see_all is not None) is bulk
