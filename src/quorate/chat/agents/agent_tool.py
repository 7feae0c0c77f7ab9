"""Agents and teams as tools: a model calls them with a task, and they work on it inside the run of the caller."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from quorate.chat import nesting
from quorate.chat.alone import runnable
from quorate.chat.live import Runnable
from quorate.chat.objects.seats import seated
from quorate.core.figures import check_text
from quorate.errors import ConfigError
from quorate.runs.memory import conversation
from quorate.runs.outcome import Limits, checked_limits
from quorate.runs.scope import scope_here
from quorate.tools.tool import Tool

if TYPE_CHECKING:
    from quorate.chat.messages import TaskResult

MOST_NAME = 64


class TeamTool(Tool[..., Any]):
    """A team, or an agent, that a model may give a task; what they say comes back as the result of the call.

    It works in the journal of the run, within its limits: what is closed is never done again, and people can be asked.
    Each call starts fresh.

    Args:
        team: Who works on the task.
        name: What the model calls it.
        description: When to use it, as the model reads it.
        return_value_as_last_message: Whether only the last message comes back, and not all of them with their sources.
        remember: Whether it goes on from call to call and run to run where it stopped; calls at the same time then wait
            for each other.
        limits: What one call may use, within what is left around it; replaces the team's own.

    Raises:
        ConfigError: There is nobody to run, or no description.
    """

    def __init__(
        self,
        team: Runnable,
        name: str,
        description: str,
        return_value_as_last_message: bool = False,
        *,
        remember: bool = False,
        limits: Limits | None = None,
    ) -> None:
        if not isinstance(team, Runnable):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{team!r} cannot be a tool: give a team, or an agent that can be run.")
        check_text("TeamTool: name", name)
        check_text(f"{name}: description", description)
        if limits is not None:
            checked_limits(limits)
        self.runs, self.limits, self.remember = team, limits, remember
        self.return_value_as_last_message = return_value_as_last_message

        async def work_on(task: str) -> str:
            return await self._work_on(task)

        super().__init__(work_on, name=name, description=description, scope=True)

    async def _work_on(self, task: str) -> str:
        scope = scope_here()
        if scope is None or scope.leaf:
            where = conversation() if scope is None else None
            return self.told(await self.runs.run(task, conversation=where, limits=self.limits))
        result = await nesting.run_inside(scope, self.runs.cast(), task, limits=self.limits, remember=self.remember)
        return self.told(result)

    def told(self, result: TaskResult) -> str:
        """Return what the model is told: what was said, and that it was cut short if it was."""
        return said_in(result, last_only=self.return_value_as_last_message)


class AgentTool(TeamTool):
    """An agent, or a team, that a model may give a task; see `TeamTool`. The tool has its name and description.

    Args:
        agent: Who works on the task, or what makes one for each call.
        return_value_as_last_message: Whether only the last message comes back, and not all of them with their sources.
        remember: Whether it goes on from call to call and run to run where it stopped.
        limits: What one call may use, within what is left around it.
    """

    def __init__(
        self,
        agent: Any,
        return_value_as_last_message: bool = False,
        *,
        remember: bool = False,
        limits: Limits | None = None,
    ) -> None:
        who = seated(agent)
        if not hasattr(who, "name"):
            raise ConfigError(f"{agent!r} is no agent and no team, so it cannot be a tool.")
        super().__init__(
            runnable(who), tool_name(who.name),
            who.description or f"Works on a task: {who.name}.",
            return_value_as_last_message, remember=remember, limits=limits,
        )  # fmt: skip
        self.agent = agent


def tool_name(name: str) -> str:
    """Return a name as providers take it for tools, with a mark of its own where something had to be left out."""
    word = re.sub(r"[^\w-]", "_", name, flags=re.ASCII)[:MOST_NAME]
    return (
        word if word == name else f"{word[: MOST_NAME - 9]}_{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
    )


def said_in(result: TaskResult, *, last_only: bool) -> str:
    """Return what was said on a task of one text as a text for a model; a limit or a stall is told behind it."""
    from quorate.chat.messages import BaseChatMessage  # built when the first one is needed

    own = [m for m in result.messages[1:] if isinstance(m, BaseChatMessage)]  # the first is the task
    texts = [m.to_text() for m in own[-1:]] if last_only else [f"{m.source}: {m.to_text()}" for m in own]
    if result.wrap_up is not None:  # the answer that it came to at its limit
        last = result.wrap_up
        texts = [last.to_text()] if last_only else [*texts, f"{last.source}: {last.to_text()}"]
    outcome = result.outcome
    if outcome is not None and outcome.kind != "completed":
        texts.append(f"(It ended before it was done: {outcome.reason})")
    return "\n\n".join(texts) or nesting.NOTHING


__all__ = ["AgentTool", "TeamTool"]
