"""Running a team or an agent: `run`, `run_stream`, `start`, and going on later."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from quorate.chat import nesting
from quorate.chat.feed import Feed
from quorate.chat.hearing import post
from quorate.chat.loop import converse
from quorate.chat.objects import binding, keeping
from quorate.chat.objects.records import home_of, records
from quorate.chat.objects.seating import Seating, ready
from quorate.chat.state import loaded, saved
from quorate.chat.talk import Cast, Talk, everyone
from quorate.core import telemetry
from quorate.core.lazy import lazy
from quorate.core.waiting import within
from quorate.errors import ConfigError, Conflict, RunFailed
from quorate.models import registry
from quorate.runs import paths
from quorate.runs import start as starting
from quorate.runs.entries import Payload, split_run_id
from quorate.runs.journal import Conversation, Store, given_out
from quorate.runs.memory import Kept, MemoryJournal, conversation
from quorate.runs.outcome import Limits, Outcome, checked_limits
from quorate.runs.run import Again, Parked, Run, drive
from quorate.runs.scope import Scope, scope_here
from quorate.runs.settling import settle
from quorate.runs.steps import Settlement
from quorate.tools.tool import Tool

if TYPE_CHECKING:
    from quorate.chat import messages, placing, wrapping
    from quorate.chat.agents import person as people
    from quorate.chat.agents.person import Answers
    from quorate.chat.messages import BaseChatMessage, BaseMessage, TaskResult
    from quorate.runs import history
    from quorate.runs import prices as pricing
    from quorate.runs.budget import Budget
    from quorate.runs.prices import Price
else:
    messages, placing = lazy("quorate.chat.messages"), lazy("quorate.chat.placing")
    people, wrapping = lazy("quorate.chat.agents.person"), lazy("quorate.chat.wrapping")
    history, pricing = lazy("quorate.runs.history"), lazy("quorate.runs.prices")

Task = "str | BaseChatMessage | Sequence[BaseChatMessage]"


INSIDE = (
    "A conversation of its own cannot run inside a step. Declare the tool @tool(scope=True), or leave `conversation` "
    "out: then the calls are part of the step."
)


class LiveRun:
    """A run that is going on.

    Attributes:
        id: To resume and to show it by.
        fresh: Who starts afresh: agents with attributes of their own that nothing has kept.
    """

    def __init__(self, run: Run, cast: Cast, talk: Talk, task: Sequence[BaseChatMessage] | None) -> None:
        self.id, self.run = run.id, run
        self._cast, self.talk, self._task = cast, talk, task
        self._feed = talk.feed = Feed()
        run.kept, run.on_recall = talk, nesting.recalled
        self.outcome: Outcome | None = None
        self._result: TaskResult | None = None
        self._error: Exception | None = None
        self._wrap_up: messages.TextMessage | None = None
        self._worker: asyncio.Task[None] | None = None
        self.fresh: Sequence[str] = ()
        self._watched = binding.watched(cast) if cast.theirs else ()

    async def events(self, since: int = 0) -> AsyncGenerator[Any]:
        """Yield the messages and events of the run from item number `since`, then what comes, with the chunks.

        Raises:
            RunFailed: The run failed; raised after the last item.
        """
        told = [*self.talk.told(), *self._feed.pending] if self.talk.facts else []
        past = [message.model_copy() for message in told[since:]]
        async with aclosing(self._feed.view(past)) as items:
            async for item in items:
                yield item
        self._raise()

    def told(self) -> list[BaseMessage]:
        """Return the messages and events of the run so far; of one that goes on, also those before."""
        return self.talk.told()

    # -- steering -----------------------------------------------------------------------------------------------------

    async def steer(self, text: str, *, to: str = "", by: str = "user") -> None:
        """Tell an agent something, by default whichever asks its model next: it reads it in its next model call.

        Raises:
            ConfigError: There is nothing in `text`, or nobody of that name.
            Conflict: The run is over.
        """
        if to and to not in (names := {m.name for m in everyone(self._cast)}):
            raise ConfigError(f"Nobody here is named {to!r}. There are: {', '.join(sorted(names))}.")
        await self._post("steer", text, to=to, by=by)

    async def queue(self, text: str, *, by: str = "user") -> None:
        """Tell everybody something before the next turn."""
        await self._post("queue", text, by=by)

    async def interrupt(self, text: str = "", *, by: str = "user") -> None:
        """Cut the present turn short, keep what was done in it, and go on, with `text` heard by everybody."""
        await self._post("interrupt", text, by=by, wordless=True)

    async def pause(self, *, by: str = "user") -> None:
        """Make no further step: what is under way finishes, then the attempt ends `waiting`."""
        await self._post("pause", by=by, wordless=True)

    async def resume(self, *, by: str = "user") -> None:
        """Take a pause back; go on with an attempt that ended, such as one that waited for an answer.

        Raises:
            Conflict: It is completed.
        """
        if self.outcome is None:
            await self._post("unpause", by=by, wordless=True)
            return
        where = self.run.conversation
        answerer = self.run.answerer
        self._take_up(await starting.go_on(where, self.run.number))
        self.run.answerer = answerer
        self._feed = self.talk.feed = Feed()
        self.outcome = self._result = self._error = None
        self.begin()

    async def _post(self, kind: str, text: str = "", *, to: str = "", by: str, wordless: bool = False) -> None:
        if not wordless and not text.strip():
            raise ConfigError(f"{kind}: say something.")
        if self.outcome is not None and (self.outcome.kind == "completed" or kind in {"pause", "interrupt"}):
            raise Conflict(f"Run {self.id} has ended: {self.outcome.kind}. Give the conversation a new task.")
        where = self.run.conversation
        await post(where.store, (where.id, self.run.number), kind, text, to=to, by=by, owner=where.owner)

    def stop(self, reason: str = "") -> None:
        """End the run after its present turn."""
        self.run.stop(reason)

    def cancel(self) -> None:
        """End the run now; it can be resumed."""
        if self._worker is not None:
            self._worker.cancel()

    async def result(self) -> TaskResult:
        """Wait for the end and return what the run came to.

        Raises:
            RunFailed: It failed; `__cause__` is the original error.
        """
        if self._worker is not None:
            await asyncio.wait([self._worker])
            if self._worker.cancelled() and self._result is None:
                raise asyncio.CancelledError
        return self.came_to()

    def came_to(self) -> TaskResult:
        """Return what the run, which has ended, came to.

        Raises:
            RunFailed: It failed; `__cause__` is the original error.
        """
        self._raise()
        assert self._result is not None
        return self._result

    def _raise(self) -> None:
        if self._error is not None:
            if isinstance(self._error, RunFailed | ConfigError) or self._result is None:
                raise self._error
            raise RunFailed(f"Run {self.id} failed: {self._error}", result=self._result) from self._error

    def begin(self) -> None:
        """Begin to work, in a task of its own."""
        self._worker = asyncio.get_running_loop().create_task(self.work(), name=f"quorate {self.id}")

    async def leave(self) -> None:
        """Cancel what is unfinished and wait for its end."""
        while self._worker is not None and not self._worker.done():
            self._worker.cancel()
            await asyncio.wait([self._worker])

    async def work(self) -> None:
        """Do the run, in a task and a context of its own."""
        outer = scope_here()
        if outer is not None:
            self.run.meter.inside, self.run.shared = outer.run.meter_at(outer.path), outer.run.shared
        outcome: Outcome | None = None
        try:
            while True:
                if self._cast.wrap_up:
                    kept = wrapping.keep(self.run, self._cast)
                    self.run.wrap_up = partial(self._wrapped, kept)
                try:
                    driving = drive(self.run, self._body)
                    if telemetry.spans is not None:
                        driving = telemetry.spans.run(driving, self._cast.name, self.id, expected=(Again,), told=_told)
                    outcome, self._error = await driving
                    break
                except Again:
                    self._take_up(await starting.again(self.run))
                    self._feed.again()
        except asyncio.CancelledError:
            outcome = self.run.outcome
            raise
        except Exception as error:  # the journal itself failed
            self._error = error
        finally:
            self.outcome = outcome
            if outer is not None:
                outer.spend(self.run.meter.spent())
            if outcome is not None:
                self._result = result_of(self.run, self.talk, outcome)
                if self._wrap_up is not None:
                    self._result.wrap_up = self._wrap_up
            self._feed.end()
            self.run.forget_callers()
            if self._watched:
                binding.bind_changed(self._watched, self.run)
            if self._cast.runtime is not None:
                await placing.leave(self._cast, self.run)

    def _take_up(self, run: Run) -> None:
        """Go on with another attempt at the run."""
        talk = Talk(self._cast, self.talk.seating_in(run))
        run.stalled_at = stalls_of(run)
        talk.fold(run.past, run)
        talk.feed, run.kept, run.on_recall = self._feed, talk, nesting.recalled
        self.run, self.talk, self._task = run, talk, None

    def _near(self, limit: str, used: float, allowed: float) -> None:
        event = messages.LimitWarningEvent(
            content=f"{used / allowed:.0%} of the limit {limit} are used: {used:,.10g} of {allowed:,.10g}.",
            source=self._cast.name, limit=limit, used=used, allowed=allowed,
            id=f"{self.id}#near-{limit}", created_at=messages.at(self.run.at),
        )  # fmt: skip
        self._feed.happens(event)

    def _starting_afresh(self) -> messages.FreshStartEvent:
        names = ", ".join(self.fresh)
        return messages.FreshStartEvent(
            content=f"{names}: what was kept in attributes alone is gone, and they go on as they were made. With "
            "save_state() and load_state(state) it would be kept.",
            agents=tuple(self.fresh), source=self._cast.name,
            id=f"{self.id}#fresh", created_at=messages.at(self.run.at),
        )  # fmt: skip

    async def _wrapped(self, kept: wrapping.Reserve) -> str:
        if not any(fact.speaker for fact in self.talk.facts[self.talk.first :]):
            return ""  # there is nothing to sum up
        work = wrapping.wrap_up(self.run, self._cast, self.talk, kept)
        path, answer, _, _ = await within(kept.seconds, work)
        writer = wrapping.writer_of(self._cast).name
        when = messages.at(self.run.at)
        self._wrap_up = messages.TextMessage(
            content=answer.reply.text, source=writer, id=f"{self.id}/{path}", created_at=when
        )
        return path

    async def _body(self, scope: Scope) -> Outcome:
        talk, run = self.talk, self.run
        if self._cast.agents:
            run.limit_agents(self._cast.agents)
        run.warn(self._near)
        if self.fresh:
            self._feed.happens(self._starting_afresh())
        for part in self._cast.condition.parts():
            part.attach(run)
        if self._task is not None:
            talk.see_task(self._task, str(run.number), scope.at)
            for message in self._task:
                self._feed.tell(message)
        else:
            await settle(run, self._reconcile)
            if run.waiting or run.parked:
                raise Parked("Its questions are open.")
        return await converse(scope, talk, self._feed)

    async def _reconcile(self, path: str, intent: Payload) -> Settlement:
        """Ask the tool that a call was made of, that of the member who made it."""
        if "kind" in intent:  # a step of some code, no tool
            return None
        on_the_way = paths.names(path)
        for member in sorted(everyone(self._cast), key=lambda m: m.name not in on_the_way):
            tools: Any = getattr(member, "tools", None)
            tool: Tool[..., Any] | None = tools.get(intent["name"]) if hasattr(tools, "get") else None
            if tool is not None and tool.reconcile is not None:
                return await tool.reconciled(intent["key"], intent["arguments"])
        return None


def _told(found: tuple[Outcome, Exception | None]) -> tuple[str, Exception | None]:
    return found[0].kind, found[1]


def result_of(run: Run, talk: Talk, outcome: Outcome) -> TaskResult:
    """Return what a run came to."""
    meter, head = run.meter, run.journal.head()
    return messages.TaskResult.__pydantic_validator__.validate_python(
        {
            "messages": talk.told(),
            "stop_reason": outcome.reason,
            "outcome": outcome,
            "run_id": run.id,
            "usage": messages.RequestUsage(meter.prompt_tokens, meter.completion_tokens),
            "cost_usd": meter.cost_usd if meter.cost_known else None,
            "turns": meter.turns,
            "head": str(given_out(run.conversation, head)) if head.hash else "",
        }
    )


class Runnable(ABC):
    """Gives what has a cast the ways to run it."""

    @abstractmethod
    def cast(self) -> Cast:
        """Return who talks, in what order, until when."""

    async def run(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage],
        *,
        conversation: Conversation | None = None,
        limits: Limits | None = None,
        budgets: Sequence[Budget] = (),
        prices: Mapping[str, Price] | None = None,
        answer: Answers | None = None,
    ) -> TaskResult:
        """Work on a task to its end.

        Args:
            task: A text, a message, or several.
            conversation: Where it belongs; by default the team's own, in memory, which goes on from run to run.
            limits: What it may use; replaces the team's own.
            budgets: What it shares with other runs in the conversation's store, such as a day's budget of a user.
            prices: What models cost that the tables do not know, by the names of their clients.
            answer: Answers questions to people at once: is given a `Question`. Without it the run ends `waiting`.

        Returns:
            What it came to, for the outcomes `completed`, `limit`, `stalled`, `waiting` and `cancelled`.

        Raises:
            RunFailed: It failed.
            Conflict: A run of this conversation is going on.
        """
        outer = scope_here()
        if outer is not None and not outer.leaf:
            _check_inside(conversation, budgets, prices, answer)
            return await nesting.run_inside(outer, self.cast(), task, limits=limits)
        live = await self._begun(task, conversation, limits, None, budgets, prices, answer)
        await live.work()
        self._keep(live)
        return live.came_to()

    async def run_stream(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage],
        *,
        conversation: Conversation | None = None,
        limits: Limits | None = None,
        budgets: Sequence[Budget] = (),
        prices: Mapping[str, Price] | None = None,
        answer: Answers | None = None,
    ) -> AsyncGenerator[BaseMessage | TaskResult]:
        """Work on a task and yield messages, events and chunks as they come, the `TaskResult` last.

        Leaving the iterator early cancels the run.
        """
        outer = scope_here()
        if outer is not None and not outer.leaf:
            _check_inside(conversation, budgets, prices, answer)
            async with aclosing(_streamed(outer, self.cast(), task, limits)) as items:
                async for item in items:
                    yield item
            return
        started = self.start(
            task, conversation=conversation, limits=limits, budgets=budgets, prices=prices, answer=answer
        )
        async with started as run:
            async with aclosing(run.events()) as items:
                async for item in items:
                    yield item
            yield await run.result()

    @asynccontextmanager
    async def start(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage],
        *,
        conversation: Conversation | None = None,
        limits: Limits | None = None,
        budgets: Sequence[Budget] = (),
        prices: Mapping[str, Price] | None = None,
        definition: Payload | None = None,
        answer: Answers | None = None,
    ) -> AsyncGenerator[LiveRun]:
        """Start working on a task; leaving the block cancels what is unfinished."""
        live = await self._begun(task, conversation, limits, definition, budgets, prices, answer)
        async with running(live):
            yield live
        self._keep(live)

    async def _begun(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage],
        conversation: Conversation | None,
        limits: Limits | None,
        definition: Payload | None,
        budgets: Sequence[Budget],
        prices: Mapping[str, Price] | None,
        answer: Answers | None,
    ) -> LiveRun:
        cast = self.cast()
        if cast.runtime is not None:
            await placing.place(cast)
        given: list[BaseChatMessage] = []

        def dumped(run_id: str, at: int) -> list[Payload]:
            given.extend(messages.as_task(task, run_id=run_id, at_us=at))
            return [m.journaled() for m in given]

        limits = cast.limits if limits is None else checked_limits(limits).over(cast.limits)
        check_money(cast, limits, budgets, prices)
        if cast.wrap_up:
            wrapping.reserve(cast, limits.complete(), prices, budgets)
        if definition is None:
            definition = {"document": deepcopy(cast.document)} if cast.document else {}
        if budgets and conversation is None:
            raise ConfigError(
                "Budgets are shared through a store: pass conversation=store.conversation(…). Inside a tool, its run's "
                "budgets hold anyway."
            )
        where = self._where(conversation)
        seating = None
        if cast.seats or records:
            cast, seating = ready(cast, Seating(home_of(where)))
        fresh: Sequence[str] = ()
        lost = None
        if where.store.url:
            fresh = list[str]()
            lost = partial(keeping.lost, cast, seating or Seating(home_of(where)), fresh)
        run = await starting.begin(
            where, dumped, limits, definition, of=self, budgets=budgets, prices=prices, lost=lost
        )  # fmt: skip
        run.answerer = people.answering_at_once(answer)
        try:
            if run.redacted_task is not None:
                given = [messages.load(m) for m in run.redacted_task]  # pyright: ignore[reportAssignmentType]: a task is messages
            live = LiveRun(run, cast, _folded(run, cast, seating), given)
            live.fresh = fresh
            return live
        except BaseException:
            await run.journal.release()
            raise

    def _keep(self, live: LiveRun) -> None:
        """Let the next run of a conversation in memory take up the fold where this one left it."""
        journal = live.run.journal
        if isinstance(journal, MemoryJournal) and live.outcome is not None and live.outcome.kind == "completed":
            journal.kept = Kept(self, journal.head().length, live.run.number, live.talk)

    def _where(self, given: Conversation | None) -> Conversation:
        outer = scope_here()
        if outer is not None and not outer.leaf:
            raise ConfigError(
                "start() begins a run of its own, and there is one around it. Use run() or run_stream(): then it is a "
                "part of that run."
            )
        if outer is not None:
            if given is not None:
                raise ConfigError(INSIDE)
            return conversation()
        if given is not None:
            if not isinstance(given, Conversation):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
                raise ConfigError(
                    f"conversation={given!r} is no conversation. Write store.conversation('name'), or "
                    "conversation('name') for one in memory."
                )
            return given
        own: Conversation | None = self.__dict__.get("_own")
        if own is None:
            own = self._own = conversation()
        return own

    async def reset(self) -> None:
        """Begin a new conversation with the next run; agents with an `on_reset` of their own are told.

        Raises:
            Conflict: A run of its own conversation is going on.
        """
        await self._check_idle("reset")
        own: Conversation | None = self.__dict__.get("_own")
        if own is not None:
            await keeping.reset(self.cast(), home_of(own))
        self._own = None

    async def save_state(self) -> dict[str, Any]:
        """Return what there is of its own conversation as plain data, for JSON and for `load_state`."""
        own: Conversation | None = self.__dict__.get("_own")
        return await saved(own, {} if own is None else await keeping.states(self.cast(), home_of(own)))

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with the next run, in its own conversation, from what `save_state` returned.

        Raises:
            ConfigError: It is no such data.
            Conflict: A run of its own conversation is going on.
        """
        await self._check_idle("load_state")
        self._own = loaded(state)
        if self._own is not None:
            kept = {e.path for e in await self._own.entries() if e.kind == "said" and "own" in e.payload}
            keeping.let_go_of(self.cast(), {paths.names(path)[-1] for path in kept})

    async def pause(self) -> None:
        """Let the run that is going on in its own conversation make no further step: it ends `waiting`.

        Raises:
            Conflict: None is going on.
        """
        own: Conversation | None = self.__dict__.get("_own")
        last = None if own is None else await own.store.read(own.id, owner=own.owner)
        if own is None or not last or last[-1].kind == "ended":
            raise Conflict("No run is going on in this team's own conversation, so there is nothing to pause.")
        await post(own.store, (own.id, last[-1].run), "pause", "", to="", by="user", owner=own.owner)

    async def resume(self, *, limits: Limits | None = None) -> TaskResult:
        """Go on with the last run of its own conversation, to its end; `limits` replace the run's.

        Raises:
            Conflict: There is none, or it is completed.
        """
        own: Conversation | None = self.__dict__.get("_own")
        if own is None:
            raise Conflict("This team has no conversation of its own yet, so there is nothing to go on with.")
        return await self.continue_run(own.id, limits=limits)

    async def _check_idle(self, what: str) -> None:
        own: Conversation | None = self.__dict__.get("_own")
        if own is not None:
            try:
                journal = await own.store.open(own.id, owner=own.owner)
            except Conflict as error:
                raise Conflict(f"{what}: a run of this team's own conversation is going on. Wait for it.") from error
            await journal.release()

    @asynccontextmanager
    async def going_on(
        self,
        run_id: str,
        *,
        store: Store | None = None,
        owner: str | None = None,
        limits: Limits | None = None,
        budgets: Sequence[Budget] = (),
        prices: Mapping[str, Price] | None = None,
        definition: Payload | None = None,
        effects: starting.Effects | None = None,
        give_up_turn: bool = False,
        take_over: bool = False,
        answer: Answers | None = None,
    ) -> AsyncGenerator[LiveRun]:
        """Go on with a run where it stopped; leaving the block cancels what is unfinished.

        Args:
            run_id: Of the run, or of the conversation for its last run.
            store: Where it is kept; by default the team's own memory.
            owner: Whose it is; by default the local one.
            limits: Those that replace the run's.
            budgets: Those that the run has to keep to as well; they replace its own for the same scope and period.
            prices: Those that replace the run's.
            definition: What to journal as the definition from here on.
            effects: `live` makes new calls that are not `effect="read"`, where a fork would ask first; `ask` asks.
            give_up_turn: Close the open turn instead of finishing it.
            take_over: Take the run from a process that lives but does not answer.
            answer: Answers questions to people at once.

        Raises:
            ConfigError: There is no such run.
            Conflict: It cannot go on, or somebody else is at it.
        """
        if scope_here() is not None:
            raise ConfigError(INSIDE)
        id, number = split_run_id(run_id)
        where = self._own_conversation(id) if store is None else store.conversation(id, **_owned(owner))
        cast = self.cast()
        if cast.runtime is not None:
            await placing.place(cast)
        seating = Seating(home_of(where), anew=bool(where.store.url))  # in memory nothing else could bring them back
        cast, seating = ready(cast, seating)
        fresh: list[str] = []
        run = await starting.go_on(
            where, number, limits=limits, budgets=budgets, prices=prices, definition=definition, effects=effects,
            give_up_turn=give_up_turn, take_over=take_over, lost=partial(keeping.lost, cast, seating, fresh),
        )  # fmt: skip
        run.answerer = people.answering_at_once(answer)
        try:
            talk = Talk(cast, seating)
            run.stalled_at = stalls_of(run)
            talk.fold(run.past, run)
            if cast.wrap_up:
                wrapping.reserve(cast, asdict(run.meter.limits), run.prices, run.shared.budgets if run.shared else ())
            check_money(cast, limits or Limits(), run.shared.budgets if run.shared else (), run.prices)
        except BaseException:
            await run.journal.release()
            raise
        live = LiveRun(run, cast, talk, None)
        live.fresh = fresh
        async with running(live):
            yield live

    def _own_conversation(self, id: str) -> Conversation:
        own: Conversation | None = self.__dict__.get("_own")
        if own is None or own.id != id:
            raise ConfigError(f"Conversation {id} is not this team's own. Pass the store that keeps it: store=….")
        return own

    async def continue_run(
        self,
        run_id: str,
        *,
        store: Store | None = None,
        owner: str | None = None,
        limits: Limits | None = None,
        budgets: Sequence[Budget] = (),
        prices: Mapping[str, Price] | None = None,
        effects: starting.Effects | None = None,
        give_up_turn: bool = False,
        answer: Answers | None = None,
    ) -> TaskResult:
        """Go on with a run to its end; see `going_on`."""
        going_on = self.going_on(
            run_id, store=store, owner=owner, limits=limits, budgets=budgets, prices=prices, effects=effects,
            give_up_turn=give_up_turn, answer=answer,
        )  # fmt: skip
        async with going_on as run:
            return await run.result()


def _check_inside(
    given: Conversation | None, budgets: Sequence[Budget], prices: Mapping[str, Price] | None, answer: Answers | None
) -> None:
    """Refuse what only a run of its own can have.

    Raises:
        ConfigError: Something of it was given.
    """
    for name, value in {"conversation": given, "budgets": budgets, "prices": prices, "answer": answer}.items():
        if value:
            raise ConfigError(
                f"{name}=… is for a run of its own. Inside a run a team is a part of that, with its journal, budgets, "
                "prices and answers. Leave it out."
            )


async def _streamed(
    outer: Scope, cast: Cast, task: str | BaseChatMessage | Sequence[BaseChatMessage], limits: Limits | None
) -> AsyncGenerator[BaseMessage | TaskResult]:
    """Run inside a run, in a task of its own whose steps are numbered, and yield what comes."""
    feed = Feed()
    work = asyncio.get_running_loop().create_task(
        nesting.run_inside(outer, cast, task, limits=limits, feed=feed, owned=True), name=f"quorate {cast.name}"
    )
    outer.run.tasks.add(work)  # who forgets to leave the iterator does not keep it past the run
    work.add_done_callback(lambda _: feed.end())
    try:
        async with aclosing(feed.view([])) as items:
            async for item in items:
                yield item
        yield await work
    finally:
        while not work.done():
            work.cancel()
            await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # it was raised above, or nobody waits for it any more


def _owned(owner: str | None) -> dict[str, str]:
    return {} if owner is None else {"owner": owner}


def _folded(run: Run, cast: Cast, seating: Seating | None) -> Talk:
    if run.kept is not None:
        kept: Talk = run.kept
        kept.renew(run.past, run)
        kept.begin()
        return kept
    talk = Talk(cast, seating)
    if run.past:
        talk.fold(run.past, run)
        talk.begin()  # what was told before is no part of this run
    return talk


def stalls_of(run: Run) -> frozenset[str]:
    """Return where attempts at a run stalled that is taken up now; see `stalls`."""
    if not any(e.kind == "ended" and e.payload["outcome"] == "stalled" for e in run.past):
        return frozenset()
    entries = [e for e in run.past if e.run == run.number] + [e for found in run.recorded.values() for e in found]
    return history.stalls(sorted(entries, key=lambda entry: entry.seq), going_on=True)


def check_money(
    cast: Cast, limits: Limits, budgets: Sequence[Budget] = (), prices: Mapping[str, Price] | None = None
) -> None:
    """Refuse a money limit that nobody can hold.

    Raises:
        ConfigError: A limit of money was set, and a model has no known price.
    """
    if limits.cost_usd is None and not budgets and not cast.agents and not cast.spends:
        return
    money = [f"cost_usd={limits.cost_usd}"] if limits.cost_usd is not None else []
    money += [f"CostTermination({most:g})" for most in cast.spends]
    money += [f"the cost_usd={b.cost_usd} of budget {b.scope}" for b in budgets if b.cost_usd is not None]
    for asking in (*everyone(cast), *(inner.turns for inner in cast.with_inner())):
        client = getattr(asking, "model_client", None)
        limited = cast.agents.get(getattr(asking, "name", "")) if asking in cast.members else None
        own = limited.cost_usd if limited is not None else None
        if client is None or not (money or own is not None):
            continue
        info = registry.info_of(client) if isinstance(client, str) else client.info
        if not pricing.price_of(info, prices).known:
            raise ConfigError(
                f"{getattr(asking, 'name', 'The turn policy')} uses {info.name}, whose price is not known, so "
                f"{money[0] if money else f'its cost_usd={own}'} cannot be held. Give its price, "
                f"prices={{{info.name!r}: Price(…)}}, or limit tokens instead."
            )


@asynccontextmanager
async def running(live: LiveRun) -> AsyncGenerator[LiveRun]:
    """Work in a task of its own while the block runs; leaving it cancels and awaits what is unfinished."""
    live.begin()
    try:
        yield live
    finally:
        await live.leave()
