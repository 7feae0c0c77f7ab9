import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.entries import MAX_ENTRY_BYTES

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "$artifact", "$literal", "type"]), inner, max_size=3)
    ),
    max_leaves=8,
)


class Kept:
    """Keeps artifacts as a store does, by a digest of their content."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    def keep(self, text: str, media_type: str) -> str:
        data = text.encode(errors="surrogatepass")
        digest = chain.keyed(b"secret", data)
        self.found[digest] = data
        return digest

    def load(self, digest: str) -> bytes:
        return self.found[digest]


def there_and_back(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    kept = Kept()
    return chain.decode(chain.encode(kind, payload, kept.keep), kept.load)


@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=4))
def test_any_plain_payload_survives_even_one_that_looks_like_our_own_marks(payload: dict[str, Any]) -> None:
    assert there_and_back("value", payload) == payload


def test_half_of_a_surrogate_pair_survives_inline_and_as_an_artifact() -> None:
    payload = {"text": "a\ud800b", "long": "\udfff" * chain.INLINE_BYTES}

    assert there_and_back("reply", payload) == payload


def test_payload_is_json_that_another_language_can_read() -> None:
    # ENGINE 24
    data = chain.encode("reply", {"text": "ä", "in": 1, "calls": (("c1", "add", "{}"),)}, Kept().keep)

    assert json.loads(data) == {"text": "ä", "in": 1, "calls": [["c1", "add", "{}"]]}


def test_long_field_becomes_an_artifact_of_which_the_entry_has_digest_size_and_type() -> None:
    # ENGINE 24
    kept = Kept()

    data = chain.encode("result", {"content": "é" * chain.INLINE_BYTES, "error": False}, kept.keep)

    mark = json.loads(data)["content"]
    assert (mark["size"], mark["type"]) == (2 * chain.INLINE_BYTES, "text/plain")
    assert kept.found[mark["$artifact"]].decode() == "é" * chain.INLINE_BYTES
    assert len(data) < 200


def test_standing_parts_of_a_call_are_kept_by_content_however_short() -> None:
    # ENGINE 14
    kept = Kept()

    for _ in range(3):
        chain.encode("call", {"model": "m", "parts": '{"system":"Be kind."}'}, kept.keep)

    assert list(kept.found.values()) == [b'{"system":"Be kind."}']


def test_field_above_the_cap_is_refused_and_named() -> None:
    # ENGINE 24
    with pytest.raises(StoreError, match=r"content of a 'result' entry has \d+ bytes; at most 16777216") as raised:
        chain.encode("result", {"content": "x" * (MAX_ENTRY_BYTES + 1)}, Kept().keep)

    assert "file" in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_payload_that_is_no_plain_data_is_refused(value: object) -> None:
    with pytest.raises(StoreError, match="'value' entry must be plain JSON data"):
        chain.encode("value", {"value": value}, Kept().keep)


def test_the_field_that_json_cannot_hold_is_named() -> None:
    around: dict[str, Any] = {"source": "m", "parts": [1, {"score": float("inf")}]}

    with pytest.raises(StoreError, match=r"entry must be plain JSON data, and its message\.parts\.1\.score is inf: "):
        chain.encode("said", {"message": around}, Kept().keep)

    around["parts"] = around
    with pytest.raises(StoreError, match="must be plain JSON data: "):
        chain.encode("said", {"message": around}, Kept().keep)


def test_link_covers_place_payload_and_everything_before() -> None:
    # ENGINE 22
    place: dict[str, Any] = {"conversation": "talk", "seq": 3, "run": 1, "path": "1 turn", "kind": "choice", "at": 5}
    body = chain.digest(b"salt", b"{}")
    same = chain.link(chain.GENESIS, body=body, **place)

    others = [
        chain.link(bytes(31) + b"\1", body=body, **place),
        chain.link(chain.GENESIS, body=chain.digest(b"salt", b"{} "), **place),
        chain.link(chain.GENESIS, body=chain.digest(b"tlas", b"{}"), **place),
        *(chain.link(chain.GENESIS, body=body, **place | {name: "9"}) for name in ("conversation", "path", "kind")),
        *(chain.link(chain.GENESIS, body=body, **place | {name: 9}) for name in ("seq", "run", "at", "version")),
    ]

    assert same == chain.link(chain.GENESIS, body=body, **place)
    assert len({same, *others}) == 1 + len(others)


def test_salts_are_never_the_same() -> None:
    # ENGINE 22
    assert len({chain.fresh_salt() for _ in range(1000)}) == 1000


def test_keyed_digest_tells_nothing_to_who_has_another_secret() -> None:
    # ENGINE 23
    assert chain.keyed(b"a" * 32, b"yes") != chain.keyed(b"b" * 32, b"yes")
