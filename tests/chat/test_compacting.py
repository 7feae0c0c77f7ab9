"""A long conversation is summed up once, as a step: the same after every crash, in a replay and for an auditor."""

from __future__ import annotations

from typing import Any

from quorate import AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, replay
from quorate.chat.messages import CompactionEvent
from quorate.chat.past.audit import check_digest, requests
from quorate.models.blocks import Said
from quorate.models.client import ModelRequest
from quorate.models.views import PROMPT, Summarized
from quorate.runs.entries import Entry
from quorate.runs.memory import MemoryStore
from quorate.runs.open import open_store
from quorate.testing import FakeClock, ScriptedModel

SHORT = Summarized(60, keep_last=2)


def pure(request: ModelRequest) -> str:
    last = request.blocks[-1]
    if isinstance(last, Said) and last.text == PROMPT:
        return f"In short, {len(request.blocks) - 1} of {request.blocks.size_bytes}."
    return f"Words upon words, {len(request.blocks)} and {request.blocks.size_bytes}, and some more of them."


def talking(most: int = 9) -> tuple[RoundRobinGroupChat, list[ScriptedModel]]:
    models = [ScriptedModel([pure] * 30) for _ in "ab"]
    agents = [AssistantAgent(n, m, model_context=SHORT) for n, m in zip("ab", models, strict=True)]
    return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(most)), models


async def test_older_part_is_summed_up_and_the_summary_stands_for_it() -> None:
    team, models = talking()

    result = await team.run("A task.")

    told = [m for m in result.messages if isinstance(m, CompactionEvent)]
    assert told
    assert told[0].content.startswith("What was said before, summed up:\nIn short, ")
    asked, after = next(
        (r, models[0].requests[i + 1]) for i, r in enumerate(models[0].requests) if r.blocks[-1].text == PROMPT
    )
    texts = [b.text for b in after.blocks]
    assert texts[0] == "A task."
    assert texts[1].startswith("What was said before")
    assert len(texts) == 4
    assert asked.max_tokens == 500
    used = [m.models_usage.prompt_tokens for m in result.messages if m.models_usage]
    assert sum(used) == result.usage.prompt_tokens


async def test_later_turns_and_later_runs_remember_the_summary_only() -> None:
    team, models = talking()
    await team.run("A task.")
    await team.run("Another one.")

    for model in models:
        asked = [len(r.blocks) for r in model.requests if r.blocks[-1].text != PROMPT]
        assert max(asked) <= 7, asked


async def recorded() -> tuple[MemoryStore, list[Entry], Any]:
    store = MemoryStore(clock=FakeClock())
    result = await talking(6)[0].run("A task.", conversation=store.conversation("talk"))
    return store, await store.read("talk"), result


async def test_crash_anywhere_goes_on_with_the_same_summary() -> None:
    # ENGINE 1, 2: a summary that was paid for is not asked for again
    _, entries, whole = await recorded()

    for at in range(1, len(entries)):
        store = MemoryStore(clock=FakeClock())
        journal = await store.open("talk")
        for entry in entries[:at]:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        team, models = talking(6)

        result = await team.continue_run("talk", store=store)

        assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages]
        calls = sum(len(m.requests) for m in models)
        assert calls == sum(e.kind == "reply" for e in entries) - sum(e.kind == "reply" for e in entries[:at])
    store, _, _ = await recorded()
    assert (await replay("talk", team=talking(6)[0], store=store)).identical


async def test_requests_with_a_summary_can_be_rebuilt_from_the_journal(tmp_path: Any) -> None:
    # ENGINE 14: it is written once, as the reply of its step
    async with open_store(f"sqlite:///{tmp_path / 'talk.db'}") as store:
        await talking(6)[0].run("A task.", conversation=store.conversation("talk"))
        entries = await store.read("talk")
        journal = await store.open("talk")
        for path, found in requests("talk", entries).items():
            check_digest(found[0], journal.fingerprint, path)
        await journal.release()

    assert sum("In short" in str(e.payload) for e in entries if e.kind != "reply") == 0


async def test_summary_that_says_nothing_says_how_much_it_stands_for() -> None:
    def silent(request: ModelRequest) -> str:
        return " " if request.blocks[-1].text == PROMPT else pure(request)  # pyright: ignore[reportAttributeAccessIssue]

    def made() -> RoundRobinGroupChat:
        agents = [AssistantAgent(n, ScriptedModel([silent] * 30), model_context=SHORT) for n in "ab"]
        return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(7))

    store = MemoryStore(clock=FakeClock())
    result = await made().run("A task.", conversation=store.conversation("talk"))
    report = await replay("talk", team=made(), store=store)

    told = [m.content for m in result.messages if isinstance(m, CompactionEvent)]
    assert told[0].startswith("Skipped ")
    assert report.identical
