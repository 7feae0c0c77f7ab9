"""A team with a planner: it writes down what is known, makes a plan, tells who does what, and plans anew when stuck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from quorate.chat import ledgers
from quorate.chat.agent import Participant
from quorate.chat.checks.findings import Finding
from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Choice, Fact, Thread
from quorate.chat.ledgers import Progress, filled_in
from quorate.chat.objects.seats import all_seated
from quorate.chat.team import Team
from quorate.chat.turns import Most, Speak, Stop
from quorate.core.figures import check_count, check_text
from quorate.core.hosting import AgentRuntime
from quorate.core.lazy import lazy
from quorate.errors import ModelError
from quorate.models import registry
from quorate.models.blocks import Blocks, Reply, Said
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelRequest
from quorate.runs.outcome import Limits
from quorate.runs.scope import scope_here

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.messages import BaseChatMessage
else:
    messages = lazy("quorate.chat.messages")

PLANNER = "MagenticOneOrchestrator"
"""Who plans and instructs, in the thread."""
RECENT = 40
"""Beside its ledger the planner is shown at least so many of the latest messages, and at most twice as many: so a round
costs the same, however long it goes on."""
ATTEMPTS = 3
"""How often a progress ledger may be answered before the next in order just goes on."""
LAST = "the planner's last question"
WORDS, JUDGEMENT = 2048, 1024
"""The most tokens of facts, a plan, a final answer; and of a progress ledger."""
ROUNDS_OVER = "Max rounds reached."
PATIENCE = 8
"""A loop is first answered by a new plan; only if that leads to the same, the run ends as stalled."""


class State(Struct, frozen=True):
    """What a planner remembers.

    Args:
        recent: The ledger, and messages after it, as models read them.
        task: What is asked for; empty before a task.
        facts: What there is to go by; empty before it was planned.
        plan: The plan.
        rounds: How often somebody was to be told to speak, on this task.
        stalls: How often lately it did not get on.
        spoke: Who has spoken, the latest last, each once.
    """

    recent: Blocks
    task: str = ""
    facts: str = ""
    plan: str = ""
    rounds: int = 0
    stalls: int = 0
    spoke: tuple[str, ...] = ()


class MagenticOne:
    """A turn policy in which a model plans and instructs.

    Args:
        client: The model.
        roles: What each member is for, by name.
        max_turns: After so many rounds the final answer is given with what there is. None: the run's limits decide.
        max_stalls: After so many rounds that led nowhere it plans anew.
        final_answer_prompt: Asks for the answer, with `{task}` where it wants the task.
    """

    plain = True

    def __init__(
        self,
        client: ModelClient | str,
        roles: dict[str, str],
        *,
        max_turns: int | None = 20,
        max_stalls: int = 3,
        final_answer_prompt: str = ledgers.FINAL,
    ) -> None:
        registry.check_client(client)
        for name, value in (("max_turns", max_turns), ("max_stalls", max_stalls)):
            if value is not None:
                check_count(name, value)
        check_text("final_answer_prompt", final_answer_prompt)
        self.model_client, self.roles = client, roles
        self.max_turns, self.max_stalls, self.final_answer_prompt = max_turns, max_stalls, final_answer_prompt
        self.team = "\n".join(f"{name}: {' '.join(about.split())}" for name, about in roles.items())

    @property
    def most(self) -> Most | None:
        """The most that a run of it takes; without a bound on its rounds only the limits say it."""
        if self.max_turns is None:
            return None
        plans, answer = 1 + self.max_turns // self.max_stalls, 1
        asked = plans * (2 + ATTEMPTS) + self.max_turns * ATTEMPTS + answer
        return Most(self.max_turns, self.max_turns, asked)

    def begin(self) -> State:
        return State(Blocks())

    def see(self, memory: State, fact: Fact) -> State:
        if fact.choice is not None:
            return self._after(memory, fact.choice)
        if fact.message is None:
            return memory
        m, said = memory, fact.said()
        recent = m.recent.plus_one(said)
        if len(recent) > 1 + 2 * RECENT:
            recent = Blocks([recent[0], *recent.since(len(recent) - RECENT)])
        if fact.speaker:
            return State(recent, m.task, m.facts, m.plan, m.rounds, m.stalls, m.spoke)
        if m.plan and fact.is_task:  # the run before did not come to its end
            return State(recent, said.text)
        return replace(m, task=f"{m.task}\n{said.text}" if m.task else said.text, recent=recent)

    def _after(self, memory: State, choice: Choice) -> State:
        """Return what is remembered once it was chosen who speaks."""
        speakers = choice.speakers
        if not speakers:
            return State(memory.recent)
        recent, facts, plan = memory.recent, memory.facts, memory.plan
        note: dict[str, Any] = choice.note or {}
        if "plan" in note:
            facts, plan, recent = note["facts"], note["plan"], Blocks()
        spoke = (*[name for name in memory.spoke if name not in speakers], *speakers)
        rounds, stalls = note.get("rounds", memory.rounds + 1), note.get("stalls", 0)
        return State(recent, memory.task, facts, plan, rounds, stalls, spoke)

    async def next(self, memory: State, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        round = _Round(self, await opened(self.model_client), memory, members)
        if self.max_turns is not None and memory.rounds >= self.max_turns:
            return await round.end(ROUNDS_OVER)
        if not memory.plan:
            await round.plan()
        progress = await round.judge()
        if progress is not None and progress.done:
            return await round.end(progress.why or "The task is done.")
        stuck = progress is None or progress.loops or not progress.moves
        if stuck and (memory.rounds or progress is None):  # before anybody spoke there is nothing to get on with
            round.stalls += 1
            if round.stalls >= self.max_stalls and memory.plan:
                await round.plan()
                progress = await round.judge()
                if progress is not None and progress.done:
                    return await round.end(progress.why or "The task is done.")
        elif not stuck:
            round.stalls = max(0, round.stalls - 1)
        return round.speak(progress)

    def check(self, cast: Any) -> Iterator[Finding]:
        """Yield whom the planner cannot tell from others."""
        seen: dict[str, str] = {}
        for name, about in self.roles.items():
            first = seen.setdefault(" ".join(about.split()), name)
            if first != name:
                yield Finding(
                    "same-description", "warning", name,
                    f"It has the same description as {first}, and all that the planner knows of them are those.",
                    "Say in each what it can do.",
                )  # fmt: skip


class _Round:
    """What a planner does before somebody speaks."""

    def __init__(self, policy: MagenticOne, client: ModelClient, memory: State, members: Sequence[str]) -> None:
        self._policy, self._client, self._memory, self._members = policy, client, memory, tuple(members)
        self._recent = memory.recent
        self._planned: dict[str, str] = {}
        self._say: list[Any] = []
        self.stalls = memory.stalls

    async def plan(self) -> None:
        """Write down what is known and what to do, for the first time or anew, and tell everybody."""
        memory, policy, first = self._memory, self._policy, not self._memory.plan
        words = {"task": memory.task, "team": policy.team, "facts": memory.facts}
        asked = Said(filled_in(ledgers.FACTS if first else ledgers.NEW_FACTS, **words))
        blocks = self._recent.plus(asked)
        facts = await self._ask(blocks, WORDS)
        blocks = blocks.plus(facts, Said(filled_in(ledgers.PLAN if first else ledgers.NEW_PLAN, **words)))
        plan = await self._ask(blocks, WORDS)
        self._planned = {"facts": facts.text, "plan": plan.text}
        ledger = filled_in(ledgers.LEDGER, **words | self._planned)
        self._say.append(own_word(ledger))
        self._recent, self.stalls = Blocks([Said(ledger, PLANNER)]), 0

    async def judge(self) -> Progress | None:
        """Return how it goes, None where the model finds no answer that can be used."""
        names, blocks = self._members, self._recent
        asked = ledgers.progress_prompt(self._memory.task, self._policy.team, names)
        for _ in range(ATTEMPTS):
            answer = await self._ask(blocks, JUDGEMENT, ledgers.progress_schema(names), asked)
            try:
                return ledgers.read_progress(answer.text, names)
            except ModelError as error:
                blocks = blocks.plus(answer, Said(filled_in(ledgers.AGAIN, why=str(error))))
        return None

    def speak(self, progress: Progress | None) -> Speak:
        """Tell somebody what to do."""
        memory = self._memory
        if progress is None:
            spoke = memory.spoke
            order = {name: spoke.index(name) if name in spoke else -1 for name in self._members}
            speaker = min(self._members, key=lambda name: order[name])
            reason, told = "the planner named nobody; has been silent longest", "Go on with the plan."
        else:
            speaker, reason = progress.speaker, progress.why_speaker or "the planner named it"
            told = progress.instruction
        self._say.append(own_word(told))
        note = {**self._planned, "rounds": memory.rounds + 1, "stalls": self.stalls}
        return Speak((speaker,), reason, say=tuple(self._say), note=note)

    async def end(self, reason: str) -> Stop:
        """Give the final answer."""
        prompt = filled_in(self._policy.final_answer_prompt, task=self._memory.task)
        answer = await self._ask(self._recent.plus(Said(prompt)), WORDS)
        self._say.append(own_word(answer.text))
        return Stop(reason, say=tuple(self._say), note={"rounds": self._memory.rounds, "stalls": self.stalls})

    async def _ask(self, blocks: Blocks, most: int, schema: str | None = None, system: str | None = None) -> Reply:
        """Ask the model; the journal is told what differs from the last time."""
        most = min(most, self._client.info.max_output)
        request = ModelRequest(blocks, system, (), "auto", schema, most)
        scope = scope_here()
        if scope is None:
            return (await ask(self._client, request))[0].reply
        resources = scope.run.resources
        answer, resources[LAST] = await ask(self._client, request, after=resources.get(LAST))
        return answer.reply


def own_word(text: str) -> BaseChatMessage:
    """Return what the planner says; with an id and a time it need not be made twice."""
    scope = scope_here()
    if scope is None:
        return messages.TextMessage(content=text, source=PLANNER)
    return messages.said(text, PLANNER, scope.new_id(), scope.at)


async def opened(client: ModelClient | str) -> ModelClient:
    """Return a model, opened if it is named; the run closes it."""
    if not isinstance(client, str):
        return client
    scope = scope_here()
    if scope is None:
        return registry.open_model(client)
    return await scope.run.resource(client, lambda: registry.open_model(client))


class MagenticOneGroupChat(Team):
    """A model plans, tells one member after the other what to do, plans anew when stuck, and gives the answer.

    Args:
        participants: Who works; their descriptions are what the planner knows of them.
        model_client: The model that plans.
        max_turns: After so many rounds the answer is given with what there is; None leaves it to `limits`.
        max_stalls: After so many rounds that led nowhere there is a new plan.
        final_answer_prompt: Asks for the answer, with `{task}` where it wants the task.

    The other arguments are those of `Team`. Each round is one more call of the model; a plan is two, the answer one.

    Raises:
        ConfigError: Nobody talks, a name is there twice, or a figure is out of range.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        model_client: ModelClient | str,
        *,
        termination_condition: Condition[Any] | None = None,
        max_turns: int | None = 20,
        max_stalls: int = 3,
        final_answer_prompt: str = ledgers.FINAL,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        share_all: bool = False,
        emit_team_events: bool = False,
    ) -> None:
        participants = all_seated(participants)
        roles = {str(getattr(m, "name", "")): str(getattr(m, "description", "")) for m in participants}
        policy = MagenticOne(
            model_client, roles, max_turns=max_turns, max_stalls=max_stalls, final_answer_prompt=final_answer_prompt
        )
        super().__init__(
            participants, turns=policy, termination_condition=termination_condition, limits=limits, patience=patience,
            wrap_up=wrap_up, runtime=runtime, name=name, description=description, share_all=share_all,
            emit_team_events=emit_team_events,
        )  # fmt: skip
        self.model_client, self.max_turns, self.max_stalls = model_client, max_turns, max_stalls
        self.final_answer_prompt = final_answer_prompt
