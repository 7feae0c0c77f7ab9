"""A team that speaks with one voice: it talks among itself, and a model says what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quorate.chat import nesting
from quorate.chat.agent import Agent
from quorate.chat.live import Cast, Runnable
from quorate.chat.speech import Made, Turn
from quorate.chat.turns import Once
from quorate.core.figures import check_text
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.blocks import Block, Blocks, Said
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelRequest
from quorate.models.context import ModelContext, check_context, viewed

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage

DEFAULT_INSTRUCTION = (
    "You and your colleagues were asked for something, and talked about it among yourselves. This is what was said:"
)
DEFAULT_RESPONSE_PROMPT = (
    "Now answer what was asked, in one reply that can be read by itself. Do not tell that there was a talk."
)
DEFAULT_DESCRIPTION = "Somebody who thinks a thing over with others before answering."


class SocietyOfMindAgent(Runnable, Agent):
    """Lets a team talk about the conversation by itself, and answers with what a model makes of that.

    The team begins anew with each turn, and is told the whole conversation. What it says is in the journal, and nobody
    else hears it.

    Args:
        name: Who it is in the thread.
        team: Who talks.
        model_client: The model that answers: a client, or a string such as `"openai:gpt-5"` or `"embedded"`.
        instruction: Its standing instruction, before what the team said.
        response_prompt: What it is asked to do, behind that.
        description: What it is for, as others are told.
        model_context: What of what the team said the model is shown; by default all of it.

    Raises:
        ConfigError: The model string is unknown, or there is no team.
    """

    def __init__(
        self,
        name: str,
        team: Runnable,
        model_client: ModelClient | str,
        *,
        instruction: str = DEFAULT_INSTRUCTION,
        response_prompt: str = DEFAULT_RESPONSE_PROMPT,
        description: str = DEFAULT_DESCRIPTION,
        model_context: ModelContext | None = None,
    ) -> None:
        super().__init__(name, description=description)
        if not isinstance(team, Runnable):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{name}: {team!r} cannot talk: give a team.")
        registry.check_client(model_client)
        check_text(f"{name}: instruction", instruction)
        check_text(f"{name}: response_prompt", response_prompt)
        self.team, self.model_client = team, model_client
        check_context(model_context, f"{name}: ")
        self.instruction, self.response_prompt, self.model_context = instruction, response_prompt, model_context
        self._cast = Cast(name, (self,), Once())

    def cast(self) -> Cast:
        """Return the agent as a team of one."""
        return self._cast

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Let the team talk, and say what came of it."""
        from quorate.chat.messages import GO_ON, TextMessage  # built when the first one is needed

        found = await nesting.converse_inside(turn.scope, self.team.cast(), list(turn.thread) or GO_ON)
        said: list[Block] = [fact.said() for fact in found.talk.facts if fact.message is not None and fact.speaker]
        if not said:
            return TextMessage(content=nesting.NOTHING, source=self.name)
        client = self.model_client
        if isinstance(client, str):
            model = client
            client = await turn.run.resource(model, lambda: registry.open_model(model))
        blocks = Blocks(said)
        if self.model_context is not None:
            blocks = viewed(self.model_context, blocks)
        request = ModelRequest(
            blocks.plus(Said(self.response_prompt)), system=self.instruction, max_tokens=client.info.max_output
        )
        answer, turn.asked = await ask(client, request)
        step = turn.scope.count
        turn.steps[step] = Made(answer, turn.scope.at, turn.asked.cost_usd)
        message = turn.derive("reply", step).message
        assert message is not None
        return message


__all__ = ["SocietyOfMindAgent"]
