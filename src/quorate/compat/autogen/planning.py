"""AutoGen's Magentic-One: Quorate's planner, asked in AutoGen's rounds and words of messages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Self

from msgspec import Struct
from msgspec.structs import replace

from quorate.chat import ledgers
from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact, Thread
from quorate.chat.ledgers import filled_in
from quorate.chat.magentic import LAST, PLANNER, own_word
from quorate.chat.messages import BaseChatMessage, BaseMessage, TextMessage
from quorate.chat.talk import Talk
from quorate.chat.turns import Speak, Stop, TurnPolicy
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import ChatAgent, Team, TerminationCondition
from quorate.compat.autogen.agentchat.messages import to_model_message
from quorate.compat.autogen.agentchat.state import MagenticOneOrchestratorState
from quorate.compat.autogen.agentchat.utils import remove_images
from quorate.compat.autogen.asking import Transcript, asked
from quorate.compat.autogen.assistant import as_client
from quorate.compat.autogen.clients import blocks_of
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    LLMMessage,
    ModelInfo,
    UserMessage,
    heard,
)
from quorate.compat.autogen.groupchat import BaseGroupChat, Wrapped
from quorate.compat.autogen.managers import Outlet
from quorate.compat.autogen.orchestrating import Desk, Ledger, MagenticOneOrchestrator, ledger, never_read
from quorate.compat.autogen.prompts import LedgerEntry
from quorate.compat.autogen.speaking import Hearing, token_here
from quorate.compat.autogen.teams import TeamConfig, dumped, loaded
from quorate.core.cancellation import CancellationToken
from quorate.core.filling import filled
from quorate.core.hosting import AgentRuntime
from quorate.errors import ConfigError, ModelError
from quorate.models.blocks import Reply

_user = UserMessage.__pydantic_validator__.validate_python
_assistant = AssistantMessage.__pydantic_validator__.validate_python


class Planned(Struct, frozen=True):
    """What the planner remembers.

    Args:
        task: What is asked for.
        facts: What there is to go by.
        plan: The plan.
        rounds: How often it judged how it goes; counted on from task to task.
        stalls: How often lately it did not get on.
        said: What was said since the latest ledger, the ledger first; shared, and only grows.
        told: The same as its model reads it.
        begun: Whether it has planned for this task.
        skip: How many of its own messages come before the ledger that is about to be said; None where none is.
    """

    task: str = ""
    facts: str = ""
    plan: str = ""
    rounds: int = 0
    stalls: int = 0
    said: Sequence[BaseChatMessage] = ()
    told: Sequence[LLMMessage] = ()
    begun: bool = False
    skip: int | None = None


class Planning:
    """Plans, judges each round how it goes, tells somebody what to do, and plans anew when it does not get on.

    Args:
        team: Whose planner it is.
        first: What it remembers of before.
        ledgers: Gets the ids of its ledgers: with each, the members begin anew.
    """

    plain = True

    def __init__(self, team: MagenticOneGroupChat, first: Planned, ledgers: set[str]) -> None:
        self.team, self._first, self._ledgers = team, first, ledgers
        self.names = tuple(one.name for one in team.members)
        self.roles = "\n".join(f"{one.name}: {' '.join(one.description.split())}".strip() for one in team.members)
        self.transcript = Transcript()
        self.prompt: UserMessage | None = None  # what asks how it goes, the same in each round
        self.info: ModelInfo | None = None

    def begin(self) -> Planned:
        return self._first

    def see(self, memory: Planned, fact: Fact) -> Planned:
        if fact.choice is not None:
            note, m = fact.choice.note, memory
            if not note:
                return replace(m, begun=True)
            facts, plan, skip = m.facts, m.plan, m.skip
            if "skip" in note:
                facts, plan, skip = note["facts"], note["plan"], note["skip"]
            return Planned(m.task, facts, plan, note["rounds"], note["stalls"], m.said, m.told, True, skip)
        message = fact.message
        if message is None:
            return memory
        if not fact.speaker and fact.is_task:
            text = message.to_model_text()
            more = memory.task and not memory.begun and not fact.ref.endswith(":#0")
            return replace(memory, task=f"{memory.task} {text}" if more else text, begun=False)
        if fact.speaker == PLANNER and memory.skip is not None:
            if memory.skip:
                return replace(memory, skip=memory.skip - 1)
            self._ledgers.add(message.id)
            memory = replace(memory, said=[], told=[], skip=None)
        if isinstance(memory.said, list):
            memory.said.append(message)
            told: Any = memory.told  # it only grows
            block = fact.said()
            is_text = type(message) is TextMessage
            if block.source == PLANNER:
                text = block.text if is_text else message.to_model_text()
                self.transcript.add(told, Reply(text, (), (), (), fact.ref))
                given = {"content": text, "thought": None, "source": PLANNER, "type": "AssistantMessage"}
                told.append(filled(AssistantMessage, given, {"content", "source"}))
            else:
                self.transcript.add(told, block)
                told.append(heard(block.text, block.source) if is_text else to_model_message(message))
        return memory

    def next(self, memory: Planned, thread: Thread, members: Sequence[str]) -> Coroutine[Any, Any, Speak | Stop]:
        return _Round(self, memory).next()


def _told(message: BaseChatMessage) -> LLMMessage:
    if message.source == PLANNER:
        return _assistant({"content": message.to_model_text(), "source": PLANNER})
    return to_model_message(message)


class _Round:
    """What the planner does until somebody may speak."""

    def __init__(self, policy: Planning, memory: Planned) -> None:
        self._policy, self._team, self._memory = policy, policy.team, memory
        self._client = policy.team.model_client
        info = policy.info if memory.begun else None  # what a model can do is asked once for a task
        if info is None:
            info = policy.info = self._client.model_info
        self._info = info
        self._facts, self._plan = memory.facts, memory.plan
        self._rounds, self._stalls = memory.rounds, memory.stalls if memory.begun else 0
        self._told = memory.told
        self._say: list[BaseChatMessage] = []
        self._ledger: int | None = None

    async def next(self) -> Speak | Stop:
        """Return who speaks, or that it is over."""
        if not self._memory.begun:
            self._told = ()
            await self._make_plan(ledgers.FACTS, ledgers.PLAN)
        most = self._team.most_turns
        while most is None or self._rounds <= most:
            self._rounds += 1
            found = await self._judge()
            if found.is_request_satisfied.answer:
                return await self._end(str(found.is_request_satisfied.reason))
            moves = found.is_progress_being_made.answer and not found.is_in_loop.answer
            self._stalls = max(0, self._stalls - 1) if moves else self._stalls + 1
            if self._stalls < self._team.max_stalls:
                self._say.append(own_word(found.instruction_or_question.answer))
                reason = str(found.next_speaker.reason) or "the planner named it"
                return Speak((found.next_speaker.answer,), reason, tuple(self._say), self._note())
            await self._make_plan(ledgers.NEW_FACTS, ledgers.NEW_PLAN)
        return await self._end(profile.ROUNDS_OVER)

    async def _make_plan(self, facts: str, plan: str) -> None:
        """Write down what is known and what to do, and let all members begin anew with it."""
        words = {"task": self._memory.task, "team": self._policy.roles}
        asks = [_prompt(filled_in(facts, **words, facts=self._facts))]
        self._facts = await self._ask(asks)
        asks += [AssistantMessage(content=self._facts, source=PLANNER), _prompt(filled_in(plan, **words))]
        self._plan = await self._ask(asks)
        await self._team.begin_members_anew()
        self._ledger = len(self._say)
        self._say.append(own_word(filled_in(ledgers.LEDGER, **words, facts=self._facts, plan=self._plan)))
        self._told = (_told(self._say[-1]),)

    async def _judge(self) -> Ledger:
        """Return how it goes.

        Raises:
            ModelError: The model did not say it, however often it was asked.
        """
        policy, info = self._policy, self._info
        prompt = ledgers.progress_prompt(self._memory.task, policy.roles, policy.names)
        wanted: Any = LedgerEntry if info.get("structured_output") else True if info.get("json_output") else None
        asked = policy.prompt
        if asked is None or asked.content is not prompt:
            asked = policy.prompt = _prompt(prompt)
        for _ in range(profile.LEDGER_ATTEMPTS):
            found = ledger(await self._ask([asked], wanted, standing=prompt), policy.names)
            if found is not None:
                return found
        raise never_read(profile.LEDGER_ATTEMPTS)

    async def _end(self, reason: str) -> Stop:
        """Give the final answer."""
        given = self._team.final_answer_prompt
        text = filled_in(given, task=self._memory.task) if given == ledgers.FINAL else given
        self._say.append(own_word(await self._ask([_prompt(text)])))
        return Stop(reason, tuple(self._say), self._note())

    def _note(self) -> dict[str, Any]:
        note: dict[str, Any] = {"rounds": self._rounds, "stalls": self._stalls}
        if self._ledger is not None:
            note |= {"facts": self._facts, "plan": self._plan, "skip": self._ledger}
        return note

    async def _ask(self, more: Sequence[LLMMessage], wanted: Any = None, standing: str | None = None) -> str:
        """Ask the model about what was told since the ledger, and `more`, whose text is `standing` if asked often."""
        told, owner = self._told, self._told if isinstance(self._told, list) else None
        messages = [*told, *more]
        blocks = self._policy.transcript.of(told, owner)
        _, answer = await asked(
            self._client,
            messages if self._info["vision"] else remove_images(messages),
            blocks=blocks if standing is not None else blocks.plus(*blocks_of(more)),
            json_output=wanted,
            token=token_here(),
            standing=standing,
            kept=LAST,
        )
        if answer.reply.calls:
            raise ModelError("The planner's model asked for tools, and it has none.")
        return answer.reply.text


def _prompt(text: str) -> UserMessage:
    return _user({"content": text, "source": PLANNER})


async def begin_anew(participant: Any) -> None:
    """Let a member forget what was said."""
    reset = getattr(participant, "on_reset", None)
    if reset is not None:
        await reset(CancellationToken())
    if isinstance(participant, Hearing):
        participant.view_forget()


class Instructed(Wrapped):
    """A member that begins anew with each ledger: what was said before is not in its memory."""

    def __init__(self, participant: Any, ledgers: set[str]) -> None:
        super().__init__(participant)
        self._ledgers = ledgers
        self._sees = participant.see if self._folds else _sees_nothing
        self._sees_all = getattr(participant, "see_all", None) if self._folds else None
        self._last: Any = None  # whose memory it took facts into last, and how many ledgers there were then
        self._known = 0

    def see(self, memory: Any, fact: Fact) -> Any:
        message = fact.message
        if message is not None and fact.speaker == PLANNER and message.__dict__["id"] in self._ledgers:
            memory = self.begin()
        see = self._sees  # a method of another object: looked up as a field, not as a method of this one
        return see(memory, fact)

    @property
    def see_all(self) -> Callable[[Any, list[Fact]], Any] | None:
        return None if self._sees_all is None else self._see_all

    def _see_all(self, memory: Any, facts: list[Fact]) -> Any:
        """Take in facts that came together: no more than the last ledger, and what came after it, is remembered."""
        count = len(self._ledgers)
        if count != self._known or memory is not self._last:
            for at in range(len(facts) - 1, -1, -1):
                fact = facts[at]
                if fact.speaker == PLANNER and fact.message is not None and fact.message.id in self._ledgers:
                    memory, facts = self.begin(), facts[at:]
                    break
            self._known = count
        see_all: Any = self._sees_all
        self._last = memory = see_all(memory, facts)
        return memory


def _sees_nothing(memory: Any, fact: Fact) -> Any:
    return None


class MagenticOneConfig(TeamConfig):
    """A `MagenticOneGroupChat` as configuration."""

    model_client: ComponentModel
    max_turns: int | None = None
    max_stalls: int
    final_answer_prompt: str


class MagenticOneGroupChat(BaseGroupChat, Component[MagenticOneConfig]):
    """A model plans, tells one member after the other what to do, plans anew when stuck, and gives the answer.

    Args:
        participants: Agents; their descriptions are what the planner knows of them.
        model_client: The model that plans.
        name: Of the team.
        description: What it is for.
        termination_condition: When to stop besides; it sees what the members say.
        max_turns: After so many rounds the answer is given with what there is.
        runtime: Where members speak, as actors.
        max_stalls: After so many rounds that led nowhere there is a new plan, and the members begin anew.
        final_answer_prompt: Asks for the answer; one of your own is used as it is.
        custom_message_types: Types of messages besides AutoGen's.
        emit_team_events: Whether it is told who was chosen to speak.

    Raises:
        TypeError: A team takes part.
    """

    component_config_schema: ClassVar[type[Any]] = MagenticOneConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.teams.MagenticOneGroupChat"
    states: ClassVar[type[Any]] = MagenticOneOrchestratorState
    DEFAULT_NAME = "MagenticOneGroupChat"
    DEFAULT_DESCRIPTION = profile.TEAM_DESCRIPTION

    def __init__(
        self,
        participants: list[ChatAgent],
        model_client: ChatCompletionClient,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = 20,
        runtime: AgentRuntime | None = None,
        max_stalls: int = 3,
        final_answer_prompt: str = ledgers.FINAL,
        custom_message_types: list[type[BaseMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        for participant in participants:
            if isinstance(participant, Team):
                raise TypeError(f"{participant.name} is a team, and only agents take part in a MagenticOneGroupChat.")
        super().__init__(
            name or self.DEFAULT_NAME,
            description or self.DEFAULT_DESCRIPTION,
            list(participants),
            PLANNER,
            None,
            termination_condition,
            max_turns,
            runtime,
            custom_message_types,
            emit_team_events,
        )
        self.model_client = as_client(model_client)
        self.max_stalls, self.final_answer_prompt = max_stalls, final_answer_prompt
        # as subclasses with a manager of their own look for them
        self._model_client, self._max_stalls = self.model_client, max_stalls
        self._final_answer_prompt = final_answer_prompt
        self._first = Planned()
        self._ledgers: set[str] = set()
        self._complete(MagenticOneGroupChat)

    def turns(self) -> TurnPolicy[Any]:
        return Planning(self, self._first, self._ledgers)

    def _seat(self, participant: Any) -> Any:
        return super()._seat(Instructed(participant, self._ledgers if self._managing is None else self._managing.anew))

    def _outlet(self) -> Outlet:
        return Desk(self._begin_member_anew)

    def _ending(self) -> Condition[Any]:
        return self._stops_by(None, frozenset({"", PLANNER}))

    def check_start(self, task: Sequence[BaseChatMessage]) -> None:
        if not task:
            raise ConfigError("A MagenticOneGroupChat plans for a task: run(task=…).")
        self._before = []

    async def begin_members_anew(self) -> None:
        """Let the members forget what was said, for a new plan."""
        for participant in self.members:
            await begin_anew(participant)

    async def _begin_member_anew(self, topic: str) -> None:
        """Let the member forget what was said whom a manager knows under a topic."""
        for participant in self.members:
            if topic == self.topic_of(participant.name):
                await begin_anew(participant)

    def _thread(self, talk: Talk) -> list[BaseMessage]:
        return list(talk.policy.said) if self._managing is None else []

    def manager_state(self, memory: Planned | None) -> dict[str, Any]:
        kept = memory or self._first
        return {
            "task": kept.task, "facts": kept.facts, "plan": kept.plan, "n_rounds": kept.rounds, "n_stalls": kept.stalls
        }  # fmt: skip

    def load_manager(self, state: MagenticOneOrchestratorState | None) -> None:
        self._first = Planned()
        if state is not None:
            self._first = Planned(state.task, state.facts, state.plan, state.n_rounds, state.n_stalls, begun=True)

    def _to_config(self) -> MagenticOneConfig:
        return MagenticOneConfig(
            **dumped(self),
            model_client=self.model_client.dump_component(),
            max_stalls=self.max_stalls,
            final_answer_prompt=self.final_answer_prompt,
        )

    @classmethod
    def _from_config(cls, config: MagenticOneConfig) -> Self:
        return cls(
            **loaded(config),
            model_client=ChatCompletionClient.load_component(config.model_client),
            max_stalls=config.max_stalls,
            final_answer_prompt=config.final_answer_prompt,
        )


__all__ = ["LedgerEntry", "MagenticOneGroupChat", "MagenticOneOrchestrator"]
