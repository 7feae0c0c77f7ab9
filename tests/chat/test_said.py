"""Messages that are made of what is known to be right are those that their constructor makes."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from quorate.chat import messages
from quorate.chat.messages import RequestUsage, TextMessage


@given(
    st.text(),
    st.text(min_size=1),
    st.integers(0, 4_000_000_000_000_000),
    st.none() | st.builds(RequestUsage, st.integers(0), st.integers(0)),
    st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
)
def test_one_that_was_said_is_as_the_constructor_makes_it(
    content: str, source: str, at_us: int, usage: RequestUsage | None, metadata: dict[str, str] | None
) -> None:
    found = messages.said(content, source, "c.1/1 turn#0", at_us, usage, metadata)
    made = TextMessage(
        content=content,
        source=source,
        id="c.1/1 turn#0",
        created_at=datetime.fromtimestamp(at_us / 1e6, UTC),
        models_usage=usage,
        metadata=metadata or {},
    )
    assert found == made
    assert type(found) is TextMessage
    assert list(found.__dict__) == list(made.__dict__)
    assert found.model_fields_set == made.model_fields_set
    assert found.dump() == made.dump()
    assert found.model_dump_json() == made.model_dump_json()
    assert repr(found) == repr(made)
    for other in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found)), found.model_copy()):
        assert other == made
    assert TextMessage.model_validate(found.model_dump()) == made


def test_each_has_fields_of_its_own() -> None:
    first, second = (messages.said("hello", "writer", "a", 1) for _ in range(2))
    first.metadata["seen"] = "yes"
    first.content = "changed"
    first.model_fields_set.add("type")
    assert second.metadata == {}
    assert second.content == "hello"
    assert "type" not in second.model_fields_set


@pytest.mark.parametrize("content", [7, None, ["a"]])
def test_what_is_no_text_is_refused(content: Any) -> None:
    with pytest.raises(ValidationError, match="content"):
        messages.said(content, "writer", "a", 1)
