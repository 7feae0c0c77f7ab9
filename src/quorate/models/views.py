"""Views of a conversation: small functions on blocks that compose. Each is a model context.

What a member sees of the thread, and what is kept of a long one, is said by them: all of it (no context), its own side,
the latest (`BufferedChatCompletionContext`), what some said, and one after the other. A reply with its tool calls and
their results is one block, which no view takes apart; the rest of what providers want, `in_order` sees to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from quorate.core.figures import check_count, check_list, check_text
from quorate.errors import ConfigError
from quorate.models.blocks import Blocks, Reply, Said
from quorate.models.context import ModelContext, check_context, tokens_of, viewed


@dataclass(frozen=True, slots=True)
class OwnSide:
    """Shows an agent what it said and did itself, and what was said since; before that the first messages.

    Args:
        head_size: How many at the beginning stay, such as the task.
    """

    head_size: int = 1

    def __post_init__(self) -> None:
        check_count("OwnSide: head_size", self.head_size, least=0)

    def view(self, blocks: Blocks) -> Blocks:
        last = next((i for i in range(len(blocks) - 1, -1, -1) if isinstance(blocks[i], Reply)), -1)
        own = [i for i, b in enumerate(blocks) if i < self.head_size or i > last or isinstance(b, Reply)]
        return _kept(blocks, own)


@dataclass(frozen=True, slots=True)
class FromSources:
    """Shows what some have said, and the agent's own side.

    Args:
        sources: Who; `user` gives the task.
    """

    sources: Sequence[str]

    def __post_init__(self) -> None:
        check_list("FromSources: sources", self.sources)

    def view(self, blocks: Blocks) -> Blocks:
        return _kept(blocks, [i for i, b in enumerate(blocks) if isinstance(b, Reply) or b.source in self.sources])


@dataclass(frozen=True, slots=True)
class Pinned:
    """Shows the first blocks, whatever another view leaves out, and then what that view shows of the others.

    Args:
        context: Chooses among the others.
        head_size: How many at the beginning stay, such as the task.
    """

    context: ModelContext
    head_size: int = 1

    def __post_init__(self) -> None:
        if self.context is None:  # pyright: ignore[reportUnnecessaryComparison]: users pass anything
            raise ConfigError("Pinned: context=None: give the view that chooses among the other blocks.")
        check_context(self.context, "Pinned: ")
        check_count("Pinned: head_size", self.head_size, least=0)

    def view(self, blocks: Blocks) -> Blocks:
        if len(blocks) <= self.head_size:
            return blocks
        rest = Blocks(blocks.since(self.head_size))
        shown = viewed(self.context, rest)
        return blocks if shown is rest else Blocks([*blocks[: self.head_size], *shown])


@dataclass(frozen=True, slots=True)
class Chain:
    """Shows what is left after several views, one after the other.

    Args:
        contexts: In their order.
    """

    contexts: Sequence[ModelContext]

    def __post_init__(self) -> None:
        check_list("Chain: contexts", self.contexts)
        if None in self.contexts:
            raise ConfigError("Chain: None is no model context. Leave it out.")
        for context in self.contexts:
            check_context(context, "Chain: ")

    def view(self, blocks: Blocks) -> Blocks:
        for context in self.contexts:
            blocks = viewed(context, blocks)
        return blocks


@dataclass(frozen=True, slots=True)
class PerSourceFilter:
    """Which messages of a source are seen.

    Args:
        source: Who said them.
        position: `first` or `last` of them; None for all.
        count: How many; None for all.
    """

    source: str
    position: Literal["first", "last"] | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        check_text("PerSourceFilter: source", self.source)
        if self.position not in (None, "first", "last") or (self.position is None) != (self.count is None):
            raise ConfigError(f"PerSourceFilter: give position='first' or 'last' together with a count, not {self!r}.")
        if self.count is not None:
            check_count("PerSourceFilter: count", self.count)

    def of(self, found: Sequence[int]) -> Sequence[int]:
        """Return which of the positions of the messages of this source are seen."""
        if self.count is None:
            return found
        return found[: self.count] if self.position == "first" else found[-self.count :]


@dataclass(frozen=True, slots=True)
class MessageFilterConfig:
    """Shows some messages of some sources, in the order in which they were said, and the agent's own side.

    Args:
        per_source: One for each source that is seen.
    """

    per_source: Sequence[PerSourceFilter] = field(default_factory=tuple[PerSourceFilter, ...])

    def __post_init__(self) -> None:
        check_list("MessageFilterConfig: per_source", self.per_source)
        for one in self.per_source:
            if not isinstance(one, PerSourceFilter):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
                raise ConfigError(f"MessageFilterConfig: {one!r} is no PerSourceFilter(source, position, count).")

    def among(self, sources: Sequence[str]) -> list[int]:
        """Return which messages are seen, by their positions, given who said each."""
        seen: set[int] = set()
        for one in self.per_source:
            seen.update(one.of([i for i, source in enumerate(sources) if source == one.source]))
        return sorted(seen)

    def view(self, blocks: Blocks) -> Blocks:
        said = [i for i, block in enumerate(blocks) if isinstance(block, Said)]
        seen = {said[i] for i in self.among([b.source for b in blocks if isinstance(b, Said)])}
        return _kept(blocks, [i for i, block in enumerate(blocks) if i in seen or isinstance(block, Reply)])


PROMPT = (
    "Sum up what was said so far for yourself: it will not be shown to you again. Keep what was asked, what was "
    "decided, facts, figures and names, and what is still open. Answer with the summary only."
)


@dataclass(frozen=True, slots=True)
class Summarized:
    """Lets the agent's model sum up the older part of a long conversation: a step, and then that stands for it.

    What is summed up is remembered as the summary, so each part is read by the model once more and never again.

    Args:
        max_tokens: Once the conversation has more, estimated by its bytes, it is summed up.
        keep_last: How many of the latest blocks stay as they are.
        head_size: How many at the beginning stay, such as the task.
        max_summary_tokens: The most tokens of a summary.
        max_prompt_tokens: The most that are summed up at once; of more, the oldest.
        prompt: What the model is asked.

    Raises:
        ConfigError: A figure is out of range.
    """

    max_tokens: int
    keep_last: int = 10
    head_size: int = 1
    max_summary_tokens: int = 500
    max_prompt_tokens: int = 100_000
    prompt: str = PROMPT

    def __post_init__(self) -> None:
        for name in ("max_tokens", "keep_last", "max_summary_tokens", "max_prompt_tokens"):
            check_count(f"Summarized: {name}", getattr(self, name))
        check_count("Summarized: head_size", self.head_size, least=0)
        check_text("Summarized: prompt", self.prompt)

    def view(self, blocks: Blocks) -> Blocks:
        return blocks

    def due(self, blocks: Blocks) -> int:
        """Return up to which block the conversation is to be summed up now, 0 for not at all."""
        end = len(blocks) - self.keep_last
        if end - self.head_size < 2 or blocks.size_bytes <= self.max_tokens:  # a token has a byte at least
            return 0
        counted = [tokens_of(block) for block in blocks]
        if sum(counted) <= self.max_tokens:
            return 0
        room, upto = self.max_prompt_tokens, self.head_size
        while upto < end and (counted[upto] <= room or upto < self.head_size + 2):
            room -= counted[upto]
            upto += 1
        return upto


def _kept(blocks: Blocks, positions: Sequence[int]) -> Blocks:
    return blocks if len(positions) == len(blocks) else Blocks([blocks[i] for i in positions])


__all__ = ["Chain", "FromSources", "MessageFilterConfig", "OwnSide", "PerSourceFilter", "Pinned", "Summarized"]
