import itertools
import json
import random
from collections import Counter
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, SelectorGroupChat, conversation, replay
from quorate.chat.facts import Fact, Thread
from quorate.chat.selector import Selector, named
from quorate.errors import ConfigError, RunFailed
from quorate.models import Reply, Said
from quorate.models.context import BufferedChatCompletionContext, HeadAndTailChatCompletionContext
from quorate.testing import ScriptedModel

NAMES = ("ann", "bob", "cy")


def members() -> list[AssistantAgent]:
    return [
        AssistantAgent(
            name, ScriptedModel([f"{name} {n} {n * 17}" for n in range(9)]), description=f"{name} helps.\nA lot."
        )
        for name in NAMES
    ]


def team(model: Any, turns: int = 2, **options: Any) -> SelectorGroupChat:
    return SelectorGroupChat(members(), model, max_turns=turns, **options)


def chosen(name: str) -> str:
    return json.dumps({"speaker": name})


async def sources(team: SelectorGroupChat) -> list[str]:
    return [m.source for m in (await team.run(task="Go.")).messages[1:]]


async def test_model_chooses_who_speaks() -> None:
    assert await sources(team(ScriptedModel([chosen("cy"), chosen("ann")]))) == ["cy", "ann"]


async def test_model_is_held_to_the_candidates_and_told_their_roles_and_what_was_said() -> None:
    model = ScriptedModel([chosen("cy"), chosen("ann")])

    await team(model).run(task="Go.")

    first, second = model.requests
    assert first.output_schema is not None
    assert second.output_schema is not None
    assert json.loads(first.output_schema)["properties"]["speaker"]["enum"] == list(NAMES)
    assert json.loads(second.output_schema)["properties"]["speaker"]["enum"] == ["ann", "bob"]
    text = second.blocks[0].text
    assert "ann: ann helps. A lot." in text
    assert "user: Go.\ncy: cy 0 0" in text


async def test_who_spoke_last_is_a_candidate_only_when_allowed() -> None:
    repeated = team(ScriptedModel([chosen("cy"), chosen("cy")]), allow_repeated_speaker=True)

    assert await sources(repeated) == ["cy", "cy"]


async def test_model_that_names_nobody_is_told_so_once_and_then_may_mend_it() -> None:
    model = ScriptedModel(["The best one!", chosen("bob")])

    result = await team(model, turns=1).run(task="Go.")

    assert result.messages[-1].source == "bob"
    repair = model.requests[1].blocks
    assert repair[1] == Reply("The best one!", ref=repair[1].ref if isinstance(repair[1], Reply) else "")
    assert isinstance(repair[2], Said)
    assert "names none of them" in repair[2].text


async def test_model_that_names_nobody_again_leaves_it_to_who_has_been_silent_longest() -> None:
    talk = conversation("talk")
    model = ScriptedModel([chosen("ann"), chosen("bob"), "Everybody", "zoe", "ann and bob", '{"speaker": 3}'])

    result = await team(model, turns=4).run(task="Go.", conversation=talk)

    choices = [e.payload for e in await talk.entries() if e.kind == "choice"]
    assert [m.source for m in result.messages[1:]] == ["ann", "bob", "cy", "ann"]
    assert choices[0]["reason"] == "chosen by scripted"
    assert "nobody legal was chosen" in choices[2]["reason"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"speaker": "ann"}', "ann"),
        ('"ann"', "ann"),
        (" Ann. ", "ann"),
        ("**bob**", "bob"),
        ("ann or bob", None),
        ('{"speaker": "zoe"}', None),
        ('{"speaker": ["ann"]}', None),
        ("[]", None),
        ("", None),
    ],
)
def test_only_a_candidates_name_counts_as_a_choice(text: str, expected: str | None) -> None:
    assert named(text, ["ann", "bob"]) == expected


async def test_only_candidate_speaks_without_anybody_being_asked() -> None:
    pair = SelectorGroupChat(members()[:2], ScriptedModel([chosen("ann")]), max_turns=4)

    assert await sources(pair) == ["ann", "bob", "ann", "bob"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_function_chooses_or_leaves_it_to_the_model(kind: str) -> None:
    def choose(thread: Any) -> str | None:
        return "cy" if len(thread) == 1 else None

    async def choose_async(thread: Any) -> str | None:
        return choose(thread)

    function: Any = choose if kind == "sync" else choose_async

    assert await sources(team(ScriptedModel([chosen("bob")]), selector_func=function)) == ["cy", "bob"]


async def test_function_may_name_the_candidates() -> None:
    model = ScriptedModel([chosen("ann")])

    found = await sources(team(model, turns=1, candidate_func=lambda thread: ["ann", "cy"]))

    assert found == ["ann"]
    assert model.requests[0].output_schema is not None
    assert json.loads(model.requests[0].output_schema)["properties"]["speaker"]["enum"] == ["ann", "cy"]


@pytest.mark.parametrize(
    "options",
    [
        {"selector_func": lambda thread: "zoe"},
        {"candidate_func": lambda thread: ["ann", "zoe"]},
        {"candidate_func": lambda thread: []},
        {"candidate_func": lambda thread: "ann"},
    ],
)
async def test_function_that_names_a_stranger_is_refused_with_who_there_is(options: Any) -> None:
    with pytest.raises((ConfigError, RunFailed), match="must name members: ann, bob, cy"):
        await team(ScriptedModel([]), **options).run(task="Go.")


def test_selector_needs_somebody_to_select_from() -> None:
    with pytest.raises(ConfigError, match="at least two participants"):
        SelectorGroupChat(members()[:1], ScriptedModel([]))


def test_selector_with_a_model_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="There is no model 'nobody:x'"):
        SelectorGroupChat(members(), "nobody:x")
    with pytest.raises(ConfigError, match="max_selector_attempts=0"):
        SelectorGroupChat(members(), ScriptedModel([]), max_selector_attempts=0)
    with pytest.raises(ConfigError, match="selector_func='ann' is no function"):
        SelectorGroupChat(members(), selector_func="ann")
    with pytest.raises(ConfigError, match=r"candidate_func=\['ann'\] is no function"):
        SelectorGroupChat(members(), candidate_func=["ann"])


def test_prompt_with_a_misspelt_field_is_refused_and_other_braces_stay() -> None:
    with pytest.raises(ConfigError, match=r"has \{role\}, which nothing fills in. Did you mean 'roles'"):
        SelectorGroupChat(members(), "embedded", selector_prompt="{role} Who is next?")
    with pytest.raises(ConfigError, match="must be a text"):
        SelectorGroupChat(members(), "embedded", selector_prompt=5)
    SelectorGroupChat(members(), "embedded", selector_prompt='{roles} Say {"speaker": name}, as {x} does.')


async def test_prompt_of_ones_own_is_filled_in() -> None:
    model = ScriptedModel([chosen("bob")])

    await team(model, turns=1, selector_prompt="{history} | {participants} | {other}").run(task="Go {roles}.")

    assert model.requests[0].blocks[0].text == 'user: Go {roles}. | ["ann", "bob", "cy"] | {other}'


async def test_choosing_is_counted_and_limited_like_any_call() -> None:
    model = ScriptedModel([chosen("ann"), chosen("bob")])

    result = await team(model, turns=9).run(task="Go.", limits=Limits(model_calls=3))

    assert result.outcome is not None
    assert result.outcome.limit == "model_calls"
    assert result.turns == 2
    assert [m.source for m in result.messages[1:]] == ["ann"]


async def test_no_choice_is_paid_for_that_nobody_may_act_on() -> None:
    model = ScriptedModel([chosen("ann"), chosen("bob")])

    result = await team(model, turns=2).run(task="Go.")

    assert result.outcome is not None
    assert result.outcome.limit == "turns"
    assert len(model.requests) == 2


async def test_replay_chooses_from_the_journal() -> None:
    # ENGINE 4
    model = ScriptedModel(["nonsense", chosen("cy"), chosen("ann")])
    working = team(model)
    result = await working.run(task="Go.")

    report = await replay(result.run_id, team=working)

    assert report.identical
    assert len(model.requests) == 3


@pytest.mark.parametrize("upto", ["call", "reply", "choice"])
async def test_choice_under_way_when_killed_is_taken_up_where_it_was(killed: Any, upto: str) -> None:
    # ENGINE 2
    talk = conversation("talk")
    await team(ScriptedModel(["nonsense", chosen("cy"), chosen("ann")])).run(task="Go.", conversation=talk)
    entries = await talk.entries()
    at = next(i for i, e in enumerate(entries) if e.kind == upto and (upto == "choice" or "/0 choose/" in e.path))
    left = await killed(entries, after=at + 1)
    lines = {"call": ["nonsense", chosen("cy")], "reply": [chosen("cy")], "choice": []}[upto]
    model = ScriptedModel([*lines, chosen("ann")])

    result = await team(model).continue_run("talk", store=left.store)

    assert [m.source for m in result.messages[1:]] == ["cy", "ann"]
    model.check()


async def test_choice_under_way_can_be_given_up(killed: Any) -> None:
    # ENGINE 3
    from quorate import RoundRobinGroupChat

    talk = conversation("talk")
    await team(ScriptedModel([chosen("cy"), chosen("ann")])).run(task="Go.", conversation=talk)
    entries = await talk.entries()
    left = await killed(entries, after=next(i for i, e in enumerate(entries) if e.kind == "choice"))
    plain = RoundRobinGroupChat(members(), max_turns=2)
    with pytest.raises(RunFailed, match="turn 1 / choose / model 1"):
        await plain.continue_run("talk", store=left.store)

    result = await plain.continue_run("talk", store=left.store, give_up_turn=True)
    again = await replay("talk", team=plain, store=left.store)

    assert [m.source for m in result.messages[1:]] == ["ann", "bob"]
    assert again.identical


class Liking:
    """Chooses by a table, as the offline default does by meaning."""

    def __init__(self, *names: str | None) -> None:
        self.names = list(names)

    async def choose(self, thread: Thread, candidates: Any, roles: dict[str, str]) -> tuple[str, str] | None:
        name = self.names.pop(0)
        return None if name is None else (name, "likes it")


async def test_way_of_choosing_without_an_opinion_leaves_it_to_fairness() -> None:
    policy = Selector(dict.fromkeys(NAMES, ""), Liking(None, "zoe"))
    memory = policy.see(policy.begin(), Fact(choice=type("C", (), {"speakers": ("ann",)})()))  # type: ignore[arg-type]

    found = [await policy.next(memory, Thread([]), NAMES) for _ in range(2)]

    assert [speak.speakers for speak in found] == [("bob",), ("bob",)]


# -- streaming and context --------------------------------------------------------------------------------------------


async def shown(team: SelectorGroupChat) -> list[Any]:
    return [item async for item in team.run_stream(task="Go.")]


async def test_choice_is_shown_as_it_comes_where_that_is_wanted_and_never_kept() -> None:
    model = ScriptedModel(["nobody", chosen("bob")], chunks=3)

    items = await shown(team(model, turns=1, model_client_streaming=True))

    ours = [item for item in items if getattr(item, "source", "") == "selector"]
    events = [item for item in ours if item.type == "SelectorEvent"]
    assert [event.content for event in events] == ["nobody", chosen("bob")]
    for event in events:
        chunks = [item.content for item in ours if getattr(item, "full_message_id", "") == event.id]
        assert len(chunks) == 3
        assert "".join(chunks) == event.content
    assert [m.source for m in items[-1].messages] == ["user", "bob"]


async def test_choice_is_not_shown_where_nobody_wants_it() -> None:
    items = await shown(team(ScriptedModel([chosen("bob")]), turns=1))

    assert not [item for item in items if getattr(item, "source", "") == "selector"]


async def test_model_context_says_what_the_choosing_model_is_shown() -> None:
    model = ScriptedModel([chosen("ann"), chosen("bob"), chosen("cy")])
    context = HeadAndTailChatCompletionContext(1, 1)

    await team(model, turns=3, model_context=context, selector_prompt="{history}").run(task="Go.")

    first, second, third = [request.blocks[0].text for request in model.requests]
    assert first == "user: Go."
    assert second == "user: Go.\nann: ann 0 0"
    assert third.splitlines()[0] == "user: Go."
    assert third.splitlines()[-1] == "bob: bob 0 0"
    assert "ann 0 0" not in third


async def test_model_context_of_a_selector_is_one() -> None:
    with pytest.raises(ConfigError, match=r"is no model context: it has no view\(blocks\)"):
        team(ScriptedModel([]), model_context=object())


async def test_choice_is_resumed_with_a_context_as_without(killed: Any) -> None:
    # ENGINE 1: what the selector was shown is folded again
    talk = conversation("talk")
    options: Any = {"model_context": BufferedChatCompletionContext(2), "selector_prompt": "{history}"}
    whole = ScriptedModel([chosen("ann"), chosen("bob"), chosen("cy")])
    await team(whole, turns=3, **options).run(task="Go.", conversation=talk)
    entries = await talk.entries()
    left = await killed(entries, before="turn", nth=2)
    rest = ScriptedModel([chosen("cy")])

    await team(rest, turns=3, **options).continue_run("talk", store=left.store)

    assert rest.requests[0].blocks[0].text == whole.requests[2].blocks[0].text == "ann: ann 0 0\nbob: bob 0 0"


# -- bad_selector -----------------------------------------------------------------------------------------------------

CROWD = ("ann", "Bob", "cy_1", "李明", "data analyst")


def noise(draw: random.Random, name: str, forbidden: str) -> str:
    other = draw.choice([n for n in CROWD if n != name])
    return draw.choice(
        [
            "",
            " \n",
            "the one who knows best",
            "\x00\ufffd{]",
            "null",
            "[]",
            "{}",
            '{"speaker": 7}',
            '{"speaker": null}',
            f'{{"speaker": "{name} "',
            f"{name} and {other}",
            f'["{name}", "{other}"]',
            f'{{"speaker": "{forbidden}"}}',
            forbidden,
            "zoe",
            '{"speaker": "zoe"}',
            name.upper(),
            f"**{name.title()}**",
            f"I think {name} should speak next.",
            chosen(name),
            "x" * 5000,
        ]
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_bad_selector_over_300_turns(seed: int) -> None:
    """No illegal speaker, at most one extra call a turn, nobody starves, whatever the model answers."""
    draw = random.Random(seed)
    talk = conversation(f"talk-{seed}")

    def answer(request: Any) -> str:
        enum = json.loads(request.output_schema)["properties"]["speaker"]["enum"]
        return noise(draw, draw.choice(enum), next(n for n in CROWD if n not in enum) if len(enum) < 5 else "zoe")

    model = ScriptedModel(itertools.repeat(answer))
    crowd = [AssistantAgent(name, ScriptedModel([f"{name} {n} {n * 17}" for n in range(300)])) for name in CROWD]
    working = SelectorGroupChat(crowd, model, patience=None)

    result = await working.run(task="Go.", conversation=talk, limits=Limits(turns=300, model_calls=900, tokens=10**9))

    spoke = [m.source for m in result.messages[1:]]
    assert len(spoke) == 300
    assert set(spoke) == set(CROWD)
    assert all(a != b for a, b in itertools.pairwise(spoke))
    assert 300 < len(model.requests) <= 600
    calls = Counter(
        e.path.partition("/")[0] for e in await talk.entries() if e.kind == "call" and "/0 choose/" in e.path
    )
    assert max(calls.values()) == 2
    longest = max(len(list(gap)) for name in CROWD for said, gap in itertools.groupby(spoke, name.__eq__) if not said)
    assert longest <= 30
    assert min(Counter(spoke).values()) >= 30
    reasons = Counter(e.payload["reason"] for e in await talk.entries() if e.kind == "choice")
    assert reasons["nobody legal was chosen; has been silent longest"] > 30
    assert reasons["chosen by scripted"] > 30
    assert reasons["chosen by scripted, at attempt 2"] > 30


async def test_model_that_never_names_anybody_lets_all_speak_in_turn() -> None:
    crowd = [AssistantAgent(name, ScriptedModel([f"{name} {n} {n * 17}" for n in range(20)])) for name in CROWD]
    working = SelectorGroupChat(crowd, ScriptedModel(itertools.repeat("Nobody!")), max_turns=20)

    result = await working.run(task="Go.")

    assert [m.source for m in result.messages[1:]] == [*CROWD] * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I think ann should go on.", "ann"),
        ("Anna should go on.", None),
        ("ann! Ann? ANN.", "ann"),
        ("cy_1", "cy_1"),
        ("cy_12", None),
        ("请李明发言", "李明"),
        ("李明 and ann", None),
        ("Let the Data Analyst speak", "data analyst"),
        ("the analyst", None),
        ("ann_lee", "ann_lee"),
        ("ann_lee and then ann", None),
        ("👩‍🔬 please", "👩‍🔬"),
        ('```json\n{"speaker": "ann"}\n```', "ann"),
        (f"so {'long' * 50} it is", "long" * 50),
    ],
)
def test_name_in_any_script_is_found_in_an_answer_if_it_is_the_only_one(text: str, expected: str | None) -> None:
    assert named(text, [*CROWD, "ann_lee", "👩‍🔬", "long" * 50]) == expected


def test_names_that_differ_by_case_only_are_told_apart() -> None:
    assert named("Ann", ["ann", "Ann"]) == "Ann"
    assert named('{"speaker": "ann"}', ["ann", "Ann"]) == "ann"
    assert named("ANN", ["ann", "Ann"]) is None
