"""A person as a participant: asked at the terminal, or by a function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from quorate.chat.agent import Agent
from quorate.chat.person import is_terminal
from quorate.chat.speech import Turn
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.models.blocks import Origin
from quorate.runs.entries import Payload
from quorate.runs.questions import Question, put
from quorate.runs.run import Run, question_id
from quorate.runs.shapes import Shape
from quorate.runs.steps import step
from quorate.tools.threads import in_thread

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.messages import BaseChatMessage
else:
    messages = lazy("quorate.chat.messages")

InputFunc = Callable[[str], str] | Callable[[str], Awaitable[str]]
PROMPT = "Enter your response: "


class UserProxyAgent(Agent):
    """Says what a person says.

    Args:
        name: Who it is in the thread.
        description: What the person is for, as others are told.
        input_func: Asks the person: is given the prompt and returns the answer, sync (in a thread) or async. Without it
            the terminal is asked; where there is none, the run ends `waiting` with a question, and its answer is what
            the person says.
    """

    origin: Origin = "person"

    def __init__(self, name: str, *, description: str = "A human user", input_func: InputFunc | None = None) -> None:
        super().__init__(name, description=description)
        self.input_func = input_func

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Ask, and say what was answered. The answer is a step: it is asked for once, whatever crashes after."""
        request_id = f"{turn.run.id}/{turn.scope.path}"
        turn.emit(messages.UserInputRequestedEvent(source=self.name, request_id=request_id))
        if self.input_func is None:
            answer = await self._asked(turn)
        else:
            answer = await step("input", lambda: self._ask(turn.run), effect="read")
        last = turn.thread[-1] if len(turn.thread) else None
        if last is not None and getattr(last, "target", None) == self.name:
            return messages.HandoffMessage(content=answer, source=self.name, target=last.source)
        return messages.TextMessage(content=answer, source=self.name)

    async def _asked(self, turn: Turn) -> str:
        """Put a question to the person, as a step that may wait for days."""
        scope, last = turn.scope, turn.thread[-1] if turn.thread else None
        path = scope.next("ask")
        said: Payload = {"text": f"{last.source}: {last.to_text().strip()}" if last else PROMPT, "to": self.name}
        live = _typed if is_terminal() else None
        return await put(scope, path, question_id(turn.run.id, path), said, Shape(), live=live)

    async def _ask(self, run: Run) -> str:
        with run.idle():
            return await self._input()

    async def _input(self) -> str:
        ask = self.input_func
        assert ask is not None
        if inspect.iscoroutinefunction(ask):
            answer = await ask(PROMPT)
        else:
            answer = await in_thread(lambda: ask(PROMPT))
            if inspect.isawaitable(answer):
                answer = await answer
        if not isinstance(answer, str):
            raise ConfigError(f"{self.name}: input_func returned {answer!r}; it must return a text.")
        return answer


async def _typed(question: Question) -> str | None:
    await asyncio.sleep(0)  # whoever shows the run in this terminal gets out of the way
    return await in_thread(_from_terminal)


def _from_terminal() -> str | None:
    try:
        return input(PROMPT)
    except EOFError:
        return None


__all__ = ["InputFunc", "UserProxyAgent"]
