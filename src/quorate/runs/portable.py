"""A conversation in one file: JSON lines that another store takes in, and that a test can replay.

| line | fields |
|---|---|
| the first | `quorate` ("conversation"), `version`, `conversation`, `run` (the last one), `before`, `length`, `head` |
| an artifact | `artifact` (its digest), `type`, and `text` or, where it is no text, `base64` |
| an entry | `seq`, `run`, `path`, `kind`, `version`, `at`, `salt`, `hash`, `payload`; `of` where written elsewhere |
| an erased entry | the same with `erased` (the digest of its payload) instead of `salt` and `payload` |

Entries come in the order they were written, an artifact before the first entry that refers to it. `before` is the hash
that the chain starts from. `payload` is the last field of its line, and its text is the payload's bytes as they were
stored: so the chain can be verified from the file alone, and goes on in the store that takes it in.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from quorate.errors import ConfigError, StoreError
from quorate.runs import chain
from quorate.runs.entries import FORMAT, Entry, tombstone
from quorate.runs.journal import LOCAL_OWNER, Clock, MemoryStore, Store

KIND = "conversation"
_PAYLOAD = b',"payload":'
"""In a line's own fields nothing else can read so: within a JSON string the quotes would be escaped."""
_REFERENCE = re.compile(rb'"\$artifact":\s?"([0-9a-f]+)"')


class Stored(NamedTuple):
    """An entry as a store keeps it: the bytes of its payload, their salt, and its link of the chain.

    `data` and `salt` are None for an erased entry, whose `digest` is kept instead; `of` is the conversation that it was
    written in, where it is not the one that it is read from.
    """

    seq: int
    run: int
    path: str
    kind: str
    version: int
    at: int
    data: bytes | None
    salt: bytes | None
    hash: bytes
    digest: bytes | None = None
    of: str = ""

    def follows(self, before: bytes, conversation: str) -> bool:
        """Whether it is what was linked to the entry before it."""
        whole = self.data is not None and self.salt is not None
        body = chain.digest(self.salt or b"", self.data or b"") if whole else self.digest or b""
        place = self.seq, self.run, self.path, self.kind, self.at
        return self.hash == chain.link(before, self.of or conversation, *place, body, self.version)


class Artifact(NamedTuple):
    """A long or standing text, or a file, that entries refer to by digest."""

    digest: str
    type: str
    data: bytes


@runtime_checkable
class Exporting(Protocol):
    """A store that keeps bytes and a chain, and can hand them out."""

    async def stored(self, id: str, *, owner: str = LOCAL_OWNER) -> tuple[list[Stored], list[Artifact]]:
        """Return a conversation's entries as they are kept, and the artifacts that they refer to."""
        ...


@dataclass(frozen=True)
class Recording:
    """A conversation, or its beginning up to the end of a run, taken out of its store.

    Args:
        conversation: Its id.
        stored: Its entries, in the order they were written.
        artifacts: What they refer to, by digest.
        before: The hash that the chain starts from.
    """

    conversation: str
    stored: Sequence[Stored]
    artifacts: dict[str, Artifact] = field(default_factory=dict[str, Artifact])
    before: bytes = chain.GENESIS

    @property
    def head(self) -> bytes:
        """The hash over all of it."""
        return self.stored[-1].hash if self.stored else self.before

    @property
    def run(self) -> int:
        """The number of the last run in it."""
        return max((s.run for s in self.stored), default=0)

    def entries(self) -> list[Entry]:
        """Return the entries with their payloads, artifacts put back in.

        Raises:
            StoreError: An artifact is not there.
        """
        return [
            Entry(
                s.seq, s.run, s.path, s.kind, s.at,
                tombstone(s.kind) if s.data is None else chain.decode(s.data, self._load), s.version,
            )
            for s in self.stored
        ]  # fmt: skip

    def _load(self, digest: str) -> bytes:
        if digest not in self.artifacts:
            raise StoreError(f"The recording of {self.conversation} lacks the content {digest}.")
        return self.artifacts[digest].data

    def verify(self) -> None:
        """Recompute the chain.

        Raises:
            StoreError: It is broken; names the first entry that is not what was written.
        """
        last = self.before
        for expected, s in enumerate(self.stored, self.stored[0].seq if self.stored else 1):
            if s.seq != expected:
                raise StoreError(f"Entry {expected} of {self.conversation} is missing.")
            if not s.follows(last, self.conversation):
                raise StoreError(f"Entry {s.seq} of {self.conversation} was altered.")
            last = s.hash

    def upto(self, run: int) -> Recording:
        """Return its beginning up to the end of a run.

        Raises:
            ConfigError: There is no such run.
        """
        last = max((i for i, s in enumerate(self.stored) if s.run == run), default=None)
        if last is None:
            there = ", ".join(map(str, sorted({s.run for s in self.stored}))) or "none"
            raise ConfigError(f"Conversation {self.conversation} has no run {run}. It has: {there}.")
        kept = self.stored[: last + 1]
        return Recording(self.conversation, kept, _used(kept, self.artifacts), self.before)

    def in_memory(self, *, clock: Clock | None = None) -> MemoryStore:
        """Return a store in memory that has this conversation, with its numbers and times."""
        store = MemoryStore(clock=clock)
        store.load(self.conversation, self.entries())
        return store


def references(payloads: Iterable[bytes | None]) -> list[str]:
    """Return the digests of the artifacts that payloads refer to, each once, in the order they are needed."""
    return list(dict.fromkeys(found.decode() for data in payloads for found in _REFERENCE.findall(data or b"")))


def _used(stored: Iterable[Stored], artifacts: dict[str, Artifact]) -> dict[str, Artifact]:
    return {digest: artifacts[digest] for digest in references(s.data for s in stored) if digest in artifacts}


async def record(store: Store, id: str, *, run: int | None = None, owner: str = LOCAL_OWNER) -> Recording:
    """Take a conversation out of its store, or its beginning up to the end of a run.

    A conversation in memory is hashed now, with salts and a key of its own.

    Raises:
        ConfigError: There is no such conversation, or no such run.
    """
    if isinstance(store, Exporting):
        stored, artifacts = await store.stored(id, owner=owner)
        found = Recording(id, stored, {a.digest: a for a in artifacts})
    else:
        found = hashed(id, await store.read(id, owner=owner))
    if not found.stored:
        raise ConfigError(f"There is no conversation {id} here. `quorate conversations` lists them.")
    return found if run is None else found.upto(run)


def hashed(conversation: str, entries: Iterable[Entry]) -> Recording:
    """Return a recording of entries that were only in memory, with a chain over them."""
    secret = chain.fresh_salt()
    artifacts: dict[str, Artifact] = {}

    def keep(text: str, media_type: str) -> str:
        data = text.encode(errors="surrogatepass")
        digest = chain.keyed(secret, data)
        artifacts[digest] = Artifact(digest, media_type, data)
        return digest

    stored: list[Stored] = []
    last = chain.GENESIS
    for seq, run, path, kind, at, payload, version in entries:
        data, salt = chain.encode(kind, payload, keep), chain.fresh_salt()
        last = chain.link(last, conversation, seq, run, path, kind, at, chain.digest(salt, data), version)
        stored.append(Stored(seq, run, path, kind, version, at, data, salt, last))
    return Recording(conversation, stored, artifacts)


# -- the file ---------------------------------------------------------------------------------------------------------


def lines(recording: Recording) -> Iterator[bytes]:
    """Yield a recording as the lines of its file, each with its end."""
    yield _line(
        quorate=KIND, version=FORMAT, conversation=recording.conversation, run=recording.run,
        before=recording.before.hex(), length=len(recording.stored), head=recording.head.hex(),
    )  # fmt: skip
    told: set[str] = set()
    for s in recording.stored:
        for digest, artifact in _used([s], recording.artifacts).items():
            if digest not in told:
                told.add(digest)
                yield _line(artifact=digest, type=artifact.type, **_content(artifact.data))
        yield _entry_line(s)


def _content(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


def _entry_line(s: Stored) -> bytes:
    said: dict[str, Any] = {
        "seq": s.seq, "run": s.run, "path": s.path, "kind": s.kind, "version": s.version, "at": s.at,
    }  # fmt: skip
    if s.of:
        said["of"] = s.of
    if s.data is None or s.salt is None:
        return _line(**said, erased=(s.digest or b"").hex(), hash=s.hash.hex())
    line = _line(**said, salt=s.salt.hex(), hash=s.hash.hex())
    return line[:-2] + _PAYLOAD + s.data + b"}\n"


def _line(**fields: Any) -> bytes:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # a name with half a character in it, that JSON can only hold escaped
        return f"{json.dumps(fields, separators=(',', ':'))}\n".encode()


def save(recording: Recording, path: str | Path) -> None:
    """Write a recording to a file, all of it or nothing.

    Raises:
        StoreError: The file cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.writelines(lines(recording))
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written: {error.strerror or error}.") from error


def load(path: str | Path) -> Recording:
    """Read a recording from a file and verify its chain.

    Raises:
        StoreError: The file cannot be read, is no recording, is of a newer version, or is not what was written.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            return read(file, name)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{name} cannot be read: {error.strerror or error}.") from error


def read(source: Iterable[bytes], name: str) -> Recording:
    """Read a recording from lines and verify its chain; `name` is what errors call the file."""
    numbered = enumerate(source, 1)
    header = _fields(next(numbered, (1, b""))[1], f"{name}, line 1")
    if header.get("quorate") != KIND:
        raise StoreError(f'{name} is no recorded conversation: its first line must be {{"quorate":"{KIND}", …}}.')
    if header.get("version", 0) > FORMAT:
        raise StoreError(f"{name} has format {header['version']}; this Quorate reads up to {FORMAT}. Use a newer one.")
    stored: list[Stored] = []
    artifacts: dict[str, Artifact] = {}
    for number, line in numbered:
        where = f"{name}, line {number}"
        said = _fields(line, where)
        try:
            if "artifact" in said:
                data = b64decode(said["base64"]) if "base64" in said else said["text"].encode()
                artifacts[said["artifact"]] = Artifact(said["artifact"], said["type"], data)
            else:
                stored.append(_stored(said, line))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"{where} is no line of a recorded conversation: {error!r}.") from error
    try:
        found = Recording(header["conversation"], stored, artifacts, bytes.fromhex(header["before"]))
        expected = header["length"], header["head"]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{name}, line 1 is no header of a recorded conversation: {error!r}.") from error
    newer = next((s for s in stored if s.version > FORMAT), None)
    if newer:
        raise StoreError(f"{name}: entry {newer.seq} has version {newer.version}; this Quorate reads up to {FORMAT}.")
    found.verify()
    if (len(stored), found.head.hex()) != expected:
        raise StoreError(f"{name} ends at entry {len(stored)}; its first line says that there are {expected[0]}.")
    return found


def _fields(line: bytes, where: str) -> dict[str, Any]:
    try:
        fields: Any = json.loads(line)
    except ValueError as error:
        raise StoreError(f"{where} is no JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise StoreError(f"{where} is no JSON object.")
    return fields  # pyright: ignore[reportUnknownVariableType]: it is JSON


def _stored(said: dict[str, Any], line: bytes) -> Stored:
    place = said["seq"], said["run"], said["path"], said["kind"], said["version"], said["at"]
    whole = "payload" in said
    data = line.rstrip(b"\r\n").partition(_PAYLOAD)[2][:-1] if whole else None
    return Stored(
        *place,
        data,
        bytes.fromhex(said["salt"]) if whole else None,
        bytes.fromhex(said["hash"]),
        None if whole else bytes.fromhex(said["erased"]),
        said.get("of", ""),
    )
