"""Delegating: a model gives a task to another member, and control comes back with what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.chat import nesting
from quorate.chat.agent import Speaker
from quorate.chat.agents.agent_tool import said_in, tool_name
from quorate.chat.facts import Fact, PassedOn, Thread
from quorate.chat.talk import Cast, Talk
from quorate.chat.turns import Holder, Speak, Stop, target_of
from quorate.core.figures import check_text
from quorate.errors import ConfigError, ToolError
from quorate.runs import paths
from quorate.runs.outcome import Limits, checked_limits
from quorate.runs.run import Run
from quorate.runs.scope import scope_here
from quorate.tools.tool import Tool


class Delegate(Tool[..., Any]):
    """A tool by which an agent's model gives a task to another member of its team, and goes on with the result.

    A `Handoff` moves control; this keeps it: whatever becomes of the task, also that it failed or went round in
    circles, comes back as the result of the call. The member works on it by itself, in the journal of the run, within
    its limits, and knows nothing of the conversation but the task. It may delegate further, and hand the task over.

    Args:
        target: The member's name.
        description: When to do it, as the model reads it; by default only to whom.
        name: Of the tool; `delegate_to_<target>` by default.
        remember: Whether the member goes on from call to call where it stopped.
        limits: What one call may use, within what is left around it.

    Raises:
        ConfigError: There is no target.
    """

    def __init__(
        self,
        target: str,
        description: str = "",
        name: str = "",
        *,
        remember: bool = False,
        limits: Limits | None = None,
    ) -> None:
        if not target or not isinstance(target, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"Delegate needs a target: the name of the member that gets the task, not {target!r}.")
        check_text(f"Delegate to {target}: description", description)
        check_text(f"Delegate to {target}: name", name)
        if limits is not None:
            checked_limits(limits)
        self.target, self.remember, self.limits = target, remember, limits

        async def delegate(task: str) -> str:
            return await self._give(task)

        about = description or (
            f"Give {target} a task, and get the result back. {target} does not see this conversation: say all that is "
            "needed."
        )
        super().__init__(delegate, name=name or tool_name(f"delegate_to_{target}"), description=about, scope=True)

    async def _give(self, task: str) -> str:
        scope = scope_here()
        if scope is None or scope.leaf:
            raise ToolError(f"Nobody is here to give a task to: {self.target} is asked for inside a team's run.")
        members = _members(scope.run, scope.path)
        by = paths.names(scope.path)[-2:-1]
        if self.target not in members or by == (self.target,):
            others = ", ".join(name for name in members if (name,) != by) or "nobody"
            raise ToolError(f"{self.target} cannot get a task here. Those who can: {others}.")
        target = members.pop(self.target)
        cast = Cast(self.target, (target, *members.values()), Passing())
        result = await nesting.run_inside(scope, cast, task, limits=self.limits, remember=self.remember)
        return said_in(result, last_only=True)


class Passing:
    """The first member speaks, then whoever was handed the task; who answers without handing it over ends it."""

    def begin(self) -> Holder:
        return Holder()  # who has it; empty once there is an answer

    def see(self, memory: Holder, fact: Fact) -> Holder:
        if fact.message is None:
            return memory
        if not fact.speaker:
            return Holder(inside=memory.inside)  # a new task
        to = target_of(fact.message) or ""
        if type(fact) is PassedOn:
            return Holder(to=to, inside=memory.heard(fact))
        return Holder(to=to, must=True, inside=memory.inside)

    def next(self, memory: Holder, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if memory.to is None:
            return Speak((members[0],), "it got the task")
        to = memory.named(members)
        if to is None or to not in members:
            return Stop("It has answered." if not to else f"The task went to {to}, who is not here.")
        return Speak((to,), "it was handed the task")


def _members(run: Run, path: str) -> dict[str, Speaker]:
    """Return who can be given a task at a path, by name: members of the conversation there, then of those around it."""
    found: dict[str, Speaker] = {}
    while True:
        talk, base = nesting.around(run, path)
        for name, member in _of(talk):
            found.setdefault(name, member)
        if not base:
            return found
        path = base


def _of(talk: Talk) -> list[tuple[str, Speaker]]:
    """Return the members of a conversation; who is made by a factory is made for the task again."""
    return [(name, talk.cast.seats.get(name, member.agent)) for name, member in talk.members.items()]


__all__ = ["Delegate"]
