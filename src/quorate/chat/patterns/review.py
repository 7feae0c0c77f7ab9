"""A work, and checks that it has to pass: code, a schema, other agents, people. It is done when it passes all."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from pydantic import BaseModel

from quorate.chat import structured
from quorate.chat.agent import Participant
from quorate.chat.facts import Fact, Thread
from quorate.chat.objects.seats import all_seated, seated, shown
from quorate.chat.patterns.forms import Passed, ReviewResult, Verdict
from quorate.chat.patterns.moderated import (
    MODERATOR,
    answer_of,
    check_names,
    listed,
    names_of,
    note_of,
    says,
    tells,
)
from quorate.chat.stalls.progress import PATIENCE
from quorate.chat.team import Team
from quorate.chat.turns import Most, Speak, Stop
from quorate.core.assent import says_yes
from quorate.core.figures import check_count, check_list
from quorate.core.hosting import AgentRuntime
from quorate.core.words import counted
from quorate.errors import ConfigError, ModelError
from quorate.runs.meter import Halt
from quorate.runs.outcome import Limits, Outcome
from quorate.runs.steps import step
from quorate.tools.threads import in_thread

ASK = "Review the work of {author}. Say whether it is good as it is; if not, what has to change."
AGAIN = "It does not pass yet:\n{problems}\n\n{author}, give the whole work again."


@dataclass(frozen=True)
class Check:
    """A check by code.

    Args:
        name: Of the check.
        function: Is given the text of the work. None and True pass it. It fails the work by returning a problem in
            words, a list of them that is not empty, or False, or by raising an exception; what is none of these fails
            it too. A plain one must be pure; an async one is asked in a step.
        impure: Whether a plain function looks at more than the text: then it is asked in a step, in a thread.
    """

    name: str
    function: Callable[[str], Any]
    impure: bool = False

    async def problem(self, text: str) -> str | None:
        """Return what is wrong with a work, None if nothing is."""
        if inspect.iscoroutinefunction(self.function) or self.impure:
            return await step(f"check {self.name}", lambda: self._asked(text), effect="read")
        try:
            return _problem(self.function(text))
        except Exception as error:
            return _raised(error)

    async def _asked(self, text: str) -> str | None:
        try:
            if inspect.iscoroutinefunction(self.function):
                asked: Awaitable[Any] = self.function(text)
                return _problem(await asked)
            return _problem(await in_thread(lambda: self.function(text)))
        except Exception as error:
            return _raised(error)


def _problem(found: Any) -> str | None:
    if inspect.isawaitable(found):
        raise ConfigError("it returned an awaitable; write the check as `async def`")
    if found is None or found is True:
        return None
    if isinstance(found, str) and found:
        return found
    if isinstance(found, list | tuple | set | frozenset):
        given = cast("list[object]", list(found))  # pyright: ignore[reportUnknownArgumentType]: user code returned it
        return "; ".join(map(str, given)) or None
    if found is False:
        return "It fails."
    raise ConfigError(f"it returned {found!r}, which says neither: return None or True, else what is wrong in words")


def _raised(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) and str(error) else f"{type(error).__name__}: {error}"


def as_check(given: Any, nameless: str = "check") -> Check:
    """Return a check for a function, a pydantic model, the JSON schema of an object, or a check.

    Args:
        given: One of these.
        nameless: What a function without a name is called.

    Raises:
        ConfigError: It is none of them.
    """
    if isinstance(given, Check):
        return given
    if isinstance(given, Mapping) or (inspect.isclass(given) and issubclass(given, BaseModel)):
        content: structured.Content = given  # pyright: ignore[reportUnknownVariableType]: JSON
        form = structured.Output(f"Review: {nameless}", content).content

        def fits(text: str) -> str | None:
            try:
                structured.read(form, text)
            except ModelError as error:
                return f"It is no {form.__name__}: {error}"
            return None

        return Check(form.__name__, fits)
    if not callable(given):
        raise ConfigError(f"Review: {given!r} is no check: give a function of the text, a pydantic model or a schema.")
    name: str = getattr(given, "__name__", type(given).__name__)
    return Check(nameless if name == "<lambda>" else name, given)


class Reviewed(NamedTuple):
    """What a review remembers: how far it is, the work, its version, and who said what of it."""

    phase: str = ""
    text: str = ""
    rounds: int = 0
    stage: int = 0
    verdicts: tuple[tuple[str, bool, str], ...] = ()


class Reviewing:
    """The turn policy of `Review`."""

    def __init__(
        self,
        author: str,
        stages: Sequence[Sequence[str]],
        checks: Sequence[Check],
        *,
        rounds: int = 3,
        moderator: str = MODERATOR,
    ) -> None:
        self.author, self.stages = author, tuple(tuple(stage) for stage in stages if stage)
        self.checks, self.rounds, self.moderator = tuple(checks), rounds, moderator

    @property
    def most(self) -> Most:
        """The most that a run of it takes."""
        reviewers = sum(map(len, self.stages))
        least = 1 + len(self.stages)
        return Most(self.rounds * least, self.rounds * (1 + 2 * reviewers), least=least)

    def begin(self) -> Reviewed:
        return Reviewed()

    def see(self, memory: Reviewed, fact: Fact) -> Reviewed:
        if fact.choice is not None:
            note = note_of(fact)
            phase = note.get("phase", memory.phase)
            if phase == "write":
                return memory._replace(phase=phase, verdicts=())
            return memory._replace(phase=phase, stage=note.get("stage", memory.stage))
        if fact.is_task:
            return Reviewed()
        message = fact.message
        if message is None:
            return memory
        if memory.phase == "write" and fact.speaker == self.author:
            return memory._replace(phase="written", text=message.to_text(), rounds=memory.rounds + 1)
        if memory.phase == "review" and fact.speaker in self.stages[memory.stage]:
            verdict = answer_of(Verdict, message)
            text = message.to_text()
            approved = says_yes(text) if verdict is None else verdict.approved
            said = fact.speaker, approved, text if verdict is None else verdict.comments
            return memory._replace(verdicts=(*memory.verdicts, said))
        return memory

    def wants(self, memory: Reviewed, member: str) -> type[Verdict] | None:
        return Verdict if memory.phase == "review" else None

    async def next(self, memory: Reviewed, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if memory.phase in {"", "write"}:
            return Speak((self.author,), "it writes", note={"phase": "write"})
        if memory.phase == "written":
            found = [(check.name, await check.problem(memory.text)) for check in self.checks]
            failed = [(name, problem) for name, problem in found if problem is not None]
            return self._again(memory, failed) if failed else self._asked(memory, 0)
        rejected = [(who, why or "It does not approve.") for who, approved, why in memory.verdicts if not approved]
        if rejected:
            return self._again(memory, rejected)
        heard = {who for who, _, _ in memory.verdicts}
        missing = any(who not in heard for who in self.stages[memory.stage])
        return self._asked(memory, memory.stage + (not missing))

    def _asked(self, memory: Reviewed, stage: int) -> Speak | Stop:
        """Let the reviewers of a stage speak who have not yet; after the last the work is done."""
        heard = {who for who, _, _ in memory.verdicts}
        if stage < len(self.stages):
            reviewers = tuple(who for who in self.stages[stage] if who not in heard)
            text = ASK.format(author=self.author)
            note = {"phase": "review", "stage": stage}
            return Speak(reviewers, f"version {memory.rounds}", says(text, self.moderator), note)
        passed = [Passed(check=check.name) for check in self.checks]
        passed += [Passed(check=who, comments=why) for who, _, why in memory.verdicts]
        result = ReviewResult(work=memory.text, rounds=memory.rounds, passed=passed)
        reason = f"version {memory.rounds} passed {counted(len(passed), 'check')}"
        return Stop(reason, tells(result, "{work}", self.moderator), {"phase": "over"})

    def _again(self, memory: Reviewed, problems: Sequence[tuple[str, str]]) -> Speak:
        """Let the author write again.

        Raises:
            Halt: It has, as often as it may.
        """
        names = listed(name for name, _ in problems)
        if memory.rounds >= self.rounds:
            why = f"after {counted(memory.rounds, 'version')}, all that its rounds allow, it does not pass: {names}"
            raise Halt(Outcome("limit", why, limit="rounds"))
        text = AGAIN.format(problems="\n".join(f"- {name}: {why}" for name, why in problems), author=self.author)
        return Speak((self.author,), f"it did not pass {names}", says(text, self.moderator), {"phase": "write"})


class Review(Team):
    """One writes, and writes again, until the work passes all its checks: code first, then agents, then people.

    `result.value` is a `ReviewResult`. A run never ends `completed` while a check fails: after the last round it ends
    by the `limit` of its rounds, and can go on with more of them. So it takes no termination condition.

    Args:
        author: Who writes.
        reviewers: Agents and people who have to approve; each sees only what passed the code before, and people only
            what the agents approved.
        checks: Functions of the text, pydantic models, JSON schemas, or `Check`s.
        rounds: How many versions at most.
        moderator: Whose the words between are.

    Raises:
        ConfigError: There is nothing to check, something is no check, or what `Team` raises.
    """

    def __init__(
        self,
        author: Participant,
        reviewers: Sequence[Participant] = (),
        *,
        checks: Sequence[Any] = (),
        rounds: int = 3,
        moderator: str = MODERATOR,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        emit_team_events: bool = False,
    ) -> None:
        author, reviewers = seated(author), all_seated(reviewers)
        if callable(checks) or isinstance(checks, str | Mapping | Check):
            raise ConfigError(f"Review: checks={checks!r} is no list of checks. Write checks=[…].")
        check_list("Review: checks", checks)
        if not reviewers and not checks:
            raise ConfigError("Review needs something to pass: reviewers, or checks.")
        check_count("Review: rounds", rounds)
        check_names(names_of([author, *reviewers]), moderator)
        people = [r.name for r in reviewers if getattr(r, "origin", "agent") == "person"]
        agents = [r.name for r in reviewers if r.name not in people]
        made = [as_check(check, f"check {n}") for n, check in enumerate(checks, 1)]
        policy = Reviewing(author.name, [agents, people], made, rounds=rounds, moderator=moderator)
        super().__init__(
            [author, *reviewers], turns=policy, limits=limits, patience=patience, wrap_up=wrap_up, runtime=runtime,
            name=name, description=description, emit_team_events=emit_team_events,
        )  # fmt: skip
        self.author, self.reviewers, self.checks = shown(author), tuple(map(shown, reviewers)), tuple(checks)
        self.rounds, self.moderator = rounds, moderator
