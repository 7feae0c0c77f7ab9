"""Removing from a PostgreSQL store, and taking in what was removed from another, within one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from quorate.runs import chain
from quorate.runs.erasing import erased_bytes
from quorate.runs.portable import Recording, parts
from quorate.runs.stored import Stored, references

HIDDEN = "*deleted"
"""Owns, with its key, what is left of a conversation because forks have it. Nobody's owner has a star."""


class Keeping:
    """The statements on the tables of one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    def _sql(self, text: str) -> str:
        return text.replace("{s}", self._schema)

    async def delete(self, db: Any, key: int) -> None:
        """Remove a conversation; of its entries, those stay that forks have."""
        removed: list[bytes | None] = []
        await self._prune(db, key, removed)
        await db.execute(self._sql("DELETE FROM {s}.inbox WHERE conversation = $1"), key)
        await self._sweep(db, removed)

    async def _prune(self, db: Any, key: int, removed: list[bytes | None]) -> None:
        """Remove what nobody has any more of a conversation that is deleted, then of those that it branched off."""
        base = await db.fetchval(self._sql("SELECT coalesce(max(base), 0) FROM {s}.forks WHERE parent = $1"), key)
        gone = await db.fetch(
            self._sql(
                "DELETE FROM {s}.entries e WHERE key = $1 AND seq > $2 AND NOT EXISTS (SELECT FROM {s}.kept k "
                "WHERE k.source_key = e.key AND k.source_seq = e.seq) RETURNING payload"
            ),
            key,
            base,
        )
        removed += [row["payload"] for row in gone]
        sources = await db.fetch(
            self._sql(
                "DELETE FROM {s}.kept k WHERE key = $1 AND NOT EXISTS (SELECT FROM {s}.entries e "
                "WHERE e.key = k.key AND e.seq = k.seq) RETURNING source_key"
            ),
            key,
        )
        before = await db.fetch(self._sql("SELECT parent FROM {s}.forks WHERE key = $1 AND base > 0"), key)
        if await db.fetchval(self._sql("SELECT EXISTS (SELECT FROM {s}.entries WHERE key = $1)"), key) or base:
            hide = "UPDATE {s}.conversations SET owner = $2, holder = NULL, fence = fence + 1 WHERE key = $1"
            await db.execute(self._sql(hide), key, f"{HIDDEN} {key}")
        else:
            await db.execute(self._sql("DELETE FROM {s}.conversations WHERE key = $1"), key)
            await db.execute(self._sql("DELETE FROM {s}.forks WHERE key = $1"), key)
        hidden = self._sql("SELECT EXISTS (SELECT FROM {s}.conversations WHERE key = $1 AND starts_with(owner, $2))")
        for other in sorted({row[0] for row in (*before, *sources)} - {key}):
            if await db.fetchval(hidden, other, f"{HIDDEN} "):
                await self._prune(db, other, removed)

    async def erase(
        self, db: Any, segments: Collection[Any], seqs: Collection[int], load: Callable[[str], bytes]
    ) -> int:
        """Put in the place of payloads what is left of them, in all forks that have them; return of how many."""
        removed: list[bytes | None] = []
        find = self._sql(
            "SELECT key, seq, kind, payload, salt FROM {s}.entries e WHERE digest IS NULL AND (key, seq) = (SELECT "
            "coalesce(k.source_key, a.key), coalesce(k.source_seq, a.seq) FROM (SELECT $1::bigint AS key, $2::int AS "
            "seq) a LEFT JOIN {s}.kept k ON k.key = a.key AND k.seq = a.seq) FOR UPDATE"
        )
        put = self._sql("UPDATE {s}.entries SET payload = $3, salt = NULL, digest = $4 WHERE key = $1 AND seq = $2")
        for seq in sorted(set(seqs)):
            key = next((key for key, _, low, high in segments if low < seq <= high), None)
            row = None if key is None else await db.fetchrow(find, key, seq)
            if row is not None:
                left = erased_bytes(row["kind"], chain.decode(row["payload"], load))
                await db.execute(put, row["key"], row["seq"], left, chain.digest(row["salt"], row["payload"]))
                removed.append(row["payload"])
        await self._sweep(db, removed)
        return len(removed)

    async def payloads(self, db: Any, segments: Collection[Any], seqs: Collection[int]) -> list[bytes | None]:
        """Return the payloads of entries."""
        find = self._sql(
            "SELECT coalesce(e.payload, o.payload) AS payload FROM {s}.entries e LEFT JOIN {s}.kept k ON "
            "k.key = e.key AND k.seq = e.seq LEFT JOIN {s}.entries o ON o.key = k.source_key AND "
            "o.seq = k.source_seq WHERE e.key = $1 AND e.seq > $2 AND e.seq <= $3 AND e.seq = ANY($4::int[])"
        )
        found = [await db.fetch(find, key, low, high, sorted(seqs)) for key, _, low, high in segments]
        return [row["payload"] for rows in found for row in rows]

    async def _sweep(self, db: Any, removed: Iterable[bytes | None]) -> None:
        """Remove the artifacts that only removed payloads referred to. Meanwhile nobody can come to rely on one."""
        unused = set(references(removed))
        if not unused:
            return
        await db.execute(self._sql("LOCK TABLE {s}.artifacts IN SHARE ROW EXCLUSIVE MODE"))
        using = self._sql("SELECT payload FROM {s}.entries WHERE position('\"$artifact\"'::bytea IN payload) > 0")
        async for row in db.cursor(using):
            unused.difference_update(references([row["payload"]]))
        await db.execute(self._sql("DELETE FROM {s}.artifacts WHERE digest = ANY($1::text[])"), sorted(unused))

    async def restore(self, db: Any, recording: Recording, id: str, owner: str) -> bool:
        """Write a recording as a conversation, and hidden those that it was written in; False if its name is taken."""
        parent = base = 0
        last = chain.GENESIS
        make = self._sql(
            "INSERT INTO {s}.conversations (owner, id, count, head) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING "
            "RETURNING key"
        )
        found = parts(recording, id)
        for at, (of, stored) in enumerate(found):
            final = at == len(found) - 1
            last, count = (stored[-1].hash, stored[-1].seq) if stored else (last, base)
            whose = (owner, id) if final else (f"{HIDDEN} new", of or recording.conversation)
            key = await db.fetchval(make, *whose, count, last)
            if key is None:
                return False
            if not final:
                hide = "UPDATE {s}.conversations SET owner = $2 WHERE key = $1"
                await db.execute(self._sql(hide), key, f"{HIDDEN} {key}")
            if base:
                await db.execute(self._sql("INSERT INTO {s}.forks VALUES ($1, $2, $3)"), key, parent, base)
            await db.executemany(
                self._sql(
                    "INSERT INTO {s}.entries (key, seq, run, path, kind, version, at, payload, salt, hash, digest) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
                ),
                [(key, *_row(s)) for s in stored],
            )
            parent, base = key, count
        await db.executemany(
            self._sql("INSERT INTO {s}.artifacts VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"),
            [(owner, a.digest, a.type, a.data) for a in recording.artifacts.values()],
        )
        return True

    async def scrub(self, db: Any) -> None:
        """Write the tables anew. What the server archives or replicates is its administrator's."""
        for table in ("entries", "artifacts", "inbox"):
            await db.execute(f"VACUUM FULL {self._schema}.{table}")


def _row(s: Stored) -> tuple[Any, ...]:
    path = s.path.encode(errors="surrogatepass")
    return s.seq, s.run, path, s.kind, s.version, s.at, s.data, s.salt, s.hash, s.digest
