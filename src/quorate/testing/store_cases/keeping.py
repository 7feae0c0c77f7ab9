"""What is kept of an entry, and what is not (ENGINE 24)."""

from __future__ import annotations

from quorate.errors import StoreError
from quorate.runs.entries import MAX_ENTRY_BYTES, Payload
from quorate.testing.store_cases.expecting import Open, lasting, refused, same, starred, values, write, written

LONG = "Nobody knows the trouble I've seen. " * 5000


async def redaction_sees_every_entry_before_it_is_kept(open: Open) -> None:
    """ENGINE 24: one hook, which is given path, kind and payload; what it changed is marked (`journal.redacted`)."""
    seen: list[tuple[str, str]] = []

    def redact(path: str, kind: str, payload: Payload) -> Payload:
        seen.append((path, kind))
        return starred(path, kind, payload)

    store = await open(redact=redact)
    journal = await store.open("talk")

    entry = journal.append(1, "1 turn/1 pay", "result", {"content": "open sesame", "error": False})
    await write(journal, "sesame")

    same(entry.payload["content"], "open ******", "What the writer goes on with")
    same([e.payload for e in await store.read("talk")], [entry.payload, {"value": "******", "redacted": True}])
    same(seen, [("1 turn/1 pay", "result"), ("1 turn", "value")])


async def payload_that_is_made_later_is_read_like_any(open: Open) -> None:
    """A journal may leave a payload unmade until somebody reads it: what is read, and its order, do not tell."""
    store = await open()
    journal = await store.open("talk")
    later = journal.append_later

    await write(journal, "before")
    if later is None:  # it keeps at once what it is given
        journal.append(1, "2 turn", "value", {"value": "late"})
    else:
        later(1, "2 turn", "value", lambda: {"value": "late"})
    await write(journal, "after")

    same(values(await store.read("talk")), ["before", "late", "after"], "What was written")
    same([e.seq for e in await store.read("talk")], [1, 2, 3], "Its order")


async def redaction_comes_before_the_hash(open: Open) -> None:
    """ENGINE 22, 24: the chain is over what is kept, so it verifies where nobody redacts."""
    store = await open(redact=starred)
    await written(store, "talk", "open sesame", LONG + "sesame")

    head = await store.verify("talk")

    same(head.length, 2)
    same(await store.verify("talk"), head, "The head, asked for again,")


async def text_above_the_size_cap_is_refused_and_the_rest_is_kept(open: Open) -> None:
    """ENGINE 24: enforced, never silently."""
    store = await open()
    journal = await store.open("talk")
    await write(journal, "before")

    with refused(StoreError, str(MAX_ENTRY_BYTES)):
        journal.append(1, "1 turn", "value", {"value": "x" * (MAX_ENTRY_BYTES + 1)})
    await write(journal, "after")

    same([(e.seq, e.payload["value"]) for e in await store.read("talk")], [(1, "before"), (2, "after")])


async def long_text_is_read_as_it_was(open: Open) -> None:
    """ENGINE 24: wherever the store keeps it."""
    store = await open()
    await written(store, "talk", LONG, "short", LONG)
    await written(store, "other", LONG)

    same(values(await store.read("talk")) == [LONG, "short", LONG], True, "Whether long texts came back")
    same(values(await store.read("other")) == [LONG], True, "Whether another conversation's long text came back")
    same((await store.verify("talk")).length, 2 + 1)


@lasting
async def payload_that_is_no_plain_data_is_refused_and_the_rest_is_kept(open: Open) -> None:
    """ENGINE 24: payloads are JSON that another language could read."""
    store = await open()
    journal = await store.open("talk")

    for value in (float("nan"), float("inf"), object()):
        with refused(StoreError, "plain JSON data"):
            journal.append(1, "1 turn", "value", {"value": value})
    await write(journal, "after")

    same([(e.seq, e.payload["value"]) for e in await store.read("talk")], [(1, "after")])
    same((await store.verify("talk")).length, 1)


@lasting
async def payload_that_looks_like_a_mark_of_the_stores_own_comes_back(open: Open) -> None:
    """Data is inert: a payload can not name another's content."""
    first, second = await open(), await open()
    odd = {"$artifact": "00", "type": "text/plain", "size": 1}
    journal = await first.open("talk")
    journal.append(1, "1 turn", "value", {"value": odd, "literal": {"$literal": odd}, "long": odd | {"text": LONG}})
    await journal.commit()

    [entry] = await second.read("talk")

    same(entry.payload == {"value": odd, "literal": {"$literal": odd}, "long": odd | {"text": LONG}}, True)


@lasting
async def standing_parts_of_a_call_come_back(open: Open) -> None:
    """ENGINE 14: they are stored once by content, however short."""
    first, second = await open(), await open()
    for id in ("one", "two"):
        journal = await first.open(id)
        for _ in range(3):
            journal.append(1, "1 turn", "call", {"model": "m", "parts": '{"system":"Be kind."}'})
        await journal.commit()
        await journal.release()

    for id in ("one", "two"):
        same([e.payload["parts"] for e in await second.read(id)], ['{"system":"Be kind."}'] * 3)


@lasting
async def digest_is_keyed_with_the_owners_secret(open: Open) -> None:
    """ENGINE 23: the same for all of the owner's conversations, and tells another owner nothing."""
    first, second = await open(), await open()
    one = (await first.open("one", owner="acme/ann")).fingerprint(b"yes")
    two = (await second.open("two", owner="acme/ann")).fingerprint(b"yes")
    other = (await first.open("one", owner="acme/bob")).fingerprint(b"yes")

    same(one, two)
    same(one != other, True, "Whether two owners have digests of their own")
    same(bool(one), True, "Whether there is a digest")
