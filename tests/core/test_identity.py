import copy

import pytest

from quorate.core import AgentId, AgentType, DefaultTopicId, MessageHandlerContext, TopicId
from quorate.errors import ConfigError, WrongState


def test_ids_are_values_that_read_back_what_they_print() -> None:
    id = AgentId(AgentType("writer"), "a/b")

    assert (str(id), AgentId.from_str("writer/a/b"), hash(id)) == ("writer/a/b", id, hash(AgentId("writer", "a/b")))
    assert id != AgentId("writer", "a")
    assert copy.deepcopy(id) == id
    assert TopicId.from_str("a:b=c/s/t") == TopicId("a:b=c", "s/t")
    with pytest.raises(AttributeError, match="cannot be changed"):
        id.key = "other"


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "a:b", "a\n"])
def test_agent_type_with_other_characters_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="Invalid agent type"):
        AgentId(bad, "k")


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "t\n"])
def test_topic_type_with_other_characters_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="Invalid topic type"):
        TopicId(bad, "s")


def test_text_without_slash_is_no_id() -> None:
    with pytest.raises(ConfigError, match="Write type/key"):
        AgentId.from_str("writer")
    with pytest.raises(ConfigError, match="Write type/source"):
        TopicId.from_str("news")


def test_default_topic_takes_its_source_from_the_agent_at_work() -> None:
    with MessageHandlerContext.populate_context(AgentId("a", "session 7")):
        assert DefaultTopicId() == DefaultTopicId("default", "session 7")

    assert str(DefaultTopicId("t")) == "t/default"
    with pytest.raises(WrongState):
        MessageHandlerContext.agent_id()
