"""Loops in words that no list has, and healthy talks in few words, on phrases that were not used for tuning."""

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from quorate import TextMessage
from quorate.chat.facts import Fact
from quorate.chat.stalls.progress import Progress


def _load(name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_load("talks")
idioms = _load("idioms")

SEEDS = 6
PATIENCE = 3


def ends_at(calls: Iterable[list[Fact]], **options: Any) -> int | None:
    """Return after how many model calls it counts as stalled, None if it never does."""
    progress = Progress(**options)
    for n, facts in enumerate(calls, 1):
        for fact in facts:
            progress.see(fact)
        if progress.stalled:
            return n
    return None


def stalls(*texts: str, who: str = "a") -> int | None:
    """Return after how many texts of speakers in turn it counts as stalled."""
    return ends_at(
        [Fact(message=TextMessage(content=text, source=who[n % len(who)]), speaker=who[n % len(who)])]
        for n, text in enumerate(texts)
    )


@pytest.mark.parametrize(("language", "in_time"), [("en", 0.25), ("de", 0.65), ("fr", 0.5), ("es", 0.6), ("zh", 0.5)])
def test_loops_in_other_words_each_time_end(language: str, in_time: float) -> None:
    ends, early, soon = list[int | None](), list[str](), 0
    for kind in idioms.LOOPS:
        for seed in range(2 * SEEDS):
            loop = idioms.loop(kind, language, seed, held_out=True, rounds=12)
            end = ends_at(loop.calls)
            ends.append(end)
            if end is not None and end <= loop.start:
                early.append(f"{kind} {seed}")
            soon += end is not None and end - loop.start <= (PATIENCE - 1) * loop.period + 3

    assert not early
    assert sum(end is not None for end in ends) >= 0.9 * len(ends)
    assert soon >= in_time * len(ends)


@pytest.mark.parametrize("language", idioms.LANGUAGES)
@pytest.mark.parametrize("kind", idioms.HEALTHY)
def test_healthy_talk_in_few_words_is_let_be(kind: str, language: str) -> None:
    for seed in range(SEEDS):
        talk = idioms.healthy(kind, language, seed, held_out=True)

        assert ends_at(talk.calls, persons=talk.persons, polls=talk.polls) is None, f"seed {seed}"


def test_courtesy_needs_no_words_in_common_to_be_a_loop() -> None:
    texts = ["Brilliant!", "Thank you so much.", "I fully agree with you.", "Perfect, I appreciate it."]

    assert stalls(*texts) == 4


@pytest.mark.parametrize(
    "texts",
    [
        ["Ganz deiner Meinung.", "Danke dir!", "Das ist völlig richtig.", "Ich stimme dir zu.", "Sehr schön gesagt."],
        ["Je suis d'accord.", "Merci à vous !", "C'est tout à fait juste.", "Vous avez raison.", "Très bien dit."],
        ["Estoy de acuerdo con lo que dices.", "¡Gracias!", "Tienes razón.", "Por supuesto.", "Muy bien."],
        ["我完全同意。", "谢谢你！", "你说得对。", "非常好的想法。", "我也这么认为。"],  # noqa: RUF001 - Chinese
    ],
)
def test_courtesy_of_other_languages_is_known_too(texts: list[str]) -> None:
    assert stalls(*texts) in {4, 5}


def test_questions_are_no_courtesy() -> None:
    texts = ["Good?", "No.", "Nice?", "No.", "Perfect?", "No.", "Wrong?", "No.", "Sure?", "Sorry, no."]

    assert stalls(*texts, who="ab") is None


def test_what_repeats_once_is_no_loop_because_somebody_approves_of_it() -> None:
    texts = ["A visit to a fresh place brings strange work.", "Yes!", "A visit to a strange place brings fresh work."]

    assert stalls("Sure.", *texts, "Right you are!", who="ab") is None


def test_same_numbers_in_another_order_are_something_else() -> None:
    assert stalls("What is 3 and 9?", "What is 9 and 3?", "What is 3 and 9, now?") is None


def test_same_frame_filled_in_with_words_that_came_apart_before_is_something_else() -> None:
    colours, things = ["crimson", "violet", "amber", "teal"], ["lantern", "sofa", "kettle", "ladder"]
    texts = [f"Painted the {c} {t}." for n in range(4) for c, t in zip(colours, things[n:] + things[:n], strict=True)]

    assert stalls(*texts) is None


def test_same_content_in_other_frames_is_a_loop() -> None:
    fact = "nobody checks the backup tapes on Sunday"
    texts = [f"As I mentioned, {fact}.", f"To put it differently, {fact}.", f"Let me say it again: {fact}."]

    assert stalls(*texts) == 3


def test_name_of_a_speaker_is_nothing_new() -> None:
    assert stalls("After you, b.", "No, after you, a!", "After you.", "Please, a!", "You, b.", "Oh, a.", who="ab") == 6
