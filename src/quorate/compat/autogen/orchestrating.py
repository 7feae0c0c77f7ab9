"""AutoGen's planner as a manager, for programs that subclass it; `MagenticOneGroupChat` itself is a turn policy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

import msgspec
from msgspec import Struct

from quorate.chat import ledgers
from quorate.chat.ledgers import filled_in
from quorate.chat.messages import (
    BaseChatMessage,
    HandoffMessage,
    SelectSpeakerEvent,
    StopMessage,
    TextMessage,
    ToolCallSummaryMessage,
)
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import Response, TerminationCondition
from quorate.compat.autogen.agentchat.messages import MessageFactory, to_model_message
from quorate.compat.autogen.agentchat.state import MagenticOneOrchestratorState
from quorate.compat.autogen.agentchat.utils import remove_images
from quorate.compat.autogen.asking import answered
from quorate.compat.autogen.core.models import AssistantMessage, ChatCompletionClient, LLMMessage, UserMessage
from quorate.compat.autogen.managers import BaseGroupChatManager, Outlet
from quorate.compat.autogen.prompts import LedgerEntry
from quorate.compat.autogen.reading import extract_json_from_str
from quorate.compat.autogen.speaking import token_here
from quorate.compat.autogen.teamevents import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatTermination,
)
from quorate.core.cancellation import CancellationToken
from quorate.core.identity import AgentId, TopicId
from quorate.errors import ConfigError, ModelError

log = logging.getLogger("autogen_agentchat")


class Desk(Outlet):
    """Takes what a planner puts out: what it says, whom it calls, whom it has begin anew, and the end.

    Args:
        anew: Lets the members forget what was said.
    """

    def __init__(self, anew: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        super().__init__()
        self._anew, self._has_reset = anew, False
        self.called: list[str] = []

    def begin(self) -> None:
        super().begin()
        self.called, self._has_reset = [], False

    def put_nowait(self, item: Any) -> None:
        """Take what all are shown. Who was chosen is told by the team."""
        if isinstance(item, BaseChatMessage):
            self.say(item)
        elif not isinstance(item, SelectSpeakerEvent):
            super().put_nowait(item)

    def say(self, message: BaseChatMessage) -> None:
        """Let it be said, once."""
        if message.id in [one.id for one in self.said]:
            return
        if self._has_reset:
            self.anew.append(message.id)
        self._has_reset = False
        self.said.append(message)

    async def send_message(self, message: Any, recipient: AgentId, **options: Any) -> None:
        """Let a member begin anew.

        Raises:
            ConfigError: It is told something else.
        """
        if not isinstance(message, GroupChatReset):
            raise _refused(message)
        await self._anew(recipient.type)
        self._has_reset = True


def _refused(message: Any) -> ConfigError:
    return ConfigError(
        f"A planner sent a {type(message).__name__}, and here there are no actors to receive it. It may say messages "
        "(GroupChatAgentResponse), call a member (GroupChatRequestPublish), have members begin anew (GroupChatReset) "
        "and end the run (_signal_termination)."
    )


class MagenticOneOrchestrator(BaseGroupChatManager):
    """Plans, judges each round how it goes, tells somebody what to do, and plans anew when it does not get on.

    What it asks of its model counts within the limits of the run. A subclass may give its prompts other words
    (`_get_…_prompt`), and put something in the place of each step: `_orchestrate_step`, `_update_task_ledger`,
    `_reenter_outer_loop`, `_prepare_final_answer`.

    Args:
        model_client: The model that plans.
        max_stalls: After so many rounds that led nowhere there is a new plan.
        final_answer_prompt: Asks for the answer; one of your own is used as it is.

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
        max_turns: int | None,
        message_factory: MessageFactory,
        model_client: ChatCompletionClient,
        max_stalls: int,
        final_answer_prompt: str,
        output_message_queue: asyncio.Queue[Any],
        termination_condition: TerminationCondition | None,
        emit_team_events: bool,
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
        self._model_client, self._max_stalls = model_client, max_stalls
        self._final_answer_prompt = final_answer_prompt
        self._max_json_retries = profile.LEDGER_ATTEMPTS
        self._forget_all()
        described = zip(participant_names, participant_descriptions, strict=True)
        self._team_description = "\n".join(f"{name}: {' '.join(about.split())}".strip() for name, about in described)
        self._desk = cast("Desk", output_message_queue)
        self._id, self._runtime = AgentId(name, "default"), self._desk
        self._given: list[BaseChatMessage] = []

    def _forget_all(self) -> None:
        self._task = self._facts = self._plan = ""
        self._n_rounds = self._n_stalls = 0

    # -- words --------------------------------------------------------------------------------------------------------

    def _get_task_ledger_facts_prompt(self, task: str) -> str:
        return filled_in(ledgers.FACTS, task=task)

    def _get_task_ledger_plan_prompt(self, team: str) -> str:
        return filled_in(ledgers.PLAN, team=team)

    def _get_task_ledger_full_prompt(self, task: str, team: str, facts: str, plan: str) -> str:
        return filled_in(ledgers.LEDGER, task=task, team=team, facts=facts, plan=plan)

    def _get_progress_ledger_prompt(self, task: str, team: str, names: list[str]) -> str:
        return ledgers.progress_prompt(task, team, tuple(names))

    def _get_task_ledger_facts_update_prompt(self, task: str, facts: str) -> str:
        return filled_in(ledgers.NEW_FACTS, task=task, facts=facts)

    def _get_task_ledger_plan_update_prompt(self, team: str) -> str:
        return filled_in(ledgers.NEW_PLAN, team=team)

    def _get_final_answer_prompt(self, task: str) -> str:
        given = self._final_answer_prompt
        return filled_in(given, task=task) if given == ledgers.FINAL else given

    async def _log_message(self, log_message: str) -> None:
        log.debug(log_message)

    # -- rounds -------------------------------------------------------------------------------------------------------

    async def _begin(self, token: CancellationToken) -> None:
        """Plan for a task."""
        self._task = " ".join(message.to_model_text() for message in self._given)
        prompts = self._get_task_ledger_facts_prompt(self._task), self._get_task_ledger_plan_prompt
        await self._make_plan([], *prompts, token)
        self._n_stalls = 0
        await self._reenter_outer_loop(token)

    async def _update_task_ledger(self, cancellation_token: CancellationToken) -> None:
        """Write down anew what is known and what to do."""
        facts = self._get_task_ledger_facts_update_prompt(self._task, self._facts)
        more = self._get_task_ledger_plan_update_prompt
        await self._make_plan(self._thread_to_context(), facts, more, cancellation_token)

    async def _make_plan(
        self, context: list[LLMMessage], facts: str, plan: Callable[[str], str], token: CancellationToken
    ) -> None:
        self._facts = await self._ask(context, facts, token)
        context.append(AssistantMessage(content=self._facts, source=self._name))
        self._plan = await self._ask(context, plan(self._team_description), token)

    async def _reenter_outer_loop(self, cancellation_token: CancellationToken) -> None:
        """Let the members begin anew with the ledger, and judge how it goes."""
        for topic in self._participant_name_to_topic_type.values():
            await self._desk.send_message(GroupChatReset(), AgentId(topic, "default"))
        self._message_thread.clear()
        full = self._get_task_ledger_full_prompt(self._task, self._team_description, self._facts, self._plan)
        await self._say(full)
        await self._orchestrate_step(cancellation_token)

    async def _orchestrate_step(self, cancellation_token: CancellationToken) -> None:
        """Judge how it goes, and tell somebody what to do, plan anew or end."""
        if self._max_turns is not None and self._n_rounds > self._max_turns:
            await self._prepare_final_answer(profile.ROUNDS_OVER, cancellation_token)
            return
        self._n_rounds += 1
        found = await self._judge(cancellation_token)
        await self._log_message(f"Progress Ledger: {found}")
        if found["is_request_satisfied"]["answer"]:
            await self._log_message("It is done: the final answer comes next.")
            await self._prepare_final_answer(found["is_request_satisfied"]["reason"], cancellation_token)
            return
        moves = found["is_progress_being_made"]["answer"] and not found["is_in_loop"]["answer"]
        self._n_stalls = max(0, self._n_stalls - 1) if moves else self._n_stalls + 1
        if self._n_stalls >= self._max_stalls:
            await self._log_message("It does not get on: a new plan comes next.")
            await self._update_task_ledger(cancellation_token)
            await self._reenter_outer_loop(cancellation_token)
            return
        await self._say(found["instruction_or_question"]["answer"])
        await self._log_message(f"Next Speaker: {found['next_speaker']['answer']}")
        self._desk.called.append(found["next_speaker"]["answer"])

    async def _judge(self, token: CancellationToken) -> dict[str, Any]:
        """Return how it goes, by the five keys."""
        names = self._participant_names
        context = self._thread_to_context()
        prompt = self._get_progress_ledger_prompt(self._task, self._team_description, names)
        info = self._model_client.model_info
        wanted: Any = LedgerEntry if info.get("structured_output") else True if info.get("json_output") else None
        for _ in range(self._max_json_retries):
            text = await self._ask(list(context), prompt, token, wanted)
            found = read(text, names)
            if found is not None:
                return found
            await self._log_message(f"That is no ledger, the model is asked again: {text}")
        raise never_read(self._max_json_retries)

    async def _prepare_final_answer(self, reason: str, cancellation_token: CancellationToken) -> None:
        """Give the final answer, and end for a reason."""
        prompt = self._get_final_answer_prompt(self._task)
        await self._say(await self._ask(self._thread_to_context(), prompt, cancellation_token))
        await self._signal_termination(StopMessage(content=reason, source=self._name))

    # -- what it says and asks ----------------------------------------------------------------------------------------

    async def _say(self, text: str) -> None:
        message = TextMessage(content=text, source=self._name)
        await self.update_message_thread([message])
        self._desk.say(message)

    async def _ask(self, context: list[LLMMessage], prompt: str, token: CancellationToken, wanted: Any = None) -> str:
        """Ask the model with one message more, which stays in the context."""
        context.append(UserMessage(content=prompt, source=self._name))
        messages = self._get_compatible_context(context)
        result = await answered(self._model_client, messages, json_output=wanted, token=token)
        if not isinstance(result.content, str):
            raise ModelError("The planner's model asked for tools, and it has none.")
        return result.content

    def _thread_to_context(self) -> list[LLMMessage]:
        """Return what was said as the model is shown it."""
        context: list[LLMMessage] = []
        for message in self._message_thread:
            if isinstance(message, StopMessage | HandoffMessage):
                context.append(UserMessage(content=message.content, source=message.source))
            elif isinstance(message, TextMessage | ToolCallSummaryMessage) and message.source == self._name:
                context.append(AssistantMessage(content=message.content, source=self._name))
            elif isinstance(message, BaseChatMessage):
                context.append(to_model_message(message))
        return context

    def _get_compatible_context(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages as the model can read them: without images where it sees none."""
        return messages if self._model_client.model_info["vision"] else remove_images(messages)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Take what a subclass that has AutoGen's steps written out tells the team."""
        if isinstance(message, GroupChatAgentResponse):
            said: Response = message.response
            self._desk.say(said.chat_message)
        elif isinstance(message, GroupChatRequestPublish):
            self._desk.called.append(self._named(topic_id.type))
        elif not isinstance(message, GroupChatMessage | GroupChatTermination):  # those are in the queue, too
            raise _refused(message)

    def _named(self, topic: str) -> str:
        return next((name for name, one in self._participant_name_to_topic_type.items() if one == topic), topic)

    # -- the base's ---------------------------------------------------------------------------------------------------

    async def validate_group_state(self, messages: list[BaseChatMessage] | None) -> None:
        """Accept everything."""

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        """Return nobody: nobody asks. `_orchestrate_step` calls members."""
        return [""]

    async def view_told(self, speaker: str, said: list[Any], anew: Collection[str]) -> None:
        if not speaker:
            self._given = said
            return
        self._given = []
        if speaker != self._name:
            said = [item for item in said if isinstance(item, BaseChatMessage)][-1:]
        for message in said:
            if message.id in anew:
                self._message_thread.clear()
            await self.update_message_thread([message])

    async def view_next(self) -> list[str]:
        token = token_here() or CancellationToken()
        given, self._current_turn = self._current_turn, 0  # AutoGen's counts rounds
        if not given:
            if not self._given:
                raise ConfigError("A MagenticOneGroupChat plans for a task: run(task=…).")
            await self._begin(token)
        else:
            if self._given:  # somebody spoke in between
                await self.update_message_thread(self._given)
            await self._orchestrate_step(token)
        self._given = []
        return self._desk.called

    async def reset(self) -> None:
        self._message_thread.clear()
        if self._termination_condition is not None:
            await self._termination_condition.reset()
        self._forget_all()

    async def save_state(self) -> Mapping[str, Any]:
        return MagenticOneOrchestratorState(
            message_thread=[message.dump() for message in self._message_thread],
            current_turn=self._current_turn,
            task=self._task,
            facts=self._facts,
            plan=self._plan,
            n_rounds=self._n_rounds,
            n_stalls=self._n_stalls,
        ).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        kept = MagenticOneOrchestratorState.model_validate(state)
        self._message_thread = [self._message_factory.create(message) for message in kept.message_thread]
        self._current_turn = kept.current_turn
        self._task, self._facts, self._plan = kept.task, kept.facts, kept.plan
        self._n_rounds, self._n_stalls = kept.n_rounds, kept.n_stalls


_reason_and_answer = itemgetter("reason", "answer")


def read(text: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Return the ledger in an answer, None where it is none."""
    try:
        (found,) = extract_json_from_str(text)
        if len(names) == 1:
            found["next_speaker"] = {"reason": "The team consists of only one agent.", "answer": names[0]}
        list(map(_reason_and_answer, ledgers.entries_of(found)))  # each has both
        known = found["next_speaker"]["answer"] in names
        return found if found["is_request_satisfied"]["answer"] or known else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class Said(Struct, frozen=True):
    """What a ledger says to one of its questions."""

    reason: Any
    answer: Any


class Ledger(Struct, frozen=True):
    """How it goes, by AutoGen's five keys."""

    is_request_satisfied: Said
    is_in_loop: Said
    is_progress_being_made: Said
    next_speaker: Said
    instruction_or_question: Said


_decoded = msgspec.json.Decoder(Ledger).decode


def ledger(text: str, names: Sequence[str]) -> Ledger | None:
    """Return the same as `read` by fields: twice as fast where an answer is the JSON that was asked for, no more."""
    if len(names) > 1 and "```" not in text:
        try:
            found = _decoded(text)
        except (ValueError, msgspec.DecodeError):  # which is a ValueError in newer versions only
            pass
        else:
            return found if found.is_request_satisfied.answer or found.next_speaker.answer in names else None
    plain = read(text, names)
    return None if plain is None else Ledger(*[Said(*_reason_and_answer(one)) for one in ledgers.entries_of(plain)])


def never_read(attempts: int) -> ModelError:
    """Return the error of a model that did not say how it goes, however often it was asked."""
    return ModelError(
        f"Failed to parse ledger information after multiple retries: {attempts} answers of the model were no JSON with "
        "the five keys. Use a model with structured_output."
    )


__all__ = ["Desk", "Ledger", "MagenticOneOrchestrator", "ledger", "never_read", "read"]
