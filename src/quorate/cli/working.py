"""`quorate run` and `quorate resume`: a run that is watched, can be stopped, and says how to go on."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from quorate.chat import shown
from quorate.chat.agents.person import at_terminal, is_terminal
from quorate.cli import CUT_SHORT, FAILED, INTERRUPTED, WAITING, stopping, trouble
from quorate.cli import definition as definitions
from quorate.cli.again import Again
from quorate.cli.place import Found, Place, find
from quorate.cli.printing import Printer, printing
from quorate.cli.project import Project, find_project
from quorate.errors import ConfigError, Conflict, RunFailed
from quorate.runs.budget import merged, read_budget
from quorate.runs.entries import run_id, split_run_id
from quorate.runs.history import fold
from quorate.runs.journal import checked_id
from quorate.runs.memory import MemoryStore
from quorate.runs.outcome import DEFAULT_LIMITS, WHOLE, Limits
from quorate.runs.start import Effects, checked_effects

if TYPE_CHECKING:
    from quorate.chat.console import View
    from quorate.chat.live import LiveRun
    from quorate.runs.journal import Conversation, Store
    from quorate.runs.questions import Question

EXITS = {
    "completed": 0,
    "limit": CUT_SHORT,
    "stalled": CUT_SHORT,
    "waiting": WAITING,
    "cancelled": INTERRUPTED,
    "failed": FAILED,
}


def read_force(*, give_up_turn: bool, take_over: bool, effects: str | None) -> Force:
    """Return what the command line says an operator wants.

    Raises:
        ConfigError: `effects` is no word that is known.
    """
    return Force(give_up_turn, take_over, checked_effects(effects) if effects else None)


def read_limits(words: Sequence[str]) -> Limits | None:
    """Return the limits that `--limits` named, None for none.

    Raises:
        ConfigError: One is not `NAME=NUMBER`, or its name is no limit.
    """
    found: dict[str, Any] = {}
    for word in (part.strip() for given in words for part in given.split(",")):
        name, equals, text = (part.strip() for part in word.partition("="))
        if name not in DEFAULT_LIMITS and name != "warn_at":
            raise ConfigError(
                f"No limit named {name!r}. There are: {', '.join(DEFAULT_LIMITS)}, warn_at; as in --limits turns=30."
            )
        try:
            found[name] = int(text) if name in WHOLE else float(text)
        except ValueError as error:
            kind = "a whole number" if name in WHOLE else "a number"
            raise ConfigError(f"--limits {name}{equals}{text}: {name} is {kind}, as in {name}=30.") from error
    return Limits(**found) if found else None


class Spending(NamedTuple):
    """What the command line says about what a run may spend."""

    limits: Sequence[str] = ()
    budgets: Sequence[str] = ()

    def read(self, project: Project) -> dict[str, Any]:
        """Return it as `start` and `going_on` take it, with the prices and budgets of the project.

        Raises:
            ConfigError: Something is written wrong.
        """
        said = read_limits(self.limits)
        budgets = merged(project.budgets, [read_budget(text) for text in self.budgets])
        return {"limits": said, "budgets": budgets, "prices": project.prices}


def read_task(text: str) -> str:
    """Return the task, from the standard input for `-`.

    Raises:
        ConfigError: It is empty, or no text.
    """
    task = sys.stdin.read() if text == "-" else text
    try:
        task.encode()
    except UnicodeEncodeError as error:
        raise ConfigError("The task is no text in UTF-8.") from error
    if not task.strip():
        raise ConfigError("The task is empty. Say what to work on." if text != "-" else "Nothing came from the input.")
    return task.strip("\n") if text == "-" else task


async def run(
    team: str,
    task: str,
    store: str | None,
    conversation: str | None,
    spending: Spending,
    *,
    no_store: bool,
    as_json: bool,
) -> int:
    """Work on a task and return the exit code."""
    if no_store and (store or conversation or spending.budgets):
        raise ConfigError("--no-store keeps nothing, so it goes with neither --store, --conversation nor --budget.")
    if conversation is not None:
        checked_id(split_run_id(conversation)[0])
    project = find_project()
    wanted, said = spending.read(project), read_task(task)
    if no_store and project.budgets:
        raise ConfigError(f"{project.file} sets budgets, and with --no-store nobody would count what the run uses.")
    chosen = definitions.named(team, project)
    if no_store:
        async with MemoryStore() as memory:
            return await _begin(chosen, said, memory.conversation(), wanted, None, as_json=as_json)
    place = Place.of(store, project)
    async with place.opened() as opened:
        where = opened.conversation(await _conversation(opened, conversation))
        return await _begin(chosen, said, where, wanted, place, as_json=as_json)


async def _conversation(store: Store, asked: str | None) -> str | None:
    """Return the conversation to go on in, None for a new one.

    An id that Quorate made may be cut short; a name that somebody gave may not: `ticket-1` is not `ticket-17`.
    """
    if asked is None:
        return None
    beginning, number = split_run_id(asked)
    known = [s.id for s in await store.conversations(starting=beginning)]
    if number is not None and asked not in known and beginning in known:
        return beginning
    alike = [id for id in known if re.fullmatch("[0-9a-f]{8}", id) and id.startswith(asked)]
    return alike[0] if asked not in known and len(alike) == 1 else asked


async def _begin(
    chosen: definitions.Definition,
    task: str,
    where: Conversation,
    spending: dict[str, Any],
    place: Place | None,
    *,
    as_json: bool,
) -> int:
    person = AtTerminal.here(as_json=as_json)
    started = chosen.team.start(task, conversation=where, definition=chosen.entry, answer=person, **spending)
    async with started as live:
        with printing(place, as_json=as_json) as printer:
            if person is not None:
                person.view = printer.view
            printer.begin(live, where.id)
            return await _follow(live, printer, Again(live.id, place, chosen.words))


class AtTerminal:
    """Whoever sits at the terminal, asked while nothing else is drawn there."""

    def __init__(self) -> None:
        self.view: View | None = None

    @classmethod
    def here(cls, *, as_json: bool) -> AtTerminal | None:
        """Return them, None where nobody sits there."""
        return None if as_json or not (is_terminal() and sys.stdout.isatty()) else cls()

    async def __call__(self, question: Question) -> Any:
        if self.view is not None:
            self.view.hold()
        try:
            return await at_terminal(question)
        finally:
            if self.view is not None:
                self.view.go_on()


class Force(NamedTuple):
    """What an operator may do to a run that cannot go on otherwise; see `going_on`."""

    give_up_turn: bool = False
    take_over: bool = False
    effects: Effects | None = None


async def resume(
    run: str,
    store: str | None,
    spending: Spending,
    team: str | None,
    app: str | None,
    *,
    force: Force,
    as_json: bool,
) -> int:
    """Go on with a run and return the exit code."""
    project = find_project()
    wanted = spending.read(project)
    place = Place.of(store, project)
    async with place.there() as opened:
        found = await find(opened, run)
        await _check_open(opened, found, place, take_over=force.take_over)
        await opened.verify(found.conversation)
        chosen = definitions.recorded(found, place, project, team=team, app=app)
        person = AtTerminal.here(as_json=as_json)
        going_on = chosen.team.going_on(
            found.run_id, store=opened, definition=chosen.entry, answer=person, **wanted, **force._asdict()
        )
        async with going_on as live:
            with printing(place, as_json=as_json) as printer:
                if person is not None:
                    person.view = printer.view
                printer.begin(live, found.conversation, before=live.told())
                return await _follow(live, printer, Again(live.id, place, chosen.words), since=len(live.told()))


async def _check_open(store: Store, found: Found, place: Place, *, take_over: bool) -> None:
    """Refuse at once, whatever the definition, what cannot go on.

    Raises:
        Conflict: It is completed, was left for another, or is going on.
    """
    record, latest = found.record, run_id(found.conversation, found.latest)
    if not take_over and await store.is_held(found.conversation):
        raise Conflict(
            f"Run {latest} is going on in another living process. Wait for it, or stop it there. If it hangs: "
            "--take-over."
        )
    if record.outcome is not None and record.closed:
        again = place.command("run", "TEAM", "TASK", "--conversation", found.conversation)
        raise Conflict(
            f"Run {found.run_id} is {record.outcome.kind} ({record.outcome.reason}): there is nothing to go on with. "
            f"A new task for its conversation: {again}"
        )
    if found.run_id != latest:
        raise Conflict(f"Run {found.run_id} was followed by run {latest}; only the last of them can go on.")


async def _follow(live: LiveRun, printer: Printer, again: Again, since: int = 0) -> int:
    """Show a run to its end, and return the exit code that says how it ended."""
    began, failure = time.perf_counter(), None

    def stop() -> None:
        live.cancel()
        with suppress(OSError):  # nobody reads any more
            printer.notice("Stopping. Ctrl-C again stops at once.")

    with stopping.on_signals(stop, again.command()):
        try:
            async with aclosing(live.events(since)) as items:
                async for item in items:
                    printer.see(item)
            result = await live.result()
        except RunFailed as error:
            if error.result is None:
                raise
            result, failure = error.result, error.__cause__
        except ConfigError as error:
            error.add_note(again.hint())
            raise
        printer.end(result, time.perf_counter() - began)
    assert result.outcome is not None
    for line in trouble.told(failure, find_project().root):
        print(shown.clean(line), file=sys.stderr)
    if result.outcome.kind != "completed":
        where = live.run.conversation
        record = fold(await where.store.read(where.id, owner=where.owner))[live.run.number]
        for line in again.lines(result.outcome, record):
            print(shown.clean(line), file=sys.stderr)
    return EXITS[result.outcome.kind]
