"""What goes to a model and comes back, the same for every provider.

A conversation with a model is a sequence of *blocks*. A reply with tool calls, all their results and its reasoning is
one block, so no view of a conversation can ever separate a call from its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from msgspec import Struct

if TYPE_CHECKING:
    from quorate.models.image import Image

Origin = Literal["agent", "tool", "person", "file", "web"]


IMAGE_TOKENS = 50_000
"""What the largest image costs at most: with the model that counts it highest, gpt-4o-mini, it is 48,169 tokens."""


def bytes_of(text: str) -> int:
    """Return how many bytes a text has, an upper bound of its tokens."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


class Reasoning(Struct, frozen=True, gc=False):
    """A thought of the model; `signature` is the provider's proof, sent back as it came."""

    text: str
    signature: str = ""


class ToolCall(Struct, frozen=True, gc=False):
    """A tool call that a model asks for; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class ToolResult(Struct, frozen=True, gc=False):
    """What a tool call came to, as the model reads it."""

    call_id: str
    name: str
    content: str
    is_error: bool = False


class _Block(Struct, kw_only=True, eq=False, gc=False):
    """What both kinds of blocks have: `wire`, where clients keep what they made of the block for their providers."""

    wire: dict[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        said = [name for name in self.__struct_fields__ if name != "wire"]
        return type(self) is type(other) and all(getattr(self, name) == getattr(other, name) for name in said)

    def __ne__(self, other: object) -> bool:  # a struct has its own, which does not ask `__eq__`
        return not self == other

    __hash__ = None  # pyright: ignore[reportAssignmentType]: compared by content


class Said(_Block, gc=False, eq=False):
    """Something said to the model by `source`: a person, another agent, a document.

    `ref` names the journal entry that holds the text, so that a request is journaled by reference. `parts` has texts
    and images in their order, where there are images; `text` is what a model reads that sees none.
    """

    text: str
    source: str = "user"
    origin: Origin = "person"
    ref: str = ""
    parts: tuple[str | Image, ...] = ()

    def size(self) -> int:
        """Return its bytes: an upper bound of its tokens."""
        text, source = self.text, self.source
        size = len(text) + len(source) if text.isascii() and source.isascii() else bytes_of(text + source)
        return size if not self.parts else size + IMAGE_TOKENS * len(self.images)

    @property
    def images(self) -> list[Image]:
        """The images in it."""
        return [part for part in self.parts if not isinstance(part, str)]

    @property
    def content(self) -> str:
        """All that a model is told by it, as one text to compute digests of."""
        said = f"said\n{self.source}\n{self.text}"
        if not self.parts:
            return said
        shown = [part if isinstance(part, str) else f"image {part.digest}" for part in self.parts]
        return f"{said}\n{shown}"


class Reply(_Block, gc=False, eq=False):
    """What the model answered, with the results of its tool calls once they are known."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reasoning: tuple[Reasoning, ...] = ()
    results: tuple[ToolResult, ...] = ()
    ref: str = ""

    def answered(self, results: Sequence[ToolResult]) -> Reply:
        """Return this reply closed with the results of its calls, in the order of the calls."""
        return Reply(self.text, self.calls, self.reasoning, tuple(results), self.ref)

    def unasking(self) -> Reply:
        """Return this reply without its calls, for where nobody makes them."""
        return Reply(self.text, (), self.reasoning, self.results, self.ref) if self.calls else self

    def size(self) -> int:
        """Return its bytes: an upper bound of its tokens."""
        text = self.text
        size = len(text) if text.isascii() else bytes_of(text)
        if not (self.calls or self.results or self.reasoning):
            return size
        for call in self.calls:
            size += bytes_of(call.id + call.name + call.arguments)
        for result in self.results:
            size += bytes_of(result.call_id + result.content)
        for thought in self.reasoning:
            size += bytes_of(thought.text) + bytes_of(thought.signature)
        return size

    @property
    def content(self) -> str:
        """All that a model is told by it, as one text to compute digests of."""
        if not (self.calls or self.reasoning):
            return f"reply\n{self.text}"
        return f"reply\n{self.text}\n{self.calls}\n{self.reasoning}\n{self.results}"


Block = Said | Reply
"""A value: nobody changes one once it is made."""


class Summary(Said, gc=False, eq=False):
    """What stands for the blocks from number `head` up to, without, number `upto`."""

    head: int = 0
    upto: int = 0

    def put_into(self, blocks: Blocks) -> Blocks:
        """Return the blocks with this one in the place of those it stands for."""
        return Blocks([*blocks[: self.head], self, *blocks.since(self.upto)])


_new = object.__new__


class Blocks(Sequence[Block]):
    """An immutable sequence of blocks that grows without copying.

    `plus` shares what is there already: a thousand turns keep a thousand references, not a thousand lists. `size_bytes`
    is kept as a sum, an upper bound of the tokens; `length` is how many there are.
    """

    __slots__ = ("_items", "_links", "length", "size_bytes")

    def __init__(self, items: Sequence[Block] = ()) -> None:
        self._items = list(items)
        self._links: list[str] = []
        self.length = len(self._items)
        self.size_bytes = 0
        for block in self._items:
            self.size_bytes += block.size()

    def plus(self, *blocks: Block) -> Blocks:
        """Return this sequence with `blocks` behind it."""
        items, links, count, size = self._items, self._links, self.length, self.size_bytes
        if len(items) != count:
            items, links = items[:count], links[:count]
        items.extend(blocks)
        for block in blocks:
            size += block.size()
        grown = _new(Blocks)
        grown._items, grown._links, grown.length, grown.size_bytes = items, links, len(items), size
        return grown

    def since(self, count: int) -> list[Block]:
        """Return the blocks after the first `count`."""
        return self._items[count : self.length]

    def behind(self, other: Blocks) -> list[Block] | None:
        """Return what this sequence has behind `other`; None where it does not go on from it (by sharing its list)."""
        count, items = other.length, self._items
        return items[count : self.length] if items is other._items and self.length >= count else None

    def plus_one(self, block: Block) -> Blocks:
        """Return this sequence with one block behind it: `plus`, for the path that is taken every turn."""
        items, count = self._items, self.length
        if len(items) != count:
            return self.plus(block)
        items.append(block)
        grown = _new(Blocks)
        grown._items, grown._links, grown.length = items, self._links, count + 1
        grown.size_bytes = self.size_bytes + block.size()
        return grown

    def digest(self, fingerprint: Callable[[bytes], str]) -> str:
        """Return a digest of all blocks, chained: only what is new since the last time is computed."""
        links = self._links
        for at in range(len(links), self.length):
            before = links[at - 1] if at else ""
            links.append(fingerprint(f"{before}\n{self._items[at].content}".encode(errors="surrogatepass")))
        return links[self.length - 1] if self.length else ""

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Block]: ...
    def __getitem__(self, index: int | slice) -> Block | Sequence[Block]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self.length))]
        return self._items[range(self.length)[index]]

    def __iter__(self) -> Iterator[Block]:
        for i in range(self.length):
            yield self._items[i]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)  # pyright: ignore[reportUnknownArgumentType]: any sequence of blocks

    __hash__ = None  # pyright: ignore[reportAssignmentType]: a sequence, compared by content
