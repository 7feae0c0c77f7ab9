"""A person as a participant: asked at the terminal, or by a function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, get_args

from quorate.chat.agent import Agent
from quorate.chat.agents.person import is_terminal
from quorate.chat.speech import Turn
from quorate.core.figures import check_count, check_text
from quorate.core.lazy import lazy
from quorate.core.words import counted
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
InputMode = Literal["ALWAYS", "TERMINATE", "NEVER"]
MODES: tuple[InputMode, ...] = get_args(InputMode)
PROMPT = "Enter your response: "
AUTO_REPLY = "Please go on. Say TERMINATE when all is done."


def wants_to_end(message: BaseChatMessage) -> bool:
    """Whether a message asks to end: a `StopMessage`, or one whose last word is TERMINATE."""
    return message.to_text().rstrip(" \n.!*`").endswith("TERMINATE") or getattr(message, "type", "") == "StopMessage"


class UserProxyAgent(Agent):
    """Says what a person says.

    Args:
        name: Who it is in the thread.
        description: What the person is for, as others are told.
        input_func: Asks the person: is given the prompt and returns the answer, sync (in a thread) or async. Without it
            the terminal is asked; where there is none, the run ends `waiting` with a question, and its answer is what
            the person says.
        human_input_mode: When the person is asked: `ALWAYS`; `TERMINATE`: when the last message asks to end, or
            `max_consecutive_auto_reply` is reached; or `NEVER`. Else it says `default_auto_reply`; where in `NEVER` it
            would end, it says so in a `StopMessage`. A person who answers `exit` ends too.
        is_termination_msg: Whether a message asks to end; by default one whose last word is TERMINATE.
        default_auto_reply: What is said where nobody is asked.
        max_consecutive_auto_reply: How often that is said in a row.
        inbox: Whether the question is put into the inbox though there is a terminal.

    Raises:
        ConfigError: The mode is none of the three, or an option does not go with it.
    """

    origin: Origin = "person"

    def __init__(
        self,
        name: str,
        *,
        description: str = "A human user",
        input_func: InputFunc | None = None,
        human_input_mode: InputMode = "ALWAYS",
        is_termination_msg: Callable[[BaseChatMessage], bool] | None = None,
        default_auto_reply: str = AUTO_REPLY,
        max_consecutive_auto_reply: int | None = None,
        inbox: bool = False,
    ) -> None:
        super().__init__(name, description=description)
        if human_input_mode not in MODES:
            raise ConfigError(f"{name}: human_input_mode={human_input_mode!r} is none of {', '.join(MODES)}.")
        check_text(f"{name}: default_auto_reply", default_auto_reply)
        if max_consecutive_auto_reply is not None:
            check_count(f"{name}: max_consecutive_auto_reply", max_consecutive_auto_reply)
        for what, given in (("input_func", input_func), ("is_termination_msg", is_termination_msg)):
            if given is not None and not callable(given):
                raise ConfigError(f"{name}: {what}={given!r} is no function.")
        if inbox and input_func is not None:
            raise ConfigError(f"{name}: input_func asks the person, so nothing is put into the inbox. Leave one out.")
        self.input_func, self.inbox = input_func, inbox
        self.human_input_mode: InputMode = human_input_mode
        self.is_termination_msg = is_termination_msg
        self.default_auto_reply, self.max_consecutive_auto_reply = default_auto_reply, max_consecutive_auto_reply
        if human_input_mode == "NEVER":
            self.origin = "agent"

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Ask, or answer by itself, as its mode says."""
        if self.human_input_mode == "ALWAYS":
            return await self._said(turn)
        said, most = turn.state.get("auto_replies", 0), self.max_consecutive_auto_reply
        last = turn.thread[-1] if len(turn.thread) else None
        asks_to_end = self.is_termination_msg or wants_to_end
        ends = last is not None and asks_to_end(last)
        if not ends and (most is None or said < most):
            turn.state["auto_replies"] = said + 1
            return messages.TextMessage(content=self.default_auto_reply, source=self.name)
        turn.state["auto_replies"] = 0
        if self.human_input_mode == "NEVER":
            why = (
                f"{last.source} asked to end."
                if last is not None and ends
                else f"I answered {counted(said, 'time')} by myself."
            )
            return messages.StopMessage(content=why, source=self.name)
        answer = await self._said(turn)
        return messages.StopMessage(content="exit", source=self.name) if answer.to_text() == "exit" else answer

    async def _said(self, turn: Turn) -> BaseChatMessage:
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
        live = _typed if is_terminal() and not self.inbox else None
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
