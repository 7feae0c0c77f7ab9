"""The words for what people see."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.chat.messages import FunctionCall, FunctionExecutionResult, TextMessage
from quorate.chat.shown import (
    age,
    call_line,
    called,
    clean,
    cost_note,
    counted,
    cut,
    duration,
    inline,
    money,
    paragraphs,
)

ANY = st.text(st.characters(codec=None))


@given(ANY)
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    for found in (clean(text), inline(text), cut(text, 10), *(words for [(words, _)] in paragraphs(text))):
        kinds = {unicodedata.category(c) for c in found} - {"Cc"}
        assert not {c for c in found if unicodedata.category(c) == "Cc"} - {"\n", "\t"}
        assert not kinds & {"Cs", "Zl", "Zp"}
        found.encode()


@given(ANY)
def test_inline_is_one_line(text: str) -> None:
    assert "\n" not in inline(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs", "Mn"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_what_was_cut_says_how_long_it_was() -> None:
    assert cut("x" * 2000, 5) == "xxxxx… (2,000 characters)"
    assert cut("x" * 2000, 5, count=False) == "xxxxx…"
    assert cut("xxxxx", 5) == "xxxxx"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"column": "x", "n": 3}', 'f(column="x", n=3)'),
        ('{"name": "中\\u001b[2J"}', 'f(name="中\\u001b[2J")'),
        ("no json\x1b", "f(no json\\x1b)"),
        ("[1]", "f([1])"),
        ("{}", "f()"),
    ],
)
def test_calls_read_like_code(arguments: str, shown: str) -> None:
    assert called("f", arguments) == shown


def test_result_that_is_empty_or_wrong_is_told() -> None:
    call = FunctionCall("c", "{}", "f")

    def words(content: str, *, is_error: bool = False) -> str:
        return "".join(text for text, _ in call_line(call, FunctionExecutionResult(content, "f", "c", is_error)))

    assert words("") == "f() → (nothing)"
    assert words("no", is_error=True) == "f() → error: no"
    assert words("a\nb") == "f() → a ↵ b"


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (None, "cost unknown"),
        (0.0, "$0"),
        (0.00001, "below $0.0001"),
        (0.01234, "$0.0123"),
        (0.5, "$0.5000"),
        (12.345, "$12.35"),
    ],
)
def test_money(usd: float | None, shown: str) -> None:
    assert money(usd) == shown


def test_message_of_unknown_usage_has_no_note() -> None:
    assert cost_note(TextMessage(content="x", source="a")) == ""


def test_times_and_numbers() -> None:
    assert [duration(s) for s in (0.04, 59.94, 61, 3600, 9000)] == [
        "0.0 s",
        "59.9 s",
        "1 min 1 s",
        "1 h 0 min",
        "2 h 30 min",
    ]
    assert [age(s) for s in (-5, 0, 60, 7300, 90_000)] == ["now", "now", "1 min ago", "2 h ago", "1 d ago"]
    assert [counted(n, "turn") for n in (0, 1, 2000)] == ["0 turns", "1 turn", "2,000 turns"]
    assert counted(2, "entry", "entries") == "2 entries"
