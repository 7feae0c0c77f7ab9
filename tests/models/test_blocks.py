from hypothesis import given
from hypothesis import strategies as st

from quorate.models import Blocks, Reasoning, Reply, Said, ToolCall, ToolResult
from quorate.models.blocks import bytes_of

BLOCK = st.tuples(st.text(max_size=8), st.text(max_size=4)).map(lambda t: Said(*t)) | st.text(max_size=8).map(Reply)
CALLS = (ToolCall("c1", "add", '{"a":1}'), ToolCall("c2", "add", "{}"))
CHARS = st.characters()


def named(data: bytes) -> str:
    return data.hex()


@given(st.text(CHARS))
def test_size_of_any_text_is_its_bytes(text: str) -> None:
    assert bytes_of(text) == len(text.encode(errors="surrogatepass"))


@given(st.lists(BLOCK, max_size=5), st.lists(BLOCK, max_size=5))
def test_grown_blocks_are_what_was_there_and_what_came(before: list[Said | Reply], new: list[Said | Reply]) -> None:
    blocks = Blocks(before)

    grown = blocks.plus(*new)

    assert list(grown) == before + new
    assert list(blocks) == before
    assert grown.size_bytes == sum(b.size() for b in before + new)
    assert grown.behind(blocks) == new


@given(st.lists(BLOCK, min_size=1, max_size=4), BLOCK, BLOCK)
def test_two_that_grow_from_one_do_not_meet(before: list[Said | Reply], a: Said | Reply, b: Said | Reply) -> None:
    shared = Blocks(before)

    left, right = shared.plus(a), shared.plus(b)

    assert (list(left), list(right)) == ([*before, a], [*before, b])
    assert left.digest(named) == Blocks([*before, a]).digest(named)
    assert right.digest(named) == Blocks([*before, b]).digest(named)


def test_digest_of_grown_blocks_computes_only_what_is_new() -> None:
    counted: list[bytes] = []

    def fingerprint(data: bytes) -> str:
        counted.append(data)
        return str(len(counted))

    blocks = Blocks([Said("a"), Said("b")])
    blocks.digest(fingerprint)
    grown = blocks.plus(Said("c"))
    grown.digest(fingerprint)
    grown.digest(fingerprint)

    assert len(counted) == 3


def test_digest_tells_order_kind_source_calls_and_results_apart() -> None:
    different = [
        Blocks(),
        Blocks([Said("a", "x"), Said("b", "x")]),
        Blocks([Said("b", "x"), Said("a", "x")]),
        Blocks([Said("a", "y"), Said("b", "x")]),
        Blocks([Said("a", "x"), Reply("b")]),
        Blocks([Reply("a", CALLS)]),
        Blocks([Reply("a", CALLS[:1])]),
        Blocks([Reply("a", CALLS[:1], (), (ToolResult("c1", "add", "3"),))]),
        Blocks([Reply("a", CALLS[:1], (), (ToolResult("c1", "add", "3", True),))]),
        Blocks([Reply("a", (), (Reasoning("hm"),))]),
    ]

    assert len({blocks.digest(named) for blocks in different}) == len(different)


def test_place_of_a_block_is_no_part_of_what_a_model_is_told() -> None:
    assert Blocks([Said("a", ref="1:x")]).digest(named) == Blocks([Said("a", ref="2:y")]).digest(named)


def test_answered_reply_is_one_block_with_its_results_in_the_order_of_its_calls() -> None:
    # a call is never apart from its result
    results = [ToolResult("c1", "add", "3"), ToolResult("c2", "add", "no", True)]
    reply = Reply("Let me see.", CALLS, (Reasoning("hm", "sig"),), (), "1:x")

    atom = reply.answered(results)

    assert (atom.text, atom.calls, atom.reasoning, atom.ref) == ("Let me see.", CALLS, reply.reasoning, "1:x")
    assert atom.results == tuple(results)
    assert reply.results == ()


def test_blocks_are_looked_at_like_any_sequence() -> None:
    blocks = Blocks([Said("a"), Said("b")]).plus(Said("c"))

    assert (len(blocks), blocks[-1], list(blocks[1:])) == (3, Said("c"), [Said("b"), Said("c")])
    assert blocks == [Said("a"), Said("b"), Said("c")]
    assert blocks != [Said("a")]
