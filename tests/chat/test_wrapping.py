"""The wrap-up of a run that reached a limit: reserved for from the start, beside the thread (ENGINE 14)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Budget,
    Limits,
    MaxMessageTermination,
    Price,
    RoundRobinGroupChat,
    Team,
    TeamTool,
    open_store,
    replay,
    tool,
)
from quorate.errors import ConfigError, ModelError
from quorate.models import Finished, ModelInfo, ModelRequest, Said, TextDelta, ToolCall, Usage
from quorate.runs.memory import MemoryStore
from quorate.testing import ScriptedModel

PRICES = {"my:model": Price(10.0, 40.0)}


class Costly:
    """A model that uses all it may: a token for each byte of the prompt, and the whole cap."""

    def __init__(self, *, name: str = "my:model", last: Any = None) -> None:
        self.info = ModelInfo(name=name, attempts=1, max_output=300)
        self.requests: list[ModelRequest] = []
        self.last = last

    async def stream(self, request: ModelRequest) -> Any:
        self.requests.append(request)
        if request.blocks[-1] == Said("Sum up."):
            if isinstance(self.last, Exception):
                raise self.last
            if self.last == "hang":
                await asyncio.sleep(60)
            yield TextDelta("So far: nothing.")
        else:
            yield TextDelta(f"{len(self.requests)} " * 40)
        yield Finished(Usage(request.blocks.size_bytes, request.max_tokens))

    async def close(self) -> None: ...


def team(model: Any, **more: Any) -> Team:
    members = [AssistantAgent(name, model, system_message=None, **more) for name in ("a", "b")]
    return RoundRobinGroupChat(members, wrap_up="Sum up.")


@pytest.mark.parametrize(
    "limits",
    [
        Limits(tokens=9_000),
        Limits(cost_usd=0.2),
        Limits(model_calls=4),
        Limits(turns=3),
    ],
    ids=str,
)
async def test_run_at_a_limit_has_a_last_answer_that_it_could_always_pay_for(limits: Limits) -> None:
    # ENGINE 14, 18
    model = Costly()

    result = await team(model).run("Go.", limits=limits, prices=PRICES)

    assert result.outcome is not None
    [limit] = limits.given()
    assert (result.outcome.kind, result.outcome.limit) == ("limit", limit)
    assert f"{limits.given()[limit]}" in result.outcome.reason.replace("$", "")
    assert result.wrap_up is not None
    assert (result.wrap_up.source, result.wrap_up.content) == ("a", "So far: nothing.")
    assert result.usage.prompt_tokens + result.usage.completion_tokens <= (limits.tokens or 10**9)
    assert result.cost_usd is not None
    assert result.cost_usd <= (limits.cost_usd or 5)
    assert len(model.requests) <= (limits.model_calls or 300)


async def test_wrap_up_has_no_tools_and_sees_what_was_said_last() -> None:
    @tool(effect="read")
    def look() -> str:
        """Look."""
        return "seen"

    model = Costly()
    await team(model, tools=[look]).run("Go.", limits=Limits(tokens=12_000), prices=PRICES)

    last = model.requests[-1]
    assert last.tools == ()
    assert model.requests[0].tools
    said = [block for block in last.blocks if isinstance(block, Said)]
    assert [block.source for block in said[-3:-1]] in (["a", "b"], ["b", "a"])
    assert said[-1] == Said("Sum up.")


async def test_wrap_up_is_no_part_of_the_thread_and_going_on_is_clean() -> None:
    # ENGINE 14
    model = Costly()
    chat = team(model)
    async with MemoryStore() as store:
        first = await chat.run("Go.", conversation=store.conversation("t"), limits=Limits(turns=2), prices=PRICES)
        again = await chat.continue_run("t", store=store, limits=Limits(turns=4))
        report = await replay("t", team=chat, store=store)

    texts = [m.text for m in again.messages]
    assert first.wrap_up is not None
    assert again.wrap_up is not None
    assert "So far: nothing." not in texts
    assert [m.text for m in first.messages] == texts[:3]
    assert len(texts) == 5
    asked = [block.text for request in model.requests[3:5] for block in request.blocks if isinstance(block, Said)]
    assert "Sum up." not in asked
    assert "So far: nothing." not in asked
    assert report.identical


async def test_wrap_up_of_a_run_in_a_file_is_in_its_journal(tmp_path: Path) -> None:
    async with open_store(tmp_path / "work.db") as store:
        talk = store.conversation("t")
        result = await team(Costly()).run("Go.", conversation=talk, limits=Limits(turns=1), prices=PRICES)
        entries = await talk.entries()

    assert result.wrap_up is not None
    assert entries[-1].payload["wrap_up"] == "2 wrap up/1 a/1 model"
    assert [e.payload["text"] for e in entries if e.path == entries[-1].payload["wrap_up"] and e.kind == "reply"] == [
        "So far: nothing."
    ]
    assert result.wrap_up.id == "t.1/2 wrap up/1 a/1 model"


async def test_time_is_kept_for_the_wrap_up_too() -> None:
    class Slow(Costly):
        async def stream(self, request: ModelRequest) -> Any:
            if self.requests and request.blocks[-1] != Said("Sum up."):
                await asyncio.sleep(60)
            async for event in super().stream(request):
                yield event

    result = await team(Slow()).run("Go.", limits=Limits(active_s=0.9), prices=PRICES)

    assert result.outcome is not None
    assert (result.outcome.limit, result.outcome.reason) == (
        "active_s",
        "The limit of 0.9 seconds of work is reached.",
    )
    assert result.wrap_up is not None


@pytest.mark.parametrize("last", [ModelError("busy"), "hang"])
async def test_wrap_up_that_cannot_be_had_changes_nothing_about_the_outcome(last: Any) -> None:
    async with MemoryStore() as store:
        result = await team(Costly(last=last)).run(
            "Go.", conversation=store.conversation("t"), limits=Limits(turns=1, active_s=0.5), prices=PRICES
        )
        entries = await store.read("t")

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "turns")
    assert result.wrap_up is None
    [unwrapped] = [e for e in entries if e.kind == "unwrapped"]
    assert unwrapped.payload["reason"]


async def test_run_that_is_completed_needs_no_wrap_up() -> None:
    chat = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(["x"]))], max_turns=5, wrap_up="Sum up.")

    with pytest.raises(Exception, match="not in its script"):
        await chat.run("Go.")


async def test_limits_too_tight_for_a_wrap_up_are_refused_before_the_start() -> None:
    model = Costly()

    with pytest.raises(ConfigError, match=r"the limits leave too little for its wrap_up: a 5th of 200 tokens"):
        await team(model).run("Go.", limits=Limits(tokens=200), prices=PRICES)

    assert model.requests == []


async def test_wrap_up_that_nobody_can_write_is_refused() -> None:
    from quorate import UserProxyAgent

    chat = RoundRobinGroupChat([UserProxyAgent("ann")], wrap_up="Sum up.")

    with pytest.raises(ConfigError, match="wrap_up needs a participant with a model"):
        await chat.run("Go.")


async def test_run_leaves_room_for_its_wrap_up_in_a_shared_budget() -> None:
    # ENGINE 14, 19
    model = Costly()
    async with MemoryStore() as store:
        result = await team(model).run(
            "Go.", conversation=store.conversation(), limits=Limits(tokens=20_000),
            budgets=[Budget("ann", tokens=9_000)], prices=PRICES,
        )  # fmt: skip

    assert result.outcome is not None
    assert result.outcome.limit == "budget ann"
    assert result.wrap_up is not None
    assert result.usage.prompt_tokens + result.usage.completion_tokens <= 9_000


async def test_small_shared_budget_is_not_eaten_by_the_reserve_of_a_large_run() -> None:
    model = Costly()
    async with MemoryStore() as store:
        result = await team(model).run(
            "Go.", conversation=store.conversation(), budgets=[Budget("ann", cost_usd=0.2)], prices=PRICES
        )

    assert result.turns > 2
    assert result.wrap_up is not None
    assert result.cost_usd is not None
    assert result.cost_usd <= 0.2


async def test_run_in_which_nobody_spoke_has_nothing_to_sum_up() -> None:
    model = Costly()
    async with MemoryStore() as store:
        for name in ("one", "two"):
            result = await team(model).run(
                "Go.", conversation=store.conversation(name), budgets=[Budget("ann", model_calls=3)], prices=PRICES
            )

    assert result.outcome is not None
    assert (result.outcome.limit, result.wrap_up) == ("budget ann", None)


# -- limits of one agent ----------------------------------------------------------------------------------------------


async def test_agent_has_limits_of_its_own_within_those_of_the_run() -> None:
    # ENGINE 18: call < agent < run
    tight = AssistantAgent("tight", ScriptedModel([f"a{n}" for n in range(9)]), limits=Limits(model_calls=2))
    free = AssistantAgent("free", ScriptedModel([f"b{n}" for n in range(9)]))
    chat = RoundRobinGroupChat([tight, free])
    async with MemoryStore() as store:
        result = await chat.run("Go.", conversation=store.conversation("t"))
        report = await replay("t", team=chat, store=store)
        again = await chat.continue_run("t", store=store)

    assert result.outcome is not None
    assert (result.outcome.limit, result.outcome.reason) == (
        "tight.model_calls",
        "tight: The limit of 2 model calls is reached.",
    )
    assert result.turns == 5
    assert report.identical
    assert again.outcome is not None
    assert again.outcome.limit == "tight.model_calls"  # what it used before counts


async def test_limits_of_an_agent_cannot_widen_those_of_the_run() -> None:
    agent = AssistantAgent("a", ScriptedModel(["x"]), limits=Limits(tokens=10**9, cost_usd=10**6))

    result = await agent.run("Go. " * 100, limits=Limits(tokens=300))

    assert result.outcome is not None
    assert result.outcome.limit == "tokens"


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(tokens=150), "a.tokens"),
        (Limits(cost_usd=0.0005), "a.cost_usd"),
        (Limits(tool_calls=1), "a.tool_calls"),
        (Limits(model_calls=1), "a.model_calls"),
    ],
)
async def test_every_limit_of_an_agent_ends_the_run(limits: Limits, limit: str) -> None:
    @tool(effect="read")
    def look() -> str:
        """Look."""
        return "seen"

    calls = [ToolCall("1", "look", "{}")]
    model = ScriptedModel([calls, calls, "done"], name="my:model")
    agent = AssistantAgent("a", model, tools=[look], limits=limits, system_message=None)

    result = await agent.run("Go.", prices=PRICES)

    assert result.outcome is not None
    assert result.outcome.limit == limit


@pytest.mark.parametrize("limits", [Limits(turns=3), Limits(active_s=3)], ids=str)
def test_agent_has_no_turns_and_no_time_of_its_own(limits: Limits) -> None:
    with pytest.raises(ConfigError, match=r"is for a run. An agent may have model_calls, tool_calls, tokens and cost"):
        AssistantAgent("a", "embedded", limits=limits)


async def test_money_of_an_agent_whose_price_nobody_knows_is_refused() -> None:
    agent = AssistantAgent("a", Costly(name="no:price"), limits=Limits(cost_usd=1))

    with pytest.raises(
        ConfigError, match="a uses no:price, whose price is not known, so its cost_usd=1 cannot be held"
    ):
        await agent.run("Go.")


# -- warnings ---------------------------------------------------------------------------------------------------------


async def warnings_of(stream: Any) -> list[str]:
    return [item.limit async for item in stream if type(item).__name__ == "LimitWarningEvent"]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(turns=10), ["turns"]),
        (Limits(model_calls=10), ["model_calls"]),
        (Limits(turns=10, warn_at=0.5), ["turns"]),
        (Limits(turns=10, warn_at=1), []),
        (Limits(turns=100), []),
    ],
    ids=str,
)
async def test_limit_that_is_near_is_told_once(limits: Limits, told: list[str]) -> None:
    agent = AssistantAgent("a", ScriptedModel([f"{n} is a number." for n in range(20)]))
    chat = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(11))

    assert await warnings_of(chat.run_stream("Go.", limits=limits)) == told


async def test_warning_says_how_much_is_used_and_goes_with_no_message() -> None:
    chat = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel([f"{n}?" for n in range(5)]))], max_turns=5)
    items = [item async for item in chat.run_stream("Go.")]

    [warning] = [item for item in items if type(item).__name__ == "LimitWarningEvent"]
    assert warning.content == "80% of the limit turns are used: 4 of 5."
    assert (warning.used, warning.allowed) == (4, 5)
    assert warning not in items[-1].messages


async def test_warning_is_not_told_again_when_the_run_goes_on_but_is_for_a_wider_limit() -> None:
    chat = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel([f"{n}?" for n in range(30)]))])
    async with MemoryStore() as store:
        first = await warnings_of(chat.run_stream("Go.", conversation=store.conversation("t"), limits=Limits(turns=10)))
        async with chat.going_on("t", store=store, limits=Limits(turns=12)) as run:
            second = await warnings_of(run.events())
        async with chat.going_on("t", store=store, limits=Limits(turns=20)) as run:
            third = await warnings_of(run.events())

    assert (first, second, third) == (["turns"], [], ["turns"])


async def test_shared_budget_that_is_near_is_told_once_also_after_a_resume() -> None:
    chat = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel([f"{n}?" for n in range(30)]))])
    budgets = [Budget("ann", model_calls=10)]
    async with MemoryStore() as store:
        talk = store.conversation("t")
        first = await warnings_of(chat.run_stream("Go.", conversation=talk, budgets=budgets, limits=Limits(turns=9)))
        async with chat.going_on("t", store=store, limits=Limits(turns=20)) as run:
            second = await warnings_of(run.events())

    assert first == ["turns", "budget ann (model_calls)"]
    assert second == []


@pytest.mark.parametrize("warn_at", [0, -1, 1.5, float("inf")])
def test_share_that_is_none_is_refused(warn_at: float) -> None:
    with pytest.raises(ConfigError, match="warn_at"):
        Limits(warn_at=warn_at)


# -- of a team inside a team ------------------------------------------------------------------------------------------


def pair(model: Any, **options: Any) -> RoundRobinGroupChat:
    members = [AssistantAgent(name, model, system_message=None) for name in ("a", "b")]
    return RoundRobinGroupChat(members, name="lab", **{"wrap_up": "Sum up.", "max_turns": 2, **options})


def texts_to(model: ScriptedModel, call: int) -> list[str]:
    return [block.text for block in model.requests[call].blocks if isinstance(block, Said)]


@pytest.mark.parametrize("share_all", [False, True])
async def test_team_at_a_limit_of_its_own_says_its_last_answer_to_the_team_around_it(share_all: bool) -> None:
    model, boss = ScriptedModel(["Kites nest.", "Herons fish.", "In short: two birds."]), ScriptedModel(["Thanks."])
    chat = RoundRobinGroupChat([pair(model, share_all=share_all), AssistantAgent("boss", boss)], max_turns=2)
    async with MemoryStore() as store:
        result = await chat.run("Go.", conversation=store.conversation("t"))
        entries = await store.read("t")
        report = await replay("t", team=chat, store=store)

    assert texts_to(boss, 0) == ["Go.", *(["Kites nest.", "Herons fish."] if share_all else []), "In short: two birds."]
    assert [m.source for m in result.messages][-2:] == ["lab", "boss"]
    assert texts_to(model, 2) == ["Go.", "Kites nest.", "Herons fish.", "Sum up."]
    ended = next(e for e in entries if e.kind == "outcome").payload
    assert (ended["limit"], ended["wrap_up"], ended["model_calls"]) == ("turns", "3 wrap up/1 a", 3)
    assert report.identical


async def test_last_answer_of_a_team_inside_is_no_part_of_its_thread() -> None:
    # ENGINE 14
    model = ScriptedModel(
        ["Kites nest.", "Herons fish.", "In short: two birds.", "Owls hunt.", "Geese graze.", "In short: four birds."]
    )
    chat = RoundRobinGroupChat([pair(model), AssistantAgent("boss", ScriptedModel(["Go on.", "Enough."]))], max_turns=4)

    await chat.run("Go.")

    assert texts_to(model, 3) == ["Go.", "Herons fish.", "Go on."]
    assert "Sum up." not in texts_to(model, 4)


async def test_tool_that_is_a_team_returns_its_last_answer() -> None:
    model = ScriptedModel(["Kites nest.", "Herons fish.", "In short: two birds."])
    boss = ScriptedModel([ToolCall("c", "lab", '{"task": "Look."}'), "Done."])
    lab = TeamTool(pair(model), "lab", "Looks.", return_value_as_last_message=True)

    await AssistantAgent("boss", boss, tools=[lab]).run(task="Go.")

    assert boss.requests[1].blocks[-1].results[0].content == (  # type: ignore[union-attr]
        "In short: two birds.\n\n(It ended before it was done: The limit of 2 turns is reached.)"
    )


@pytest.mark.parametrize("limits", [Limits(model_calls=3), Limits(tokens=4_000)], ids=str)
async def test_what_it_needs_is_kept_of_the_limits_of_the_team_inside(limits: Limits) -> None:
    model = Costly()
    lab = pair(model, max_turns=None, limits=limits)

    result = await RoundRobinGroupChat([lab], max_turns=1).run("Go.", prices=PRICES)

    [limit] = limits.given()
    assert [m.limit for m in result.messages if m.type == "TeamOutcomeEvent"] == [limit]  # type: ignore[attr-defined]
    assert result.messages[-1].to_text() == "So far: nothing."
    used = {"model_calls": len(model.requests), "tokens": result.usage.prompt_tokens + result.usage.completion_tokens}
    assert used[limit] <= limits.given()[limit]


@pytest.mark.parametrize("fails", [ModelError("It is down."), "hang"], ids=str)
async def test_team_inside_whose_last_answer_cannot_be_had_says_what_it_said_last(
    fails: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quorate.chat.wrapping.MOST_SECONDS", 0.05)
    chat = RoundRobinGroupChat([pair(Costly(last=fails))], max_turns=1)
    async with MemoryStore() as store:
        result = await chat.run("Go.", conversation=store.conversation("t"), prices=PRICES)
        ended = next(e for e in await store.read("t") if e.kind == "outcome").payload

    assert result.messages[-1].to_text().startswith("2 2 ")
    assert "wrap_up" not in ended
    assert ended["unwrapped"]


async def test_inherited_limit_asks_for_no_last_answer_of_the_team_inside() -> None:
    model = Costly()

    result = await RoundRobinGroupChat([pair(model, max_turns=9)], limits=Limits(model_calls=4)).run(
        "Go.", prices=PRICES
    )

    assert result.outcome is not None
    assert result.outcome.limit == "model_calls"
    assert all(request.blocks[-1] != Said("Sum up.") for request in model.requests)


async def test_team_inside_with_too_little_left_for_it_says_so() -> None:
    chat = RoundRobinGroupChat([pair(Costly(), limits=Limits(model_calls=1))])

    with pytest.raises(ConfigError, match="lab: the limits leave too little for its wrap_up"):
        await chat.run("Go.")
    assert [f.rule for f in chat.check().findings if f.severity == "error"] == ["wrap-up"]
