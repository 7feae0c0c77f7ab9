import pytest

from quorate.runs.entries import run_id
from quorate.runs.memory import conversation
from quorate.runs.outcome import Limits
from quorate.runs.run import Run
from quorate.runs.scope import Scope, current, entered, nested
from quorate.testing import FakeClock


async def a_run() -> Run:
    talk = conversation("talk", clock=FakeClock())
    return Run(talk, await talk.store.open("talk"), 1, Limits())


async def test_scope_numbers_what_is_in_it() -> None:
    # ENGINE 12
    scope = Scope.here(await a_run(), "3 turn", 0)

    assert [scope.next("model"), scope.next("add"), scope.next("model")] == [
        "3 turn/1 model",
        "3 turn/2 add",
        "3 turn/3 model",
    ]


async def test_ids_made_in_a_scope_derive_from_run_and_path_and_are_never_the_same() -> None:
    # ENGINE 13
    run = await a_run()

    first = [Scope.here(run, "3 turn", 0).new_id() for _ in range(2)]
    scope = Scope.here(run, "3 turn", 0)
    made = [scope.new_id() for _ in range(3)]

    assert first == [f"{run_id('talk', 1)}/3 turn"] * 2
    assert len(set(made)) == 3
    assert all(id.startswith("talk.1/3 turn") for id in made)


async def test_nested_scope_is_a_part_of_the_one_around_it_and_ends_with_its_block() -> None:
    outer = Scope.here(await a_run(), "1 turn", 5)

    with entered(outer):
        with nested("lookup") as inner:
            path = inner.next("model")
        after = current.get()

    assert path == "1 turn/1 lookup/1 model"
    assert inner.at == 5
    assert after is outer
    assert current.get() is None


def test_nested_scope_outside_a_run_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no run around"), nested("lookup"):
        pass
