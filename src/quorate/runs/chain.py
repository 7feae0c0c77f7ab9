"""The bytes of an entry and the hash chain over them.

A link covers the link before it, the entry's place, and a salted digest of the payload's bytes as they are stored. So
a payload can be erased with its salt: the digest stays, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

from quorate.errors import StoreError
from quorate.runs.entries import FORMAT, MAX_ENTRY_BYTES, Payload

GENESIS = bytes(32)
SALT_BYTES = 16
INLINE_BYTES = 32 * 1024
BY_CONTENT = frozenset({"parts"})
"""Fields whose text is standing: stored once by content, whatever its length."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_salts = bytearray()


def fresh_salt() -> bytes:
    """Return random bytes of the operating system."""
    if len(_salts) < SALT_BYTES:
        _salts.extend(os.urandom(SALT_BYTES * 256))
    salt = bytes(_salts[-SALT_BYTES:])
    del _salts[-SALT_BYTES:]
    return salt


def encode(kind: str, payload: Payload, keep: Callable[[bytes, str], str]) -> bytes:
    """Return a payload as JSON bytes.

    Args:
        kind: The entry's kind, for the error.
        payload: Plain data.
        keep: Stores bytes of a media type as an artifact and returns its digest; used for standing and for long texts.

    Raises:
        StoreError: It is no plain data, or too large.
    """
    fields: Payload = payload
    for name, value in payload.items():
        if type(value) is str:
            if name not in BY_CONTENT and len(value) < INLINE_BYTES // 4:
                continue
        elif type(value) is int or value is None or type(value) is bool:
            continue
        moved = _moved(name, value, kind, keep)
        if moved is not value:
            if fields is payload:
                fields = dict(payload)
            fields[name] = moved
    return _json(kind, fields)


def _moved(name: str, value: Any, kind: str, keep: Callable[[bytes, str], str]) -> Any:
    data = value.encode(errors="surrogatepass") if type(value) is str else _json(kind, value)
    if len(data) > MAX_ENTRY_BYTES:
        raise StoreError(
            f"The {name} of a {kind!r} entry has {len(data)} bytes; at most {MAX_ENTRY_BYTES} are kept. "
            "Keep large data in a file and pass its name."
        )
    if name in BY_CONTENT or len(data) > INLINE_BYTES:
        media = "text/plain" if type(value) is str else "application/json"
        return {"$artifact": keep(data, media), "size": len(data), "type": media}
    if type(value) is dict and ("$artifact" in value or "$literal" in value):
        return {"$literal": value}
    return value


def _json(kind: str, value: Any) -> bytes:
    try:
        text = _encode(value)
    except (TypeError, ValueError) as error:
        raise StoreError(f"A {kind!r} entry must be plain JSON data: {error}.") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()  # lone surrogates


def decode(data: bytes, load: Callable[[str], bytes]) -> Payload:
    """Return the payload that `encode` made the bytes of; `load` gets an artifact by its digest."""
    payload: Payload = json.loads(data)
    if b'"$' in data:
        for name, value in payload.items():
            if type(value) is dict:
                fields: dict[str, Any] = value
                if "$literal" in fields:
                    payload[name] = fields["$literal"]
                elif "$artifact" in fields:
                    raw = load(fields["$artifact"])
                    payload[name] = raw.decode(errors="surrogatepass") if fields["type"] == "text/plain" else json.loads(raw)
    return payload


def digest(salt: bytes, data: bytes) -> bytes:
    """Return the salted digest of a payload's bytes."""
    return hashlib.sha256(salt + data).digest()


def link(before: bytes, conversation: str, seq: int, run: int, path: str, kind: str, at: int, body: bytes, version: int = FORMAT) -> bytes:  # fmt: skip
    """Return the hash of an entry; `body` is the digest of its payload."""
    place = f"{conversation}\n{seq}\n{run}\n{path}\n{kind}\n{version}\n{at}\n"
    return hashlib.sha256(before + place.encode(errors="surrogatepass") + body).digest()


def keyed(secret: bytes, data: bytes) -> str:
    """Return a digest that only who has the owner's secret can compute."""
    return hashlib.blake2b(data, key=secret, digest_size=16).hexdigest()
