"""AutoGen's teams: objects that own their state and run one task at a time, on Quorate's team engine."""

from __future__ import annotations

import asyncio
import traceback
from abc import ABC
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, cast

from quorate.chat import messages as quorate_messages
from quorate.chat.ending.stopping import Condition, checked_condition
from quorate.chat.facts import SHOWN, Fact
from quorate.chat.live import LiveRun
from quorate.chat.messages import (
    BaseChatMessage,
    BaseMessage,
    ModelClientStreamingChunkEvent,
    TaskResult,
)
from quorate.chat.speech import Turn
from quorate.chat.talk import Cast, Talk
from quorate.chat.team import Team as QuorateTeam
from quorate.chat.team import checked_member, checked_policy
from quorate.chat.telling import Telling
from quorate.chat.turns import TurnPolicy
from quorate.compat.autogen import profile, within
from quorate.compat.autogen.agentchat.base import ChatAgent, Task, Team, TerminationCondition
from quorate.compat.autogen.agentchat.messages import MessageFactory
from quorate.compat.autogen.agentchat.state import BaseGroupChatManagerState, ChatAgentContainerState, TeamState
from quorate.compat.autogen.managers import BaseGroupChatManager, Outlet, SequentialRoutedAgent
from quorate.compat.autogen.managing import Managed, Managing, made_by
from quorate.compat.autogen.speaking import Hearing, Using, cause_of, check_cancelled, task_messages, token_here
from quorate.compat.autogen.stopping import Calling
from quorate.compat.autogen.yielding import Tell, as_it_comes
from quorate.core.cancellation import CancellationToken
from quorate.core.hosting import AgentRuntime
from quorate.errors import ConfigError, Divergence, RunFailed, StoreError, WrongState
from quorate.runs.meter import Halt
from quorate.runs.run import Parked
from quorate.runs.scope import Scope, scope_here


class BaseGroupChat(Team, ABC):
    """A base for teams: a manager says who speaks next, or a turn policy that a subclass returns from `turns`.

    Args:
        name: Of the team.
        description: What it is for.
        participants: Agents and teams, each with a name of its own.
        group_chat_manager_name: Under which name the team's own state is saved, and its events are told.
        group_chat_manager_class: What `_create_group_chat_manager_factory` makes; None where `turns` is overridden.
        termination_condition: When to stop.
        max_turns: The most turns of a run.
        runtime: Where members speak, as actors; by default where the team runs. It has to be started.
        custom_message_types: Types of messages besides AutoGen's, of which a state that is loaded may have some. In
            what is said every type may come that is defined.
        emit_team_events: Whether it is told who was chosen to speak.

    Raises:
        ConfigError: Nobody takes part, a name is there twice, or two types of messages have one.
    """

    component_type: ClassVar[str] = "team"
    states: ClassVar[type[Any]] = BaseGroupChatManagerState
    """The class of the manager's state."""
    _engine: QuorateTeam | None = None

    def __init__(
        self,
        name: str,
        description: str,
        participants: Sequence[ChatAgent | Team],
        group_chat_manager_name: str,
        group_chat_manager_class: type[Any] | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: list[type[BaseMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        if not participants:
            raise ConfigError("At least one participant is required.")
        if len({participant.name for participant in participants}) < len(participants):
            raise ConfigError("The participant names must be unique.")
        self._name, self._description = name, description
        self._participants = self.members = list(participants)
        self._participant_names = [participant.name for participant in participants]
        self._participant_descriptions = [participant.description for participant in participants]
        self._seats = {one.name: TeamSeat(one) if isinstance(one, Team) else one for one in participants}
        self._group_chat_manager_name = self.manager_name = group_chat_manager_name
        self._base_group_chat_manager_class = group_chat_manager_class
        self._termination_condition = self.condition = termination_condition
        self._max_turns = self.most_turns = max_turns
        self._runtime = runtime
        self._emit_team_events = self.tells_team_events = emit_team_events
        self._message_factory = MessageFactory()
        for kind in custom_message_types or ():
            self._message_factory.register(kind)
        for agent in participants:
            for kind in agent.produced_message_types if isinstance(agent, ChatAgent) else ():
                if _is_structured(kind) and not self._message_factory.is_registered(kind):
                    self._message_factory.register(kind)
        self._is_running = self._has_run = self._was_inside = False
        self._talk: Talk | None = None
        self._where = ""
        self._before: list[dict[str, Any]] = []
        self._loaded: Mapping[str, Any] | None = None

    @property
    def _base_group_chat_manager_class(self) -> type[Any] | None:
        """What the factory makes; a subclass of a kind of team sets it to have a manager of its own."""
        return self._manager_class

    @_base_group_chat_manager_class.setter
    def _base_group_chat_manager_class(self, wanted: type[Any] | None) -> None:
        self._manager_class, self._engine = wanted, None
        self._managing = None if wanted is None else Managing(self)

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    # -- what a kind of team says --------------------------------------------------------------------------------------

    def turns(self) -> TurnPolicy[Any]:
        """Return who speaks next, as it is when a conversation begins or was loaded.

        Raises:
            ConfigError: Nothing says so.
        """
        if self._managing is None:
            raise ConfigError(
                f"{type(self).__name__} does not say who speaks next. Give it a group_chat_manager_class and a factory "
                "of it, or return a turn policy from turns()."
            )
        return Managed(self._managing, self.manager_name)

    def _create_group_chat_manager_factory(
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
    ) -> Callable[[], SequentialRoutedAgent]:
        """Return what makes the manager, where it is one of a class."""
        raise ConfigError(f"{type(self).__name__} has no _create_group_chat_manager_factory to make its manager with.")

    def make_manager(self) -> BaseGroupChatManager:
        """Return a new manager of the class that the team was given."""
        assert self._base_group_chat_manager_class is not None  # asked for where there is one
        factory = self._create_group_chat_manager_factory(
            name=self.manager_name,
            group_topic_type=f"group_topic_{self._name}",
            output_topic_type=f"output_topic_{self._name}",
            participant_topic_types=[self.topic_of(name) for name in self._participant_names],
            participant_names=self._participant_names,
            participant_descriptions=self._participant_descriptions,
            output_message_queue=self._outlet(),
            termination_condition=self.condition,
            max_turns=self.most_turns,
            message_factory=self._message_factory,
        )
        return made_by(factory, self._base_group_chat_manager_class)

    def topic_of(self, name: str) -> str:
        """Return under which topic a manager knows a member."""
        return f"{name}_{self._name}"

    def _outlet(self) -> Outlet:
        """Return what takes what a manager puts out."""
        return Outlet()

    def _check_factory(self) -> None:
        """Refuse a factory that would make a manager for nothing."""
        factory = type(self)._create_group_chat_manager_factory
        if self._managing is None and factory is not BaseGroupChat._create_group_chat_manager_factory:
            raise ConfigError(
                f"{type(self).__name__} makes a manager of its own, and does not say of which class. Behind "
                "super().__init__(…): self._base_group_chat_manager_class = TheClass."
            )

    def manager_state(self, memory: Any) -> dict[str, Any]:
        """Return what its turn policy remembers as AutoGen saves it; of a team that never ran the memory is None."""
        return {}

    def load_manager(self, state: Any) -> None:
        """Begin with what `manager_state` returned; None for nothing."""

    def check_start(self, task: Sequence[BaseChatMessage]) -> None:
        """Refuse a task that this team cannot begin with."""

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def run(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> TaskResult:
        return await self._run(task, cancellation_token, output_task_messages)

    def run_stream(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[Any, None]:
        """Work on a task, and yield messages and events as they come, the `TaskResult` last.

        Raises:
            ConfigError: It runs already, or the task is none.
            RuntimeError: An agent or a condition raised; the text has the type, the message and the traceback.
        """
        return as_it_comes(partial(self._run, task, cancellation_token, output_task_messages))

    async def _run(
        self,
        task: Task,
        token: CancellationToken | None,
        output_task_messages: bool,
        tell: Tell | None = None,
        *,
        goes_on: bool = False,
    ) -> TaskResult:
        """Work on a task; tell messages and events as they come."""
        given = task_messages(task)
        if self._is_running:
            raise ConfigError(profile.RUNNING)
        if self.most_turns is not None and self.most_turns <= 0:
            raise ConfigError("The maximum number of turns must be greater than 0.")
        condition = self.condition
        if isinstance(condition, TerminationCondition) and condition.terminated:
            return TaskResult(messages=[], stop_reason=profile.TERMINATED)
        scope = scope_here()
        part_of = None if scope is None or scope.leaf else scope
        goes_on = goes_on and part_of is not None and within.kept(part_of, self._name) is self._talk
        if self._talk is not None and not goes_on and (scope is not None or self._was_inside):
            await self._carry_over(self._talk)
        self._was_inside = scope is not None
        if self._managing is None:
            self.check_start(given)
        self._is_running = self._has_run = True
        alone = token is None and tell is None  # nobody looks on, and nobody else can end it
        token = token or CancellationToken()
        try:
            with Using(token):
                if self._managing is not None:
                    await self._managing.begin(self._talk, self._where, given)
                if part_of is not None:
                    result = await self._as_part(part_of, given, output_task_messages, tell, goes_on=goes_on)
                else:
                    result = await self._working(given, token, output_task_messages, tell, alone=alone)
                if isinstance(condition, TerminationCondition):
                    await condition.reset()
                return result
        finally:
            if self._managing is not None:
                await self._managing.end(self._talk, self._where)
            self._is_running = False

    def view_going_on(self, task: Task, token: CancellationToken, *, told: bool) -> AsyncGenerator[Any, None]:
        """Work on a task as a member or a tool does: what was said before is taken up from the journal of the run."""
        return as_it_comes(partial(self._run, task, token, told, goes_on=True))

    async def _as_part(
        self,
        scope: Scope,
        given: list[BaseChatMessage],
        output_task_messages: bool,
        tell: Tell | None,
        *,
        goes_on: bool,
    ) -> TaskResult:
        """Work as a part of the run around."""
        silent = set[str]() if output_task_messages else {message.id for message in given}
        tell = tell or _keep_to_oneself
        for message in given:
            if message.id not in silent:
                await tell(message)
        self._where, talk = within.place_in(scope, self._name), None
        try:
            async with aclosing(within.talking(scope, self.view_team().cast(), given, remember=goes_on)) as items:
                async for item in items:
                    if isinstance(item, within.Inside):
                        talk = item.talk
                        told = [message.model_copy() for message in talk.told() if message.id not in silent]
                        return TaskResult(messages=told, stop_reason=item.outcome.reason)
                    await tell(item)
            raise AssertionError("The last item is what the conversation came to.")
        except (RunFailed, Halt, Parked, StoreError, Divergence):
            raise
        except Exception as error:
            if self._managing is not None and self._managing.failed_to_begin:
                raise
            raise _told(error) from error
        finally:
            self._talk = talk

    async def _working(
        self,
        given: list[BaseChatMessage],
        token: CancellationToken,
        output_task_messages: bool,
        tell: Tell | None,
        *,
        alone: bool,
    ) -> TaskResult:
        silent: set[str] = set() if output_task_messages else {message.id for message in given}
        definition = None if self._loaded is None else {"loaded_state": self._loaded}
        team, task = self.view_team(), given or quorate_messages.GO_ON
        async with Here(team, task, definition) if alone else team.start(task, definition=definition) as live:
            self._talk, self._loaded, self._where = live.talk, None, live.run.journal.conversation
            forget = token.add_callback(live.cancel)
            try:
                if tell is not None:
                    async with aclosing(live.events()) as items:
                        async for item in items:
                            if item.id not in silent:
                                await tell(item)
                if alone:
                    await live.work()
                result = await live.result()
            except RunFailed as error:
                cause = cause_of(error)
                if self._managing is not None and self._managing.failed_to_begin:
                    raise cause from error
                raise _told(cause, error.result) from error.__cause__
            except ConfigError as error:
                if live.talk.turn == 0:
                    raise
                raise _told(error) from error
            finally:
                forget()
                self._talk = live.talk
        check_cancelled(token, result)
        if silent:
            kept = [message for message in result.messages if message.id not in silent]
            result = result.model_copy(update={"messages": kept})
        return result

    async def _carry_over(self, talk: Talk) -> None:
        """Begin a conversation with what was said in another: one inside a step ends with it."""
        waiting = {p.name: self._buffer(p, talk) for p in self.members}
        if self._managing is not None:
            await self._managing.released(talk, self._where)
            self._begin_anew([], self._loaded)
        else:
            state = self.states(
                message_thread=[*self._before, *(item.dump() for item in self._thread(talk))],
                **self.manager_state(talk.policy),
            )
            self._begin_anew(state.message_thread, self._loaded)
            self.load_manager(state)
        for name, seat in self._seats.items():
            if isinstance(seat, Hearing):
                seat.view_hand(waiting[name])

    def view_team(self) -> QuorateTeam:
        """Return the team of Quorate's that this one is, in the conversation that goes on from run to run."""
        if self._engine is None:
            self._check_factory()
            self._engine = Engine(
                self.manager_name,
                [self._seat(seat) for seat in self._seats.values()],
                self.turns() if self._managing is None else BaseGroupChat.turns(self),
                self._ending(),
                self._runtime,
                self._name,
                self._description,
                self._tells_choices(),
            )
        return self._engine

    def _complete(self, kind: type[BaseGroupChat]) -> None:
        """Make the team behind, in the constructor of a kind of teams, unless a subclass goes on with its own."""
        if type(self) is kind:
            self.view_team()

    def _seat(self, participant: Any) -> Any:
        return participant

    def _tells_choices(self) -> bool:
        return self.tells_team_events

    def _ending(self) -> Condition[Any]:
        return self._stops_by(self.most_turns)

    def _stops_by(self, most_turns: int | None, unheard: frozenset[str] = frozenset()) -> Condition[Any]:
        condition: Any = self.condition
        if condition is None:
            return profile.Ending(None, most_turns)
        if isinstance(condition, TerminationCondition):
            question = condition.question()
            if question is not None:
                return profile.Ending(question, most_turns, (condition,), unheard)
            condition = Calling(condition, unheard)
        return condition if most_turns is None else profile.Either(condition, profile.Ending(None, most_turns))

    # -- state ---------------------------------------------------------------------------------------------------------

    async def reset(self) -> None:
        """Be as it was when it was made, with all members.

        Raises:
            WrongState: It is running.
        """
        if self._is_running:
            raise WrongState("The group chat is currently running. It must be stopped before it can be reset.")
        for participant in self.members:
            if isinstance(participant, Team):
                await participant.reset()
            else:
                await participant.on_reset(CancellationToken())
        self.load_manager(None)
        if self._managing is not None:
            await (await self._managing.released(self._talk, self._where)).reset()
        self._begin_anew([], None)
        if isinstance(self.condition, TerminationCondition):
            await self.condition.reset()

    def _begin_anew(self, before: list[dict[str, Any]], loaded: Mapping[str, Any] | None) -> None:
        self._engine = self._talk = None
        self._before, self._loaded = before, loaded
        for seat in self._seats.values():
            if isinstance(seat, Hearing):
                seat.view_forget()  # the view's own class

    async def pause(self) -> None:
        """Tell the members to pause.

        Raises:
            WrongState: It has never run.
        """
        await self._tell_all("paused", "on_pause", "pause")

    async def resume(self) -> None:
        """Tell the members to go on.

        Raises:
            WrongState: It has never run.
        """
        await self._tell_all("resumed", "on_resume", "resume")

    async def _tell_all(self, done: str, of_agents: str, of_teams: str) -> None:
        if not self._has_run:
            raise WrongState(f"The group chat has not been initialized. It must be run before it can be {done}.")
        for participant in self.members:
            if isinstance(participant, ChatAgent):
                await getattr(participant, of_agents)(CancellationToken())
            else:
                await getattr(participant, of_teams)()

    async def save_state(self) -> Mapping[str, Any]:
        """Return what the team and its members remember, as data for JSON.

        Raises:
            WrongState: It is running.
        """
        if self._is_running:
            raise WrongState("The team cannot be saved while it is running. Save it when the run has ended.")
        talk = self._talk
        dumped = {} if talk is None else {id(item): item.dump() for item in self._thread(talk)}
        states: dict[str, Any] = {}
        for participant in self.members:
            container = ChatAgentContainerState().model_dump()  # filled in as it is: a state is data already
            container["agent_state"] = dict(await participant.save_state())
            container["message_buffer"] = [dumped.get(id(m)) or m.dump() for m in self._buffer(participant, talk)]
            states[participant.name] = container
        if self._managing is not None:
            states[self.manager_name] = dict(await (await self._managing.of(talk, self._where)).save_state())
            return TeamState().model_dump() | {"agent_states": states}
        manager = self.states(**self.manager_state(None if talk is None else talk.policy)).model_dump()
        states[self.manager_name] = manager | {"message_thread": [*self._before, *dumped.values()]}
        return TeamState().model_dump() | {"agent_states": states}

    def _thread(self, talk: Talk) -> list[BaseMessage]:
        found = [fact.message or fact.event for fact in talk.facts if fact.ref != SHOWN]
        return [item for item in found if item is not None and getattr(item, "type", "") not in profile.UNSEEN]

    def _buffer(self, participant: Any, talk: Talk | None) -> list[BaseChatMessage]:
        seat = self._seats[participant.name]
        if isinstance(seat, Hearing):
            facts: list[Fact] = [] if talk is None else talk.remembered(talk.members[participant.name])
            return seat.view_unheard(self._where, facts)
        if talk is None:
            return []
        return talk.messages[talk.members[participant.name].heard :]

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with what `save_state` returned; the journal of the next run has it.

        Raises:
            ConfigError: A member's state is missing in it.
            WrongState: It is running.
        """
        if self._is_running:
            raise WrongState("The team cannot be loaded while it is running. Load it when the run has ended.")
        found = TeamState.model_validate(state).agent_states
        for name in [*(participant.name for participant in self.members), self.manager_name]:
            if name not in found:
                raise ConfigError(f"Agent state for {name} not found in the saved state.")
        if self._managing is not None:
            await self._managing.released(self._talk, self._where)
            self._begin_anew([], state)
        else:
            manager = self.states.model_validate(found[self.manager_name])
            self._begin_anew(list(manager.message_thread), state)
            self.load_manager(manager)
        for participant in self.members:
            kept = ChatAgentContainerState.model_validate(found[participant.name])
            await participant.load_state(kept.agent_state)
            seat = self._seats[participant.name]
            if isinstance(seat, Hearing):
                waiting = [self._message_factory.create(m) for m in kept.message_buffer]
                seat.view_hand(cast("list[BaseChatMessage]", waiting))
        if self._managing is not None:
            await (await self._managing.of(None, "")).load_state(found[self.manager_name])


def _is_structured(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, quorate_messages.structured.StructuredMessage)


class Engine(QuorateTeam):
    """A team of Quorate's that tells who was chosen in the name of AutoGen's manager."""

    def __init__(
        self,
        manager: str,
        seats: Sequence[Any],
        turns: TurnPolicy[Any],
        condition: Condition[Any],
        runtime: AgentRuntime | None,
        name: str,
        description: str,
        tells: bool,
    ) -> None:
        members: Any = tuple([seat if isinstance(seat, Hearing | Wrapped) else checked_member(seat) for seat in seats])
        self._define(
            members, checked_policy(turns), checked_condition(condition, "termination_condition="), profile.LIMITS,
            profile.PATIENCE, None, runtime, name, description, False, tells, None,
        )  # fmt: skip
        self._cast = super().cast()
        if tells:
            self._cast.tells = Telling(manager, reasons=False)

    def cast(self) -> Cast:
        return self._cast


class Here:
    """A run in the task that waits for it: nobody looks on, and nobody but this task can end it.

    Args:
        team: Who works.
        task: On what.
        definition: What the journal is told of the definition.
    """

    def __init__(self, team: QuorateTeam, task: Any, definition: dict[str, Any] | None) -> None:
        self._team: Any = team
        self._task, self._definition = task, definition

    async def __aenter__(self) -> LiveRun:
        self._live = await self._team._begun(self._task, None, None, self._definition, (), None, None)
        return self._live

    async def __aexit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is None:
            self._team._keep(self._live)


class TeamSeat(Hearing):
    """A team as a member: what is new is its task, and all that its members say is heard by the others."""

    limits = None

    def __init__(self, team: Team) -> None:
        if not isinstance(team.name, str) or not team.name.isprintable():  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"A team named {team.name!r} cannot take part in another: give printable characters.")
        self.name = self._name = team.name
        self.description, self._inner = team.description, team

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Let the team work on what is new, and say the last that it says."""
        facts, where = turn.memory, within.place_of(turn.run, turn.scope.path)
        own = [at for at, fact in enumerate(facts, 1) if fact.speaker == self.name]
        if own and where not in self.view_heard_of:  # it is new in this process
            self.view_has_heard(where, own[-1])
        new = self.view_unheard(where, facts)
        held: BaseChatMessage | None = None
        token = token_here() or CancellationToken()
        inner = self._inner
        if isinstance(inner, BaseGroupChat):
            stream = inner.view_going_on(new, token, told=False)
        else:
            stream = inner.run_stream(task=new, cancellation_token=token, output_task_messages=False)
        try:
            async for item in stream:
                if isinstance(item, TaskResult):
                    continue
                if held is not None:
                    turn.pass_on(held)
                    held = None
                if isinstance(item, BaseChatMessage):
                    held = item
                elif isinstance(item, ModelClientStreamingChunkEvent):
                    turn.show(item)
                else:
                    turn.emit(item)
        except RunFailed:
            if held is not None:  # the last that was said before somebody failed
                turn.pass_on(held)
            raise
        if held is None:
            raise ConfigError(f"The team {self.name} said nothing. Give it a condition that lets somebody speak.")
        self.view_has_heard(where, len(facts))
        return held


class Wrapped:
    """A member with something around its turns; what it remembers is its own."""

    limits = None

    def __init__(self, participant: Any) -> None:
        self.name, self.description = participant.name, participant.description
        self._participant = participant
        self._folds = hasattr(participant, "begin") and hasattr(participant, "see")

    def begin(self) -> Any:
        return self._participant.begin() if self._folds else None

    def see(self, memory: Any, fact: Fact) -> Any:
        return self._participant.see(memory, fact) if self._folds else None

    def speak(self, turn: Turn) -> Coroutine[Any, Any, BaseChatMessage]:
        """Let it speak."""
        return self._participant.speak(turn)


async def _keep_to_oneself(item: Any) -> None:
    """Tell nobody."""


def _told(cause: BaseException, result: Any = None) -> RunFailed:
    """Return the error of a team that failed: its text has the type, the message and the traceback of the cause."""
    lines = "".join(traceback.format_exception(cause))
    return RunFailed(f"{type(cause).__name__}: {cause}\nTraceback:\n{lines}", result=result)
