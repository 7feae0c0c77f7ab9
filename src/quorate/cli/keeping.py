"""`quorate verify`, `delete`, `erase`, `retain` and `import`."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from quorate.chat import shown
from quorate.cli import FAILED
from quorate.cli.place import Place, chosen
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.errors import ConfigError, StoreError, Tampered
from quorate.runs import keeping, portable
from quorate.runs.journal import Store, checked_id, given_out
from quorate.runs.signing import Key
from quorate.runs.stored import Head

SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


async def verify(what: str, store: str | None, head: str | None, key: str | None, *, as_json: bool) -> int:
    """Recompute the chain of a conversation, or of all, and return the exit code: 1 where one was tampered with."""
    place = Place.of(store, find_project())
    given = None if head is None else Head.of(head)
    if key is not None and given is None:
        raise ConfigError("--key checks the signature of a head: pass it, --head LENGTH:HASH:SIGNATURE.")
    checks = _checks(given, key or place.signing_key, asked=key is not None)
    if given is not None and what == "all":
        raise ConfigError("A head is that of one conversation: name it.")
    code = 0
    async with place.there() as opened:
        every = what == "all"
        known = [s.id for s in await opened.conversations()] if every else [(await chosen(opened, what))[0]]
        for id in known:
            told = await _verified(opened, id, given, checks)
            code = code if told["ok"] else FAILED
            if as_json:
                print_json(**told)
            elif told["ok"]:
                gone = f", {told['erased']} erased" if told["erased"] else ""
                entries = shown.counted(told["entries"], "entry", "entries")
                print(f"{id}: {entries} verify{gone}, head {told['head']}")
            else:
                print(shown.clean(f"{id}: {told['error']}"), file=sys.stderr)
        if not known and not as_json:
            print("There is nothing here yet.")
    return code


def _checks(given: Head | None, key: str | None, *, asked: bool) -> Key | None:
    """Return what the signature of a head is checked with, None where there is none."""
    if given is None or not (given.signature or asked):
        return None
    if key is None:
        raise ConfigError("The head is signed: pass --key FILE, the public key, or leave its last part out.")
    return Key(key)


async def _verified(store: Store, id: str, given: Head | None, key: Key | None) -> dict[str, Any]:
    told: dict[str, Any] = {"conversation": id, "ok": False}
    try:
        if key is not None and given is not None:
            key.check(id, given)
        head = given_out(store.conversation(id), await store.verify(id, given=given))
        stored, _ = await store.stored(id)
    except Tampered as error:
        return told | {"what": error.what, "entry": error.entry, "error": str(error)}
    except StoreError as error:
        return told | {"error": str(error)}
    erased = sum(s.digest is not None for s in stored)
    return told | {"ok": True, "entries": head.length, "erased": erased, "head": str(head)}


async def delete(conversation: str, store: str | None) -> int:
    """Delete a conversation, and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        _check_whole(await opened.conversations(starting=conversation), conversation)
        await keeping.delete(opened, conversation)
    print(f"Deleted {shown.inline(conversation)}.")
    return 0


def _check_whole(alike: Sequence[Any], id: str) -> None:
    """Refuse a beginning of an id: what is deleted does not come back.

    Raises:
        ConfigError: It is none, or only the beginning of some.
    """
    if any(s.id == id for s in alike):
        return
    if alike:
        raise ConfigError(f"Write the whole id, since what is deleted does not come back: {alike[-1].id}.")
    raise ConfigError(f"There is no conversation {id!r} here. `quorate conversations` lists them.")


async def erase(what: str, store: str | None, entries: Sequence[int], under: Sequence[str]) -> int:
    """Erase the words of a run, a conversation, or some entries, and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        conversation, run = await chosen(opened, what)
        done = await keeping.erase(opened, conversation, run=run, under=under, entries=entries)
        head = given_out(opened.conversation(conversation), await opened.verify(conversation))
    before = f" ({done.before} had been before)" if done.before else ""
    count = shown.counted(done.entries, "entry", "entries")
    print(f"Erased {count} of {shown.inline(what)}{before}. The chain verifies, head {head}")
    return 0


async def retain(store: str | None, older_than: str, *, how: str, dry_run: bool) -> int:
    """Erase or delete the finished conversations that are older, and return the exit code."""
    seconds = _seconds(older_than)
    place = Place.of(store, find_project())
    async with place.there() as opened:
        before_us = opened.clock.now_us() - int(seconds * 1e6)
        async with aclosing(keeping.due(opened, before_us)) as due:
            found = [summary async for summary in due]
        for summary in found:
            print(f"{'would ' if dry_run else ''}{how} {summary.id} ({shown.counted(summary.runs, 'run')})")
            if dry_run:
                continue
            if how == "delete":
                await opened.delete(summary.id)
            else:
                stored, _ = await opened.stored(summary.id)
                await opened.erase(summary.id, [s.seq for s in stored])
        if found and not dry_run:
            await opened.scrub()
    count = shown.counted(len(found), "conversation")
    print(f"{count} finished more than {older_than} ago.", file=sys.stderr)
    return 0


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text.strip())
    if not found:
        raise ConfigError(f"{text!r} is no age. Write 12h, 30d or 8w.")
    return float(found[1]) * SECONDS[found[2]]


async def take_in(file: str, store: str | None, name: str | None) -> int:
    """Take in a conversation that was exported, and return the exit code."""
    recording = portable.load(file)
    id = checked_id(recording.conversation if name is None else name)
    place = Place.of(store, find_project())
    async with place.opened() as opened:
        if not opened.url:
            raise ConfigError(f"{place.url} keeps nothing after its process. Name the file of a store: --store w.db.")
        await opened.restore(recording, id=id)
        head = given_out(opened.conversation(id), await opened.verify(id))
    count = shown.counted(head.length, "entry", "entries")
    print(f"Took in {shown.inline(id)}: {count}, head {head}")
    return 0
