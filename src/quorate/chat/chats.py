"""Chats of two, and chats one after the other that carry over what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quorate.chat import nesting
from quorate.chat.agent import Agent, Participant
from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact, Thread
from quorate.chat.live import Runnable
from quorate.chat.objects.seats import seated
from quorate.chat.speech import Turn
from quorate.chat.talk import Cast
from quorate.chat.team import Team, checked_member
from quorate.chat.turns import Most, Once, Speak, Stop
from quorate.core.figures import check_count, check_list, check_text
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.blocks import Blocks, Said
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelRequest
from quorate.runs.memory import conversation as new_conversation
from quorate.runs.outcome import Limits
from quorate.runs.scope import scope_here

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.messages import BaseChatMessage, TaskResult
    from quorate.runs.journal import Conversation
else:
    messages = lazy("quorate.chat.messages")

SUMMARY_PROMPT = "Sum up in a few sentences what came of this conversation. Leave out who said what."


async def chat(
    first: Participant,
    other: Participant,
    task: str | BaseChatMessage,
    *,
    max_turns: int = 10,
    termination_condition: Condition[Any] | None = None,
    limits: Limits | None = None,
    conversation: Conversation | None = None,
    emit_team_events: bool = False,
) -> TaskResult:
    """Let two agents talk: `first` says the task to `other`, who answers, and so on.

    Inside a run it is a part of that. By itself it begins a conversation of its own, in memory if none is given.

    Args:
        first: Who says the task.
        other: Who is told.
        task: What to talk about.
        max_turns: How often each of them may speak after the task; then it is completed.
        termination_condition: When it is completed before that.
        limits: What it may use.
        conversation: Where to keep it.
        emit_team_events: Whether it is told who speaks next, and why, before they do.
    """
    first = seated(first)
    team = between(
        first, other, max_turns=max_turns, termination_condition=termination_condition,
        emit_team_events=emit_team_events,
    )  # fmt: skip
    told = messages.TextMessage(content=task, source=first.name) if isinstance(task, str) else task
    scope = scope_here()
    if conversation is None and scope is None:
        conversation = new_conversation()
    return await team.run(told, conversation=conversation, limits=limits)


def between(
    first: Participant,
    other: Participant,
    *,
    max_turns: int,
    termination_condition: Condition[Any] | None = None,
    emit_team_events: bool = False,
) -> Team:
    """Return two agents as a team: `other` speaks first, since `first` has said the task.

    Raises:
        ConfigError: `max_turns` is below 1, or one of them cannot talk.
    """
    first, other = checked_member(first), checked_member(other)
    return Team(
        [other, first], turns=Alternating(max_turns), termination_condition=termination_condition,
        name=f"{first.name} and {other.name}", emit_team_events=emit_team_events,
    )  # fmt: skip


@dataclass(frozen=True)
class Alternating:
    """Members speak in the order given, each as often as `times` after a task."""

    times: int

    def __post_init__(self) -> None:
        check_count("max_turns", self.times)

    @property
    def most(self) -> Most:
        """The most that a run of it takes, of two."""
        return Most(2 * self.times, 2 * self.times, least=2 * self.times)

    def begin(self) -> int:
        return 0  # how often somebody spoke since the task

    def see(self, memory: int, fact: Fact) -> int:
        if fact.choice is not None:
            return memory + 1
        return 0 if fact.message is not None and not fact.speaker else memory

    def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if memory >= self.times * len(members):
            return Stop(f"Each has spoken {self.times} times." if self.times > 1 else "Each has spoken.")
        return Speak((members[memory % len(members)],), "next in order")


# -- one after the other ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Sums a chat up with a model, as a step of its own.

    Args:
        model_client: The model: a client, or a string such as `"openai:gpt-5"` or `"embedded"`.
        prompt: What it is asked, behind what was said.
        max_tokens: The most tokens of it.
    """

    model_client: ModelClient | str
    prompt: str = SUMMARY_PROMPT
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        registry.check_client(self.model_client)
        check_text("Summary: prompt", self.prompt)
        check_count("Summary: max_tokens", self.max_tokens)


@dataclass(frozen=True)
class Chat:
    """One of several chats.

    Args:
        first: Who says the task.
        other: Who is told.
        task: What it is about. Without one it is what the agent was told last whose chats these are.
        max_turns: How often each of them may speak after the task.
        termination_condition: When it is over before that.
        summary: What is carried over: the `last` message, or what a model makes of all of them.
        carryover: Whether what came of the chats before is told with the task.
    """

    first: Participant
    other: Participant
    task: str = ""
    max_turns: int = 2
    termination_condition: Condition[Any] | None = None
    summary: Summary | str = "last"
    carryover: bool = True

    def __post_init__(self) -> None:
        check_text("Chat: task", self.task)
        if not isinstance(self.summary, Summary) and self.summary != "last":
            raise ConfigError(f"summary={self.summary!r} is neither 'last' nor a Summary(model).")


class NestedChats(Runnable, Agent):
    """Answers by having chats, one after the other; what came of each is told in the next.

    As a member of a team it thinks by them. By itself, `NestedChats("work", [...]).run(task)`, they are a sequence.
    All of them are in the journal of the run: one that was finished is not had again.

    Args:
        name: Who it is in the thread.
        chats: In their order.
        description: What it is for, as others are told.

    Raises:
        ConfigError: There are no chats.
    """

    def __init__(self, name: str, chats: Sequence[Chat], *, description: str = "Thinks by talking.") -> None:
        super().__init__(name, description=description)
        if isinstance(chats, Chat):
            raise ConfigError(f"{name}: {chats!r} is one chat and no list. Write chats=[…].")
        check_list(f"{name}: chats", chats)
        if not chats:
            raise ConfigError(f"{name}: give at least one Chat(…).")
        self.chats = tuple(chats)
        for one in self.chats:
            if not isinstance(one, Chat):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
                raise ConfigError(f"{name}: {one!r} is no chat. Write Chat(first, other, max_turns=…).")
        self.teams = [
            between(c.first, c.other, max_turns=c.max_turns, termination_condition=c.termination_condition)
            for c in self.chats
        ]
        self._cast = Cast(name, (self,), Once())

    def cast(self) -> Cast:
        """Return the agent as a team of one."""
        return self._cast

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Have the chats, and say what came of the last."""
        told = turn.new[-1].to_model_text() if turn.new else ""
        came: list[str] = []
        for one, team in zip(self.chats, self.teams, strict=True):
            task = one.task or told
            if one.carryover and came:
                task = "\n\n".join([task, "What came of it so far:", *came])
            message = messages.TextMessage(content=task, source=team.participants[1].name)
            found = await nesting.converse_inside(turn.scope, team.cast(), [message])
            came.append(await _sum_up(turn, one, found))
        return messages.TextMessage(content=came[-1], source=self.name)


async def _sum_up(turn: Turn, one: Chat, found: nesting.Inside) -> str:
    facts = [fact for fact in found.talk.facts if fact.message is not None]
    if not isinstance(one.summary, Summary):
        last = facts[-1].message
        return last.to_text() if last is not None and facts[-1].speaker else nesting.NOTHING
    client = one.summary.model_client
    if isinstance(client, str):
        model = client
        client = await turn.run.resource(model, lambda: registry.open_model(model))
    blocks = Blocks([fact.said() for fact in facts]).plus(Said(one.summary.prompt))
    answer, _ = await ask(client, ModelRequest(blocks, max_tokens=min(one.summary.max_tokens, client.info.max_output)))
    return answer.reply.text


__all__ = ["Chat", "NestedChats", "Summary", "chat"]
