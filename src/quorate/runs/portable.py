"""A conversation in one file: JSON lines that another store takes in, and that a test can replay.

| line | fields |
|---|---|
| the first | `quorate` ("conversation"), `version`, `conversation`, `run` (the last one), `before`, `length`, `head`;
|           | `signature` of the head, where its store has a key |
| an artifact | `artifact` (its digest), `type`, and `text` or, where it is no text, `base64` |
| an entry | `seq`, `run`, `path`, `kind`, `version`, `at`, `salt`, `hash`, `payload`; `of` where written elsewhere |
| an erased entry | the same with `erased` (the digest of its payload) instead of `salt`, `payload` what is left of it |

Entries come in the order they were written, an artifact before the first entry that refers to it. `before` is the hash
that the chain starts from. `payload` is the last field of its line, and its text is the payload's bytes as they were
stored: so the chain can be verified from the file alone, and goes on in the store that takes it in.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from quorate.errors import ConfigError, StoreError
from quorate.runs import chain, verifying
from quorate.runs.entries import FORMAT, LOCAL_OWNER, Entry, tombstone
from quorate.runs.journal import too_new
from quorate.runs.stored import Artifact, Head, Stored, references

KIND = "conversation"
_PAYLOAD = b',"payload":'
"""In a line's own fields nothing else can read so: within a JSON string the quotes would be escaped."""


@dataclass(frozen=True)
class Recording:
    """A conversation, or its beginning up to the end of a run, taken out of its store.

    Args:
        conversation: Its id.
        stored: Its entries, in the order they were written.
        artifacts: What they refer to, by digest.
        before: The hash that the chain starts from.
        signature: Of its head, if the store that it was taken out of has a key.
    """

    conversation: str
    stored: Sequence[Stored]
    artifacts: dict[str, Artifact] = field(default_factory=dict[str, Artifact])
    before: bytes = chain.GENESIS
    signature: str = ""

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
            Tampered: It is broken; names the first entry that is not what was written.
        """
        verifying.verified(self.conversation, self.stored, before=self.before, load=self._load)

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


def _used(stored: Iterable[Stored], artifacts: dict[str, Artifact]) -> dict[str, Artifact]:
    return {digest: artifacts[digest] for digest in references(s.data for s in stored) if digest in artifacts}


class Source(Protocol):
    """Where a recording is taken from: any store."""

    async def stored(self, id: str, *, owner: str = LOCAL_OWNER) -> tuple[list[Stored], list[Artifact]]: ...


async def record(store: Source, id: str, *, run: int | None = None, owner: str = LOCAL_OWNER) -> Recording:
    """Take a conversation out of its store, or its beginning up to the end of a run.

    A conversation in memory is hashed now, with salts and a key of its own.

    Raises:
        ConfigError: There is no such conversation, or no such run.
    """
    stored, artifacts = await store.stored(id, owner=owner)
    found = Recording(id, stored, {a.digest: a for a in artifacts})
    if not found.stored:
        raise ConfigError(f"There is no conversation {id} here. `quorate conversations` lists them.")
    if run is not None:
        found = found.upto(run)
    key = getattr(store, "signing_key", None)
    if key is None:
        return found
    head = Head(len(found.stored), found.head.hex())
    return replace(found, signature=key.signed(id, head, owner=owner).signature)


def parts(recording: Recording, id: str) -> list[tuple[str, list[Stored]]]:
    """Return what a store makes of a recording that it takes in under a name: entries by where they were written.

    The last part is that of the new conversation: an empty one where the name is not that which the chain is over.
    """
    found: list[tuple[str, list[Stored]]] = []
    for s in recording.stored:
        if not found or found[-1][0] != s.of:
            found.append((s.of, []))
        found[-1][1].append(s)
    if found and (found[-1][0] or id != recording.conversation):
        found.append(("", []))
    return found


# -- the file ---------------------------------------------------------------------------------------------------------


def lines(recording: Recording) -> Iterator[bytes]:
    """Yield a recording as the lines of its file, each with its end."""
    yield _line(
        quorate=KIND, version=FORMAT, conversation=recording.conversation, run=recording.run,
        before=recording.before.hex(), length=len(recording.stored), head=recording.head.hex(),
        **({"signature": recording.signature} if recording.signature else {}),
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
    said |= {"erased": s.digest.hex()} if s.digest is not None else {"salt": (s.salt or b"").hex()}
    line = _line(**said, hash=s.hash.hex())
    if s.data is None:
        return line
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
        found = Recording(
            header["conversation"], stored, artifacts, bytes.fromhex(header["before"]), str(header.get("signature", ""))
        )
        expected = header["length"], header["head"]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{name}, line 1 is no header of a recorded conversation: {error!r}.") from error
    newer = next((s for s in stored if s.version > FORMAT), None)
    if newer:
        raise too_new(f"{name}: entry {newer.seq}", newer.version)
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
        bytes.fromhex(said["salt"]) if "salt" in said else None,
        bytes.fromhex(said["hash"]),
        bytes.fromhex(said["erased"]) if "erased" in said else None,
        said.get("of", ""),
    )
