"""`quorate replay` and `quorate export`."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from quorate.chat import shown
from quorate.chat.live import Runnable
from quorate.chat.past.replay import ReplayReport, replay
from quorate.cli import FAILED
from quorate.cli import definition as definitions
from quorate.cli.place import Found, Place, find, named
from quorate.cli.printing import print_json
from quorate.cli.project import Project, find_project
from quorate.errors import ConfigError, Divergence, StoreError
from quorate.runs import portable
from quorate.runs.entries import Payload, run_id
from quorate.runs.journal import Store
from quorate.runs.memory import loaded
from quorate.runs.portable import Recording
from quorate.runs.stored import Head

SHOWN = 400
"""How much of a long text is shown, from a little before the first difference on."""
BEFORE = 60


async def replayed(run: str, store: str | None, team: str | None, app: str | None, *, as_json: bool) -> int:
    """Replay a run, from a store or from a file, and return the exit code: 0 if it is identical, 1 if not."""
    project = find_project()
    place = Place.of(store, project)
    async with _opened(run, place, store) as (opened, found):
        chosen = definitions.recorded(found, place, project, team=team, app=app, verb="replay")

        def of_document(document: Payload) -> Runnable:
            return chosen.team if document == found.record.document else _of(project, document)

        try:
            report = await replay(found.run_id, store=opened, team=chosen.team, documents=of_document)
        except Divergence as difference:
            _tell(found.run_id, difference, as_json=as_json)
            return FAILED
    if as_json:
        print_json(
            run_id=report.run_id, identical=report.identical, entries=report.entries, given=report.given,
            unchecked=report.unchecked, erased=report.erased,
        )  # fmt: skip
    else:
        for line in _report(report):
            print(shown.clean(line))
    return 0 if report.identical else FAILED


def _of(project: Project, document: Payload) -> Runnable:
    return project.team(document)


@asynccontextmanager
async def _opened(run: str, place: Place, store: str | None) -> AsyncGenerator[tuple[Store, Found]]:
    """Open the store of a run, or the file that was named instead of one."""
    if store is None and run.endswith(".jsonl"):
        recording = portable.load(run)
        memory = loaded(recording)
        yield memory, await find(memory, run_id(recording.conversation, recording.run))
        return
    async with place.there() as opened:
        try:
            found = await find(opened, run)
        except (LookupError, TypeError, ValueError, AttributeError, StoreError) as error:
            if isinstance(error, ConfigError):
                raise
            await opened.verify(named(await opened.conversations(), run)[0])  # it says which entry was altered
            raise
        yield opened, found


def _report(report: ReplayReport) -> Iterator[str]:
    compared = f"{shown.counted(report.entries, 'entry', 'entries')} compared, no outside call made"
    given = (
        f", {shown.counted(report.given, 'turn')} taken as given: the code changed after them, or they were given up"
        if report.given
        else ""
    )
    if report.identical:
        yield f"Run {report.run_id} replays identically: {compared}{given}."
    else:
        yield f"Run {report.run_id} cannot be replayed to its end, since texts in it were erased: {compared}{given}."
    for name in report.unchecked:
        yield f"  not checked: what {name} said, which keeps something in attributes of its own"
    for where in report.erased:
        yield f"  erased, so not compared: {where}"


def _tell(run_id: str, difference: Divergence, *, as_json: bool) -> None:
    if as_json:
        print_json(
            run_id=run_id, identical=False, message=str(difference), path=difference.path, entry=difference.entry,
            kind=difference.kind, expected=difference.expected, got=difference.got, where=difference.where,
        )  # fmt: skip
        return
    print(shown.clean(f"Run {run_id} does not replay: {difference}"), file=sys.stderr)
    expected, got = _excerpts(difference.expected, difference.got)
    lines = ("entry", f"{difference.entry}, a {difference.kind}" if difference.entry else ""), (
        "expected", expected), ("got", got), ("in the code", difference.where)  # fmt: skip
    for name, value in lines:
        if value:
            print(f"  {name + ':':13}{shown.clean(value)}", file=sys.stderr)


def _excerpts(expected: Any, got: Any) -> tuple[str, str]:
    """Return two values in words, long ones from a little before their first difference on."""
    texts = [value if isinstance(value, str) else repr(value) for value in (expected, got)]
    if max(map(len, texts)) <= SHOWN:
        return texts[0], texts[1]
    same = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, same - BEFORE)
    cut = ["…" * (start > 0) + text[start : start + SHOWN] + "…" * (len(text) > start + SHOWN) for text in texts]
    return cut[0], cut[1]


# -- export -----------------------------------------------------------------------------------------------------------


async def export(run: str, file: str, store: str | None, *, force: bool) -> int:
    """Save a conversation, or its beginning up to the end of a run, in one file; `-` prints it."""
    if file != "-" and not force and _exists(file):
        raise ConfigError(f"{file} exists. Name another file, or write over it with --force.")
    place = Place.of(store, find_project())
    async with place.there() as opened:
        conversation, number = named(await opened.conversations(), run)
        recording = await portable.record(opened, conversation, run=number)
    recording.verify()
    if file == "-":
        sys.stdout.buffer.writelines(portable.lines(recording))
        return 0
    portable.save(recording, file)
    print(shown.clean(_exported(recording, file)))
    return 0


def _exists(file: str) -> bool:
    return Path(file).exists()


def _exported(recording: Recording, file: str) -> str:
    entries = shown.counted(len(recording.stored), "entry", "entries")
    last = run_id(recording.conversation, recording.run)
    head = Head(len(recording.stored), recording.head.hex(), recording.signature)
    return f"Run {last} and what was before it are in {file}: {entries}, head {head}"
