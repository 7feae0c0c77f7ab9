"""A factory is given in place of a participant: what is none is refused, and says why."""

from typing import Any

import pytest
from tests.chat.objects.counters import Counter

from quorate import Agent, AssistantAgent, MessageFilterAgent, RoundRobinGroupChat, TextMessage, Turn, conversation
from quorate.chat.agents.agent_tool import TeamTool
from quorate.errors import ConfigError
from quorate.models.views import MessageFilterConfig, PerSourceFilter
from quorate.testing import ScriptedModel

SAME = Counter()


class Needing(Agent):
    def __init__(self, name: str) -> None:
        super().__init__(name)

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content="", source=self.name)


async def _later() -> Counter:
    return Counter()


def _broken() -> Counter:
    raise OSError("no such host")


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        (Needing, r"The class Needing raised TypeError.* write lambda: Needing\(…\)"),
        (_broken, r"The factory _broken raised OSError: no such host. A factory takes nothing"),
        (_later, "_later is asynchronous. A factory is a plain function"),
        (lambda: None, "made None, which cannot take part: a participant has a name and"),
        (lambda: Counter, "made <class.*Counter'>, which cannot take part"),
        ("ann", "'ann' cannot take part"),
    ],
)
def test_what_makes_no_agent_is_refused_at_once(factory: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RoundRobinGroupChat([factory])


def test_two_of_a_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="Two participants are named 'counter'"):
        RoundRobinGroupChat([Counter, Counter])


async def test_the_same_object_again_is_refused_before_the_run_begins() -> None:
    team, talk = RoundRobinGroupChat([lambda: SAME], max_turns=1), conversation()

    with pytest.raises(ConfigError, match=r"returned the same Counter 'counter' again.* as lambda: Counter\(…\) does"):
        await team.run("Go.", conversation=talk)

    assert await talk.entries() == []


async def test_another_name_is_refused_before_the_run_begins() -> None:
    names = iter("abc")
    team, talk = RoundRobinGroupChat([lambda: Counter(next(names))], max_turns=1), conversation()

    with pytest.raises(ConfigError, match="made an agent named 'b', and one named 'a' before"):
        await team.run("Go.", conversation=talk)

    assert await talk.entries() == []


def test_an_agent_around_another_takes_no_factory_and_says_what_to_do() -> None:
    seen = MessageFilterConfig([PerSourceFilter("user", "first", 1)])

    with pytest.raises(ConfigError, match=r"lambda: MessageFilterAgent\(…\)"):
        MessageFilterAgent("w", Counter, seen)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="give a team"):
        TeamTool(Counter, "count", "Counts.")  # pyright: ignore[reportArgumentType]


def test_what_a_team_shows_is_what_the_factory_makes() -> None:
    model = ScriptedModel([])
    team = RoundRobinGroupChat([lambda: AssistantAgent("a", model, system_message="Be brief.")], max_turns=1)

    assert [type(one) for one in team.participants] == [AssistantAgent]
    assert not [found for found in team.check().findings if found.severity == "error"]
