"""Signing heads: whoever has the public key knows that a head was given out, and by whom, wherever it was kept.

A signature is over owner, conversation, length and hash, with Ed25519. The key is a file in PEM form:

    openssl genpkey -algorithm ed25519 -out heads.pem
    openssl pkey -in heads.pem -pubout -out heads.pub.pem
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from quorate.core.extras import require
from quorate.errors import ConfigError, Tampered
from quorate.runs.entries import LOCAL_OWNER
from quorate.runs.stored import Head


class Key:
    """A key that signs heads, or the public half of one, that checks them.

    Args:
        file: In PEM form, without a password.

    Raises:
        ConfigError: It cannot be read, or holds no Ed25519 key.
        MissingExtra: `quorate[signing]` is not installed.
    """

    def __init__(self, file: str | Path) -> None:
        serialization: Any = require("cryptography.hazmat.primitives.serialization", extra="signing")
        ed25519: Any = require("cryptography.hazmat.primitives.asymmetric.ed25519", extra="signing")
        self.file = Path(file)
        try:
            data = self.file.read_bytes()
        except OSError as error:
            raise ConfigError(f"The key {file} cannot be read: {error.strerror}.") from error
        try:
            secret = b"PRIVATE KEY" in data
            loaded: Any = (
                serialization.load_pem_private_key(data, None) if secret else serialization.load_pem_public_key(data)
            )
        except (ValueError, TypeError) as error:  # cut, of another kind, or with a password
            raise ConfigError(f"{file} holds no key that can be read: {error}. {_MAKE_ONE}") from error
        if not isinstance(loaded, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
            raise ConfigError(f"{file} holds {type(loaded).__name__}, no Ed25519 key. {_MAKE_ONE}")
        self._secret: Any = loaded if secret else None
        self._public: Any = loaded.public_key() if secret else loaded

    def check_signs(self) -> None:
        """Make sure that it can sign.

        Raises:
            ConfigError: It is a public key.
        """
        if self._secret is None:
            raise ConfigError(f"{self.file} is a public key: it checks heads, and signs none. {_MAKE_ONE}")

    def signed(self, conversation: str, head: Head, *, owner: str = LOCAL_OWNER) -> Head:
        """Return a head with its signature.

        Raises:
            ConfigError: This is a public key.
        """
        self.check_signs()
        signature: bytes = self._secret.sign(_said(conversation, head, owner))
        return replace(head, signature=urlsafe_b64encode(signature).decode().rstrip("="))

    def check(self, conversation: str, head: Head, *, owner: str = LOCAL_OWNER) -> None:
        """Make sure that a head was signed with this key, for this conversation.

        Raises:
            ConfigError: It is not signed.
            Tampered: It was signed with another key, or says something else than what was signed.
        """
        if not head.signature:
            raise ConfigError(f"The head {head} is not signed. Leave the key out to check it as it is.")
        invalid: Any = require("cryptography.exceptions", extra="signing").InvalidSignature
        try:
            self._public.verify(urlsafe_b64decode(f"{head.signature}=="), _said(conversation, head, owner))
        except (invalid, ValueError) as error:
            raise Tampered(
                f"The head of {conversation} was not signed with {self.file}, or says something else than it did then.",
                what="forged",
                entry=head.length,
            ) from error


_MAKE_ONE = "Make one: openssl genpkey -algorithm ed25519 -out heads.pem"


def _said(conversation: str, head: Head, owner: str) -> bytes:
    return f"quorate head 1\n{owner}\n{conversation}\n{head.length}\n{head.hash}".encode()
