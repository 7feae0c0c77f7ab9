"""Asking a model in a run: attempts, what viewers see of them, and what each call may cost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import astuple

from quorate import (
    Agent,
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Team,
    TextMessage,
    Turn,
    conversation,
    replay,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.messages import ModelClientStreamingChunkEvent, TaskResult
from quorate.chat.turns import Speak
from quorate.errors import ConfigError, ModelError, RunFailed
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
from quorate.runs.journal import Conversation
from quorate.testing import ScriptedModel, Unscripted

BUSY = ModelError("busy", retryable=True, retry_after_s=0.001)


class Model:
    """A model that does what a test says, attempt by attempt."""

    def __init__(self, *answers: object, **info: Any) -> None:
        self.info = ModelInfo(**{"name": "m", "free": True, "attempts": 3, **info})
        self.answers = list(answers)
        self.closed = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        try:
            answer = self.answers.pop(0)
            if answer == "hang":
                await asyncio.sleep(60)
            for event in answer if isinstance(answer, list) else [answer]:
                if isinstance(event, Exception):
                    raise event
                if event == "hang":
                    await asyncio.sleep(60)
                yield event
        finally:
            self.closed += 1

    async def close(self) -> None: ...


def said(text: str, prompt: int = 1, completion: int = 1) -> list[object]:
    return [TextDelta(text), Finished(Usage(prompt, completion))]


async def ran(model: Any, talk: Conversation | None = None, **options: Any) -> TaskResult:
    return await AssistantAgent("clerk", model).run(task="Go.", conversation=talk, **options)


async def kinds(talk: Conversation) -> list[str]:
    return [e.kind for e in await talk.entries() if e.path.endswith("model")]


# -- attempts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        BUSY,
        [BUSY],
        [TextDelta("Hel"), BUSY],
        [ModelError("cut", retryable=True, retry_after_s=0.001)],
    ],
    ids=["refused", "refused at once", "cut with an error", "cut"],
)
async def test_call_that_fails_in_a_way_that_may_pass_is_tried_again(bad: object) -> None:
    # ENGINE 20
    model, talk = Model(bad, said("Hello.")), conversation("talk")

    result = await ran(model, talk)

    assert result.messages[-1].to_text() == "Hello."
    assert await kinds(talk) == ["call", "retry", "call", "reply"]
    assert model.closed == 2


async def test_stream_that_just_ends_is_tried_again() -> None:
    model, talk = Model([TextDelta("Hel")], said("Hello.")), conversation("talk")

    result = await ran(model, talk)

    assert result.messages[-1].to_text() == "Hello."
    assert await kinds(talk) == ["call", "retry", "call", "reply"]


async def test_viewers_see_the_new_attempt_replace_the_one_that_was_cut() -> None:
    # ENGINE 25
    cut = [TextDelta("Hel"), TextDelta("lo w"), BUSY]
    model = Model(cut, [TextDelta("Good "), TextDelta("day."), Finished(Usage(1, 1))])
    talk = conversation("talk")
    items = [item async for item in AssistantAgent("clerk", model).run_stream(task="Go.", conversation=talk)]

    chunks = [item for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    message = next(item for item in items if isinstance(item, TextMessage) and item.source == "clerk")

    assert [(c.attempt, c.content) for c in chunks] == [(1, "Hel"), (1, "lo w"), (2, "Good "), (2, "day.")]
    assert {c.full_message_id for c in chunks} == {message.id}
    assert message.content == "Good day."
    assert not any("Hel" in str(e.payload) for e in await talk.entries()), "ENGINE 14: chunks are not stored"


async def test_attempts_are_bounded_and_the_last_error_fails_the_run() -> None:
    # ENGINE 20
    model, talk = Model(*[BUSY] * 9), conversation("talk")

    with pytest.raises(RunFailed, match=r"Run talk\.1 failed: busy") as raised:
        await ran(model, talk)

    assert len(model.answers) == 9 - 3
    assert await kinds(talk) == ["call", "retry", "call", "retry", "call", "error"]
    assert raised.value.__cause__ is BUSY
    assert isinstance(raised.value.result, TaskResult)
    assert raised.value.result.outcome is not None
    assert raised.value.result.outcome.kind == "failed"
    assert raised.value.result.outcome.cause == "1 turn/1 clerk/1 model"
    assert [m.to_text() for m in raised.value.result.messages] == ["Go."]


async def test_error_that_cannot_pass_is_not_tried_again() -> None:
    model, talk = Model(ModelError("no such model"), said("never")), conversation("talk")

    with pytest.raises(RunFailed, match="no such model"):
        await ran(model, talk)

    assert await kinds(talk) == ["call", "error"]


async def test_cause_of_a_providers_error_is_kept() -> None:
    class Broken(Model):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            try:
                raise OSError("connection reset")
            except OSError as error:
                raise ModelError("unreachable") from error
            yield TextDelta("")

    with pytest.raises(RunFailed) as raised:
        await ran(Broken())

    assert isinstance(raised.value.__cause__, ModelError)
    assert isinstance(raised.value.__cause__.__cause__, OSError)


@pytest.mark.parametrize("answer", ["hang", [TextDelta("Hel"), "hang"]], ids=["at once", "in the middle"])
async def test_model_that_hangs_is_cut_at_its_time_out_and_its_stream_closed(answer: object) -> None:
    model, talk = Model(answer, timeout_s=0.1, attempts=1), conversation("talk")

    with pytest.raises(RunFailed, match=r"m did not answer within 0\.1 s") as raised:
        await ran(model, talk)

    assert isinstance(raised.value.__cause__, ModelError)
    assert raised.value.__cause__.retryable
    assert await kinds(talk) == ["call", "error"]
    assert model.closed == 1


@pytest.mark.parametrize(
    ("garbage", "told"),
    [
        (["rubbish"], "no model event"),
        ([TextDelta("ok"), {"event": "delta"}], "no model event"),
        ([ValueError("adapter bug")], "adapter bug"),
        ([TextDelta(None), Finished(None)], "expected str instance"),
        ([CallDelta(0, "c", "add", "{}"), None], "no model event"),
    ],
)
async def test_garbage_from_a_model_fails_the_run_and_going_on_makes_that_call_again(
    garbage: list[object], told: str
) -> None:
    # ENGINE 5
    model, talk = Model(garbage, said("Hello.")), conversation("talk")
    clerk = AssistantAgent("clerk", model)
    with pytest.raises(RunFailed, match=told):
        await clerk.run(task="Go.", conversation=talk)

    result = await clerk.continue_run("talk", store=talk.store)

    assert result.messages[-1].to_text() == "Hello."
    assert len([m for m in result.messages if m.source == "user"]) == 1


async def test_empty_answer_is_an_answer() -> None:
    result = await ran(Model([Finished(Usage(1, 0))]))

    assert result.messages[-1].to_text() == ""
    assert result.outcome is not None
    assert result.outcome.kind == "completed"


async def test_answer_with_calls_of_no_tool_there_is_goes_back_to_the_model() -> None:
    model = Model([CallDelta(0, "c", "launch", '{"x":'), Finished(None)], said("I have no such tool."))

    result = await ran(model)

    assert result.messages[-1].to_text() == "I have no such tool."


async def test_failed_call_is_made_again_when_the_run_goes_on_and_nothing_before_it() -> None:
    # ENGINE 5
    talk = conversation("talk")
    model = ScriptedModel(["one fish", ModelError("down"), "two birds", "three cats"])
    team = RoundRobinGroupChat(
        [AssistantAgent("a", model), AssistantAgent("b", model)], termination_condition=MaxMessageTermination(4)
    )
    with pytest.raises(RunFailed, match="down"):
        await team.run(task="Go.", conversation=talk)

    result = await team.continue_run("talk", store=talk.store)

    assert [m.to_text() for m in result.messages] == ["Go.", "one fish", "two birds", "three cats"]
    assert len(model.requests) == 4
    report = await replay("talk", team=team, store=talk.store)
    assert report.identical


async def test_attempts_are_counted_across_a_kill(killed: Any) -> None:
    # ENGINE 18, 20
    talk = conversation("talk")
    await ran(Model(BUSY, BUSY, said("Hello.")), talk)
    left = await killed(await talk.entries(), before="reply")

    result = await AssistantAgent("clerk", Model(said("Hi."))).continue_run("talk", store=left.store)

    calls = [e.payload.get("attempt", 1) for e in await left.entries() if e.kind == "call"]
    assert result.messages[-1].to_text() == "Hi."
    assert calls == [1, 2, 3, 4]


async def test_scripts_disagreement_fails_the_run_and_is_not_tried_again() -> None:
    with pytest.raises(RunFailed) as raised:
        await ran(ScriptedModel([]))

    assert isinstance(raised.value.__cause__, Unscripted)


# -- bounds and money -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["plain", "ünï", "日本語" * 50, "🎉" * 100, ""])
def test_prompt_has_never_more_tokens_than_its_bound(text: str) -> None:
    request = ModelRequest(Blocks([Said(text, "ann")]), system=text)

    assert prompt_bound(request) >= 2 * len(text.encode())


async def test_every_call_is_journaled_with_its_worst_case_before_it_is_sent() -> None:
    # ENGINE 18
    talk = conversation("talk")
    seen: list[list[str]] = []

    class Watching(Model):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            seen.append([e.kind for e in await talk.entries()])
            yield TextDelta("Hi.")
            yield Finished(Usage(10, 5))

    await ran(Watching(max_output=1000), talk)

    call = next(e.payload for e in await talk.entries() if e.kind == "call")
    assert seen == [["run", "choice", "call"]]
    assert call["cap"] == 1000
    assert call["bound"] > 20


async def test_call_that_a_crash_cut_counts_at_its_worst_case(killed: Any) -> None:
    # ENGINE 18
    talk = conversation("talk")
    await ran(Model(said("Hi.", 10, 5)), talk)
    entries = await talk.entries()
    call = next(e.payload for e in entries if e.kind == "call")
    left = await killed(entries, before="reply")

    await AssistantAgent("clerk", Model(said("Hi.", 10, 5))).continue_run("talk", store=left.store)

    ended = (await left.entries())[-1].payload
    assert ended["model_calls"] == 2
    assert ended["tokens"] == 15 + call["bound"] + call["cap"]


async def test_crashes_cannot_overspend_a_hard_budget(killed: Any) -> None:
    # ENGINE 18
    limits = Limits(tokens=12_000)
    talk = conversation("talk")
    await ran(Model(said("Hi.")), talk, limits=limits)
    entries = [e for e in await talk.entries() if e.kind not in {"reply", "said", "turn", "ended"}]
    attempts = 0
    while True:
        left = await killed(entries, after=len(entries))
        model = Model(said("Hi."))
        result = await AssistantAgent("clerk", model).continue_run("talk", store=left.store)
        if model.answers:
            break
        attempts += 1
        entries = [e for e in await left.entries() if e.kind not in {"reply", "said", "turn", "ended"}]

    spent = sum(e.payload["bound"] + e.payload["cap"] for e in entries if e.kind == "call")
    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "tokens")
    assert 1 <= attempts < 10
    assert spent <= 12_000


class AllAtOnce:
    """Everybody speaks side by side."""

    def begin(self) -> None: ...

    def see(self, memory: None, fact: Fact) -> None: ...

    async def next(self, memory: None, thread: Thread, members: Sequence[str]) -> Speak:
        return Speak(tuple(members), "all")


async def test_speakers_side_by_side_cannot_overshoot_the_tokens_together() -> None:
    # ENGINE 18
    used: list[int] = []

    class Greedy(Model):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            await asyncio.sleep(0)
            used.append(request.blocks.size_bytes + request.max_tokens)
            yield TextDelta("x")
            yield Finished(Usage(request.blocks.size_bytes, request.max_tokens))

    team = Team(
        [AssistantAgent(f"a{n}", Greedy(max_output=1000)) for n in range(8)],
        turns=AllAtOnce(),
        limits=Limits(tokens=3000),
    )
    result = await team.run(task="Go.")

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "tokens")
    assert 2 <= len(used) < 8
    assert result.usage.prompt_tokens + result.usage.completion_tokens <= 3000


async def test_reply_is_capped_by_what_the_budget_leaves() -> None:
    model = ScriptedModel(["Hi."])

    await ran(model, limits=Limits(tokens=1000))

    assert 64 <= model.requests[0].max_tokens < 1000


async def test_known_price_is_summed_and_capped_by_money() -> None:
    model = Model(said("Hi.", 1000, 1000), name="openai:gpt-4o-mini", free=False, max_output=10_000)

    result = await ran(model, limits=Limits(cost_usd=0.003))

    assert result.cost_usd == pytest.approx(0.00015 + 0.0006)
    assert result.messages[-1].metadata["cost_usd"].startswith("0.00075")


async def test_money_that_is_spent_ends_in_limit() -> None:
    class Wordy(Model):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            yield TextDelta(f"word-{request.blocks.size_bytes}")
            yield Finished(Usage(100, min(1000, request.max_tokens)))

    model = Wordy(name="openai:gpt-4o-mini", free=False)
    team = RoundRobinGroupChat([AssistantAgent("a", model)])

    result = await team.run(task="Go.", limits=Limits(cost_usd=0.002))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "cost_usd")
    assert result.cost_usd is not None
    assert 0.001 < result.cost_usd <= 0.002


async def test_cost_is_unknown_where_no_price_is_known_and_tokens_govern() -> None:
    result = await ran(Model(said("Hi."), name="nobody:m", free=False))

    assert result.cost_usd is None
    assert result.outcome is not None
    assert result.outcome.kind == "completed"


@pytest.mark.parametrize("team", ["agent", "selector"])
async def test_money_limit_that_nobody_can_hold_is_refused_before_the_start(team: str) -> None:
    unknown, free = Model(name="nobody:m", free=False), Model(said("a"), said("b"))
    members = [AssistantAgent("a", unknown if team == "agent" else free), AssistantAgent("b", free)]
    talk = conversation("talk")
    chat = RoundRobinGroupChat(members) if team == "agent" else SelectorGroupChat(members, unknown)

    with pytest.raises(ConfigError, match="nobody:m, whose price is not known, so cost_usd=1"):
        await chat.run(task="Go.", conversation=talk, limits=Limits(cost_usd=1))

    assert await talk.entries() == []


async def test_usage_that_a_provider_does_not_tell_is_counted_from_bytes() -> None:
    result = await ran(Model([TextDelta("Hello."), Finished(None)]))

    assert result.usage.completion_tokens >= 6
    assert result.usage.prompt_tokens >= len("Go.")


# -- outside a run ----------------------------------------------------------------------------------------------------


async def test_model_is_asked_directly_outside_a_run() -> None:
    answer, asked = await ask(ScriptedModel(["Hi."]), ModelRequest(Blocks([Said("Hello")])))

    assert answer.reply.text == "Hi."
    assert asked.ref == ""


async def test_agent_may_ask_a_model_in_its_turn_and_the_answer_is_journaled(killed: Any) -> None:
    # ENGINE 2
    class Asking(Agent):
        def __init__(self, model: Any) -> None:
            super().__init__("asker")
            self.model = model

        async def speak(self, turn: Turn) -> TextMessage:
            answer, _ = await ask(self.model, ModelRequest(Blocks([Said("Well?")])))
            return TextMessage(content=f"It says: {answer.reply.text}", source=self.name)

    talk = conversation("talk")
    await RoundRobinGroupChat([Asking(ScriptedModel(["Hi."]))], max_turns=1).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="said")

    result = await RoundRobinGroupChat([Asking(ScriptedModel([]))], max_turns=1).continue_run("talk", store=left.store)

    assert result.messages[-1].to_text() == "It says: Hi."


async def test_call_names_the_model_and_the_options_it_was_asked_with() -> None:
    model, talk = ScriptedModel(["Hi."]), conversation("talk")
    model.info = replace(model.info, name="openai:x")
    clerk = AssistantAgent("clerk", model, max_tokens=77, temperature=0.5, seed=3, system_message="Be kind.")

    await clerk.run(task="Go.", conversation=talk)

    call = next(e.payload for e in await talk.entries() if e.kind == "call")
    assert (call["model"], call["cap"]) == ("openai:x", 77)
    assert call["parts"] == '{"system":"Be kind.","temperature":0.5,"seed":3}'
    assert astuple(model.requests[0])[1:] == ("Be kind.", (), "auto", None, 77, 0.5, 3)


async def test_tool_calls_keep_the_models_ids_and_text() -> None:
    model = ScriptedModel([ToolCall("id-7", "nothing", '{ "a" :1}'), "ok"])

    await ran(model)

    assert model.requests[1].blocks[-1].calls == (ToolCall("id-7", "nothing", '{ "a" :1}'),)
