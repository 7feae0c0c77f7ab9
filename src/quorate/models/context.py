"""Model contexts: what of a long conversation a model is shown.

A context is a value and a pure view: it keeps nothing, so a resumed or replayed run shows the model the same. It looks
at blocks, and a reply with its tool calls and their results is one block: no cut separates a call from its results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from quorate.core.figures import check_count
from quorate.errors import ConfigError
from quorate.models.blocks import IMAGE_TOKENS, Block, Blocks, Reply, Said

BYTES_PER_TOKEN, TOKENS_AROUND = 4, 4
TOKENS_OF_IMAGE = 1_600
"""About what an image costs with most models."""


@runtime_checkable
class ModelContext(Protocol):
    """Chooses what of a conversation a model is shown. Any object with this shape will do."""

    def view(self, blocks: Blocks) -> Blocks:
        """Return the blocks to show, oldest first.

        It must depend on `blocks` alone. Where nothing is left out, return `blocks` itself: then only what is new in a
        request is journaled, instead of a reference to each block.
        """
        ...


def check_context(given: object, who: str = "", *, sums_up: bool = False) -> None:
    """Make sure that a model context is one, where one was given.

    Args:
        given: What the user gave.
        who: Whose it is, to begin the error with.
        sums_up: Whether one that sums up works there: only an agent's own model can do that.

    Raises:
        ConfigError: It is not.
    """
    if given is None:
        return
    if isinstance(given, type):
        raise ConfigError(f"{who}{given.__name__} is a class: make a model context of it.")
    if not callable(getattr(given, "view", None)):
        raise ConfigError(f"{who}{given!r} is no model context: it has no view(blocks).")
    if not sums_up and callable(getattr(given, "due", None)):
        raise ConfigError(
            f"{who}{type(given).__name__} does nothing here: only as the model_context itself of an AssistantAgent it "
            "sums up. Take one that leaves blocks out."
        )


def viewed(context: ModelContext, blocks: Blocks) -> Blocks:
    """Return what a context shows of a conversation.

    Raises:
        ConfigError: Its view is something else than blocks.
    """
    found: object = context.view(blocks)
    if type(found) is Blocks:
        return found
    if isinstance(found, list | tuple):
        listed = cast("list[Block]", found)
        if all(isinstance(block, Said | Reply) for block in listed):  # pyright: ignore[reportUnnecessaryIsInstance]: user code returned it
            return Blocks(listed)
    if inspect.iscoroutine(found):
        found.close()
    raise ConfigError(
        f"{context!r}: view(blocks) returned {found!r}; it must be a plain function that returns Blocks(…)."
    )


@dataclass(frozen=True, slots=True)
class UnboundedChatCompletionContext:
    """Shows the whole conversation, as without a context."""

    def view(self, blocks: Blocks) -> Blocks:
        return blocks


@dataclass(frozen=True, slots=True)
class BufferedChatCompletionContext:
    """Shows the latest blocks.

    Args:
        buffer_size: How many: each message is one, and so is a reply with its tool calls and their results. An agent
            that works with tools needs more than it makes rounds of calls in a turn, or it forgets what it was asked.

    Raises:
        ConfigError: It is not above 0.
    """

    buffer_size: int

    def __post_init__(self) -> None:
        check_count("buffer_size", self.buffer_size)

    def view(self, blocks: Blocks) -> Blocks:
        if len(blocks) <= self.buffer_size:
            return blocks
        return Blocks(blocks[-self.buffer_size :])


@dataclass(frozen=True, slots=True)
class HeadAndTailChatCompletionContext:
    """Shows the first and the latest blocks, and between them a note of how many are left out.

    Args:
        head_size: How many at the beginning, such as the task.
        tail_size: How many at the end.

    Raises:
        ConfigError: One of them is not above 0.
    """

    head_size: int
    tail_size: int

    def __post_init__(self) -> None:
        check_count("head_size", self.head_size)
        check_count("tail_size", self.tail_size)

    def view(self, blocks: Blocks) -> Blocks:
        skipped = len(blocks) - self.head_size - self.tail_size
        if skipped <= 0:
            return blocks
        return Blocks([*blocks[: self.head_size], note(skipped), *blocks[-self.tail_size :]])


def tokens_of(block: Block) -> int:
    """Return about how many tokens a block has: a token for every four bytes, and four for what goes around it."""
    if isinstance(block, Said) and block.parts:
        images = len(block.images)
        return -(-(block.size() - images * IMAGE_TOKENS) // BYTES_PER_TOKEN) + TOKENS_OF_IMAGE * images
    return -(-block.size() // BYTES_PER_TOKEN) + TOKENS_AROUND


@dataclass(frozen=True, slots=True)
class TokenLimitedChatCompletionContext:
    """Shows the first blocks and, of the others, as many of the latest as there is room for.

    The latest block is always shown, even one that is too large by itself; if the first ones leave no room for it, they
    go.

    Args:
        token_limit: The most tokens of all blocks together. System message and tools are not counted.
        head_size: How many blocks at the beginning stay, such as the task.
        count: Counts the tokens of a block; must always say the same of the same block.

    Raises:
        ConfigError: The limit is not above 0, or `head_size` is below 0.
    """

    token_limit: int
    head_size: int = 1
    count: Callable[[Block], int] = tokens_of

    def __post_init__(self) -> None:
        check_count("token_limit", self.token_limit)
        check_count("head_size", self.head_size, least=0)
        if not callable(self.count):
            raise ConfigError(f"count={self.count!r} is no function of a block.")

    def view(self, blocks: Blocks) -> Blocks:
        end = len(blocks) - 1
        if end < 1:
            return blocks
        count, head = self.count, min(self.head_size, end)
        room = self.token_limit - count(blocks[end])
        opening = sum(count(block) for block in blocks[:head])
        if opening > room:
            head = opening = 0
        room -= opening
        start = end
        while start > head and (tokens := count(blocks[start - 1])) <= room:
            start, room = start - 1, room - tokens
        return blocks if start == head else Blocks([*blocks[:head], *blocks[start:]])


def note(skipped: int) -> Said:
    """Return what a model reads where blocks are left out."""
    return Said(f"Skipped {skipped} message{'s' if skipped > 1 else ''}.", "System")
