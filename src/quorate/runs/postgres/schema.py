"""The tables of the PostgreSQL store, and the statements on them.

A schema is brought up to date by numbered steps, each applied once, in one transaction, under a lock. A new step is
added at the end of `STEPS`; one that was released is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.errors import StoreError

STEPS = (
    """
    CREATE TABLE {s}.owners (owner text PRIMARY KEY, secret bytea NOT NULL);
    CREATE TABLE {s}.holders (
        holder bigint PRIMARY KEY, expires_s double precision, beat timestamptz NOT NULL);
    CREATE TABLE {s}.conversations (
        key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, holder bigint, count integer NOT NULL DEFAULT 0,
        fence bigint NOT NULL DEFAULT 0, owner text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
        head bytea NOT NULL, UNIQUE (owner, id)) WITH (fillfactor = 50);
    CREATE TABLE {s}.entries (
        key bigint NOT NULL, at bigint NOT NULL, seq integer NOT NULL, run integer NOT NULL, version integer NOT NULL,
        path bytea NOT NULL, kind text NOT NULL, payload bytea, salt bytea, hash bytea NOT NULL, digest bytea,
        PRIMARY KEY (key, seq));
    CREATE TABLE {s}.artifacts (
        owner text COLLATE "C" NOT NULL, digest text COLLATE "C" NOT NULL, type text NOT NULL, data bytea NOT NULL,
        PRIMARY KEY (owner, digest));
    CREATE TABLE {s}.inbox (
        conversation bigint NOT NULL, at bigint NOT NULL, taken boolean NOT NULL DEFAULT false,
        id text COLLATE "C" NOT NULL, kind text NOT NULL, payload bytea NOT NULL, PRIMARY KEY (conversation, id));
    CREATE INDEX waiting ON {s}.inbox (conversation) WHERE NOT taken;
    CREATE INDEX questions ON {s}.entries (key, seq) WHERE kind = 'question';
    """,
    """
    CREATE TABLE {s}.forks (key bigint PRIMARY KEY, parent bigint NOT NULL, base integer NOT NULL);
    CREATE INDEX forks_of ON {s}.forks (parent);
    CREATE TABLE {s}.kept (
        key bigint NOT NULL, source_key bigint NOT NULL, seq integer NOT NULL, source_seq integer NOT NULL,
        PRIMARY KEY (key, seq));
    CREATE INDEX kept_of ON {s}.kept (source_key, source_seq);
    """,
)
"""`{s}` is the name of the schema. Paths are bytes, since a text of PostgreSQL cannot hold every character."""

_LOCK = 0x71756F72617465  # "quorate": who brings a schema up to date


async def bring_up_to_date(connection: Any, schema: str, where: str) -> None:
    """Make the tables, or add what a newer Quorate wants.

    Raises:
        StoreError: They are of a newer Quorate than this one.
    """
    found = await _version(connection, schema)
    if found < len(STEPS):
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            found = await _version(connection, schema)
            for number, step in enumerate(STEPS[found:], found + 1):
                if number == 1:
                    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                    await connection.execute(f"CREATE TABLE {schema}.steps (step integer PRIMARY KEY, at timestamptz)")
                await connection.execute(step.format(s=schema))
                await connection.execute(f"INSERT INTO {schema}.steps VALUES ($1, now())", number)  # noqa: S608  # a checked name
    if found > len(STEPS):
        raise StoreError(
            f"{where} has schema version {found}; this Quorate reads up to {len(STEPS)}. Use a newer Quorate."
        )


async def _version(connection: Any, schema: str) -> int:
    # not to_regclass, which may answer from what this backend remembers from before it had the lock
    there = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'steps')"
    if not await connection.fetchval(there, schema):
        return 0
    return await connection.fetchval(f"SELECT coalesce(max(step), 0) FROM {schema}.steps")  # noqa: S608  # a checked name


_LOCK_OF = """pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32 | l.objid::bigint) = """
"""Where a holder's lock is held. Everybody sees it, behind a proxy too."""

_ALIVE = """EXISTS (SELECT FROM {s}.holders h WHERE h.holder = c.holder AND CASE
    WHEN h.expires_s IS NULL THEN EXISTS (SELECT FROM {lock_of} h.holder)
    ELSE h.beat > clock_timestamp() - make_interval(secs => h.expires_s) END)"""


_SEGMENTS = """WITH RECURSIVE s (key, id, low, high) AS (
    SELECT c.key, c.id, coalesce(f.base, 0), 2147483647 FROM {s}.conversations c LEFT JOIN {s}.forks f ON f.key = c.key
        WHERE c.owner = $1 AND c.id = $2
    UNION ALL SELECT c.key, c.id, coalesce(f.base, 0), s.low FROM s JOIN {s}.forks b ON b.key = s.key
        JOIN {s}.conversations c ON c.key = b.parent LEFT JOIN {s}.forks f ON f.key = c.key WHERE s.low > 0)"""
"""The segments of a conversation: of each the entries above `low` up to `high`; its own ends last."""

_SOURCE = """LEFT JOIN {s}.kept k ON k.key = e.key AND k.seq = e.seq
    LEFT JOIN {s}.entries o ON o.key = k.source_key AND o.seq = k.source_seq"""
"""Where the payload of an entry is that a fork keeps of its parent."""


class Statements:
    """The statements on the tables of one schema."""

    owner = "SELECT secret FROM {s}.owners WHERE owner = $1"
    new_owner = "INSERT INTO {s}.owners VALUES ($1, $2) ON CONFLICT DO NOTHING"

    break_lock = "SELECT pg_terminate_backend(l.pid, 5000) FROM {lock_of} $1"
    beat = """
        INSERT INTO {s}.holders VALUES ($1, $2, clock_timestamp())
        ON CONFLICT (holder) DO UPDATE SET expires_s = excluded.expires_s, beat = excluded.beat"""
    forget_holder = "DELETE FROM {s}.holders WHERE holder = $1"
    forget_holders = """
        DELETE FROM {s}.holders h WHERE h.beat < clock_timestamp() - interval '1 day'
        AND NOT EXISTS (SELECT FROM {s}.conversations c WHERE c.holder = h.holder)"""

    new_conversation = "INSERT INTO {s}.conversations (owner, id, head) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
    lease = """
        SELECT c.key, c.holder, c.fence, c.count, c.head, {alive} AS alive FROM {s}.conversations c
        WHERE c.owner = $1 AND c.id = $2 FOR UPDATE"""
    hold = "UPDATE {s}.conversations SET holder = $2, fence = fence + 1 WHERE key = $1"
    give_back = "UPDATE {s}.conversations SET holder = NULL WHERE key = $1 AND fence = $2"
    holder = "SELECT c.key, c.holder, {alive} AS alive FROM {s}.conversations c WHERE c.owner = $1 AND c.id = $2"
    states = "SELECT key, fence, count, head FROM {s}.conversations WHERE key = ANY($1::bigint[])"

    new_ledgers = """
        INSERT INTO {s}.conversations (owner, id, head) SELECT $1, id, $3 FROM unnest($2::text[]) WITH ORDINALITY
        u(id, n) ORDER BY n ON CONFLICT DO NOTHING"""
    lock_ledgers = """
        SELECT id, key, count, head FROM {s}.conversations WHERE owner = $1 AND id = ANY($2::text[])
        ORDER BY id FOR UPDATE"""
    balances = """
        SELECT c.key, e.payload FROM {s}.conversations c JOIN {s}.entries e ON e.key = c.key AND e.seq = c.count
        WHERE c.key = ANY($1::bigint[])"""
    is_there = "SELECT EXISTS (SELECT FROM {s}.entries WHERE key = $1 AND seq = $2 AND hash = $3)"
    add_to_ledgers = """
        INSERT INTO {s}.entries (key, seq, run, path, kind, version, at, payload, salt, hash)
        SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bytea[], $5::text[], $6::int[], $7::bigint[],
            $8::bytea[], $9::bytea[], $10::bytea[])"""
    move_ledgers = """
        UPDATE {s}.conversations c SET count = u.count, head = u.head
        FROM unnest($1::bigint[], $2::int[], $3::bytea[]) u(key, count, head) WHERE c.key = u.key"""

    segments = "{segments} SELECT key, id, low, high FROM s ORDER BY high"
    entries = """
        SELECT e.seq, e.run, e.path, e.kind, e.at, coalesce(e.payload, (SELECT o.payload FROM {s}.kept k
            JOIN {s}.entries o ON o.key = k.source_key AND o.seq = k.source_seq
            WHERE k.key = e.key AND k.seq = e.seq)) AS payload, e.version
        FROM {s}.entries e WHERE e.key = $1 AND e.seq > $2 AND e.seq <= $3
        AND ($4::text[] IS NULL OR e.kind = ANY($4)) ORDER BY e.seq LIMIT $5"""
    linked = """
        {segments} SELECT e.seq, e.run, e.path, e.kind, e.version, e.at, coalesce(e.payload, o.payload) AS payload,
            coalesce(e.salt, o.salt) AS salt, e.hash, coalesce(e.digest, o.digest) AS digest,
            CASE WHEN s.key = c.key THEN '' ELSE s.id END AS of, c.count, c.head
        FROM {s}.conversations c CROSS JOIN s LEFT JOIN {s}.entries e ON e.key = s.key AND e.seq > s.low
            AND e.seq <= s.high {source} WHERE c.owner = $1 AND c.id = $2 ORDER BY e.seq"""
    link = """
        SELECT coalesce(k.source_key, e.key) AS key, coalesce(k.source_seq, e.seq) AS seq, e.run, e.path, e.kind,
            e.version, e.at, coalesce(e.payload, o.payload) AS payload, coalesce(e.salt, o.salt) AS salt,
            coalesce(e.digest, o.digest) AS digest
        FROM {s}.entries e {source} WHERE e.key = $1 AND e.seq = $2"""
    length = "SELECT count, head FROM {s}.conversations WHERE owner = $1 AND id = $2"
    hash = "SELECT hash FROM {s}.entries WHERE key = $1 AND seq = $2"
    new_fork = """
        INSERT INTO {s}.conversations (owner, id, count, head) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING key"""
    branch = "INSERT INTO {s}.forks VALUES ($1, $2, $3)"
    keep = "INSERT INTO {s}.kept (key, seq, source_key, source_seq) VALUES ($1, $2, $3, $4)"
    new_entry = """
        INSERT INTO {s}.entries (key, seq, run, path, kind, version, at, payload, salt, hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""
    new_artifact = "INSERT INTO {s}.artifacts VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
    conversations = """
        SELECT c.id, c.owner, e.run, e.at FROM {s}.conversations c LEFT JOIN {s}.forks f ON f.key = c.key
        JOIN {s}.entries e ON e.seq = c.count
            AND e.key = CASE WHEN c.count > coalesce(f.base, 0) THEN c.key ELSE f.parent END
        WHERE c.owner = $1 AND starts_with(c.id, $2) AND (e.at, c.id) < ($3, $4 COLLATE "C")
        ORDER BY e.at DESC, c.id DESC LIMIT $5"""
    artifacts = "SELECT digest, type, data FROM {s}.artifacts WHERE owner = $1 AND digest = ANY($2::text[])"

    post = """
        WITH c AS (SELECT key FROM {s}.conversations WHERE owner = $1 AND id = $2 FOR SHARE),
        put AS (INSERT INTO {s}.inbox (conversation, id, kind, payload, at) SELECT key, $3, $4, $5, $6 FROM c
            ON CONFLICT DO NOTHING RETURNING conversation)
        SELECT key, (SELECT pg_notify('{channel}', conversation::text)::text FROM put) IS NOT NULL AS put,
            CASE WHEN current_setting('synchronous_commit') = 'off' THEN {sync} END FROM c"""
    posted = "SELECT kind, payload, at, taken FROM {s}.inbox WHERE conversation = $1 AND id = $2"
    notes = """
        SELECT c.id, i.id, i.kind, i.payload, i.at FROM {s}.inbox i JOIN {s}.conversations c ON i.conversation = c.key
        WHERE c.owner = $1 AND c.id = ANY($2::text[]) AND NOT taken ORDER BY i.at, i.id"""
    untaken = "SELECT id, kind, payload, at FROM {s}.inbox WHERE conversation = $1 AND NOT taken ORDER BY at, id"
    waiting = "SELECT DISTINCT conversation FROM {s}.inbox WHERE NOT taken AND conversation = ANY($1::bigint[])"
    close_inbox = "SELECT FROM {s}.conversations WHERE key = $1 FOR UPDATE"
    questions = """
        SELECT c.id, e.seq, e.run, e.path, e.kind, e.at, e.payload, e.version
        FROM {s}.entries e JOIN {s}.conversations c ON c.key = e.key
        WHERE e.kind = 'question' AND c.owner = $1 AND ($2::text IS NULL OR c.id = $2)
        AND (e.key, e.seq) > (coalesce((SELECT key FROM {s}.conversations WHERE owner = $1 AND id = $3), 0), $4::int)
        AND NOT EXISTS (SELECT FROM {s}.entries l WHERE l.key = e.key AND l.seq > e.seq AND l.run = e.run AND (
            (l.path = e.path AND (l.kind = ANY($5::text[]) OR l.kind = 'question')) OR (l.kind = 'turn' AND l.path =
                CASE position('\\x2f'::bytea IN e.path) WHEN 0 THEN ''
                ELSE substring(e.path FROM 1 FOR position('\\x2f'::bytea IN e.path) - 1) END)))
        ORDER BY e.key, e.seq LIMIT $6"""

    _moved = """
        moved AS (UPDATE {s}.conversations c SET count = u.after, head = u.head
            FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bytea[])
                u(key, fence, before, after, head)
            WHERE c.key = u.key AND c.fence = u.fence AND c.count = u.before RETURNING c.key)"""
    _written = """
        written AS (INSERT INTO {s}.entries (key, seq, run, path, kind, version, at, payload, salt, hash)
            SELECT u.* FROM unnest($6::bigint[], $7::int[], $8::int[], $9::bytea[], $10::text[], $11::int[],
                $12::bigint[], $13::bytea[], $14::bytea[], $15::bytea[])
                u(key, seq, run, path, kind, version, at, payload, salt, hash) JOIN moved USING (key))"""
    _one = """
        WITH moved AS (UPDATE {s}.conversations SET count = $4, head = $5
            WHERE key = $1 AND fence = $2 AND count = $3 RETURNING key),
        written AS (INSERT INTO {s}.entries (key, seq, run, version, path, kind, at, payload, salt, hash)
            SELECT key, $3 + n, $6, $7, path, kind, at, payload, substring(proof FOR 16), substring(proof FROM 17)
            FROM unnest($8::bytea[], $9::text[], $10::bigint[], $11::bytea[], $12::bytea[])
                WITH ORDINALITY u(path, kind, at, payload, proof, n) CROSS JOIN moved)
        SELECT key"""
    _used = """
        used AS (UPDATE {s}.inbox i SET taken = true, payload = u.said
            FROM unnest($16::bigint[], $17::text[], $18::bytea[]) u(key, id, said) JOIN moved USING (key)
            WHERE i.conversation = u.key AND i.id = u.id AND NOT taken)"""
    _kept = """
        kept AS (INSERT INTO {s}.artifacts
            SELECT * FROM unnest($19::text[], $20::text[], $21::text[], $22::bytea[]) ON CONFLICT DO NOTHING)"""

    def __init__(self, schema: str) -> None:
        self.channel = f"quorate_{schema}"[:63]
        filling = {
            "segments": _SEGMENTS,
            "source": _SOURCE,
            "channel": self.channel,
            "alive": _ALIVE,
            "lock_of": _LOCK_OF,
            "sync": "set_config('synchronous_commit', 'on', true)",
        }
        for name, text in vars(Statements).items():
            if isinstance(text, str) and not name.startswith("__"):
                for mark, part in [*filling.items(), ("s", schema)]:
                    text = text.replace(f"{{{mark}}}", part)
                setattr(self, name, text)
        self._sync = filling["sync"]
        self._writes: dict[tuple[bool, bool], str] = {}
        self.write_one, self.write_one_synced = (f"{self._one}{extra} FROM moved" for extra in ("", f", {self._sync}"))

    def write(self, *, rare: bool, synced: bool) -> str:
        """Return the one statement of a commit; it returns the keys of the conversations that were moved on.

        It is one round trip and one transaction. A conversation is moved on, and its entries and notes are written,
        only where its fence and its length are as the writer knows them. So it can be sent again when it is not known
        whether it was done.

        Args:
            rare: Whether notes were taken, or artifacts are to be kept: seven values more.
            synced: Whether it shall survive a power cut where the session's other commits may not.
        """
        if (rare, synced) not in self._writes:
            parts = [self._moved, self._written, *([self._used, self._kept] if rare else [])]
            extra = f", {self._sync}" if synced else ""
            self._writes[rare, synced] = f"WITH {','.join(parts)} SELECT key{extra} FROM moved"  # noqa: S608  # no value
        return self._writes[rare, synced]


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return rows of so many values as columns, which is how a statement takes many."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
