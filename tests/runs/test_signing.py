"""Heads that are signed: ENGINE 22."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec.structs import replace

from quorate import AssistantAgent, open_store
from quorate.errors import ConfigError, Tampered
from quorate.runs import portable
from quorate.runs.signing import Key
from quorate.runs.stored import Head
from quorate.testing import ScriptedModel


def make_key(folder: Path, name: str = "heads", kind: type[Any] = ed25519.Ed25519PrivateKey) -> Path:
    made = kind.generate()
    file = folder / f"{name}.pem"
    file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub.pem").write_bytes(public)
    return file


async def head_of_a_run(folder: Path, *, owner: str = "local/me") -> Head:
    async with open_store(folder / "work.db", signing_key=make_key(folder)) as store:
        talk = store.conversation("talk", owner=owner)
        result = await AssistantAgent("clerk", ScriptedModel(["Done."])).run("Go.", conversation=talk)
    return Head.of(result.head)


async def test_head_of_a_result_is_signed_and_checked_with_the_public_key(tmp_path: Path) -> None:
    # ENGINE 22
    head = await head_of_a_run(tmp_path)

    Key(tmp_path / "heads.pub.pem").check("talk", head)

    async with open_store(tmp_path / "work.db") as store:
        assert (await store.verify("talk", given=head)).length == head.length


@pytest.mark.parametrize("change", ["length", "hash", "conversation", "owner", "signature"])
async def test_head_that_says_something_else_than_was_signed_is_forged(tmp_path: Path, change: str) -> None:
    # ENGINE 22
    head = await head_of_a_run(tmp_path)
    given = {
        "length": replace(head, length=head.length - 1),
        "hash": replace(head, hash="0" * 64),
        "signature": replace(head, signature="A" * 86),
    }.get(change, head)

    where = {"conversation": ("other", "local/me"), "owner": ("talk", "acme/ann")}
    id, owner = where.get(change, ("talk", "local/me"))
    with pytest.raises(Tampered, match="was not signed with") as told:
        Key(tmp_path / "heads.pub.pem").check(id, given, owner=owner)

    assert (told.value.what, told.value.entry) == ("forged", given.length)


async def test_head_signed_with_another_key_is_forged(tmp_path: Path) -> None:
    head = await head_of_a_run(tmp_path)
    make_key(tmp_path, "other")

    with pytest.raises(Tampered, match=r"was not signed with .*other\.pub\.pem"):
        Key(tmp_path / "other.pub.pem").check("talk", head)


async def test_recording_has_the_signature_of_its_head(tmp_path: Path) -> None:
    head = await head_of_a_run(tmp_path)

    async with open_store(tmp_path / "work.db", signing_key=tmp_path / "heads.pem") as store:
        portable.save(await portable.record(store, "talk"), tmp_path / "talk.jsonl")
    found = portable.load(tmp_path / "talk.jsonl")

    assert Head(len(found.stored), found.head.hex(), found.signature) == head


async def test_store_without_a_key_signs_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path / "work.db") as store:
        result = await AssistantAgent("clerk", ScriptedModel(["Done."])).run("Go.", conversation=store.conversation())

    assert Head.of(result.head).signature == ""


async def test_unsigned_head_is_not_checked_with_a_key(tmp_path: Path) -> None:
    make_key(tmp_path)

    with pytest.raises(ConfigError, match="is not signed"):
        Key(tmp_path / "heads.pub.pem").check("talk", Head(3, "0" * 64))


def test_store_does_not_open_with_a_public_key(tmp_path: Path) -> None:
    make_key(tmp_path)

    with pytest.raises(ConfigError, match="is a public key: it checks heads, and signs none"):
        open_store(tmp_path / "work.db", signing_key=tmp_path / "heads.pub.pem")


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Ed25519 key"):
        Key(make_key(tmp_path, kind=x25519.X25519PrivateKey))


def test_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "heads.pem").write_text("-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n")

    with pytest.raises(ConfigError, match="holds no key that can be read"):
        Key(tmp_path / "heads.pem")


def test_key_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"The key .*none\.pem cannot be read: No such file"):
        open_store(tmp_path / "work.db", signing_key=tmp_path / "none.pem")
