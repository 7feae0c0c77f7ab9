"""Planners that a program subclasses: their words, their steps, what they remember, what members hear.

What is Quorate's own words is left out; the words here are the program's.
"""

import asyncio
import json

import autogen_agentchat.teams._group_chat._magentic_one._prompts as prompts
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import SelectSpeakerEvent, StopMessage, TextMessage
from autogen_agentchat.teams import MagenticOneGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._events import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
)
from autogen_agentchat.teams._group_chat._magentic_one import MagenticOneGroupChat as SameTeam
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import MagenticOneOrchestrator
from autogen_agentchat.teams._group_chat._magentic_one._prompts import (
    ORCHESTRATOR_FINAL_ANSWER_PROMPT,
    ORCHESTRATOR_PROGRESS_LEDGER_PROMPT,
    LedgerEntry,
)
from autogen_core import AgentId, DefaultTopicId
from autogen_core.models import UserMessage
from scenes import Echo, asked, family, model, numbers, state, stream, tell


def ledger(who="ann", say="do it", *, done=False, loops=False, moves=True, why="because") -> str:
    entries = {
        "is_request_satisfied": done,
        "is_in_loop": loops,
        "is_progress_being_made": moves,
        "next_speaker": who,
        "instruction_or_question": say,
    }
    return json.dumps({key: {"reason": why, "answer": answer} for key, answer in entries.items()})


END = (ledger(done=True, why="all is there"), "the answer")


class Worded(MagenticOneOrchestrator):
    """Asks in words of its own, and notes what it does."""

    def __init__(self, *args, notes, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.notes = notes

    def _get_task_ledger_facts_prompt(self, task):
        return f"facts? {task}"

    def _get_task_ledger_plan_prompt(self, team):
        return f"plan? {team}"

    def _get_task_ledger_full_prompt(self, task, team, facts, plan):
        return f"{task} / {team} / {facts} / {plan}"

    def _get_progress_ledger_prompt(self, task, team, names):
        return f"progress? {task} / {team} / {','.join(names)} / {self._n_rounds}"

    def _get_task_ledger_facts_update_prompt(self, task, facts):
        return f"facts now? {task} / {facts}"

    def _get_task_ledger_plan_update_prompt(self, team):
        return f"plan now? {team}"

    def _get_final_answer_prompt(self, task):
        return f"answer? {task} / {self._final_answer_prompt == ORCHESTRATOR_FINAL_ANSWER_PROMPT}"

    def note(self, *what) -> None:
        thread = [f"{m.source}:{m.to_text()[:9]}" for m in self._message_thread]
        self.notes.append((*what, self._n_rounds, self._n_stalls, thread))


class Noting(Worded):
    """Notes each of its steps."""

    async def validate_group_state(self, messages) -> None:
        self.notes.append(("validate", [m.to_text() for m in messages]))

    async def update_message_thread(self, messages) -> None:
        self.notes.append(("told", [f"{m.source}:{m.to_text()[:9]}" for m in messages]))
        await super().update_message_thread(messages)

    async def _orchestrate_step(self, cancellation_token) -> None:
        self.note("step")
        await super()._orchestrate_step(cancellation_token)
        self.note("stepped")

    async def _update_task_ledger(self, cancellation_token) -> None:
        self.note("update", self._facts, self._plan)
        await super()._update_task_ledger(cancellation_token)
        self.note("updated", self._facts, self._plan)

    async def _reenter_outer_loop(self, cancellation_token) -> None:
        self.note("outer")
        await super()._reenter_outer_loop(cancellation_token)

    async def _prepare_final_answer(self, reason, cancellation_token) -> None:
        self.note("final", reason)
        await super()._prepare_final_answer(f"{reason}!", cancellation_token)

    async def reset(self) -> None:
        self.note("reset")
        await super().reset()


class Sparing(Worded):
    """Answers after two words of members, whatever the model thinks; remembers how many runs there were."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.runs = 0

    async def _orchestrate_step(self, cancellation_token) -> None:
        if sum(m.source in self._participant_names for m in self._message_thread) >= 2:
            self.runs += 1
            await self._prepare_final_answer("That is enough.", cancellation_token)
        else:
            await super()._orchestrate_step(cancellation_token)

    async def save_state(self):
        return {**await super().save_state(), "runs": self.runs}

    async def load_state(self, state) -> None:
        await super().load_state(state)
        self.runs = state["runs"]


class Turning(Worded):
    """Has each step written out, as programs copy them: everybody in turn, no model but for the answer."""

    async def _reenter_outer_loop(self, cancellation_token) -> None:
        for topic in self._participant_name_to_topic_type.values():
            await self._runtime.send_message(
                GroupChatReset(), recipient=AgentId(type=topic, key=self.id.key), cancellation_token=cancellation_token
            )
        self._message_thread.clear()
        await self.tell(f"begin: {self._facts}, {self._plan}")
        await self._orchestrate_step(cancellation_token)

    async def tell(self, text) -> None:
        message = TextMessage(content=text, source=self._name)
        await self.update_message_thread([message])
        await self.publish_message(
            GroupChatMessage(message=message), topic_id=DefaultTopicId(type=self._output_topic_type)
        )
        await self._output_message_queue.put(message)
        await self.publish_message(
            GroupChatAgentResponse(response=Response(chat_message=message), name=self._name),
            topic_id=DefaultTopicId(type=self._group_topic_type),
        )

    async def _orchestrate_step(self, cancellation_token) -> None:
        at, self._n_rounds = self._n_rounds % (len(self._participant_names) + 1), self._n_rounds + 1
        if at == len(self._participant_names):
            context = self._get_compatible_context(self._thread_to_context())
            context.append(UserMessage(content="And now?", source=self._name))
            result = await self._model_client.create(context, cancellation_token=cancellation_token)
            await self.tell(result.content)
            await self._signal_termination(StopMessage(content="Everybody spoke.", source=self._name))
            return
        name = self._participant_names[at]
        await self.tell(f"{name}, please")
        await self.publish_message(
            GroupChatRequestPublish(),
            topic_id=DefaultTopicId(type=self._participant_name_to_topic_type[name]),
            cancellation_token=cancellation_token,
        )
        if self._emit_team_events:
            chosen = SelectSpeakerEvent(content=[name], source=self._name)
            await self.publish_message(
                GroupChatMessage(message=chosen), topic_id=DefaultTopicId(type=self._output_topic_type)
            )
            await self._output_message_queue.put(chosen)


class Crew(MagenticOneGroupChat):
    """A team with a planner of its own."""

    def __init__(self, *args, manager=Worded, **options) -> None:
        super().__init__(*args, **options)
        self._base_group_chat_manager_class = manager
        self.notes = []

    def _create_group_chat_manager_factory(
        self, name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
        participant_descriptions, output_message_queue, termination_condition, max_turns, message_factory,
    ):  # fmt: skip
        return lambda: self._base_group_chat_manager_class(
            name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
            participant_descriptions, max_turns, message_factory, self._model_client, self._max_stalls,
            self._final_answer_prompt, output_message_queue, termination_condition, self._emit_team_events,
            notes=self.notes,
        )  # fmt: skip


class Hears(Echo):
    """Notes when it begins anew."""

    resets = 0

    async def on_reset(self, cancellation_token) -> None:
        await super().on_reset(cancellation_token)
        self.resets += 1


def crew(client, manager=Noting, words=("x",), **options):
    return Crew([Hears("ann", words), Hears("bob")], client, manager=manager, **options)


async def told(team) -> None:
    for note in team.notes:
        tell(*note)
    team.notes.clear()
    print("resets", [one.resets for one in team._participants])
    await state(team)


def questions(client) -> None:
    for call in client.create_calls:
        wants = getattr(call["json_output"], "__name__", call["json_output"])
        print("wants", wants, len(call["tools"]))
    asked(client)


async def rounds() -> None:
    print("## rounds")
    print(SameTeam is MagenticOneGroupChat, issubclass(MagenticOneOrchestrator, BaseGroupChatManager))
    print(sorted(name for name in vars(prompts) if name.startswith(("ORCH", "Ledger"))))
    print(sorted(LedgerEntry.model_fields), "{names}" in ORCHESTRATOR_PROGRESS_LEDGER_PROMPT)
    one = model("F-1", "P-1", ledger(), ledger("bob", "you too"), *END, "F-2", "P-2", ledger("bob"), *END)
    team = crew(one, emit_team_events=True)
    await stream(team, "T-1")
    await told(team)
    await stream(team, [TextMessage(content="T-2", source="u"), TextMessage(content="and more", source="u")])
    questions(one)
    await told(team)
    await team.reset()
    await told(team)
    print("# a new plan")
    no, new = ledger(moves=False), ("F-2", "P-2")
    for answers, most in (
        ((ledger(), ledger("bob", moves=False), ledger(loops=True), *new, ledger("bob", "anew"), *END), 2),
        ((no, *new, ledger(), *END), 1),
        ((no, no, *new, no, *new, ledger(), *new, ledger(), *END), 2),
    ):
        stuck = model("F-1", "P-1", *answers)
        team = crew(stuck, max_stalls=most)
        await stream(team, "T-1")
        questions(stuck)
        await told(team)
    print("# rounds are over")
    team = crew(model("F-1", "P-1", ledger(), ledger("bob"), ledger(), "so far", "F-1", "P-1", "again"), max_turns=2)
    await stream(team, "T-1", "T-2")
    await told(team)
    print("# what the model can do")
    for info in ({"structured_output": False}, {"structured_output": False, "json_output": False}):
        client = model("F-1", "P-1", "no json", ledger(), f"```json\n{ledger(done=True)}\n```", "end", **info)
        team = crew(client, Worded, final_answer_prompt="Answer.")
        await stream(team, "T-1")
        questions(client)


async def steps() -> None:
    print("## steps of its own")
    client = model("F-1", "P-1", ledger(), ledger("bob"), "the answer", "F-2", "P-2", ledger(), ledger("bob"), "more")
    team = crew(client, Sparing)
    await stream(team, "T-1", "T-2")
    questions(client)
    await told(team)
    client = model("F-1", "P-1", "the answer", "F-2", "P-2", "more")
    team = crew(client, Turning, emit_team_events=True)
    await stream(team, "T-1", "T-2")
    questions(client)
    await told(team)


async def ends() -> None:
    print("## conditions and failures")
    for condition in (MaxMessageTermination(2), TextMentionTermination("x<")):
        team = crew(model(*["F-1", "P-1", ledger(), ledger("bob")] * 2), Worded, termination_condition=condition)
        await stream(team, "T-1", "T-2")
        await told(team)
    team = crew(model("F-1", "P-1", ledger(), ledger()), Worded, words=(ValueError("bad"),))
    await stream(team, "T-1")
    for answers in ((), ("F-1",), ("F-1", "P-1", ledger(), *["no"] * 10), ("F-1", "P-1", ledger())):
        try:
            await crew(model(*answers), Worded).run(task="T-1")
        except Exception as error:
            print("raised", family(error))


async def saved() -> None:
    print("## saved and loaded")
    ends = MaxMessageTermination(2)
    team = crew(model("F-1", "P-1", ledger(), ledger("bob")), Sparing, termination_condition=ends)
    await state(team)
    await stream(team, "T-1")
    kept = await team.save_state()
    other = crew(model("F-3", "P-3", ledger("bob", "go on"), *END), Sparing)
    await other.load_state(kept)
    await told(other)
    await stream(other, "T-2")
    await told(other)


async def main() -> None:
    for part in (rounds, steps, ends, saved):
        numbers.clear()
        await part()


asyncio.run(main())
