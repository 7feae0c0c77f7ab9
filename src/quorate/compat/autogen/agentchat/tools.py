"""Agents and teams as tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.chat.messages import BaseAgentEvent, BaseChatMessage, TaskResult
from quorate.compat.autogen.agentchat.base import Team
from quorate.compat.autogen.bench import Running
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.groupchat import BaseGroupChat
from quorate.compat.autogen.speaking import BaseChatAgent
from quorate.compat.autogen.toolbase import BaseStreamTool
from quorate.core.cancellation import CancellationToken

__all__ = ["AgentTool", "TeamTool"]


class TaskRunnerToolArgs(BaseModel):
    """What the model gives."""

    task: str


class TaskRunnerTool(Running, BaseStreamTool[TaskRunnerToolArgs, BaseAgentEvent | BaseChatMessage, TaskResult]):
    """Works on a task, and answers with what was said. It remembers from call to call, and takes one at a time."""

    component_type: ClassVar[str] = "tool"

    def __init__(
        self, task_runner: BaseChatAgent | Team, name: str, description: str, return_value_as_last_message: bool
    ) -> None:
        super().__init__(TaskRunnerToolArgs, TaskResult, name, description, strict=True)
        self._task_runner = task_runner
        self._return_value_as_last_message = return_value_as_last_message

    async def run(self, args: TaskRunnerToolArgs, cancellation_token: CancellationToken) -> TaskResult:
        """Work on the task to its end."""
        return await self._task_runner.run(task=args.task, cancellation_token=cancellation_token)

    async def run_stream(
        self, args: TaskRunnerToolArgs, cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        """Work on the task, and yield what comes, the `TaskResult` last."""
        runner = self._task_runner
        if isinstance(runner, BaseGroupChat):
            stream = runner.view_going_on(args.task, cancellation_token, told=True)
        else:
            stream = runner.run_stream(task=args.task, cancellation_token=cancellation_token)
        async for item in stream:
            yield item

    def return_value_as_string(self, value: TaskResult) -> str:
        """Return what was said, a paragraph each; or the last message."""
        if self._return_value_as_last_message:
            last = value.messages[-1] if value.messages else None
            return last.to_model_text() if isinstance(last, BaseChatMessage) else ""
        said = [m for m in value.messages if isinstance(m, BaseChatMessage) and m.source != "user"]
        return "\n\n".join(f"{message.source}: {message.to_model_text()}" for message in said)

    async def save_state_json(self) -> Mapping[str, Any]:
        return await self._task_runner.save_state()

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        await self._task_runner.load_state(state)


class AgentToolConfig(BaseModel):
    """An `AgentTool` as configuration."""

    agent: ComponentModel
    return_value_as_last_message: bool = False


class AgentTool(TaskRunnerTool, Component[AgentToolConfig]):
    """An agent as a tool, under its own name.

    Args:
        agent: Who works on the task.
        return_value_as_last_message: Whether only its last message is the result.
    """

    component_config_schema: ClassVar[type[Any]] = AgentToolConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.tools.AgentTool"

    def __init__(self, agent: BaseChatAgent, return_value_as_last_message: bool = False) -> None:
        super().__init__(agent, agent.name, agent.description, return_value_as_last_message)
        self._agent = agent

    def _to_config(self) -> AgentToolConfig:
        return AgentToolConfig(
            agent=self._agent.dump_component(), return_value_as_last_message=self._return_value_as_last_message
        )

    @classmethod
    def _from_config(cls, config: AgentToolConfig) -> Self:
        return cls(BaseChatAgent.load_component(config.agent), config.return_value_as_last_message)


class TeamToolConfig(BaseModel):
    """A `TeamTool` as configuration."""

    name: str
    description: str
    team: ComponentModel
    return_value_as_last_message: bool = False


class TeamTool(TaskRunnerTool, Component[TeamToolConfig]):
    """A team as a tool.

    Args:
        team: Who works on the task.
        name: What the model calls it.
        description: What the model reads.
        return_value_as_last_message: Whether only the last message is the result.
    """

    component_config_schema: ClassVar[type[Any]] = TeamToolConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.tools.TeamTool"

    def __init__(self, team: Team, name: str, description: str, return_value_as_last_message: bool = False) -> None:
        super().__init__(team, name, description, return_value_as_last_message)
        self._team = team

    def _to_config(self) -> TeamToolConfig:
        return TeamToolConfig(
            name=self._name,
            description=self._description,
            team=self._team.dump_component(),
            return_value_as_last_message=self._return_value_as_last_message,
        )

    @classmethod
    def _from_config(cls, config: TeamToolConfig) -> Self:
        return cls(
            Team.load_component(config.team), config.name, config.description, config.return_value_as_last_message
        )
