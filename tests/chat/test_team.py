from collections.abc import Callable
from typing import Any

import pytest

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    Debate,
    GraphFlow,
    Limits,
    MagenticOneGroupChat,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    SocietyOfMindAgent,
    Team,
    TextMentionTermination,
    TextMessage,
    Turn,
    conversation,
)
from quorate.chat.turns import RoundRobin, Speak
from quorate.errors import ConfigError, RunFailed
from quorate.testing import ScriptedModel


def agent(name: str, *lines: object) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel(lines))


async def test_example_that_every_autogen_user_knows() -> None:
    writer, critic = agent("writer", "A poem.", "A better poem."), agent("critic", "Too short.", "APPROVE")
    team = RoundRobinGroupChat(
        [writer, critic], termination_condition=TextMentionTermination("APPROVE") | MaxMessageTermination(12)
    )

    result = await team.run(task="Write a poem.")

    assert [(m.source, m.to_text()) for m in result.messages] == [
        ("user", "Write a poem."),
        ("writer", "A poem."),
        ("critic", "Too short."),
        ("writer", "A better poem."),
        ("critic", "APPROVE"),
    ]
    assert result.stop_reason == "critic said 'APPROVE'"
    assert result.turns == 4


async def test_anything_with_a_name_that_speaks_may_take_part() -> None:
    class Parrot:
        name, description = "parrot", "Repeats."

        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=f"{turn.thread[-1].to_text()}!", source=self.name)

    result = await RoundRobinGroupChat([Parrot()], max_turns=2).run(task="Hello")

    assert [m.to_text() for m in result.messages] == ["Hello", "Hello!", "Hello!!"]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([], "at least one participant"),
        ([agent("a"), agent("a")], "Two participants are named 'a'"),
        (["a"], "'a' cannot take part: a participant has a name and"),
        ([object()], "cannot take part"),
    ],
)
def test_team_that_could_not_talk_is_refused(members: list[Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        RoundRobinGroupChat(members)


def test_agent_that_forgot_its_name_says_what_is_missing() -> None:
    class Forgetful(Agent):
        def __init__(self) -> None:
            pass

        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content="Hi.", source="a")

    with pytest.raises(ConfigError, match=r"super\(\)\.__init__\(name\) was not called.* cannot take part"):
        RoundRobinGroupChat([Forgetful()])


NO_NAMES = ["", " a", "a ", "a\nb", "a\x1b[31m", "half \ud800", "x" * 201, 5]


@pytest.mark.parametrize("name", [*NO_NAMES, None])
def test_name_that_an_agent_cannot_have_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match="cannot name an agent"):
        agent(name)


@pytest.mark.parametrize("name", NO_NAMES)
def test_name_that_a_team_cannot_have_is_refused(name: Any) -> None:
    a, b = agent("a"), agent("b")
    ways: list[Callable[[], Team]] = [
        lambda: Team([a], turns=RoundRobin(), name=name),
        lambda: RoundRobinGroupChat([a], name=name),
        lambda: SelectorGroupChat([a, b], ScriptedModel([]), name=name),
        lambda: Debate([a, b], judge=agent("judge"), name=name),
    ]

    for make in ways:
        with pytest.raises(ConfigError, match="cannot name a team: 1 to 200 printable characters"):
            make()


@pytest.mark.parametrize("called", [name for name in NO_NAMES if isinstance(name, str)])
def test_name_that_a_member_of_any_class_cannot_have_is_refused(called: str) -> None:
    class Parrot:
        name, description = called, "Repeats."

        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content="Hello.", source=self.name)

    with pytest.raises(ConfigError, match="cannot name a member of a team"):
        RoundRobinGroupChat([Parrot()])


def test_team_without_a_name_has_that_of_its_class() -> None:
    assert RoundRobinGroupChat([agent("a")]).name == "RoundRobinGroupChat"


@pytest.mark.parametrize("name", ["Zoë", "会計士", "a/b", "50%", "1 turn", "the critic"])
async def test_name_in_any_script_survives_the_journal(name: str) -> None:
    talk = conversation("talk")
    team = RoundRobinGroupChat([agent(name, "one", "two")], max_turns=1)
    await team.run(task="Go.", conversation=talk)

    second = await RoundRobinGroupChat([agent(name, "two")], max_turns=1).run(task="More.", conversation=talk)

    assert second.messages[-1].source == name
    assert second.messages[-1].to_text() == "two"


def test_max_turns_is_short_for_a_limit() -> None:
    assert RoundRobinGroupChat([agent("a")], max_turns=3).limits == Limits(turns=3)
    assert RoundRobinGroupChat([agent("a")], max_turns=3, limits=Limits(tokens=9)).limits == Limits(turns=3, tokens=9)


@pytest.mark.parametrize("turns", [0, -1, 1.5, True, "3", float("nan")])
def test_max_turns_is_a_whole_number_and_told_under_its_name(turns: Any) -> None:
    with pytest.raises(ConfigError, match=f"max_turns={turns!r} must be"):
        RoundRobinGroupChat([agent("a")], max_turns=turns)


async def test_presets_are_the_one_engine_with_a_policy() -> None:
    lines = ["one fish", "two fish", "red bird"]
    preset = RoundRobinGroupChat([agent("a", *lines), agent("b", *lines)], max_turns=3)
    plain = Team([agent("a", *lines), agent("b", *lines)], turns=RoundRobin(), max_turns=3)

    first, second = await preset.run(task="Go."), await plain.run(task="Go.")

    assert [m.to_text() for m in first.messages] == [m.to_text() for m in second.messages]
    assert isinstance(preset, Team)


async def test_run_of_a_team_again_goes_on_with_its_conversation_until_it_is_reset() -> None:
    model = ScriptedModel(["one", "two", "three"])
    team = RoundRobinGroupChat([AssistantAgent("a", model)], max_turns=1)

    first = await team.run(task="A?")
    second = await team.run(task="B?")
    await team.reset()
    third = await team.run(task="C?")

    assert [len(r.blocks) for r in model.requests] == [1, 3, 1]
    assert first.run_id.partition(".")[0] == second.run_id.partition(".")[0] != third.run_id.partition(".")[0]


async def test_agent_of_one_class_with_one_method_runs_alone_and_goes_on_with_its_conversation() -> None:
    class Counter(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=f"{len(turn.thread)} so far.", source=self.name)

    counter = Counter("counter")

    first = await counter.run("Count.")
    streamed = [item async for item in counter.run_stream("Again.")]
    elsewhere = await counter.run("Count.", conversation=conversation("other"))

    assert [m.to_text() for m in first.messages] == ["Count.", "1 so far."]
    assert [item.to_text() for item in streamed[:-1]] == ["Again.", "3 so far."]  # pyright: ignore[reportAttributeAccessIssue]: messages
    assert elsewhere.messages[-1].to_text() == "1 so far."


def test_condition_that_is_none_is_refused_before_the_run() -> None:
    with pytest.raises(ConfigError, match="termination_condition='TERMINATE' is no condition"):
        RoundRobinGroupChat([AssistantAgent("a", ScriptedModel([]))], termination_condition="TERMINATE")  # type: ignore[arg-type]


async def test_agent_without_speak_cannot_be_made() -> None:
    class Mute(Agent):
        pass

    with pytest.raises(TypeError, match="speak"):
        Mute("mute")  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: RoundRobinGroupChat(agent("a")), r"<AssistantAgent a> is no list of participants\. Write \[writer"),
        (lambda: RoundRobinGroupChat([agent("a")], limits={"turns": 3}), r"limits=\{'turns': 3\} are no limits"),
        (lambda: AssistantAgent("a", None), r"None is no model client\. Name a model, such as 'embedded'"),
        (lambda: AssistantAgent("a", "embedded", tools=len), r"a: tools=<built-in function len> is no list of tools"),
        (lambda: AssistantAgent("a", "embedded", handoffs=[5]), r"a: 5 is no handoff\. Give the name"),
        (lambda: SocietyOfMindAgent("s", Team([agent("a")], turns=RoundRobin()), None), "None is no model client"),
        (lambda: SelectorGroupChat([agent("a"), agent("b")], 5), "5 is no model client"),
        (lambda: MagenticOneGroupChat([agent("a")], None), "None is no model client"),
        (lambda: GraphFlow([agent("a")], None), r"None is no graph\. Build one: DiGraphBuilder"),
        (lambda: AgentTool("a"), "'a' is no agent"),
    ],
)
def test_what_is_none_of_it_is_refused_in_words(make: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"conversation": "talk"}, r"conversation='talk' is no conversation\. Write store\.conversation\('name'\)"),
        ({"limits": 5}, r"limits=5 are no limits\. Write limits=Limits\(turns=30\)"),
    ],
)
async def test_options_of_a_run_that_are_something_else_are_refused_in_words(options: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        await agent("a").run("Go.", **options)


class Wrong:
    """A turn policy that returns what is no choice."""

    def __init__(self, chosen: Any) -> None:
        self.chosen = chosen

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Any) -> int:
        return memory

    def next(self, memory: int, thread: Any, members: Any) -> Any:
        return self.chosen


class WrongLater(Wrong):
    async def next(self, memory: int, thread: Any, members: Any) -> Any:
        return self.chosen


@pytest.mark.parametrize("policy", [Wrong("ann"), Wrong(None), WrongLater("ann"), WrongLater(None)])
async def test_a_policy_that_returns_no_choice_is_told_what_one_is(policy: Any) -> None:
    team = Team([AssistantAgent("ann", ScriptedModel([]))], turns=policy)

    with pytest.raises((ConfigError, RunFailed), match=r"must return Speak\(\(name,\), why\) or Stop\(why\)"):
        await team.run(task="Go.")


async def test_speakers_that_are_a_text_are_told_to_be_a_tuple() -> None:
    team = Team([AssistantAgent("ann", ScriptedModel([]))], turns=Wrong(Speak("ann", "so")))  # type: ignore[arg-type]

    with pytest.raises((ConfigError, RunFailed), match=r"Speak\(\('ann',\), …\)"):
        await team.run(task="Go.")


@pytest.mark.parametrize(
    ("turns", "words"), [(object(), "has no begin, see, next"), (RoundRobin, "is a class: make one"), (None, "has no")]
)
def test_what_is_no_turn_policy_is_refused_where_the_team_is_made(turns: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Team([AssistantAgent("ann", ScriptedModel([]))], turns=turns)


@pytest.mark.parametrize("options", [{"wrap_up": 5}, {"description": 5}])
def test_words_of_a_team_are_text(options: Any) -> None:
    with pytest.raises(ConfigError, match="=5 must be a text"):
        RoundRobinGroupChat([AssistantAgent("a", ScriptedModel([]))], **options)
