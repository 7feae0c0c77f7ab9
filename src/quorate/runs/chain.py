"""The bytes of an entry and the hash chain over them.

A link covers the link before it, the entry's place, and a salted digest of the payload's bytes as they are stored. So
a payload can be erased with its salt: the digest stays, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from typing import Any, cast

from quorate.core.lazy import lazy
from quorate.errors import StoreError
from quorate.runs.entries import FORMAT, MAX_ENTRY_BYTES, Payload

pydantic_core: Any = lazy("pydantic_core")

GENESIS = bytes(32)
SALT_BYTES = 16
INLINE_BYTES = 32 * 1024
_salts: list[bytes] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_salts.clear)  # two processes must not use the same salts


def fresh_salt() -> bytes:
    """Return random bytes of the operating system, which is asked for many at once."""
    if not _salts:
        pool = os.urandom(SALT_BYTES * 256)
        _salts.extend(pool[at : at + SALT_BYTES] for at in range(0, len(pool), SALT_BYTES))
    return _salts.pop()


def encode(kind: str, payload: Payload, keep: Callable[[str, str], str]) -> bytes:
    """Return a payload as JSON bytes.

    Args:
        kind: The entry's kind, for the error.
        payload: Plain data.
        keep: Stores a text of a media type as an artifact and returns its digest; used for standing and for long texts.

    Raises:
        StoreError: It is no plain data, or too large.
    """
    standing = payload.get("parts") if kind == "call" else None
    if standing is not None:
        payload = {**payload, "parts": _kept(standing, keep)}
    data = plain(kind, payload)
    if len(data) <= INLINE_BYTES and (standing is not None or b'"$' not in data):
        return data
    return plain(kind, {name: _moved(name, value, kind, keep) for name, value in payload.items()})


def _kept(text: str, keep: Callable[[str, str], str], media_type: str = "text/plain") -> Payload:
    """Return the mark of an artifact. Its digest is where it is kept; its hash lets any store check what it holds."""
    data = text.encode(errors="surrogatepass")
    digest = keep(text, media_type)
    return {"$artifact": digest, "size": len(data), "type": media_type, "sha256": hashlib.sha256(data).hexdigest()}


def _moved(name: str, value: Any, kind: str, keep: Callable[[str, str], str]) -> Any:
    """Return a field as it is stored: long ones as artifacts, those that look like our own marks as literals."""
    if name == "parts" and kind == "call":
        return value
    size = len(plain(kind, value))
    if size > MAX_ENTRY_BYTES:
        raise StoreError(
            f"The {name} of a {kind!r} entry has {size} bytes; at most {MAX_ENTRY_BYTES} are kept. "
            "Keep large data in a file and pass its name."
        )
    if size > INLINE_BYTES:
        text = isinstance(value, str)
        return _kept(value if text else plain(kind, value).decode(), keep, "text/plain" if text else "application/json")
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    looks_like_ours = "$artifact" in fields or "$literal" in fields
    return {"$literal": fields} if looks_like_ours else cast("Any", value)


def plain(kind: str, value: Any) -> bytes:
    """Return plain data as JSON bytes.

    Raises:
        StoreError: It is something else.
    """
    try:
        data: bytes = pydantic_core.to_json(value, inf_nan_mode="constants")
        if b"NaN" not in data and b"Infinity" not in data:
            return data
    except (pydantic_core.PydanticSerializationError, UnicodeEncodeError):
        pass  # lone surrogates, that JSON can only hold escaped, or no plain data
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"A {kind!r} entry must be plain JSON data{_culprit(value)}: {error}.") from error


def _culprit(value: Any) -> str:
    """Return words for where in a value the first is that JSON cannot hold."""
    left: list[tuple[str, Any]] = [("", value)]
    seen = set[int]()
    while left:
        at, one = left.pop()
        if isinstance(one, dict | list | tuple):
            if id(cast("object", one)) not in seen:
                seen.add(id(cast("object", one)))
                inside = cast("Any", one)
                parts: Any = inside.items() if isinstance(one, dict) else enumerate(inside)
                left.extend((f"{at}.{key}", part) for key, part in parts)
        elif at and (not math.isfinite(one) if isinstance(one, float) else not isinstance(one, str | int | None)):
            return f", and its {at[1:]} is {one!r}"
    return ""


def decode(data: bytes, load: Callable[[str], bytes]) -> Payload:
    """Return the payload that `encode` made the bytes of; `load` gets an artifact by its digest.

    Raises:
        StoreError: The bytes, or those of an artifact, are not what was written.
    """
    try:
        payload: Payload = json.loads(data)
    except ValueError as error:
        raise StoreError(f"An entry is no JSON any more: {error}. The store was damaged.") from error
    if b'"$' in data:
        for name, value in payload.items():
            if isinstance(value, dict):
                payload[name] = _loaded(value, load)  # pyright: ignore[reportUnknownArgumentType]: it is JSON
    return payload


def _loaded(fields: dict[str, Any], load: Callable[[str], bytes]) -> Any:
    if "$literal" in fields:
        return fields["$literal"]
    if "$artifact" not in fields:
        return fields
    data = load(fields["$artifact"])
    if hashlib.sha256(data).hexdigest() != fields.get("sha256"):
        raise StoreError(f"The content {fields['$artifact']} was altered.")
    text = data.decode(errors="surrogatepass")
    return text if fields["type"] == "text/plain" else json.loads(text)


def digest(salt: bytes, data: bytes) -> bytes:
    """Return the salted digest of a payload's bytes."""
    return hashlib.sha256(salt + data).digest()


def link(
    before: bytes,
    conversation: str,
    seq: int,
    run: int,
    path: str,
    kind: str,
    at: int,
    body: bytes,
    version: int = FORMAT,
) -> bytes:
    """Return the hash of an entry; `body` is the digest of its payload."""
    place = f"{conversation}\n{seq}\n{run}\n{path}\n{kind}\n{version}\n{at}\n"
    return hashlib.sha256(before + place.encode(errors="surrogatepass") + body).digest()


def keyed(secret: bytes, data: bytes) -> str:
    """Return a digest that only who has the owner's secret can compute."""
    return hashlib.blake2b(data, key=secret, digest_size=16).hexdigest()
