"""Checking a journal against its hash chain, and saying what was done to it.

The chain tells *that* something is wrong, at the first entry that does not follow from what came before. What it is
comes from looking at what is left: an entry that was written for this place and stands elsewhere was moved; one that
fits nowhere, before others that do, was put in; where those that follow are whole but count further, some are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from quorate.core.words import counted
from quorate.errors import StoreError, Tampered
from quorate.runs import chain
from quorate.runs.erasing import is_tombstone

if TYPE_CHECKING:
    from quorate.runs.stored import Head, Stored

MOST_GONE = 1000
"""How many entries that are gone in one place are told from one that was altered."""

Load = Callable[[str], bytes]


def verified(
    conversation: str,
    stored: Sequence[Stored],
    *,
    head: Head | None = None,
    given: Head | None = None,
    before: bytes = chain.GENESIS,
    load: Load | None = None,
) -> tuple[int, bytes]:
    """Recompute a chain and return its length and hash.

    Args:
        conversation: Whose entries they are.
        stored: The entries as they are kept, by their sequence.
        head: What the store says of their number and hash.
        given: A head that was given out earlier: it finds a journal that was cut or written anew, head and all.
        before: The hash that the chain starts from.
        load: Returns a long text by its digest; without it those are not looked at.

    Raises:
        Tampered: It is broken; says what was done, and to which entry.
    """
    found = _Found(conversation, head, given)
    last, seq = before, stored[0].seq - 1 if stored and before != chain.GENESIS else 0
    hashes: dict[int, bytes] = {seq: before}
    for at, s in enumerate(stored):
        if s.seq != seq + 1 or not fits(s, last, s.of or conversation, s.seq):
            raise found.what(stored[at:], last, seq + 1)
        if load is not None and s.digest is None:
            _check_content(found, s, load)
        last, seq = s.hash, s.seq
        hashes[seq] = last
    if head is not None and (seq, last.hex()) != (head.length, head.hash):
        raise found.at_the_end(head, seq, last, hashes)
    if given is not None:
        _check_given(conversation, given, hashes)
    return seq, last


def fits(s: Stored, before: bytes, conversation: str, seq: int, hash: bytes | None = None) -> bool:
    """Whether an entry is what was linked, under this number, to the one before it."""
    if s.digest is None:
        if not isinstance(s.data, bytes) or not isinstance(s.salt, bytes):
            return False
        body = chain.digest(s.salt, s.data)
    else:
        if s.salt is not None or not isinstance(s.digest, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]: a file that was tampered with
            return False
        if s.data is not None and not is_tombstone(s.kind, s.data):
            return False
        body = s.digest
    return (hash or s.hash) == chain.link(before, conversation, seq, s.run, s.path, s.kind, s.at, body, s.version)


class _Found:
    """What is wrong with one journal."""

    def __init__(self, conversation: str, own: Head | None, given: Head | None) -> None:
        self.conversation, self.own = conversation, own
        self.heads = [head for head in (own, given) if head is not None]

    def altered(self, entry: int, more: str = "") -> Tampered:
        """Return the error for an entry that is not what was written."""
        return Tampered(f"Entry {entry} of {self.conversation} was altered{more}.", what="altered", entry=entry)

    def missing(self, entry: int) -> Tampered:
        """Return the error for an entry that is gone."""
        return Tampered(f"Entry {entry} of {self.conversation} is missing.", what="missing", entry=entry)

    def inserted(self, entry: int) -> Tampered:
        """Return the error for an entry that nobody wrote there."""
        return Tampered(f"Entry {entry} of {self.conversation} was inserted.", what="inserted", entry=entry)

    def reordered(self, entry: int, stands: int) -> Tampered:
        """Return the error for an entry that stands elsewhere."""
        return Tampered(
            f"Entries of {self.conversation} were reordered: what was written as entry {entry} stands as {stands}.",
            what="reordered",
            entry=entry,
        )

    def what(self, rest: Sequence[Stored], last: bytes, expected: int) -> Tampered:
        """Return what was done where the first of `rest` does not follow from `last`."""
        first, others = rest[0], rest[1:]
        for s in others if first.seq == expected else rest:
            if s.seq != expected and self._fits(s, last, expected):
                moved = first.seq != expected or self._belongs(first, [o for o in rest if o is not s], s, expected + 1)
                return self.reordered(expected, s.seq) if moved else self.inserted(expected)
            if first.seq == expected and self._fits(s, last, expected, first.hash):
                return self.reordered(expected, s.seq)
        if self.own is not None and (self.own.length < expected or self.own.hash == last.hex()):
            return self.inserted(first.seq)
        if first.seq != expected:
            return self.missing(expected)
        shift = self._shift(rest)
        if shift < 0:
            return self.inserted(expected + shift)
        return self.missing(expected) if shift else self.altered(expected)

    def _fits(self, s: Stored, last: bytes, seq: int, hash: bytes | None = None) -> bool:
        return fits(s, last, s.of or self.conversation, seq, hash)

    def _belongs(self, entry: Stored, pool: list[Stored], after: Stored, seq: int) -> bool:
        """Whether an entry has a place in the chain that goes on, with whatever stands where, after another."""
        while True:
            following = next((s for s in pool if s is not entry and self._fits(s, after.hash, seq)), None)
            if following is None:
                return self._fits(entry, after.hash, seq)
            pool.remove(following)
            after, seq = following, seq + 1

    def _shift(self, rest: Sequence[Stored]) -> int:
        """Return by how much higher the numbers were under which the entries after the first follow from it.

        They were higher where some before them are gone, and lower where some were put in.
        """
        first, *others = rest
        for head in self.heads:
            if head.hash == first.hash.hex() and head.length != first.seq:
                return head.length - first.seq
        for second in others[:1]:
            for n in range(MOST_GONE):
                for shift in (n, -n):
                    if self._fits(second, first.hash, second.seq + shift):
                        return shift
        return 0

    def at_the_end(self, head: Head, seq: int, last: bytes, hashes: dict[int, bytes]) -> Tampered:
        """Return what was done to a journal that is whole as far as it goes, but not what its head says."""
        if head.hash != last.hex():
            if seq < head.length:
                return self.missing(seq + 1)
            if seq > head.length and hashes.get(head.length, b"").hex() == head.hash:
                return self.inserted(head.length + 1)
        return Tampered(
            f"The head of {self.conversation} was altered: it says {counted(head.length, 'entry', 'entries')} and hash "
            f"{head.hash[:8]}…, and there are {seq}, the last of hash {last.hex()[:8]}….",
            what="altered",
            entry=seq,
        )


def _check_content(found: _Found, s: Stored, load: Load) -> None:
    """Compare the long texts of an entry with what its payload says of them."""
    if s.data is None or b'"$artifact' not in s.data:
        return
    try:
        chain.decode(s.data, load)
    except StoreError as error:
        raise found.altered(s.seq, f": {str(error).rstrip('.')}") from error


def _check_given(conversation: str, given: Head, hashes: dict[int, bytes]) -> None:
    length = max(hashes)
    if given.length > length:
        raise Tampered(
            f"{conversation} was cut: entry {length + 1} and what came after it, up to {given.length}, is missing.",
            what="missing",
            entry=length + 1,
        )
    there = hashes.get(given.length)
    if there is not None and there.hex() != given.hash:
        raise Tampered(
            f"{conversation} was rewritten: at entry {given.length} it is not what the head that was given out says.",
            what="rewritten",
            entry=given.length,
        )
