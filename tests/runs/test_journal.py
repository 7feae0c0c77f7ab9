import re

import pytest

from quorate import conversation
from quorate.errors import ConfigError


@pytest.mark.parametrize("id", ["", "a b", "a/b", "a\\b", "a*", "a?", "a\n", "x" * 201, "-a", "talk.3"])
def test_id_that_cannot_name_a_conversation_is_refused(id: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(id))):
        conversation(id)


@pytest.mark.parametrize("id", ["ticket-17", "über", "a.b", "v1.2b", "会話", "x" * 200])
def test_id_may_be_in_any_script(id: str) -> None:
    assert conversation(id).id == id


def test_conversation_without_an_id_gets_one_of_its_own() -> None:
    assert len({conversation().id for _ in range(100)}) == 100
