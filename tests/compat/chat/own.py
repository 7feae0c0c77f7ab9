"""Classes of a program's own: conditions, teams, agents, messages and events; and states as classes."""

import asyncio
import io
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Literal

from autogen_agentchat.agents import ApprovalRequest, AssistantAgent, BaseChatAgent
from autogen_agentchat.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    Response,
    TaskResult,
    Team,
    TerminatedException,
    TerminationCondition,
)
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    BaseTextChatMessage,
    MessageFactory,
    SelectorEvent,
    StopMessage,
    TextMessage,
    UserInputRequestedEvent,
)
from autogen_agentchat.state import (
    AssistantAgentState,
    BaseGroupChatManagerState,
    BaseState,
    ChatAgentContainerState,
    MagenticOneOrchestratorState,
    RoundRobinManagerState,
    SelectorManagerState,
    SocietyOfMindAgentState,
    SwarmManagerState,
    TeamState,
)
from autogen_agentchat.teams import DiGraphEdge, MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_agentchat.ui import Console
from autogen_core import CancellationToken
from autogen_core.models import RequestUsage, UserMessage
from scenes import Echo, Passes, asked, model, numbers, refused, state, stream, tell, thinks

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Twice(TerminationCondition):
    """Stops when somebody has said something twice."""

    def __init__(self, who: str) -> None:
        super().__init__()
        self.who, self.times, self.seen = who, 0, []

    @property
    def terminated(self) -> bool:
        return self.times >= 2

    async def __call__(self, messages):
        if self.terminated:
            raise TerminatedException("It has stopped already.")
        self.seen.append([type(m).__name__ for m in messages])
        self.times += sum(m.source == self.who for m in messages if isinstance(m, BaseChatMessage))
        return StopMessage(content=f"{self.who} twice", source="Twice") if self.terminated else None

    async def reset(self) -> None:
        self.seen.append("reset")
        self.times = 0


async def conditions() -> None:
    print("## conditions")
    pair = [Echo("ann"), Echo("bob")]
    for make in (
        lambda own, **more: RoundRobinGroupChat(pair, termination_condition=own, **more),
        lambda own, **more: SelectorGroupChat(pair, model(*["ann", "bob"] * 4), termination_condition=own, **more),
        lambda own, **more: Swarm(
            [Passes("ann", [("bob",), ("bob",)]), Echo("bob", [("ann",)])], termination_condition=own, **more
        ),
    ):
        own = Twice("bob")
        team = make(own, max_turns=7)
        await stream(team, "go", "again")
        print(own.seen, own.terminated)
        for joined in (
            OrTerminationCondition(Twice("ann"), MaxMessageTermination(4)),
            AndTerminationCondition(Twice("ann"), TextMentionTermination("bob:")),
            OrTerminationCondition(MaxMessageTermination(3), TextMentionTermination("x<")),
            AndTerminationCondition(MaxMessageTermination(3), TextMentionTermination("x<")),
            Twice("ann") | Twice("bob"),
        ):
            await stream(make(joined, max_turns=6), "go")
    ledger = '{"reason": "r", "answer": true}'
    no = ledger.replace("true", "false")
    words = ledger.replace("true", '"ann"')
    keys = "is_request_satisfied", "is_in_loop", "is_progress_being_made", "next_speaker", "instruction_or_question"
    entry = "{" + ", ".join(f'"{k}": {v}' for k, v in zip(keys, (no, no, ledger, words, words), strict=True)) + "}"
    own = Twice("ann")
    planned = MagenticOneGroupChat([Echo("ann")], model("F-1", "P-1", *[entry] * 9), termination_condition=own)
    result = await planned.run(task="go")
    print(own.seen, result.stop_reason, len(result.messages))
    own = Twice("u")
    said = [TextMessage(content="1", source="u")] * 2
    print(await own(said[:1]), (await own(said)).content)
    try:
        await own(said)
    except TerminatedException:
        print("refused")


class Noticed(BaseAgentEvent):
    """An event of one's own."""

    what: str
    type: Literal["Noticed"] = "Noticed"

    def to_text(self) -> str:
        return f"noticed {self.what}"


class Vote(BaseChatMessage):
    """A message of one's own."""

    choice: str
    type: Literal["Vote"] = "Vote"

    def to_text(self) -> str:
        return f"votes {self.choice}"

    def to_model_text(self) -> str:
        return f"{self.source} votes for {self.choice}."

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.to_model_text(), source=self.source)


class Quote(BaseTextChatMessage):
    """A text of one's own."""

    type: Literal["Quote"] = "Quote"


FIELDS = {"id": "own", "models_usage": RequestUsage(1, 2), "metadata": {"k": "v"}, "created_at": AT}


class Votes(BaseChatAgent):
    """Tells what it notices, and votes."""

    def __init__(self, name: str, choice: str) -> None:
        super().__init__(name, "Votes.")
        self.choice, self.told = choice, []

    @property
    def produced_message_types(self):
        return (Vote,)

    async def on_messages(self, messages, cancellation_token):
        *_, last = [item async for item in self.on_messages_stream(messages, cancellation_token)]
        return last

    async def on_messages_stream(self, messages, cancellation_token):
        event = Noticed(what=f"{len(messages)}", source=self.name)
        yield event
        yield Response(chat_message=Vote(choice=self.choice, source=self.name), inner_messages=[event])

    async def on_reset(self, cancellation_token) -> None:
        self.told.append("reset")

    async def on_pause(self, cancellation_token) -> None:
        self.told.append("pause")

    async def on_resume(self, cancellation_token) -> None:
        self.told.append("resume")

    async def close(self) -> None:
        self.told.append("close")

    async def save_state(self):
        return {"choice": self.choice}

    async def load_state(self, state) -> None:
        self.choice = state["choice"]


async def messages() -> None:
    print("## messages")
    for message in (
        Noticed(what="x", source="a", **FIELDS),
        Vote(choice="x", source="a", **FIELDS),
        Quote(content="x", source="a", **FIELDS),
        TextMessage(content="x", source="a", **FIELDS),
        UserInputRequestedEvent(request_id="1", content="", source="a"),
        SelectorEvent(content="ann", source="a"),
    ):
        tell(message.dump(), message.created_at.isoformat() if message.id == "own" else "")
        print(message.to_text(), type(message).load(message.dump()).dump() == message.dump())
    client = model("I see", "so do I", "and I")
    bot = AssistantAgent("bot", client, system_message=None)
    voter = Votes("voter", "tea")
    known = {"custom_message_types": [Noticed, Vote, Quote]}
    ends = MaxMessageTermination(5, include_agent_event=True)
    team = RoundRobinGroupChat([voter, bot], termination_condition=ends, max_turns=4, **known)
    await stream(team, Quote(content="to be", source="user"), "more")
    asked(client)
    await state(team)
    other = RoundRobinGroupChat(
        [Votes("voter", "coffee"), AssistantAgent("bot", model("loaded"))], max_turns=1, **known
    )
    await other.load_state(await team.save_state())
    await stream(other, None)
    await state(other)
    await voter.close()
    await team.reset()
    print(voter.told)
    factory = MessageFactory()
    for kind in (Noticed, Vote):
        print(factory.is_registered(kind))
        factory.register(kind)
        print(factory.is_registered(kind))
    print(type(factory.create(Vote(choice="x", source="a").dump())).__name__)
    selecting = SelectorGroupChat(
        [Votes("voter", "tea"), Echo("bob")], model("voter", "bob"), max_turns=2, selector_prompt="{history}", **known
    )
    await stream(selecting, "go")
    asked(selecting._model_client if hasattr(selecting, "_model_client") else selecting.model_client)


class Fixed(Team):
    """A team of one's own, which says two words."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self.times, self.heard = name, 0, []

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return "Says two words."

    async def run(self, *, task=None, cancellation_token=None, output_task_messages=True):
        *_, last = [item async for item in self.run_stream(task=task)]
        return last

    async def run_stream(self, *, task=None, cancellation_token=None, output_task_messages=True):
        self.times += 1
        self.heard.append([m.to_text()[:5] for m in task])
        said = [TextMessage(content=f"{word} {self.times}", source=f"{self._name}_{word}") for word in ("one", "two")]
        for message in said:
            yield message
        yield TaskResult(messages=said, stop_reason="said")

    async def reset(self) -> None:
        self.times = 0

    async def pause(self) -> None: ...
    async def resume(self) -> None: ...

    async def save_state(self):
        return {"times": self.times}

    async def load_state(self, state) -> None:
        self.times = state["times"]


async def teams() -> None:
    print("## teams")
    own = Fixed("crew")
    team = RoundRobinGroupChat([own, Echo("ann")], max_turns=3)
    await stream(team, "go", "more")
    print(own.heard)
    await state(team)
    saved = await team.save_state()
    await team.reset()
    print(own.times)
    await team.load_state(saved)
    print(own.times)
    await stream(team, None)
    chosen = SelectorGroupChat([Fixed("crew"), Echo("ann")], model("crew", "ann"), max_turns=2, emit_team_events=True)
    await stream(chosen, "go")
    refused(lambda: Swarm([Fixed("crew")]))
    refused(lambda: MagenticOneGroupChat([Fixed("crew")], model()))


def states() -> None:
    print("## states")
    thread = {"message_thread": [TextMessage(content="x", source="a").dump()], "current_turn": 2}
    for made in (
        BaseState(),
        AssistantAgentState(llm_context={"messages": []}),
        BaseGroupChatManagerState(**thread),
        ChatAgentContainerState(agent_state={"a": 1}, message_buffer=thread["message_thread"]),
        RoundRobinManagerState(**thread, next_speaker_index=1),
        SelectorManagerState(**thread, previous_speaker="a"),
        SwarmManagerState(**thread, current_speaker="a"),
        MagenticOneOrchestratorState(**thread, task="t", facts="f", plan="p", n_rounds=1, n_stalls=2),
        SocietyOfMindAgentState(inner_team_state={"b": 2}),
        TeamState(agent_states={"c": {}}),
    ):
        tell(type(made).__name__, made.model_dump(), type(made)().model_dump())
        print(type(made).model_validate(made.model_dump()) == made)
    edge = DiGraphEdge(target="b", condition_function=lambda message: message.content == "x")
    print(edge.check_condition(TextMessage(content="x", source="a")), edge.model_dump())
    request = ApprovalRequest(code="print(1)", context=[UserMessage(content="run it", source="u")])
    tell(request.model_dump())


async def console() -> None:
    print("## the console with figures")
    agents = [AssistantAgent("ann", model("one two", "three"), system_message="Be brief."), Echo("bob")]
    out = io.StringIO()
    with redirect_stdout(out):
        await Console(RoundRobinGroupChat(agents, max_turns=3).run_stream(task="go"), output_stats=True)
        said = [TextMessage(content="go", source="u")]
        thoughtful = AssistantAgent("ann", model(thinks("hi", "hm")), system_message=None)
        await Console(thoughtful.on_messages_stream(said, CancellationToken()), output_stats=True)
    print(*[line for line in out.getvalue().splitlines() if not line.startswith("Duration")], sep="\n")


async def main() -> None:
    for part in (conditions, messages, teams, console):
        numbers.clear()
        await part()
    states()


asyncio.run(main())
