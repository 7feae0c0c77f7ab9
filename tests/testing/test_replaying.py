"""A recorded conversation is a test fixture: no outside call, and a difference is an assertion that fails."""

from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, MaxMessageTermination, RoundRobinGroupChat, open_store, tool
from quorate.errors import ConfigError, Divergence, StoreError
from quorate.models import ToolCall
from quorate.runs import portable
from quorate.testing import Differs, FakeClock, ScriptedModel, record, replaying

SCRIPT = [ToolCall("c1", "refund", '{"order":"A1"}'), "You have it back.", "Thanks.", "Anything else?"]
paid: list[str] = []


@tool
async def refund(order: str) -> str:
    """Pay an order back."""
    paid.append(order)
    return f"{order} was refunded"


def desk(lines: Any = (), system: str = "Help.", most: int = 3) -> RoundRobinGroupChat:
    model = ScriptedModel(lines)
    clerk = AssistantAgent("clerk", model, tools=[refund], system_message=system)
    customer = AssistantAgent("customer", model)
    return RoundRobinGroupChat([clerk, customer], termination_condition=MaxMessageTermination(most))


@pytest.fixture(params=["memory", "sqlite"])
async def file(request: Any, tmp_path: Path) -> Path:
    url: Any = "memory:" if request.param == "memory" else tmp_path / "work.db"
    async with open_store(url, clock=FakeClock()) as store:
        talk = store.conversation("ticket-17")
        await desk(SCRIPT).run(task="My money!", conversation=talk)
        await record(talk, tmp_path / "refund.jsonl")
    paid.clear()
    return tmp_path / "refund.jsonl"


async def test_team_that_does_what_was_recorded_passes_and_gives_its_result(file: Path) -> None:
    result = await replaying(file).check(desk())

    assert [m.to_text() for m in result.messages if m.source == "clerk"][-1] == "You have it back."
    assert result.outcome is not None
    assert (result.outcome.kind, result.turns) == ("completed", 2)
    assert paid == []


async def test_difference_is_a_failed_assertion_that_shows_both_sides_and_the_line(file: Path) -> None:
    with pytest.raises(Differs) as raised:
        await replaying(file).check(desk(system="Be strict."))

    error = raised.value
    assert isinstance(error, AssertionError)
    assert isinstance(error, Divergence)
    assert (error.entry, error.kind) == (3, "call")
    told = str(error)
    assert told.startswith(f"Run ticket-17.1 is no longer what {file} has: turn 1 / clerk / model 1: ")
    assert "expected:" in told
    assert '"system":"Help."' in told
    assert '"system":"Be strict."' in told
    assert f"in the code: {__file__}:" in told
    assert "in desk" in told


async def test_each_run_of_a_recording_can_be_checked(tmp_path: Path) -> None:
    async with open_store("memory:") as store:
        talk = store.conversation("talk")
        await desk(SCRIPT).run(task="One.", conversation=talk)
        await desk(SCRIPT[1:]).run(task="Two.", conversation=talk, limits=Limits(turns=1))
        await record(talk, tmp_path / "two.jsonl")

    recorded = replaying(tmp_path / "two.jsonl")
    first, second = await recorded.check(desk(), run=1), await recorded.check(desk())

    assert recorded.runs == [1, 2]
    assert (first.run_id, second.run_id) == ("talk.1", "talk.2")
    with pytest.raises(ConfigError, match=r"no run 3. It has: 1, 2"):
        await recorded.check(desk(), run=3)


def test_recording_that_was_edited_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace("You have it back.", "You have it. "))

    with pytest.raises(StoreError, match="was altered"):
        replaying(file)


async def test_recording_with_erased_texts_says_that_it_cannot_be_compared(file: Path) -> None:
    # ENGINE 23
    whole = portable.load(file)
    at = next(i for i, s in enumerate(whole.stored) if s.kind == "reply")
    s = whole.stored[at]
    body = portable.chain.digest(s.salt or b"", s.data or b"")
    gone = [*whole.stored[:at], s._replace(data=None, salt=None, digest=body), *whole.stored[at + 1 :]]
    portable.save(portable.Recording(whole.conversation, gone, whole.artifacts), file)

    with pytest.raises(ConfigError, match=r"holds erased texts.*entry 4, the reply at turn 1 / clerk / model 1"):
        await replaying(file).check(desk())
