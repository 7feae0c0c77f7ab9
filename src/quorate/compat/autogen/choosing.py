"""AutoGen's selector: a model names the next speaker in free text, and is asked again where it names none."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Self

from quorate.chat.facts import SHOWN, Fact, Thread
from quorate.chat.messages import (
    BaseChatMessage,
    BaseMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    SelectorEvent,
    SelectSpeakerEvent,
)
from quorate.chat.selector import Selector, Spoken
from quorate.chat.speech import Turn
from quorate.chat.turns import Speak, TurnPolicy
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import ChatAgent, Team, TerminationCondition
from quorate.compat.autogen.agentchat.messages import to_model_message
from quorate.compat.autogen.agentchat.state import SelectorManagerState
from quorate.compat.autogen.agentchat.utils import content_to_str
from quorate.compat.autogen.asking import asked
from quorate.compat.autogen.assistant import as_client
from quorate.compat.autogen.clients import blocks_of
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from quorate.compat.autogen.core.models import AssistantMessage, ChatCompletionClient, SystemMessage, UserMessage
from quorate.compat.autogen.groupchat import BaseGroupChat, Wrapped
from quorate.compat.autogen.selecting import SelectorGroupChatManager, mend, mentions
from quorate.compat.autogen.speaking import token_here
from quorate.compat.autogen.teams import TeamConfig, dumped, loaded
from quorate.core.hosting import AgentRuntime
from quorate.errors import ConfigError
from quorate.models.blocks import Blocks
from quorate.runs.scope import scope_here

SelectorFunc = Callable[[Sequence[Any]], "str | Awaitable[str | None] | None"]
CandidateFunc = Callable[[Sequence[Any]], "list[str] | Awaitable[list[str]]"]


class Naming(Selector):
    """A selector whose functions see events too, and whose model answers in free text."""

    def __init__(self, team: SelectorGroupChat, previous: str | None, before: Sequence[Any]) -> None:
        roles = {one.name: one.description for one in team.members}
        super().__init__(
            roles,
            self,
            allow_repeated_speaker=team.allow_repeated_speaker,
            selector_func=team.selector_func,
            candidate_func=team.candidate_func,
        )
        self._team, self._previous, self._before = team, previous, before
        self._heard = 0
        self._last: str | None = None
        self.told: list[Any] = []

    def begin(self) -> Any:
        return Spoken(() if self._previous is None else (self._previous,)), list(self._before)

    def see(self, memory: Any, fact: Fact) -> Any:
        order, items = memory
        if fact.choice is not None:
            return super().see(order, fact), items
        item = fact.message
        if item is None and getattr(fact.event, "type", "") not in profile.UNSEEN:
            item = fact.event
        if item is not None and fact.ref != SHOWN:
            items.append(item)  # shared, and only grows
        return memory

    def next(self, memory: Any, thread: Thread, members: Sequence[str]) -> Speak | Awaitable[Speak]:
        self.told.clear()
        order, items = memory
        self._last = order.names[-1] if order.names and not self.allow_repeated_speaker else None
        if self._team.has_given_context:
            return self._shown_next(order, items, members)
        return super().next(order, Thread(items), members)

    async def _shown_next(self, order: Spoken, items: list[Any], members: Sequence[str]) -> Speak:
        """Choose where whoever gave the context may look into it."""
        await self._take_in(items)
        chosen = super().next(order, Thread(items), members)
        return chosen if isinstance(chosen, Speak) else await chosen

    async def _take_in(self, items: Sequence[Any]) -> None:
        """Add what was said to the context that the model is shown."""
        context = self._team.model_context
        for item in items[self._heard :]:
            if isinstance(item, BaseChatMessage):
                for one in item.context if isinstance(item, HandoffMessage) else ():
                    await context.add_message(one)
                await context.add_message(to_model_message(item))
        self._heard = len(items)

    async def choose(
        self, thread: Sequence[Any], candidates: Sequence[str], roles: dict[str, str]
    ) -> tuple[str, str] | None:
        """Ask the model, as often as it may be, for one candidate."""
        team = self._team
        client = team.model_client
        await self._take_in(thread)
        said = await team.model_context.get_messages()
        history = "\n".join(
            f"{m.source}: {content_to_str(m.content)}\n\n"
            for m in said
            if isinstance(m, UserMessage | AssistantMessage)
        )
        text = team.selector_prompt.format(
            roles="\n".join(re.sub(r"\s+", " ", f"{name}: {about}").strip() for name, about in roles.items()),
            participants=str(list(candidates)),
            history=history,
        )
        by_system = str(client.model_info["family"]).startswith(profile.ROLE_BY_SYSTEM)
        messages: list[Any] = [SystemMessage(content=text) if by_system else UserMessage(content=text, source="user")]
        for attempt in range(1, team.max_selector_attempts + 1):
            answer = await self._answer(client, messages)
            messages.append(AssistantMessage(content=answer, source="selector"))
            named = list(mentions(answer, list(roles)))
            if len(named) == 1 and named[0] in candidates and named[0] != self._last:  # whom a function may name, too
                more = f", at attempt {attempt}" if attempt > 1 else ""
                return named[0], f"named by the model{more}"
            messages.append(UserMessage(content=mend(named, candidates), source="user"))
        return None

    async def _answer(self, client: ChatCompletionClient, messages: list[Any]) -> str:
        streams = self._team.model_client_streaming
        scope = scope_here() if self._team.tells_team_events else None
        feed = None if scope is None else scope.feed

        def show(piece: str) -> None:
            if feed is not None:
                source = self._team.manager_name
                feed.push(ModelClientStreamingChunkEvent(content=piece, source=source))

        result, _ = await asked(
            client, messages, blocks=_blocks(messages), token=token_here(), show=show if streams else None
        )
        text = content_to_str(result.content)
        if streams:
            self.told.append(SelectorEvent(content=text, source=self._team.manager_name))
        return text.strip()


class Announced(Wrapped):
    """A member whose turns begin with what the model said that chose it."""

    def __init__(self, participant: Any, manager: str, before: Callable[[], Sequence[Any]]) -> None:
        super().__init__(participant)
        self._manager, self._before = manager, before

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Tell of the choice, and speak."""
        for event in self._before():
            turn.emit(event)
        turn.emit(SelectSpeakerEvent(content=[self.name], source=self._manager))
        return await super().speak(turn)


def _blocks(messages: list[Any]) -> Blocks:
    """Return the messages as blocks; the instruction is what is asked, so it is one too."""
    told = [UserMessage(content=m.content, source="user") if isinstance(m, SystemMessage) else m for m in messages]
    return Blocks(blocks_of(told))


class SelectorConfig(TeamConfig):
    """A `SelectorGroupChat` as configuration."""

    model_client: ComponentModel
    selector_prompt: str
    allow_repeated_speaker: bool
    max_selector_attempts: int = profile.SELECTOR_ATTEMPTS
    model_client_streaming: bool = False
    model_context: ComponentModel | None = None


class SelectorGroupChat(BaseGroupChat, Component[SelectorConfig]):
    """A model, or a function, chooses who speaks next.

    Raises:
        ConfigError: Fewer than two take part.
    """

    component_config_schema: ClassVar[type[Any]] = SelectorConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.teams.SelectorGroupChat"
    states: ClassVar[type[Any]] = SelectorManagerState
    DEFAULT_NAME = "SelectorGroupChat"
    DEFAULT_DESCRIPTION = profile.TEAM_DESCRIPTION

    def __init__(
        self,
        participants: list[ChatAgent | Team],
        model_client: ChatCompletionClient,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        selector_prompt: str = profile.SELECTOR_PROMPT,
        allow_repeated_speaker: bool = False,
        max_selector_attempts: int = profile.SELECTOR_ATTEMPTS,
        selector_func: SelectorFunc | None = None,
        candidate_func: CandidateFunc | None = None,
        custom_message_types: list[type[BaseMessage]] | None = None,
        emit_team_events: bool = False,
        model_client_streaming: bool = False,
        model_context: ChatCompletionContext | None = None,
    ) -> None:
        super().__init__(
            name or self.DEFAULT_NAME,
            description or self.DEFAULT_DESCRIPTION,
            participants,
            "SelectorGroupChatManager",
            None,
            termination_condition,
            max_turns,
            runtime,
            custom_message_types,
            emit_team_events,
        )
        if len(participants) < 2:
            raise ConfigError("At least two participants are required for SelectorGroupChat.")
        self.selector_prompt, self.model_client = selector_prompt, as_client(model_client)
        self.allow_repeated_speaker, self.max_selector_attempts = allow_repeated_speaker, max_selector_attempts
        self.selector_func, self.candidate_func = selector_func, candidate_func
        self.model_client_streaming = model_client_streaming
        self._given_context = model_context
        self.model_context = model_context or UnboundedChatCompletionContext()
        self._previous: str | None = None
        self._policy: Naming | None = None
        # as subclasses with a manager of their own look for them
        self._selector_prompt, self._model_client = selector_prompt, self.model_client
        self._allow_repeated_speaker, self._max_selector_attempts = allow_repeated_speaker, max_selector_attempts
        self._selector_func, self._candidate_func = selector_func, candidate_func
        self._model_client_streaming, self._model_context = model_client_streaming, model_context

    @property
    def has_given_context(self) -> bool:
        """Whether its context is somebody's own."""
        return self._given_context is not None

    def turns(self) -> TurnPolicy[Any]:
        before = [self._message_factory.create(m) for m in self._before]
        self._policy = Naming(self, self._previous, before)
        return self._policy

    def _tells_choices(self) -> bool:
        return self.tells_team_events and not self.model_client_streaming

    def _seat(self, participant: Any) -> Any:
        if not (self.tells_team_events and self.model_client_streaming):
            return participant
        return Announced(participant, self.manager_name, self._announced)

    def _announced(self) -> Sequence[Any]:
        return self._policy.told if self._policy else ()

    def manager_state(self, memory: Any) -> dict[str, Any]:
        return {"previous_speaker": memory[0].names[-1] if memory and memory[0].names else self._previous}

    def load_manager(self, state: SelectorManagerState | None) -> None:
        self._previous = None if state is None else state.previous_speaker

    async def reset(self) -> None:
        await super().reset()
        await self.model_context.clear()

    def _to_config(self) -> SelectorConfig:
        return SelectorConfig(
            **dumped(self),
            model_client=self.model_client.dump_component(),
            selector_prompt=self.selector_prompt,
            allow_repeated_speaker=self.allow_repeated_speaker,
            max_selector_attempts=self.max_selector_attempts,
            model_client_streaming=self.model_client_streaming,
            model_context=None if self._given_context is None else self._given_context.dump_component(),
        )

    @classmethod
    def _from_config(cls, config: SelectorConfig) -> Self:
        context = config.model_context
        return cls(
            **loaded(config),
            model_client=ChatCompletionClient.load_component(config.model_client),
            selector_prompt=config.selector_prompt,
            allow_repeated_speaker=config.allow_repeated_speaker,
            max_selector_attempts=config.max_selector_attempts,
            model_client_streaming=config.model_client_streaming,
            model_context=None if context is None else ChatCompletionContext.load_component(context),
        )


__all__ = ["SelectorGroupChat", "SelectorGroupChatManager"]
