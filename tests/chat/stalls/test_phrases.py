"""The loops of `talks.py` in words of two other authors, who knew neither the detector nor its list of words."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from quorate.chat.stalls.progress import Progress

HERE = Path(__file__).parent
SEEDS = 40
ROUNDS = 12
IN_TIME = {
    "office": {"agreeing": 0.8, "apologies": 0.85, "growing": 0.8, "paraphrase": 0.9, "planning": 0.9},
    "chatty": {"agreeing": 0.5, "apologies": 0.5, "growing": 0.85, "paraphrase": 0.7, "planning": 0.85},
}
"""Of the kinds of loop that hang on words; the others are seen whatever is said."""
ALWAYS = 0.9


def phrased(author: str) -> Any:
    """Return `talks` with an author's phrases."""
    name = f"talks_{author}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "talks.py")
        assert spec is not None
        assert spec.loader is not None
        made = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        for pool, phrases in json.loads((HERE / f"phrases_{author}.json").read_text()).items():
            if hasattr(made, pool):
                setattr(made, pool, phrases)
    return sys.modules[name]


TALKS = {author: phrased(author) for author in IN_TIME}


def ends_at(calls: list[list[Any]], **options: Any) -> int | None:
    progress = Progress(**options)
    for n, facts in enumerate(calls, 1):
        for fact in facts:
            progress.see(fact)
        if progress.stalled:
            return n
    return None


@pytest.mark.parametrize("author", IN_TIME)
@pytest.mark.parametrize("kind", TALKS["office"].LOOPS)
def test_loop_in_the_words_of_others_ends(kind: str, author: str) -> None:
    in_time = soon = 0
    for seed in range(SEEDS):
        patience = (2, 3, 3, 4, 5)[seed % 5]
        loop = TALKS[author].loop(kind, 900_000 + seed, held_out=bool(seed % 2), rounds=patience + ROUNDS)

        end = ends_at(loop.calls, patience=patience)

        assert end is None or end > loop.start, f"seed {seed} ends before its loop begins"
        in_time += end is not None and end - loop.start <= max((patience - 1) * loop.period + 3, 2 * loop.period)
        soon += end is not None
    assert in_time >= IN_TIME[author].get(kind, ALWAYS) * SEEDS
    assert soon >= 0.9 * SEEDS


@pytest.mark.parametrize("author", IN_TIME)
@pytest.mark.parametrize("kind", TALKS["office"].HEALTHY)
def test_healthy_talk_in_the_words_of_others_is_let_be(kind: str, author: str) -> None:
    for seed in range(SEEDS // 10):
        talk = TALKS[author].healthy(kind, 900_000 + seed, held_out=bool(seed % 2))

        assert ends_at(talk.calls, persons=talk.persons, polls=talk.polls) is None, f"seed {seed}"
