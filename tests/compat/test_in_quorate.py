"""Code written for AutoGen in Quorate's own teams: agents, conditions, model clients, and teams with a manager."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest

import quorate
from quorate import MaxMessageTermination, TextMentionTermination, conversation, replay
from quorate.chat.ledgers import FIELDS
from quorate.chat.turns import Speak
from quorate.compat.autogen.agentchat.agents import AssistantAgent, BaseChatAgent
from quorate.compat.autogen.agentchat.base import Response, TerminationCondition
from quorate.compat.autogen.agentchat.conditions import SourceMatchTermination
from quorate.compat.autogen.agentchat.messages import (
    HandoffMessage,
    StopMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallRequestEvent,
)
from quorate.compat.autogen.agentchat.state import BaseGroupChatManagerState
from quorate.compat.autogen.agentchat.teams import BaseGroupChat
from quorate.compat.autogen.core import CancellationToken, FunctionCall
from quorate.compat.autogen.core.models import (
    ChatCompletionClient,
    CreateResult,
    ModelInfo,
    RequestUsage,
)
from quorate.testing import ScriptedModel


class Counting(BaseChatAgent):
    """Counts what it was told, and tells a thought of it."""

    def __init__(self, name: str, *, to: str = "") -> None:
        super().__init__(name, f"Counts as {name}.")
        self.heard, self.to = 0, to

    @property
    def produced_message_types(self) -> Any:
        return (TextMessage, HandoffMessage)

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        self.heard += len(messages)
        thought = ThoughtEvent(content="I count.", source=self.name)
        text = f"{self.name} heard {self.heard}"
        said: Any = TextMessage(content=text, source=self.name)
        if self.to:
            said = HandoffMessage(content=text, source=self.name, target=self.to)
        return Response(chat_message=said, inner_messages=[thought])

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.heard = 0


class Twice(TerminationCondition):
    """Stops when somebody has spoken twice."""

    def __init__(self, who: str) -> None:
        self.who, self.times = who, 0

    @property
    def terminated(self) -> bool:
        return self.times >= 2

    async def __call__(self, messages: Any) -> StopMessage | None:
        self.times += sum(isinstance(m, TextMessage) and m.source == self.who for m in messages)
        return StopMessage(content=f"{self.who} twice", source="Twice") if self.terminated else None

    async def reset(self) -> None:
        self.times = 0


class Written(ChatCompletionClient):
    """A client of a program's own, with answers by script."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        self.asked.append({"messages": messages, **options})
        usage = RequestUsage(prompt_tokens=2, completion_tokens=3)
        return CreateResult(finish_reason="stop", content=self.answers.pop(0), usage=usage, cached=False)

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


def native(name: str, *lines: str) -> quorate.AssistantAgent:
    return quorate.AssistantAgent(name, ScriptedModel(list(lines) or [f"{name} {at}" for at in range(9)]))


def ledger(who: str, *, done: bool = False) -> str:
    answers = done, False, True, who, "go on"
    return json.dumps({name: {"reason": "r", "answer": a} for name, a in zip(FIELDS, answers, strict=True)})


def in_a_graph(members: Any) -> Any:
    builder = quorate.DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    return quorate.GraphFlow(members, builder.add_edge(members[0], members[1]).build())


TEAMS: dict[str, Callable[[Any], Any]] = {
    "round robin": lambda members: quorate.RoundRobinGroupChat(members, max_turns=2),
    "selector": lambda members: quorate.SelectorGroupChat(
        members, Written('{"speaker": "viewed"}', '{"speaker": "native"}'), max_turns=2
    ),
    "swarm": lambda members: quorate.Swarm(
        [Counting("viewed", to="native"), members[1]], termination_condition=MaxMessageTermination(3)
    ),
    "graph": in_a_graph,
    "magentic": lambda members: quorate.MagenticOneGroupChat(
        members, Written("F", "P", ledger("viewed"), ledger("native"), ledger("native", done=True), "end")
    ),
}


@pytest.mark.parametrize("kind", TEAMS)
async def test_an_agent_written_for_autogen_speaks_in_every_kind_of_quorates_teams(kind: str) -> None:
    result = await TEAMS[kind]([Counting("viewed"), native("native")]).run("go")

    spoke = [m.source for m in result.messages if m.source in {"viewed", "native"} and m.type != "ThoughtEvent"]
    assert spoke == ["viewed", "native"]
    viewed = next(m for m in result.messages if m.source == "viewed" and m.type != "ThoughtEvent")
    assert viewed.content == f"viewed heard {3 if kind == 'magentic' else 1}"
    assert [m.content for m in result.messages if m.type == "ThoughtEvent"] == ["I count."]


async def test_it_hears_what_is_new_from_turn_to_turn_and_run_to_run() -> None:
    team = quorate.RoundRobinGroupChat([Counting("viewed"), native("native")], max_turns=3)

    first = await team.run("go")
    second = await team.run("more")

    said = [m.content for m in [*first.messages, *second.messages] if m.source == "viewed" and m.type == "TextMessage"]
    assert said == ["viewed heard 1", "viewed heard 2", "viewed heard 4"]


@pytest.mark.parametrize(
    ("joined", "reason", "count"),
    [
        (lambda: Twice("b"), "b twice", 5),
        (lambda: Twice("b") | MaxMessageTermination(3), None, 3),
        (lambda: MaxMessageTermination(2) & Twice("a"), None, 4),
        (lambda: TextMentionTermination("a 1") | Twice("b"), None, 4),
        (lambda: Twice("a") & SourceMatchTermination(["b"]), None, 4),
        (lambda: SourceMatchTermination(["b"]), "'b' answered", 3),
    ],
)
async def test_a_condition_written_for_autogen_ends_quorates_teams_by_itself_and_joined(
    joined: Callable[[], Any], reason: str | None, count: int
) -> None:
    team = quorate.RoundRobinGroupChat([native("a"), native("b")], termination_condition=joined())

    result = await team.run("go")

    assert len(result.messages) == count
    assert reason is None or result.stop_reason == reason


async def test_its_verdicts_are_in_the_journal_so_that_a_replay_does_not_ask_it() -> None:
    class Once(Twice):
        async def __call__(self, messages: Any) -> StopMessage | None:
            calls.append(len(messages))
            return await super().__call__(messages)

    calls: list[int] = []
    talk = conversation("talk")

    def team() -> Any:
        return quorate.RoundRobinGroupChat([native("a"), native("b")], termination_condition=Once("a"))

    await team().run("go", conversation=talk)
    asked = len(calls)

    assert (await replay("talk", team=team(), store=talk.store)).identical
    assert asked == len(calls) == 4


async def test_a_client_written_for_autogen_answers_and_is_counted() -> None:
    agent = quorate.AssistantAgent("bot", Written("one", "two"), system_message="Be brief.")

    result = await quorate.RoundRobinGroupChat([agent], max_turns=2).run("go", limits=quorate.Limits(tokens=100_000))

    assert [m.content for m in result.messages] == ["go", "one", "two"]
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (4, 6)


async def test_an_assistant_of_autogen_calls_its_tools_in_a_team_of_quorates() -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    class Calls(Written):
        async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
            result = await super().create(messages, **options)
            if result.content != "call":
                return result
            call = [FunctionCall("1", '{"a": 1, "b": 2}', "add")]
            return result.model_copy(update={"content": call, "finish_reason": "function_calls"})

    viewed = AssistantAgent("viewed", Calls("call", "three"), tools=[add], reflect_on_tool_use=True)

    result = await quorate.RoundRobinGroupChat([viewed, native("native")], max_turns=2).run("1 and 2?")

    assert [m.content for m in result.messages if m.type == "TextMessage"] == ["1 and 2?", "three", "native 0"]
    assert any(isinstance(m, ToolCallRequestEvent) for m in result.messages)


class Backwards(BaseGroupChat):
    """A manager of a program's own: the last participant begins, and so on."""

    states = BaseGroupChatManagerState

    def __init__(self, participants: Sequence[Any]) -> None:
        super().__init__("Backwards", "Backwards.", participants, "BackwardsManager", max_turns=3)

    def turns(self) -> Any:
        names = [member.name for member in self.members]

        class InTurn:
            def begin(self) -> int:
                return 0

            def see(self, memory: int, fact: Any) -> int:
                return memory + (fact.choice is not None)

            async def next(self, memory: int, thread: Any, members: Sequence[str]) -> Speak:
                return Speak((names[-1 - memory % len(names)],), "backwards")

        return InTurn()

    def manager_state(self, memory: Any) -> dict[str, Any]:
        return {}

    def load_manager(self, state: Any) -> None: ...


async def test_a_team_with_a_manager_of_its_own_is_a_turn_policy() -> None:
    team = Backwards([Counting("a"), Counting("b")])

    result = await team.run(task="go")

    assert [m.source for m in result.messages if m.type == "TextMessage"] == ["user", "b", "a", "b"]
    assert set((await team.save_state())["agent_states"]) == {"a", "b", "BackwardsManager"}
