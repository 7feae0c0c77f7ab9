"""Teams of the view inside runs: their turns are in the run's journal, and a crash loses none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

import quorate
from quorate import MaxMessageTermination, conversation
from quorate.chat.ledgers import FIELDS
from quorate.compat.autogen import quorate_team
from quorate.compat.autogen.agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    CodeExecutorAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from quorate.compat.autogen.agentchat.base import Response
from quorate.compat.autogen.agentchat.messages import TextMessage
from quorate.compat.autogen.agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
)
from quorate.compat.autogen.agentchat.tools import AgentTool, TeamTool
from quorate.compat.autogen.core import CancellationToken, FunctionCall
from quorate.compat.autogen.core.code_executor import CodeExecutor, CodeResult
from quorate.compat.autogen.core.models import (
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResultMessage,
    ModelInfo,
    RequestUsage,
)
from quorate.runs.entries import Entry
from quorate.runs.inbox import Note
from quorate.runs.memory import MemoryStore

CALLS: list[str] = []


class Telling(ChatCompletionClient):
    """Answers with what tells a context from all others, so that one that is not whole is seen in the talk."""

    def __init__(self, name: str, *tools: str) -> None:
        self.name, self.tools = name, tools

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        CALLS.append(self.name)
        content: Any = None
        if self.tools and not isinstance(messages[-1], FunctionExecutionResultMessage) and options["tools"]:
            content = [FunctionCall(f"c{at}", '{"task": "help"}', name) for at, name in enumerate(self.tools)]
        told = "|".join(f"{getattr(m, 'source', '')}:{m.content}" for m in messages)
        content = content or f"{self.name} {len(messages)} {hashlib.blake2b(told.encode(), digest_size=3).hexdigest()}"
        reason: Any = "stop" if isinstance(content, str) else "function_calls"
        return CreateResult(finish_reason=reason, content=content, usage=RequestUsage(1, 1), cached=False)

    async def create_stream(self, messages: Sequence[Any], **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        yield await self.create(messages, **options)

    async def close(self) -> None: ...

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Sequence[Any], *, tools: Sequence[Any] = ()) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[Any], *, tools: Sequence[Any] = ()) -> int:
        return 0

    @property
    def capabilities(self) -> Any:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(vision=False, function_calling=True, json_output=True, family="x", structured_output=True)


def bot(name: str, *tools: Any, **options: Any) -> AssistantAgent:
    client = Telling(name, *(tool.name for tool in tools))
    return AssistantAgent(name, client, tools=list(tools), system_message=None, **options)


def pair(name: str) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([bot(f"{name}_a"), bot(f"{name}_b")], max_turns=2, name=name)


def members() -> Any:
    return RoundRobinGroupChat([pair("crew"), bot("last")], max_turns=4)


def deep() -> Any:
    office = RoundRobinGroupChat([pair("crew"), bot("mid")], max_turns=2, name="office")
    return RoundRobinGroupChat([office, bot("last")], max_turns=3)


def society() -> Any:
    return RoundRobinGroupChat([SocietyOfMindAgent("all", pair("inner"), Telling("all")), bot("last")], max_turns=3)


def tools() -> Any:
    tool = TeamTool(pair("crew"), "crew", "A crew.")
    return RoundRobinGroupChat([bot("doer", tool, reflect_on_tool_use=True), bot("last")], max_turns=3)


def agent_tools() -> Any:
    return RoundRobinGroupChat([bot("doer", AgentTool(bot("helper")), reflect_on_tool_use=True)], max_turns=2)


class Planner(Telling):
    """Plans, says that it does not get on when it may, and is done after a while."""

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        result = await super().create(messages, **options)
        if options["json_output"]:
            count = len(messages)
            answers = count > 9, False, count != 6, ("ann", "bob")[count % 2], result.content
            fields = {name: {"reason": "r", "answer": a} for name, a in zip(FIELDS, answers, strict=True)}
            result = result.model_copy(update={"content": json.dumps(fields)})
        return result


def planned() -> Any:
    return MagenticOneGroupChat([bot("ann"), bot("bob")], Planner("planner"), max_stalls=1, max_turns=5)


def graph() -> Any:
    agents = [bot(name) for name in "abcd"]
    builder = DiGraphBuilder()
    for agent in agents:
        builder.add_node(agent)
    for source, target in ("ab", "ac", "bd", "cd"):
        builder.add_edge(source, target)
    return GraphFlow(agents, builder.build(), max_turns=9)


class Runs(CodeExecutor):
    """Runs nothing, and says what it would have run."""

    component_type = "code_executor"

    async def execute_code_blocks(self, code_blocks: Any, cancellation_token: CancellationToken) -> CodeResult:
        CALLS.append("runs")
        return CodeResult(0, f"ran {code_blocks[0].code}")

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def restart(self) -> None: ...


class Writes(Telling):
    """Writes code, and says what it came to."""

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        result = await super().create(messages, **options)
        if self.name == "writer" or len(messages) % 3 == 1:
            result = result.model_copy(update={"content": f"so: ```python\n{result.content}\n```"})
        return result


def coders() -> Any:
    return RoundRobinGroupChat(
        [
            CodeExecutorAgent("coder", Runs(), model_client=Writes("coder"), system_message=None),
            AssistantAgent("writer", Writes("writer"), system_message=None),
            CodeExecutorAgent("runner", Runs(), sources=["writer"]),
            UserProxyAgent("ann", input_func=lambda prompt: "typed"),
        ],
        max_turns=8,
    )


def filtered() -> Any:
    rules = MessageFilterConfig(per_source=[PerSourceFilter(source="a", position="last", count=1)])
    return RoundRobinGroupChat(
        [bot("a"), bot("b"), MessageFilterAgent("some", bot("inner"), rules), bot("last")], max_turns=8
    )


async def played(made: Any, entries: Sequence[Entry] | None = None) -> tuple[list[str], list[Entry], list[str]]:
    """Run a team that is new in its process, or go on behind these entries.

    Returns:
        What was said, but by those whom a tool runs: what they said on the way is not told again once the tool's call
        is closed. All entries. Whose models were asked.
    """
    CALLS.clear()
    store = MemoryStore()
    team = quorate_team(made())
    if entries is None:
        result = await team.run("go", conversation=store.conversation("talk"))
    else:
        journal = await store.open("talk")
        for entry in entries:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        result = await team.continue_run("talk", store=store)
    tool_runs = made in {tools, agent_tools}
    told = [m for m in result.messages if not tool_runs or m.source in {"doer", "last"}]
    return [f"{m.source}: {m.to_text()}" for m in told], await store.conversation("talk").entries(), CALLS[:]


@pytest.mark.parametrize("made", [members, deep, society, tools, agent_tools, planned, graph])
async def test_a_crash_anywhere_in_a_team_inside_makes_at_most_one_call_again(made: Any) -> None:  # ENGINE 1
    said, entries, calls = await played(made)

    assert said
    for at in range(2, len(entries), 1 if len(entries) < 30 else 2):
        if any(entry.kind == "outcome" and not entry.path for entry in entries[:at]):
            break
        found, _, more = await played(made, entries[:at])
        done = sum(entry.kind == "reply" for entry in entries[:at])
        assert found == said, f"a crash after entry {at}, {entries[at - 1]}"
        assert len(more) <= len(calls) - done, at


@pytest.mark.parametrize("made", [coders, filtered])
@pytest.mark.filterwarnings("ignore:.*runs code that nobody approves:UserWarning")
async def test_an_agent_that_is_new_in_its_process_knows_what_it_has_heard_and_runs_no_code_again(made: Any) -> None:
    said, entries, calls = await played(made)

    assert len(said) > 8
    for at in [at for at, entry in enumerate(entries, 1) if entry.kind == "turn"][:-1]:
        found, _, more = await played(made, entries[:at])
        assert found == said, f"a crash after entry {at}"
        done = sum(
            entry.kind == "reply" or (entry.path.endswith(" run code") and entry.kind == "value")
            for entry in entries[:at]
        )
        assert len(more) == len(calls) - done


class Asks(BaseChatAgent):
    """Asks a person through Quorate."""

    @property
    def produced_message_types(self) -> Any:
        return (TextMessage,)

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content=await quorate.ask("Sure?"), source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None: ...


async def test_a_person_asked_in_a_team_inside_answers_later_and_it_goes_on_there() -> None:
    def made() -> Any:
        inner = RoundRobinGroupChat([bot("a"), Asks("ann", "Asks.")], max_turns=2, name="inner")
        return quorate_team(RoundRobinGroupChat([inner, bot("last")], max_turns=2))

    CALLS.clear()
    talk = conversation("talk")
    waiting = await made().run("go", conversation=talk)
    await talk.store.post("talk", Note(waiting.outcome.questions[0], "answer", {"value": "Yes."}))
    result = await made().continue_run("talk", store=talk.store)

    assert waiting.outcome.kind == "waiting"
    assert [m.source for m in result.messages] == ["user", "a", "ann", "last"]
    assert result.messages[2].to_text() == "Yes."
    assert CALLS == ["a", "last"]


async def test_what_a_team_inside_uses_counts_in_the_run_around_it() -> None:
    team = quorate_team(members())

    result = await team.run("go", limits=quorate.Limits(model_calls=4))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "model_calls")
    assert result.stop_reason


async def test_a_team_of_the_view_is_a_member_of_quorates_own() -> None:
    native = quorate.RoundRobinGroupChat(
        [quorate_team(pair("crew")), bot("last")], termination_condition=MaxMessageTermination(4)
    )

    result = await native.run("go")

    assert [m.source for m in result.messages] == ["user", "crew", "last", "crew"]


async def test_an_agent_whose_own_code_runs_a_team_has_its_turns_in_the_journal() -> None:
    class Leads(Asks):
        async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
            crew = pair("crew")
            first = await crew.run(task="first")
            second = await crew.run(task="second")
            alone = await bot("helper").run(task="help")
            said = [len(first.messages), len(second.messages), second.messages[-1].source, alone.messages[-1].source]
            return Response(chat_message=TextMessage(content=str(said), source=self.name))

    talk = conversation("talk")

    result = await quorate_team(RoundRobinGroupChat([Leads("lead", "Leads.")], max_turns=1)).run(
        "go", conversation=talk
    )

    assert result.messages[-1].to_text() == "[3, 3, 'crew_b', 'helper']"
    assert len([e for e in await talk.entries() if e.kind == "said"]) == 6


class Counts(Asks):
    """Says how much it has heard in all; a subclass keeps that."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Counts.")
        self.words: list[str] = []

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        self.words += [m.source for m in messages]
        return Response(chat_message=TextMessage(content=" ".join(self.words), source=self.name))


class Keeps(Counts):
    """Counts, and keeps what it has heard."""

    async def save_state(self) -> dict[str, Any]:
        return {"words": self.words}

    async def load_state(self, state: Any) -> None:
        self.words = state["words"]


@pytest.mark.parametrize("inside", [False, True])
async def test_an_agent_of_somebodys_own_goes_on_in_a_new_process_with_the_state_it_saves(
    inside: bool, tmp_path: Path
) -> None:
    def made() -> Any:
        agents: list[Any] = [Keeps("ann"), Keeps("bob")]
        if inside:
            agents = [RoundRobinGroupChat(agents, max_turns=1, name="inner"), Keeps("cid")]
        return quorate_team(RoundRobinGroupChat(agents))

    async with quorate.open_store(f"sqlite:///{tmp_path / 'a.db'}") as store:
        whole = await made().run("go", conversation=store.conversation("whole"), limits=quorate.Limits(turns=6))
        await made().run("go", conversation=store.conversation("cut"), limits=quorate.Limits(turns=3))
        result = await made().continue_run("cut", store=store, limits=quorate.Limits(turns=6))
        report = await quorate.replay("whole", team=made(), store=store)

    assert [m.content for m in result.messages] == [m.content for m in whole.messages]
    assert (report.identical, report.unchecked) == (True, ())


async def test_one_that_saves_no_state_hears_everything_again_in_a_new_process(tmp_path: Path) -> None:
    def made() -> Any:
        return quorate_team(RoundRobinGroupChat([Counts("ann"), bot("bob")]))

    async with quorate.open_store(f"sqlite:///{tmp_path / 'a.db'}") as store:
        await made().run("go", conversation=store.conversation("talk"), limits=quorate.Limits(turns=2))
        result = await made().continue_run("talk", store=store, limits=quorate.Limits(turns=3))

    assert result.messages[-1].to_text() == "user bob"
