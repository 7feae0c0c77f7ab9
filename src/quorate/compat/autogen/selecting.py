"""AutoGen's selector as a manager, for programs that subclass it; `SelectorGroupChat` itself is a turn policy."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from quorate.chat.messages import BaseChatMessage, BaseMessage, HandoffMessage
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import TerminationCondition
from quorate.compat.autogen.agentchat.messages import MessageFactory, to_model_message
from quorate.compat.autogen.agentchat.state import SelectorManagerState
from quorate.compat.autogen.agentchat.utils import content_to_str
from quorate.compat.autogen.asking import answered
from quorate.compat.autogen.core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from quorate.compat.autogen.managers import BaseGroupChatManager
from quorate.compat.autogen.speaking import token_here
from quorate.errors import ConfigError

Messages = list[SystemMessage | UserMessage | AssistantMessage]


class SelectorGroupChatManager(BaseGroupChatManager):
    """Asks a function, or a model, who speaks next.

    Its calls of the model are part of the step in which it is asked. Where they are streamed nothing is told of the
    pieces.

    Args:
        model_client: The model.
        selector_prompt: With `{roles}`, `{participants}` and `{history}`.
        allow_repeated_speaker: Whether who was selected last may be again.
        selector_func: Names who speaks; None leaves it to the model.
        max_selector_attempts: How often the model is asked for one name.
        candidate_func: Names whom the model may select.
        model_context: What of the thread the model is shown; by default all.

    The other arguments are those of `BaseGroupChatManager`.
    """

    def __init__(
        self,
        name: str,
        group_topic_type: str,
        output_topic_type: str,
        participant_topic_types: list[str],
        participant_names: list[str],
        participant_descriptions: list[str],
        output_message_queue: asyncio.Queue[Any],
        termination_condition: TerminationCondition | None,
        max_turns: int | None,
        message_factory: MessageFactory,
        model_client: ChatCompletionClient,
        selector_prompt: str,
        allow_repeated_speaker: bool,
        selector_func: Any,
        max_selector_attempts: int,
        candidate_func: Any,
        emit_team_events: bool,
        model_context: ChatCompletionContext | None,
        model_client_streaming: bool = False,
    ) -> None:
        super().__init__(
            name,
            group_topic_type,
            output_topic_type,
            participant_topic_types,
            participant_names,
            participant_descriptions,
            output_message_queue,
            termination_condition,
            max_turns,
            message_factory,
            emit_team_events,
        )
        self._model_client, self._selector_prompt = model_client, selector_prompt
        self._allow_repeated_speaker, self._selector_func = allow_repeated_speaker, selector_func
        self._max_selector_attempts, self._candidate_func = max_selector_attempts, candidate_func
        self._model_context = model_context or UnboundedChatCompletionContext()
        self._model_client_streaming = model_client_streaming
        self._previous_speaker: str | None = None

    async def validate_group_state(self, messages: list[BaseChatMessage] | None) -> None:
        """Accept everything."""

    async def update_message_thread(self, messages: Sequence[BaseMessage]) -> None:
        await super().update_message_thread(messages)
        await self._take_in(messages)

    async def _take_in(self, messages: Sequence[BaseMessage]) -> None:
        for message in messages:
            if isinstance(message, BaseChatMessage):
                for one in message.context if isinstance(message, HandoffMessage) else ():
                    await self._model_context.add_message(one)
                await self._model_context.add_message(to_model_message(message))

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        named = await _said(self._selector_func, thread)
        if named is not None:
            if named not in self._participant_names:
                raise ConfigError(f"The selector function named {named!r}, who is none of {self._participant_names}.")
            return [named]
        names = list(await self._candidates(thread))
        roles = "\n".join(
            re.sub(r"\s+", " ", f"{name}: {about}").strip()
            for name, about in zip(self._participant_names, self._participant_descriptions, strict=True)
        )
        chosen = names[0]
        if len(names) > 1:
            chosen = await self._select_speaker(roles, names, self._max_selector_attempts)
        self._previous_speaker = chosen
        return [chosen]

    async def _candidates(self, thread: Sequence[Any]) -> Sequence[str]:
        if self._candidate_func is None:
            last = None if self._allow_repeated_speaker else self._previous_speaker
            return [name for name in self._participant_names if name != last] or self._participant_names
        found = await _said(self._candidate_func, thread)
        if not found or not set(found) <= set(self._participant_names):
            raise ConfigError(
                f"The candidate function named {found}; it has to name some of {self._participant_names}."
            )
        return found

    def construct_message_history(self, message_history: list[LLMMessage]) -> str:
        """Return what was said as text, for the prompt."""
        said = [m for m in message_history if isinstance(m, UserMessage | AssistantMessage)]
        return "\n".join(f"{m.source}: {content_to_str(m.content)}".rstrip() + "\n\n" for m in said)

    async def _select_speaker(self, roles: str, participants: list[str], max_attempts: int) -> str:
        """Ask the model for one name, as often as it may be; else who spoke last goes on, or the first begins."""
        history = self.construct_message_history(await self._model_context.get_messages())
        text = self._selector_prompt.format(roles=roles, participants=str(participants), history=history)
        by_system = str(self._model_client.model_info["family"]).startswith(profile.ROLE_BY_SYSTEM)
        messages: Messages = [SystemMessage(content=text) if by_system else UserMessage(content=text, source="user")]
        last = None if self._allow_repeated_speaker else self._previous_speaker
        for _ in range(max_attempts):
            answer = content_to_str((await answered(self._model_client, messages, token=token_here())).content)
            messages.append(AssistantMessage(content=answer, source="selector"))
            named = list(self._mentioned_agents(answer, self._participant_names))
            if len(named) == 1 and named[0] != last:
                return named[0]
            messages.append(UserMessage(content=mend(named, participants), source="user"))
        return self._previous_speaker or participants[0]

    def _mentioned_agents(self, message_content: str, agent_names: list[str]) -> dict[str, int]:
        """Return which names are mentioned, and how often."""
        return mentions(message_content, agent_names)

    async def reset(self) -> None:
        self._current_turn = 0
        self._message_thread.clear()
        await self._model_context.clear()
        if self._termination_condition is not None:
            await self._termination_condition.reset()
        self._previous_speaker = None

    async def save_state(self) -> Mapping[str, Any]:
        return SelectorManagerState(
            message_thread=[message.dump() for message in self._message_thread],
            current_turn=self._current_turn,
            previous_speaker=self._previous_speaker,
        ).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        kept = SelectorManagerState.model_validate(state)
        self._message_thread = [self._message_factory.create(message) for message in kept.message_thread]
        await self._model_context.clear()  # it was told what was said before
        await self._take_in(self._message_thread)
        self._current_turn, self._previous_speaker = kept.current_turn, kept.previous_speaker


async def _said(function: Any, thread: Sequence[Any]) -> Any:
    if function is None:
        return None
    found = function(thread)
    return await found if inspect.isawaitable(found) else found


def mend(named: Sequence[str], candidates: Sequence[str]) -> str:
    """Return what a model is told that has not named one who may speak."""
    listed = str(list(candidates))
    if not named:
        return f"That names none of them. Answer with one name out of {listed}, and nothing else."
    if len(named) > 1:
        return f"That names several. Answer with exactly one name out of {listed}."
    return f"{named[0]} cannot speak now. Answer with another name out of {listed}."


def mentions(text: str, names: Sequence[str]) -> dict[str, int]:
    """Return how often names are mentioned, as whole words; an underscore may be a blank, or escaped."""
    found: dict[str, int] = {}
    for name in names:
        ways = "|".join(re.escape(way) for way in {name, name.replace("_", " "), name.replace("_", r"\_")})
        count = len(re.findall(rf"(?<=\W)(?:{ways})(?=\W)", f" {text} "))
        if count:
            found[name] = count
    return found
