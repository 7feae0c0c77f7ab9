"""Replay does a run again from its journal, with no outside call, and names the first difference (ENGINE 4)."""

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from quorate import (
    Agent,
    AssistantAgent,
    Condition,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    Team,
    TextMentionTermination,
    TextMessage,
    Turn,
    conversation,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.messages import BaseAgentEvent
from quorate.chat.past import audit
from quorate.chat.turns import RoundRobin, Speak
from quorate.errors import ConfigError, Divergence, ModelError, RunFailed
from quorate.models import Blocks, ModelInfo, ModelRequest, Said, ToolCall
from quorate.models.calls import ask
from quorate.runs.entries import tombstone
from quorate.runs.journal import Conversation
from quorate.runs.memory import MemoryStore
from quorate.runs.offline import OutsideCall
from quorate.testing import ScriptedModel


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    made.append((a, b))
    return a + b


made: list[tuple[int, int]] = []
ADD = ToolCall("c1", "add", '{"a":1,"b":2}')
LINES = (ADD, "It is 3.", "I see.", "Good.", "Bye then.")


def team(*lines: object, **changes: Any) -> RoundRobinGroupChat:
    options: dict[str, Any] = {"system_message": "Be brief.", "tools": [add], **changes}
    most = options.pop("most", 5)
    names = options.pop("names", ("a", "b"))
    model = ScriptedModel(lines)
    return RoundRobinGroupChat(
        [AssistantAgent(name, model, **options) for name in names], termination_condition=MaxMessageTermination(most)
    )


async def recorded(**options: Any) -> Conversation:
    talk = conversation("talk")
    await team(*LINES).run(task="1 + 2?", conversation=talk, **options)
    made.clear()
    return talk


async def test_same_definition_gives_the_same_journal_without_any_call() -> None:
    talk = await recorded()

    report = await replay("talk", team=team(), store=talk.store)

    assert report.identical
    assert report.outcome is not None
    assert (report.run_id, report.outcome.kind, report.given) == ("talk.1", "completed", 0)
    assert report.entries > 20
    assert made == []


async def test_replay_writes_nothing_and_takes_no_lease() -> None:
    talk = await recorded()
    before = await talk.entries()
    journal = await talk.store.open("talk")

    await replay("talk", team=team(), store=talk.store)

    assert await journal.entries() == before


async def test_replay_from_sqlite_is_the_same(tmp_path: Path) -> None:
    async with open_store(tmp_path / "work.db") as store:
        await team(*LINES).run(task="1 + 2?", conversation=store.conversation("talk"))
        report = await replay("talk.1", team=team(), store=store)

    assert report.identical


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"system_message": "Be verbose."}, r"turn 1 / a / model 1: the request's standing parts was .*Be brief"),
        ({"tools": []}, r"turn 1 / a / model 1: the request's standing parts"),
        ({"temperature": 0.5}, r"turn 1 / a / model 1: the request's standing parts"),
        ({"max_tokens": 10}, r"turn 1 / a / model 1: the request's cap was 4096, now it is 10"),
        ({"names": ("b", "a")}, r"turn 1: the journal's choice \(entry 2\) has .*='a', the code now gives 'b'"),
        ({"most": 4}, r"turn 4: the journal goes on with a choice .* the code now ends: 4 messages of at most 4"),
        ({"most": 9}, r"turn 5: the code now makes a choice; the journal has a ended at the end"),
    ],
    ids=["prompt", "tools", "temperature", "cap", "order", "earlier end", "later end"],
)
async def test_changed_definition_diverges_at_the_first_difference(changes: dict[str, Any], told: str) -> None:
    talk = await recorded()

    with pytest.raises(Divergence, match=told):
        await replay("talk", team=team(**changes), store=talk.store)


async def test_changed_task_in_the_journal_diverges_at_the_block_it_became() -> None:
    talk = await recorded()

    class Shouting(AssistantAgent):
        def see(self, memory: Any, fact: Any) -> Any:
            if fact.message is not None and not fact.speaker:
                fact.message.content = fact.message.content.upper()
            return super().see(memory, fact)

    agents = [Shouting("a", ScriptedModel([]), system_message="Be brief.", tools=[add])]
    agents.append(AssistantAgent("b", ScriptedModel([]), system_message="Be brief.", tools=[add]))
    working = RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(5))
    task = (await talk.entries())[0].payload["task"]
    task[0]["content"] = "one + two?"

    with pytest.raises(Divergence, match=r"turn 1 / a / model 1: block 0 of the request was .*one \+ two"):
        await replay("talk", team=working, store=talk.store)


async def test_tool_that_is_now_called_otherwise_diverges() -> None:
    talk = await recorded()

    @tool(name="add")
    async def other(a: int, b: int, c: int = 0) -> int:
        """Add two numbers."""
        return a + b + c

    with pytest.raises(Divergence, match=r"standing parts|add\("):
        await replay("talk", team=team(tools=[other]), store=talk.store)


async def test_divergence_tells_path_and_both_sides() -> None:
    talk = await recorded()

    with pytest.raises(Divergence) as raised:
        await replay("talk", team=team(max_tokens=10), store=talk.store)

    assert raised.value.path == "1 turn/1 a/1 model"
    assert (raised.value.expected, raised.value.got) == (4096, 10)


class Drawing(Agent):
    """Says something else each time: nothing that a replay could be true to."""

    draws = iter(range(100))

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=f"drew {next(self.draws)}", source=self.name)


async def test_agent_that_is_not_deterministic_is_found() -> None:
    working = RoundRobinGroupChat([Drawing("a")], max_turns=2)
    result = await working.run(task="Go.")

    with pytest.raises(Divergence, match=r"the journal's said \(entry \d+\) has items.*='drew 0', the code now"):
        await replay(result.run_id, team=working)


@pytest.mark.parametrize(
    "limits",
    [Limits(turns=3), Limits(model_calls=3), Limits(tool_calls=1, turns=2), Limits(tokens=400)],
    ids=["turns", "model_calls", "tool_calls", "tokens"],
)
async def test_run_that_ended_at_a_limit_replays_to_the_same_limit(limits: Limits) -> None:
    talk = conversation("talk")
    first = await team(*LINES).run(task="1 + 2?", conversation=talk, limits=limits)

    report = await replay("talk", team=team(), store=talk.store)

    assert report.identical
    assert report.outcome == first.outcome
    assert first.outcome is not None
    assert first.outcome.kind == "limit"


async def test_run_that_stalled_twice_replays() -> None:
    talk = conversation("talk")
    first = await team(*["After you."] * 30, most=99).run(task="Go.", conversation=talk)
    second = await team(*["After you."] * 30, most=99).continue_run("talk", store=talk.store)

    report = await replay("talk", team=team(most=99), store=talk.store)

    assert first.outcome is not None
    assert second.outcome is not None
    assert second.turns > first.turns
    assert report.identical


async def test_run_that_went_on_with_wider_limits_replays() -> None:
    talk = conversation("talk")
    await team(*LINES).run(task="1 + 2?", conversation=talk, limits=Limits(turns=2))
    await team(*LINES[3:]).continue_run("talk", store=talk.store, limits=Limits(turns=9))

    report = await replay("talk", team=team(), store=talk.store)

    assert report.identical
    assert report.outcome is not None
    assert report.outcome.kind == "completed"


async def test_run_that_stalled_replays_to_the_same_stall() -> None:
    talk = conversation("talk")
    first = await team(*["After you."] * 12, most=99).run(task="Go.", conversation=talk)

    report = await replay("talk", team=team(most=99), store=talk.store)

    assert first.outcome is not None
    assert first.outcome.kind == "stalled"
    assert report.outcome == first.outcome


async def test_run_that_failed_replays_to_the_same_error() -> None:
    talk = conversation("talk")
    with pytest.raises(RunFailed):
        await team("one", ModelError("down")).run(task="Go.", conversation=talk)

    report = await replay("talk", team=team(), store=talk.store)

    assert report.identical
    assert report.outcome is not None
    assert (report.outcome.kind, report.outcome.reason) == ("failed", "ModelError: down")


async def test_run_with_attempts_that_failed_replays() -> None:
    talk = conversation("talk")
    busy = ModelError("busy", retryable=True, retry_after_s=0.001)
    await team(busy, "one", busy, busy, "two", most=3).run(task="Go.", conversation=talk)

    report = await replay("talk", team=team(most=3), store=talk.store)

    assert report.identical


@pytest.mark.parametrize("upto", range(1, 26))
async def test_journal_cut_anywhere_replays_as_far_as_it_goes(killed: Any, upto: int) -> None:
    talk = await recorded()
    entries = await talk.entries()
    left = await killed(entries, after=min(upto, len(entries)))

    report = await replay("talk", team=team(), store=left.store)

    assert report.identical
    assert made == []


@pytest.mark.parametrize("upto", [4, 9, 12, 15, 19])
async def test_run_that_went_on_after_a_kill_replays_as_one(killed: Any, upto: int) -> None:
    talk = await recorded()
    left = await killed(await talk.entries(), after=upto)
    replies = sum(e.kind == "reply" for e in await left.entries())
    waiting = await team(*LINES[replies:]).continue_run("talk", store=left.store)
    assert waiting.outcome is not None
    assert waiting.outcome.kind == "completed"

    report = await replay("talk", team=team(), store=left.store)

    assert report.identical


async def test_definition_that_changed_on_the_way_is_replayed_from_there_and_the_report_says_so(killed: Any) -> None:
    # ENGINE 3, 4
    talk = await recorded()
    left = await killed(await talk.entries(), before="choice", nth=3)
    other = team("Good.", "Bye then.", system_message="Be verbose.")
    async with other.going_on("talk", store=left.store, definition={"app": "mine:team"}) as run:
        await run.result()

    report = await replay("talk", team=team(system_message="Be verbose."), store=left.store)

    assert report.identical
    assert report.given == 2


async def test_each_run_of_a_conversation_replays_by_itself() -> None:
    talk = conversation("talk")
    await team("one", "two", most=3).run(task="A?", conversation=talk)
    await team("three", "four", most=3).run(task="B?", conversation=talk)

    reports = [await replay(id, team=team(most=3), store=talk.store) for id in ("talk.1", "talk.2", "talk")]

    assert [r.run_id for r in reports] == ["talk.1", "talk.2", "talk.2"]
    assert reports[1] == reports[2]


async def test_run_that_a_person_stopped_replays_up_to_there() -> None:
    talk = conversation("talk")
    async with team(*LINES, most=99).start(task="1 + 2?", conversation=talk) as run:
        async for item in run.events():
            if getattr(item, "source", "") == "a" and isinstance(item, TextMessage):
                run.stop("Enough.")
        await run.result()

    report = await replay("talk", team=team(most=99), store=talk.store)

    assert report.identical


async def test_unknown_run_is_refused_with_what_there_is() -> None:
    talk = await recorded()

    with pytest.raises(ConfigError, match="no conversation nothing"):
        await replay("nothing", team=team(), store=talk.store)
    with pytest.raises(ConfigError, match=r"has no run 9. It has: 1"):
        await replay("talk.9", team=team(), store=talk.store)


async def test_replay_needs_no_price_and_no_model() -> None:
    talk = conversation("talk")
    model = ScriptedModel(["one", "two"])
    model.info = ModelInfo(name="openai:gpt-4o-mini")
    agents = [AssistantAgent(name, model) for name in "ab"]
    working = RoundRobinGroupChat(
        agents, termination_condition=MaxMessageTermination(3) | TextMentionTermination("x y")
    )
    await working.run(task="Go.", conversation=talk)
    count = len(model.requests)

    await replay("talk", team=working, store=talk.store)

    assert len(model.requests) == count == 2


async def test_replay_of_another_owners_run_is_theirs(tmp_path: Path) -> None:
    # ENGINE 24
    async with open_store(tmp_path / "work.db") as store:
        await team(*LINES).run(task="1 + 2?", conversation=store.conversation("talk", owner="acme/ann"))

        with pytest.raises(ConfigError, match="no conversation talk"):
            await replay("talk", team=team(), store=store)
        report = await replay("talk", team=team(), store=store, owner="acme/ann")

    assert report.identical


# -- nothing goes out, and where it was found -------------------------------------------------------------------------


def connect() -> None:
    with socket.socket() as sock:
        sock.settimeout(0.1)
        sock.connect(("127.0.0.1", 9))


class Reaching(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        reach()
        return TextMessage(content="I looked it up.", source=self.name)


class ReachingPolicy:
    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Any) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Any, members: Any) -> Any:
        await asyncio.to_thread(reach)
        return Speak((members[memory % len(members)],), "its turn")


@dataclass(frozen=True)
class ReachingCondition(Condition[int]):
    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Any) -> int:
        reach()
        return memory + (fact.message is not None)

    def reason(self, memory: int) -> str | None:
        return "enough" if memory > 2 else None


def reach() -> None:
    """Reach out, and hide what came of it, as careful code does."""
    with suppress(Exception):
        way_out.get()()


way_out: ContextVar[Any] = ContextVar("way_out", default=lambda: None)
WAYS_OUT = {
    "socket": connect,
    "process": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "name": lambda: socket.getaddrinfo("localhost", 9),
}


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("who", ["agent", "policy", "condition"])
async def test_code_that_reaches_out_in_a_replay_is_refused_and_reported(who: str, way: str) -> None:
    # ENGINE 4: no outside call, whatever code wants to make it, and whatever code hides it
    agents = [Reaching(name) if who == "agent" else AssistantAgent(name, ScriptedModel(["a", "b"])) for name in "ab"]
    policy: Any = ReachingPolicy() if who == "policy" else RoundRobin()
    until: Any = ReachingCondition() if who == "condition" else MaxMessageTermination(3)
    working = Team(agents, turns=policy, termination_condition=until)
    talk = conversation("talk")
    await working.run(task="Go.", conversation=talk)
    assert (await replay("talk", team=working, store=talk.store)).identical

    way_out.set(WAYS_OUT[way])
    with pytest.raises(OutsideCall, match="A replay makes no call outside, but the code wanted to") as raised:
        await replay("talk", team=working, store=talk.store)

    assert isinstance(raised.value, Divergence)
    assert "in " in raised.value.where


async def test_outside_of_the_replay_nobody_is_refused() -> None:
    talk = await recorded()
    await replay("talk", team=team(), store=talk.store)

    with pytest.raises(ConnectionRefusedError):
        connect()


def line_at(where: str) -> str:
    file, _, rest = where.partition(":")
    return Path(file).read_text().splitlines()[int(rest.partition(",")[0]) - 1]


async def test_difference_names_the_line_of_the_agent_that_asks() -> None:
    class Asking(Agent):
        def __init__(self, name: str, system: str) -> None:
            super().__init__(name)
            self.system = system

        async def speak(self, turn: Turn) -> TextMessage:
            request = ModelRequest(blocks=Blocks([Said("What?")]), system=self.system)
            answer, _ = await ask(ScriptedModel(["So."]), request)  # this line
            return TextMessage(content=answer.reply.text, source=self.name)

    talk = conversation("talk")
    await RoundRobinGroupChat([Asking("a", "Be brief.")], max_turns=1).run(task="Go.", conversation=talk)
    changed = RoundRobinGroupChat([Asking("a", "Be long.")], max_turns=1)

    with pytest.raises(Divergence) as raised:
        await replay("talk", team=changed, store=talk.store)

    assert line_at(raised.value.where).endswith("# this line")
    assert raised.value.where.endswith("Asking.speak")


async def test_difference_of_an_assistant_names_the_line_that_made_it() -> None:
    talk = await recorded()
    changed = AssistantAgent("a", ScriptedModel([]), system_message="Be verbose.", tools=[add])  # made here
    other = AssistantAgent("b", ScriptedModel([]), system_message="Be brief.", tools=[add])

    with pytest.raises(Divergence) as raised:
        await replay("talk", team=RoundRobinGroupChat([changed, other]), store=talk.store)

    assert line_at(raised.value.where).endswith("# made here")


# -- what cannot be compared ------------------------------------------------------------------------------------------


class Counting(Agent):
    """Keeps its count on itself."""

    count = 0

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        await step("think", self.think, effect="read")
        return TextMessage(content=f"number {self.count}", source=self.name)

    async def think(self) -> int:
        return self.count


async def test_object_that_keeps_something_of_its_own_has_its_speeches_taken_as_given() -> None:
    # ENGINE 4
    working = RoundRobinGroupChat([Counting("a"), AssistantAgent("b", ScriptedModel(["yes", "no"]))], max_turns=4)
    talk = conversation("talk")
    await working.run(task="Go.", conversation=talk)

    again = await replay("talk", team=working, store=talk.store)
    fresh = RoundRobinGroupChat([Counting("a"), AssistantAgent("b", ScriptedModel([]))], max_turns=4)
    new = await replay("talk", team=fresh, store=talk.store)

    assert again.identical
    assert again.unchecked == ("a",)
    assert new.identical
    assert new.unchecked == ()


async def test_others_beside_an_object_that_keeps_something_are_compared() -> None:
    model = ScriptedModel(["yes", "no"])
    counting = Counting("a")
    talk = conversation("talk")
    await RoundRobinGroupChat([counting, AssistantAgent("b", model)], max_turns=4).run(task="Go.", conversation=talk)
    changed = AssistantAgent("b", model, system_message="Be verbose.")

    with pytest.raises(Divergence, match="turn 2 / b / model 1"):
        await replay("talk", team=RoundRobinGroupChat([counting, changed], max_turns=4), store=talk.store)


@pytest.mark.parametrize("kind", ["run", "choice", "call", "reply", "intent", "result", "said", "ended"])
async def test_replay_of_a_run_with_an_erased_text_says_erased_and_never_diverged(kind: str) -> None:
    # ENGINE 23
    talk = await recorded()
    entries = await talk.entries()
    at = next(i for i, e in enumerate(entries) if e.kind == kind)
    gone = replace(entries[at], payload=tombstone(kind))
    store = MemoryStore()
    store.load("talk", [*entries[:at], gone, *entries[at + 1 :]])

    report = await replay("talk", team=team(), store=store)

    assert report.erased[0].startswith(f"entry {at + 1}, the {kind} at ")
    assert report.identical == (kind in {"intent", "said", "ended", "result"}) or report.identical


# -- redaction: what the journal does not hold, the run does not use (decision 0013) ----------------------------------


def masking(path: str, kind: str, payload: Any) -> Any:
    return json.loads(json.dumps(payload).replace("K4711", "####"))


@tool
async def card(owner: str) -> str:
    """Look a card up."""
    return f"{owner} has card K4711"


SECRETIVE = (ToolCall("c1", "card", '{"owner":"K4711"}'), "The card is K4711.", "I see K4711.", "Bye K4711.")


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "sqlite"])
async def test_run_goes_on_with_what_was_kept_of_a_redacted_text(tmp_path: Path, durable: bool) -> None:
    # ENGINE 24
    model = ScriptedModel(SECRETIVE)
    agents: list[Any] = [AssistantAgent("a", model, tools=[card]), AssistantAgent("b", model), Telling("c")]
    working = RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(5))
    async with open_store(tmp_path / "work.db" if durable else "memory:", redact=masking) as store:
        result = await working.run(task="Whose is K4711?", conversation=store.conversation("talk"))
        entries = await store.read("talk")
        rebuilt = audit.requests("talk", entries)
        report = await replay("talk", team=working, store=store)
        journal = await store.open("talk")

    told = [m.to_text() for m in result.messages if not isinstance(m, BaseAgentEvent)]
    assert told == ["Whose is ####?", "The card is ####.", "I see ####.", "c heard ####", "Bye ####."]
    assert report.identical
    sent = [[b.content for b in r.blocks] for r in model.requests]
    assert "K4711" not in str(sent)
    found = [asking for attempts in rebuilt.values() for asking in attempts]
    assert [[b.content for b in asking.request.blocks] for asking in found] == sent
    for asking in found:
        assert bool(asking.digest) == durable
        audit.check_digest(asking, journal.fingerprint, "")


class Telling(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=f"{self.name} heard K4711", source=self.name)


async def test_request_whose_standing_part_is_redacted_has_no_digest(tmp_path: Path) -> None:
    agent = AssistantAgent("a", ScriptedModel(["So."]), system_message="Use K4711.")
    working = RoundRobinGroupChat([agent], max_turns=1)
    async with open_store(tmp_path / "work.db", redact=masking) as store:
        await working.run(task="Go.", conversation=store.conversation("talk"))
        call = next(e for e in await store.read("talk") if e.kind == "call")
        report = await replay("talk", team=working, store=store)

    assert call.payload["redacted"]
    assert "digest" not in call.payload
    assert "K4711" not in str(call.payload)
    assert report.identical


async def test_what_is_no_id_is_told() -> None:
    talk = conversation("talk")

    with pytest.raises(ConfigError, match=r"is no id of a run or a conversation: give a text, such as result\.run_id"):
        await replay(talk)  # type: ignore[arg-type]
