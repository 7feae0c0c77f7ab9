"""Entries as stores keep them: bytes, and the chain over them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import astuple

from quorate.errors import ConfigError
from quorate.runs import chain
from quorate.runs.entries import Entry
from quorate.runs.erasing import erased_bytes

_KEY = os.urandom(32)
"""Keys the digests of what is only in memory, for as long as this process lives."""
_REFERENCE = re.compile(rb'"\$artifact":\s?"([0-9a-f]+)"')


class Head(Struct, frozen=True, gc=False):
    """How far a journal goes: its number of entries and the hash over all of them (empty where nothing is hashed).

    As text it is `LENGTH:HASH`, or `LENGTH:HASH:SIGNATURE` if it is signed, to be given out and verified later.
    """

    length: int
    hash: str
    signature: str = ""

    def __str__(self) -> str:
        signature = f":{self.signature}" if self.signature else ""
        return f"{self.length}:{self.hash}{signature}" if self.hash else ""

    @classmethod
    def of(cls, text: str) -> Head:
        """Return the head that was given out as this text.

        Raises:
            ConfigError: It is none.
        """
        found = re.fullmatch(r"(\d+):([0-9a-f]{64})(?::([\w-]{86}))?", text.strip(), re.ASCII)
        if found is None:
            raise ConfigError(f"{text!r} is no head. Write LENGTH:HASH, as results and `quorate show` give it out.")
        return cls(int(found[1]), found[2], found[3] or "")


class Link(NamedTuple):
    """What a journal in memory remembers of an entry that was hashed: its salt or, once it was erased, its digest."""

    salt: bytes | None
    hash: bytes
    digest: bytes | None = None


class Stored(NamedTuple):
    """An entry as a store keeps it: the bytes of its payload, their salt, and its link of the chain.

    An erased entry has its `digest` instead of the salt, and in `data` what is left of it, or None; `of` is the
    conversation that it was written in, where it is not the one that it is read from.
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


class Artifact(NamedTuple):
    """A long or standing text, or a file, that entries refer to by digest."""

    digest: str
    type: str
    data: bytes


def references(payloads: Iterable[bytes | None]) -> list[str]:
    """Return the digests of the artifacts that payloads refer to, each once, in the order they are needed."""
    return list(dict.fromkeys(found.decode() for data in payloads for found in _REFERENCE.findall(data or b"")))


def linked(
    conversation: str, entries: Iterable[Entry], links: list[Link], last: bytes = chain.GENESIS
) -> tuple[list[Stored], list[Artifact]]:
    """Return entries that were only in memory as bytes with a chain over them, and the artifacts that they refer to.

    Args:
        conversation: Whose they are.
        entries: All of them.
        links: What is known of those that were hashed before; those of the others are added.
        last: The hash that the chain starts from.
    """
    artifacts: dict[str, Artifact] = {}

    def keep(text: str, media_type: str) -> str:
        data = text.encode(errors="surrogatepass")
        digest = chain.keyed(_KEY, data)
        artifacts[digest] = Artifact(digest, media_type, data)
        return digest

    stored: list[Stored] = []
    for at, entry in enumerate(entries):
        seq, run, path, kind, when, payload, version = astuple(entry)
        place = seq, run, path, kind
        known = links[at] if at < len(links) else None
        if known is not None and known.digest is not None:
            left = erased_bytes(kind, payload)
            stored.append(Stored(*place, version, when, left, None, known.hash, known.digest))
        else:
            data = chain.encode(kind, payload, keep)
            salt = chain.fresh_salt() if known is None else known.salt or b""
            if known is None:
                body = chain.digest(salt, data)
                known = Link(salt, chain.link(last, conversation, seq, run, path, kind, when, body, version))
                links.append(known)
            stored.append(Stored(*place, version, when, data, salt, known.hash))
        last = known.hash
    return stored, list(artifacts.values())
