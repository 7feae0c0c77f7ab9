"""An agent whose answers come of what a team of its own has said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.chat.facts import Fact
from quorate.chat.messages import (
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    TaskResult,
    TextMessage,
)
from quorate.compat.autogen.agentchat.base import Response, Team
from quorate.compat.autogen.agentchat.messages import to_model_message
from quorate.compat.autogen.agentchat.state import SocietyOfMindAgentState
from quorate.compat.autogen.asking import asked
from quorate.compat.autogen.assistant import as_client
from quorate.compat.autogen.clients import blocks_of
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from quorate.compat.autogen.core.models import ChatCompletionClient, LLMMessage, SystemMessage, UserMessage
from quorate.compat.autogen.speaking import BaseChatAgent, response_of, turn_here
from quorate.core.cancellation import CancellationToken
from quorate.models.blocks import Blocks


class SocietyOfMindAgentConfig(BaseModel):
    """A `SocietyOfMindAgent` as configuration."""

    name: str
    team: ComponentModel
    model_client: ComponentModel
    description: str | None = None
    instruction: str | None = None
    response_prompt: str | None = None
    model_context: ComponentModel | None = None


class SocietyOfMindAgent(BaseChatAgent, Component[SocietyOfMindAgentConfig]):
    """Lets its own team work on what is new, then has a model give one answer.

    Args:
        name: Who it is; an identifier.
        team: Its team; begins anew with each turn.
        model_client: Gives the answer.
        description: What it is for, as others are told.
        instruction: What the model reads before what the team has said.
        response_prompt: What it reads after that.
        model_context: Keeps what came before.
    """

    component_config_schema: ClassVar[type[Any]] = SocietyOfMindAgentConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.agents.SocietyOfMindAgent"
    DEFAULT_INSTRUCTION = (
        "Some time ago you were given a request. You and your team have worked on it. This is what was said:"
    )
    DEFAULT_RESPONSE_PROMPT = (
        "Answer the request now, as one and for yourself: say nothing of the discussion that led to the answer."
    )
    DEFAULT_DESCRIPTION = "An agent that uses an inner team of agents to generate responses."

    def __init__(
        self,
        name: str,
        team: Team,
        model_client: ChatCompletionClient,
        *,
        description: str = DEFAULT_DESCRIPTION,
        instruction: str = DEFAULT_INSTRUCTION,
        response_prompt: str = DEFAULT_RESPONSE_PROMPT,
        model_context: ChatCompletionContext | None = None,
    ) -> None:
        super().__init__(name, description)
        self._team, self._model_client = team, as_client(model_client)
        self._instruction, self._response_prompt = instruction, response_prompt
        self._model_context = model_context or UnboundedChatCompletionContext()

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    @property
    def model_context(self) -> ChatCompletionContext:
        """What came before."""
        return self._model_context

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await response_of(self.on_messages_stream(messages, cancellation_token))

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Let the team work, and yield what it says and does, the `Response` last."""
        task: list[BaseChatMessage] = list(messages)
        earlier = await self._model_context.get_messages()
        if earlier:
            before = HandoffMessage(
                content="Earlier messages of this conversation.", source=self.name, target="", context=list(earlier)
            )
            task = [before, *task]
        for message in messages:
            await self._model_context.add_message(to_model_message(message))
        said: list[Any] = []
        stream = self._team.run_stream(
            task=task or None, cancellation_token=cancellation_token, output_task_messages=False
        )
        async for item in stream:
            if isinstance(item, TaskResult):
                continue
            yield item
            if not isinstance(item, ModelClientStreamingChunkEvent):
                said.append(item)
        answer = await self._answer(said, cancellation_token) if said else None
        text = TextMessage(source=self.name, content="No response.") if answer is None else answer
        await self._team.reset()
        yield Response(chat_message=text, inner_messages=[])

    def view_answers_otherwise(self) -> bool:
        return True  # what its team says is shown to who watches

    async def _answer(self, said: Sequence[Any], token: CancellationToken) -> TextMessage:
        client = self._model_client
        shown: list[LLMMessage] = [self._told(self._instruction)]
        shown += [to_model_message(one) for one in said if isinstance(one, BaseChatMessage)]
        shown.append(self._told(self._response_prompt))
        blocks = Blocks(blocks_of([_said(one) for one in shown]))
        result, _ = await asked(client, shown, blocks=blocks, token=token, turn=turn_here.get())
        return TextMessage(source=self.name, content=str(result.content), models_usage=result.usage)

    def _told(self, text: str) -> LLMMessage:
        if self._model_client.model_info.get("multiple_system_messages"):
            return SystemMessage(content=text)
        return UserMessage(content=text, source="user")

    async def view_take_up(self, facts: Sequence[Fact]) -> bool:
        if await self._model_context.get_messages():
            return False
        for fact in facts:
            if fact.message is not None and fact.speaker != self.name:
                await self._model_context.add_message(to_model_message(fact.message))
        return True

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._team.reset()
        await self._model_context.clear()

    async def save_state(self) -> Mapping[str, Any]:
        return SocietyOfMindAgentState(inner_team_state=await self._team.save_state()).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._team.load_state(SocietyOfMindAgentState.model_validate(state).inner_team_state)

    def _to_config(self) -> SocietyOfMindAgentConfig:
        return SocietyOfMindAgentConfig(
            name=self.name,
            team=self._team.dump_component(),
            model_client=self._model_client.dump_component(),
            description=self.description,
            instruction=self._instruction,
            response_prompt=self._response_prompt,
            model_context=self._model_context.dump_component(),
        )

    @classmethod
    def _from_config(cls, config: SocietyOfMindAgentConfig) -> Self:
        context = config.model_context
        return cls(
            config.name,
            Team.load_component(config.team),
            ChatCompletionClient.load_component(config.model_client),
            description=config.description or cls.DEFAULT_DESCRIPTION,
            instruction=config.instruction or cls.DEFAULT_INSTRUCTION,
            response_prompt=config.response_prompt or cls.DEFAULT_RESPONSE_PROMPT,
            model_context=None if context is None else ChatCompletionContext.load_component(context),
        )


def _said(message: LLMMessage) -> LLMMessage:
    """Return an instruction as something said, so that the journal has it in its place."""
    return UserMessage(content=message.content, source="user") if isinstance(message, SystemMessage) else message
