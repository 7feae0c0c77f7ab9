"""The agent that runs code: with and without a model, approved, tried again, and the same after every crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from quorate import (
    Agent,
    CodeExecutorAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    fork,
    replay,
)
from quorate.chat.agents.coder import ApprovalRequest, ApprovalResponse
from quorate.chat.messages import CodeExecutionEvent, CodeGenerationEvent, ModelClientStreamingChunkEvent
from quorate.chat.past.audit import requests
from quorate.errors import ConfigError
from quorate.executors.code import CodeBlock, CodeResult
from quorate.executors.local import LocalCommandLineCodeExecutor
from quorate.models.blocks import Reply, Said
from quorate.models.client import ModelRequest
from quorate.runs.entries import Entry
from quorate.runs.inbox import Note
from quorate.runs.memory import MemoryStore
from quorate.testing import FakeClock, ScriptedModel


class Sandbox:
    """Runs nothing: what code comes to follows from its text alone."""

    isolation = "sandbox"

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def execute_code_blocks(self, code_blocks: Sequence[CodeBlock]) -> CodeResult:
        code = "".join(block.code for block in code_blocks)
        self.ran.append(code)
        if "bug" in code:
            return CodeResult(1, "NameError: bug\n")
        return CodeResult(0, "" if "quiet" in code else f"ran {len(code)}\n")


class Says(Agent):
    """Says what it is told to, turn by turn."""

    def __init__(self, name: str, *texts: str) -> None:
        super().__init__(name)
        self.texts = texts

    async def speak(self, turn: Turn) -> TextMessage:
        n = sum(m.source == self.name for m in turn.thread)
        return TextMessage(content=self.texts[n % len(self.texts)], source=self.name)


def fenced(code: str, language: str = "python") -> str:
    return f"Like this:\n```{language}\n{code}\n```\n"


def runs(**options: Any) -> tuple[CodeExecutorAgent, Sandbox]:
    executor = Sandbox()
    return CodeExecutorAgent("runner", executor, **options), executor


async def heard(text: str, **options: Any) -> str:
    agent, _ = runs(**options)
    return (await agent.run(text)).messages[-1].to_text()


# -- without a model --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (fenced("print(1)"), "ran 9\n"),
        (fenced("print(1)", "PYTHON") + fenced("echo", "sh") + fenced("fn main", "rust"), "ran 14\n"),
        (fenced("quiet"), "The code printed nothing. Its exit code is 0."),
        (fenced("bug"), "The code failed: its exit code is 1. It printed:\nNameError: bug\n"),
        (fenced("fn main", "rust"), CodeExecutorAgent.NO_CODE_BLOCKS_FOUND_MESSAGE),
        ("No code.", CodeExecutorAgent.NO_CODE_BLOCKS_FOUND_MESSAGE),
    ],
)
async def test_code_that_others_write_is_run_and_its_output_is_the_answer(text: str, answer: str) -> None:
    assert await heard(text) == answer


async def test_only_code_of_the_sources_is_run_and_each_once() -> None:
    agent, executor = runs(sources=["ann"])
    team = RoundRobinGroupChat(
        [Says("ann", fenced("a = 1"), "Nothing."), Says("ben", fenced("b = 1")), agent],
        termination_condition=MaxMessageTermination(7),
    )

    result = await team.run(fenced("c = 1"))

    assert executor.ran == ["a = 1\n"]
    assert result.messages[-1].to_text() == CodeExecutorAgent.NO_CODE_BLOCKS_FOUND_MESSAGE


async def test_other_languages_may_be_supported() -> None:
    assert await heard(fenced("fn main", "rust"), supported_languages=["Rust"]) == "ran 8\n"


async def test_code_really_runs_where_that_is_asked_for() -> None:
    agent = CodeExecutorAgent("runner", LocalCommandLineCodeExecutor(), min_isolation="process")

    result = await agent.run(fenced("print(6 * 7)"))

    assert result.messages[-1].to_text() == "42\n"


# -- with a model -----------------------------------------------------------------------------------------------------


async def test_model_writes_code_is_told_what_it_prints_and_answers() -> None:
    model = ScriptedModel([fenced("print(1)"), "It is 9."])
    agent, executor = runs(model_client=model)

    result = await agent.run("How long?")

    assert executor.ran == ["print(1)\n"]
    assert [type(m).__name__ for m in result.messages] == [
        "TextMessage", "CodeGenerationEvent", "CodeExecutionEvent", "TextMessage"
    ]  # fmt: skip
    generated, executed = result.messages[1:3]
    assert isinstance(generated, CodeGenerationEvent)
    assert isinstance(executed, CodeExecutionEvent)
    assert generated.code_blocks == [CodeBlock("print(1)\n", "python")]
    assert (executed.result, executed.retry_attempt) == (CodeResult(0, "ran 9\n"), 0)
    told = model.requests[1].blocks
    assert [(b.source, b.text) for b in told if isinstance(b, Said)][1] == ("executor", "ran 9\n")


async def test_answer_without_code_is_the_answer() -> None:
    agent, executor = runs(model_client=ScriptedModel(["Forty-two."]))

    assert (await agent.run("What?")).messages[-1].to_text() == "Forty-two."
    assert executor.ran == []


async def test_code_that_fails_is_written_again_as_often_as_allowed() -> None:
    again = '{"reason": "a typo", "retry": true}'
    model = ScriptedModel([fenced("bug"), again, fenced("bug 2"), again, fenced("good"), "Done."])
    agent, executor = runs(model_client=model, max_retries_on_error=2)

    result = await agent.run("Go.")

    assert executor.ran == ["bug\n", "bug 2\n", "good\n"]
    events = [m for m in result.messages if isinstance(m, CodeExecutionEvent)]
    assert [(e.retry_attempt, e.result.exit_code) for e in events] == [(0, 1), (1, 1), (2, 0)]
    used = [m.models_usage.prompt_tokens for m in result.messages if m.models_usage]
    assert sum(used) == result.usage.prompt_tokens, "what every call used is told once"


@pytest.mark.parametrize(
    ("decision", "times"),
    [('{"reason": "hopeless", "retry": false}', 1), ("I do not know.", 2), ('```json\n{"retry": false}\n```', 1)],
)
async def test_model_decides_whether_it_is_worth_it(decision: str, times: int) -> None:
    lines = [fenced("bug"), decision, *[fenced("bug")] * (times - 1), "It does not work."]
    agent, executor = runs(model_client=ScriptedModel(lines), max_retries_on_error=1)

    result = await agent.run("Go.")

    assert len(executor.ran) == times
    assert result.messages[-1].to_text() == "It does not work."


async def test_chunks_belong_to_the_message_that_they_make() -> None:
    agent, _ = runs(model_client=ScriptedModel([fenced("x"), "Well done."], chunks=3))

    seen = [m async for m in agent.run_stream("Go.")]

    last = seen[-2]
    assert isinstance(last, TextMessage)
    pieces = [m.content for m in seen if isinstance(m, ModelClientStreamingChunkEvent) and m.full_message_id == last.id]
    assert "".join(pieces) == last.content == "Well done."


async def test_it_goes_on_with_what_it_wrote_and_what_came_of_it() -> None:
    model = ScriptedModel([fenced("x = 1"), "Done.", "As I said."])
    agent, _ = runs(model_client=model)

    await agent.run("Go.")
    await agent.run("And?")

    assert [type(b) for b in model.requests[2].blocks] == [Said, Reply, Said, Reply, Said]


# -- isolation and approval -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("executor", "options", "words"),
    [
        (
            LocalCommandLineCodeExecutor(),
            {},
            "at the level 'process', and 'sandbox' is the least .*min_isolation='process'",
        ),
        (Sandbox(), {"min_isolation": "container"}, "level 'sandbox', and 'container'"),
        (Sandbox(), {"min_isolation": "high"}, "'high' is none of none, process, sandbox, container"),
        (object(), {}, "is no code executor"),
        (Sandbox(), {"max_retries_on_error": 1}, "needs a model_client"),
        (Sandbox(), {"sources": "ann"}, "sources is a list of names"),
    ],
)
def test_what_is_not_kept_apart_enough_is_refused(executor: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CodeExecutorAgent("runner", executor, **options)


@pytest.mark.parametrize("is_async", [False, True])
async def test_function_approves_code_before_it_is_run(is_async: bool) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> ApprovalResponse:
        asked.append(request)
        return ApprovalResponse(approved="rm" not in request.code, reason="It deletes.")

    async def deciding(request: ApprovalRequest) -> ApprovalResponse:
        return decide(request)

    options = {"approval_func": deciding if is_async else decide}

    assert await heard(fenced("ls", "sh"), **options) == "ran 3\n"
    assert await heard(fenced("rm x", "sh"), **options) == "Code execution was not approved. Reason: It deletes."
    assert asked[0] == ApprovalRequest("```sh\nls\n```", fenced("ls", "sh"))


async def test_model_is_told_that_its_code_was_not_approved() -> None:
    model = ScriptedModel([fenced("rm"), "Then not."])
    agent, executor = runs(model_client=model, approval_func=lambda request: ApprovalResponse(False, "No."))

    result = await agent.run("Go.")

    assert executor.ran == []
    assert isinstance(result.messages[2], CodeExecutionEvent)
    assert result.messages[2].result == CodeResult(1, "Code execution was not approved. Reason: No.")
    assert model.requests[1].blocks[-2] == Said("Code execution was not approved. Reason: No.", "executor", "tool")


@pytest.mark.parametrize(("value", "words"), [(True, "ran 9"), (False, "not approved"), ("too slow", "too slow")])
async def test_person_approves_code_days_later(value: Any, words: str) -> None:
    agent, executor = runs(approval=True)
    store = MemoryStore(clock=FakeClock())

    waiting = await agent.run(fenced("print(1)"), conversation=store.conversation("talk"))
    assert waiting.outcome is not None
    assert (waiting.outcome.kind, executor.ran) == ("waiting", [])
    await store.post("talk", Note(waiting.outcome.questions[0], "answer", {"value": value}))
    result = await agent.continue_run("talk", store=store)

    text = result.messages[-1].to_text()
    assert words in text
    assert text.startswith("The code was not run, or not to its end: run_code was not approved") == (value is not True)
    assert (await replay("talk", team=agent, store=store)).identical
    assert executor.ran == (["print(1)\n"] if value is True else [])


async def test_executor_that_breaks_is_told_as_a_failure() -> None:
    class Broken(Sandbox):
        async def execute_code_blocks(self, code_blocks: Sequence[CodeBlock]) -> CodeResult:
            raise OSError("no such container")

    agent = CodeExecutorAgent("runner", Broken())

    assert "OSError: no such container" in (await agent.run(fenced("x"))).messages[-1].to_text()


# -- crashes ----------------------------------------------------------------------------------------------------------


def pure(request: ModelRequest) -> str:
    """Write code with a bug first, and then without; answered by what is asked alone."""
    last, wrote = request.blocks[-1], sum(isinstance(b, Reply) for b in request.blocks)
    source = last.source if isinstance(last, Said) else ""
    if request.output_schema is not None:
        return '{"reason": "a typo", "retry": true}'
    if source == "System":
        return f"Done after {wrote}."
    return fenced("bug" if source != "executor" else f"good {wrote}")


def solving(executor: Sandbox) -> RoundRobinGroupChat:
    agent = CodeExecutorAgent(
        "runner", executor, model_client=ScriptedModel([pure] * 20), max_retries_on_error=1, approval=True
    )
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))


async def to_the_end(team: RoundRobinGroupChat, store: MemoryStore, result: Any) -> Any:
    """Approve and settle whatever is asked until the run has ended."""
    for _ in range(20):
        if result.outcome.kind != "waiting":
            return result
        entries = await store.read("talk")
        for id in result.outcome.questions:
            asked = next(e for e in entries if e.kind == "question" and e.payload["id"] == id)
            answer = {"value": True} if "approval" in asked.payload else {"happened": False}
            await store.post("talk", Note(id, "answer", answer))
        result = await team.continue_run("talk", store=store)
    raise AssertionError("it never ends")


async def recorded() -> tuple[MemoryStore, list[Entry], Any]:
    store, executor = MemoryStore(clock=FakeClock()), Sandbox()
    team = solving(executor)
    result = await team.run("Go.", conversation=store.conversation("talk"))
    result = await to_the_end(team, store, result)
    return store, await store.read("talk"), result


async def test_replay_runs_no_code_and_its_requests_can_be_audited() -> None:
    # ENGINE 4, 14
    store, entries, _ = await recorded()
    unused = Sandbox()

    assert (await replay("talk", team=solving(unused), store=store)).identical
    assert unused.ran == []
    asked = [asking.request for found in requests("talk", entries).values() for asking in found]
    assert any("NameError: bug" in b.text for r in asked for b in r.blocks if isinstance(b, Said))


async def test_crash_anywhere_ends_the_same_and_no_code_is_run_blindly_again() -> None:
    # ENGINE 6: an open intent is settled first; 1: what is closed is never run again
    _, entries, whole = await recorded()

    for at in range(1, len(entries)):
        if entries[at - 1].kind == "ended":
            continue
        store, executor = MemoryStore(clock=FakeClock()), Sandbox()
        journal = await store.open("talk")
        for entry in entries[:at]:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        team = solving(executor)

        result = await to_the_end(team, store, await team.continue_run("talk", store=store))

        assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages], at
        done = sum(e.kind == "result" for e in entries[:at])
        assert len(executor.ran) == 2 - done
        assert (await replay("talk", team=solving(Sandbox()), store=store)).identical


async def test_fork_behind_what_code_printed() -> None:
    # ENGINE 21
    store = MemoryStore(clock=FakeClock())
    agent, _ = runs()
    whole = await agent.run(fenced("print(1)"), conversation=store.conversation("talk"))

    branch = await fork(store, "talk", at=whole.messages[-1].id)
    again = await agent.run("Again.", conversation=branch)

    assert again.messages[-1].to_text() == CodeExecutorAgent.NO_CODE_BLOCKS_FOUND_MESSAGE
    assert [e.kind for e in await branch.store.read(branch.id)].count("result") == 1
