"""Numbers in sentences."""

import pytest

from quorate.core.words import counted


@pytest.mark.parametrize(
    ("number", "several", "expected"),
    [(0, "", "0 calls"), (1, "", "1 call"), (1.0, "", "1 call"), (1234, "", "1,234 calls"), (2, "more", "2 more")],
)
def test_a_noun_is_of_its_number(number: float, several: str, expected: str) -> None:
    assert counted(number, "call", several) == expected
