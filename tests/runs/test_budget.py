"""Budgets that runs share: what they refuse, what they count, and that nobody gets past them."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, MaxMessageTermination, RoundRobinGroupChat, open_store, replay, tool
from quorate.chat.messages import TaskResult
from quorate.errors import ConfigError
from quorate.models import (
    Blocks,
    CallDelta,
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    Said,
    TextDelta,
    ToolCall,
    Usage,
)
from quorate.models.calls import ask, prompt_bound
from quorate.runs.budget import Budget, budget_of, merged, read_budget
from quorate.runs.history import fold
from quorate.runs.journal import Store
from quorate.runs.ledger import LEDGERS, NANO, Balance, balance_of
from quorate.runs.memory import MemoryStore
from quorate.runs.prices import Price
from quorate.testing import FakeClock, ScriptedModel

PRICES = {"my:model": Price(input_usd=1000.0, output_usd=4000.0, cached_usd=100.0)}


class Provider:
    """A model that keeps its own books: what it served, to the token."""

    def __init__(self, seed: int = 0, *, name: str = "my:model", dies: float = 0.0, lines: Any = None) -> None:
        self.info = ModelInfo(name=name, attempts=1, max_output=200)
        self.random = random.Random(seed)
        self.dies, self.lines = dies, list(lines or [])
        self.served: list[Usage] = []
        self.cut: list[tuple[int, int]] = []

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        bound = prompt_bound(request)
        used = Usage(self.random.randint(1, bound), self.random.randint(1, request.max_tokens))
        if self.random.random() < self.dies:
            self.cut.append((bound, request.max_tokens))
            yield TextDelta("half of")
            raise RuntimeError("the wire was cut")
        self.served.append(used)
        if request.tools and isinstance(request.blocks[-1], Said):
            for n in range(8):
                yield CallDelta(n, str(n), "look", f'{{"n": {n}}}')
        elif self.lines:
            yield self.lines.pop(0)
        else:
            yield TextDelta("ok")
        yield Finished(used)

    async def close(self) -> None: ...

    @property
    def tokens(self) -> int:
        return sum(u.prompt_tokens + u.completion_tokens for u in self.served)


def agent(model: Any, name: str = "writer", **more: Any) -> AssistantAgent:
    return AssistantAgent(name, model, system_message=None, **more)


async def balance(store: Store, ledger: str) -> Balance:
    entries = await store.read(ledger, owner=LEDGERS)
    return balance_of(entries[-1].payload if entries else None)


async def ran(store: Store, budget: Budget, model: Any, id: str | None = None, **more: Any) -> TaskResult:
    talk = store.conversation(id)
    prices: Any = more.pop("prices", PRICES)
    return await agent(model).run("Go.", conversation=talk, budgets=[budget], prices=prices, **more)


# -- what a budget may be ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0, -1, float("inf"), float("nan"), True, "20"])
@pytest.mark.parametrize("name", ["cost_usd", "tokens", "model_calls"])
def test_budget_of_nothing_or_without_end_is_refused(name: str, amount: Any) -> None:
    with pytest.raises(ConfigError, match=rf"Budget acme/ann: {name}=.*above 0, and no infinite one"):
        Budget("acme/ann", **{name: amount})


def test_tokens_come_whole() -> None:
    with pytest.raises(ConfigError, match=r"tokens=1.5; give a whole number above 0"):
        Budget("acme/ann", tokens=1.5)  # pyright: ignore[reportArgumentType]: what a user may write


def test_budget_that_limits_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"limits nothing. Give at least one of: cost_usd, tokens, model_calls"):
        Budget("acme/ann")


@pytest.mark.parametrize("scope", ["", "acme ann", "a@b", "a,b", "x" * 151, 7])
def test_scope_that_cannot_be_written_down_is_refused(scope: Any) -> None:
    with pytest.raises(ConfigError, match="cannot name a budget"):
        Budget(scope, tokens=1)


def test_period_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"per='week' is no period. There are hour, day, month \(in UTC\)"):
        Budget("a", tokens=1, per="week")  # pyright: ignore[reportArgumentType]: what a user may write


def test_budget_is_read_from_a_command_line() -> None:
    read = read_budget("acme/ann, cost_usd=20,tokens=5000,model_calls=9, per=day")

    assert read == Budget("acme/ann", cost_usd=20, tokens=5000, model_calls=9, per="day")
    assert read_budget(read.words()) == read
    assert budget_of(read.given()) == read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("acme/ann,cost_eur=20", "US dollars only: write cost_usd instead of cost_eur"),
        ("acme/ann,costs=20", "US dollars only"),
        ("acme/ann,tokes=20", "A budget has no 'tokes'. It has: scope, cost_usd, tokens, model_calls, per."),
        ("acme/ann,tokens=many", "tokens='many'; give a whole number"),
        ("acme/ann,tokens", "'tokens' is no NAME=VALUE"),
        ("acme/ann", "limits nothing"),
        ("cost_usd=20", "limits nothing"),
        ("acme/ann,tokens=5,per=fortnight", "is no period"),
        ("acme/ann,cost_usd=nan", "cost_usd=nan"),
    ],
)
def test_budget_that_is_written_wrong_says_how_to_write_it(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_budget(text)

    assert why in str(raised.value)


def test_budget_without_a_scope_says_that_it_needs_one() -> None:
    with pytest.raises(ConfigError, match="needs a scope"):
        budget_of({"tokens": 5})


def test_later_budget_takes_the_place_of_an_earlier_one_for_the_same_scope_and_period() -> None:
    day, ever, wider = Budget("a", tokens=5, per="day"), Budget("a", tokens=9), Budget("a", tokens=50, per="day")

    assert merged([day, ever], [wider]) == (wider, ever)
    with pytest.raises(ConfigError, match="Two budgets are for the same scope and period: a,tokens=5,per=day; a"):
        merged([], [day, wider])


# -- what counts ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    places: dict[str, Any] = {"memory": "memory:", "sqlite": tmp_path / "work.db"}
    place = places.get(request.param) or request.getfixturevalue("postgres")
    async with open_store(place) as opened:
        yield opened


async def test_runs_of_different_people_use_up_one_budget(store: Store) -> None:
    # ENGINE 19
    provider = Provider()
    budget = Budget("acme", tokens=100_000)

    for owner in ("acme/ann", "acme/bob"):
        talk = store.conversation("talk", owner=owner)
        await agent(provider).run("Go.", conversation=talk, budgets=[budget])

    found = await balance(store, "acme")
    assert (found.calls, found.tokens, found.held_tokens) == (2, provider.tokens, 0)
    assert [s.id for s in await store.conversations(owner=LEDGERS)] == ["acme"]
    assert [s.id for s in await store.conversations(owner="acme/ann")] == ["talk"]


async def test_budget_that_is_spent_ends_the_next_run_at_once_and_says_by_whom(store: Store) -> None:
    # ENGINE 19
    provider, budget = Provider(), Budget("acme/ann", model_calls=1)
    await ran(store, budget, provider)

    result = await ran(store, budget, provider, "late")

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "budget acme/ann")
    assert result.stop_reason is not None
    assert result.stop_reason.startswith("The budget acme/ann of 1 model call is spent:")
    assert len(provider.served) == 1
    assert not [e for e in await store.read("late") if e.kind == "call"]


async def test_spent_budget_can_be_widened_and_the_run_goes_on(store: Store) -> None:
    provider, budget = Provider(), Budget("acme/ann", model_calls=1)
    await ran(store, budget, provider)
    result = await ran(store, budget, provider, "late")

    wider = Budget("acme/ann", model_calls=2)
    again = await agent(provider).continue_run(result.run_id, store=store, budgets=[wider])

    assert again.outcome is not None
    assert again.outcome.kind == "completed"
    third = await ran(store, wider, provider)
    assert third.outcome is not None
    assert third.outcome.limit == "budget acme/ann"


async def test_run_that_goes_on_keeps_to_its_budgets_without_being_told_again(store: Store) -> None:
    provider, budget = Provider(), Budget("acme/ann", model_calls=1)
    await ran(store, budget, provider)
    result = await ran(store, budget, provider, "late")

    again = await agent(provider).continue_run(result.run_id, store=store)

    assert again.outcome is not None
    assert again.outcome.limit == "budget acme/ann"
    assert len(provider.served) == 1


async def test_every_day_has_a_ledger_of_its_own_by_the_stores_clock() -> None:
    # ENGINE 19: a scope is looked up at each reservation
    clock = FakeClock()
    provider, budget = Provider(), Budget("acme/ann", model_calls=1, per="day")
    async with MemoryStore(clock=clock) as store:
        first = await ran(store, budget, provider)
        spent = await ran(store, budget, provider)
        clock.advance(24 * 3600)
        fresh = await ran(store, budget, provider)
        ledgers = [s.id for s in await store.conversations(owner=LEDGERS)]

    assert [r.outcome.kind for r in (first, spent, fresh) if r.outcome] == ["completed", "limit", "completed"]
    assert len(ledgers) == 2
    assert all(id.startswith("acme/ann@2") for id in ledgers)


async def test_reply_is_capped_by_what_the_shared_budget_leaves(store: Store) -> None:
    # ENGINE 18, 19
    seen: list[int] = []

    def answer(request: ModelRequest) -> str:
        seen.append(prompt_bound(request) + request.max_tokens)
        return "ok"

    await ran(store, Budget("a", tokens=500), ScriptedModel([answer]))

    assert seen == [500]


async def test_money_of_a_shared_budget_caps_the_reply_and_is_counted_to_the_billionth(store: Store) -> None:
    # ENGINE 18, 19
    provider = Provider()

    await ran(store, Budget("a", cost_usd=0.5), provider, limits=Limits(cost_usd=5))
    found = await balance(store, "a")

    [used] = provider.served
    assert found.nano_usd == (used.prompt_tokens * 1000 + used.completion_tokens * 4000) * 1000
    assert found.nano_usd <= NANO // 2
    assert found.held_nano_usd == 0


async def test_tokens_from_the_providers_cache_cost_what_cached_tokens_cost(store: Store) -> None:
    model = ScriptedModel([[TextDelta("ok"), Finished(Usage(1000, 10, 900))]], name="my:model")

    result = await ran(store, Budget("a", cost_usd=500.0), model, limits=Limits(cost_usd=500))

    assert result.cost_usd == pytest.approx(0.1 + 0.09 + 0.04)
    assert (await balance(store, "a")).nano_usd == 230_000_000


async def test_tightest_of_several_budgets_ends_the_run(store: Store) -> None:
    provider, talk = Provider(), store.conversation()
    budgets = [Budget("acme", tokens=10**6), Budget("acme/ann", model_calls=1, per="day"), Budget("acme/ann", tokens=9)]

    result = await agent(provider).run("Go.", conversation=talk, budgets=budgets)

    assert result.outcome is not None
    assert result.outcome.limit == "budget acme/ann"
    assert "9 tokens" in result.outcome.reason


async def test_models_that_choose_the_next_speaker_count_too(store: Store) -> None:
    from quorate import SelectorGroupChat

    chooser = Provider(1, lines=[TextDelta('{"speaker": "a"}'), TextDelta('{"speaker": "b"}')])
    speaker = Provider(2)
    team = SelectorGroupChat(
        [agent(speaker, "a"), agent(speaker, "b")], chooser, allow_repeated_speaker=True,
        termination_condition=MaxMessageTermination(3),
    )  # fmt: skip

    await team.run("Go.", conversation=store.conversation(), budgets=[Budget("a", tokens=10**6)])

    assert len(chooser.served) == 2
    assert (await balance(store, "a")).tokens == chooser.tokens + speaker.tokens


async def test_model_asked_inside_a_tool_and_a_team_run_there_count_too(store: Store) -> None:
    # ENGINE 11
    inner = Provider(3)

    @tool(effect="read")
    async def research() -> str:
        """Look something up."""
        await ask(inner, ModelRequest(Blocks([Said("x")]), max_tokens=50))
        return (await agent(inner, "helper").run("Help.")).messages[-1].text

    outer = ScriptedModel([ToolCall("1", "research", "{}"), "done"])
    asked = AssistantAgent("writer", outer, tools=[research])
    await asked.run("Go.", conversation=store.conversation(), budgets=[Budget("a", tokens=10**6)])

    found = await balance(store, "a")
    assert len(inner.served) == 2
    assert found.calls == 4
    assert found.tokens > inner.tokens
    assert found.held_tokens == 0


async def test_waiting_run_holds_no_reservation(store: Store) -> None:
    # ENGINE 19
    from quorate.errors import OutcomeUnknown

    @tool
    async def pay() -> str:
        """Pay."""
        raise OutcomeUnknown("no answer")

    asked = AssistantAgent("writer", ScriptedModel([ToolCall("1", "pay", "{}")]), tools=[pay])
    result = await asked.run("Go.", conversation=store.conversation(), budgets=[Budget("a", tokens=10**6)])

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert (await balance(store, "a")).held_calls == 0


async def test_run_with_a_shared_budget_replays_without_it(store: Store) -> None:
    team = RoundRobinGroupChat([agent(ScriptedModel(["one", "two"]))], max_turns=2)
    result = await team.run("Go.", conversation=store.conversation("t"), budgets=[Budget("a", tokens=900)])
    await ran(store, Budget("a", model_calls=100), Provider(), "other")

    report = await replay(result.run_id, team=team, store=store)

    assert report.identical
    assert (await balance(store, "a")).calls == 3


# -- what is refused --------------------------------------------------------------------------------------------------


async def test_budget_of_money_is_refused_where_no_price_is_known(store: Store) -> None:
    with pytest.raises(ConfigError) as raised:
        await ran(store, Budget("a", cost_usd=1), Provider(), prices=None)

    assert "writer uses my:model, whose price is not known, so the cost_usd=1 of budget a cannot" in str(raised.value)
    assert "prices={'my:model': Price(…)}" in str(raised.value)


async def test_budget_without_a_store_to_share_it_in_is_refused() -> None:
    with pytest.raises(ConfigError, match="Budgets are shared through a store"):
        await agent(Provider()).run("Go.", budgets=[Budget("a", tokens=5)])


async def test_price_that_the_user_gave_is_journaled_and_holds_when_the_run_goes_on(store: Store) -> None:
    team = RoundRobinGroupChat([agent(Provider())], max_turns=1)
    first = await team.run("Go.", conversation=store.conversation("t"), prices=PRICES, limits=Limits(cost_usd=5))

    again = await team.continue_run(first.run_id, store=store, limits=Limits(turns=2, cost_usd=6))

    assert again.cost_usd is not None
    assert first.cost_usd is not None
    assert again.cost_usd > first.cost_usd > 0


# -- nobody gets past it ----------------------------------------------------------------------------------------------


async def test_cut_call_stays_in_the_ledger_at_its_worst_case(store: Store) -> None:
    # ENGINE 18
    provider = Provider(dies=1.0)

    with pytest.raises(Exception, match="the wire was cut"):
        await ran(store, Budget("a", tokens=10**6), provider)

    found = await balance(store, "a")
    [(bound, cap)] = provider.cut
    assert (found.held_tokens, found.unknown_tokens, found.unknown_calls) == (bound + cap, bound + cap, 1)
    assert found.tokens == 0


async def test_two_tasks_of_a_run_that_commit_at_once_are_charged_once(store: Store) -> None:
    # ENGINE 18
    said = {"by": "t.1:1 turn", "owner": "local", "held": [100, 0]}
    other = await store.open("other")
    journal = await store.open("t")
    journal.charge("a", "held", said)
    journal.charge("a", "settled", {**said, "used": [7, 0]})

    await asyncio.gather(journal.commit(), journal.commit(), other.commit())

    found = await balance(store, "a")
    assert (found.calls, found.tokens, found.held_calls, found.held_tokens) == (1, 7, 0, 0)
    await journal.release()
    await other.release()


@pytest.mark.parametrize("seed", range(4))
async def test_budget_race_of_32_runs_and_tools_never_goes_over_the_cap(store: Store, seed: int) -> None:
    # ENGINE 18, 19
    provider = Provider(seed, dies=0.1)
    budget = Budget("a", tokens=5_000, cost_usd=15.0)

    @tool(effect="read")
    async def look(n: int) -> str:
        """Look."""
        await ask(provider, ModelRequest(Blocks([Said("look " * n)]), max_tokens=100))
        return "seen"

    async def one(n: int) -> None:
        asked = agent(provider, tools=[look] if n % 4 == 0 else [])
        talk = store.conversation(f"talk-{n}")
        try:
            await asked.run("Go.", conversation=talk, budgets=[budget], prices=PRICES)
        except Exception as error:
            assert "the wire was cut" in str(error.__cause__)  # noqa: PT017  # any other one is a failure

    await asyncio.gather(*(one(n) for n in range(32)))

    entries = await store.read("a", owner=LEDGERS)
    for entry in entries:
        now = balance_of(entry.payload)
        assert now.all_tokens <= 5_000
        assert now.nano_usd + now.held_nano_usd <= 15 * NANO
    end = balance_of(entries[-1].payload)
    assert end.tokens == provider.tokens
    assert end.nano_usd == sum(u.prompt_tokens * 1000 + u.completion_tokens * 4000 for u in provider.served) * 1000
    assert end.held_tokens == end.unknown_tokens == sum(bound + cap for bound, cap in provider.cut)
    assert len(provider.served) > 5


async def test_estimate_of_a_cut_call_is_by_what_the_others_used_of_their_worst_case() -> None:
    # ENGINE 18: settled at its worst case, its estimate shown beside
    async with MemoryStore() as store:
        team = RoundRobinGroupChat([agent(Provider(5), "a"), agent(Provider(6), "b")], max_turns=4)
        await team.run("Go.", conversation=store.conversation("t"))
        entries = await store.read("t")
    last = [i for i, entry in enumerate(entries) if entry.kind == "reply"][-1]

    record = fold(entries[:last])[1]

    calls = [e.payload["bound"] + e.payload["cap"] for e in record.entries if e.kind == "call"]
    used = sum(e.payload["in"] + e.payload["out"] for e in record.entries if e.kind == "reply")
    assert record.meter().unsettled_tokens == calls[-1]
    assert record.cut_tokens() == round(calls[-1] * used / sum(calls[:-1]))
    assert record.cut_tokens("a") == 0
