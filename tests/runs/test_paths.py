from hypothesis import given
from hypothesis import strategies as st

from quorate.runs import paths

NAMES = st.text(min_size=1, max_size=12)


@given(st.lists(st.tuples(st.integers(0, 10**6), NAMES), min_size=1, max_size=5))
def test_any_name_survives_the_way_into_a_path_and_out(elements: list[tuple[int, str]]) -> None:
    path = paths.ROOT
    for position, name in elements:
        path = paths.child(path, position, name)

    assert paths.elements(path) == elements


def test_parent_of_a_path_is_its_scope_and_the_root_is_its_own() -> None:
    path = paths.child(paths.child(paths.ROOT, 7, "turn"), 1, "a/b")

    assert paths.parent(path) == "7 turn"
    assert paths.parent("7 turn") == paths.ROOT
    assert paths.parent(paths.ROOT) == paths.ROOT


def test_path_is_below_its_scopes_but_not_below_itself_or_a_namesake() -> None:
    assert paths.below("1 turn/1 writer", "1 turn")
    assert paths.below("1 turn", paths.ROOT)
    assert not paths.below("1 turn", "1 turn")
    assert not paths.below("1 turnip/1 writer", "1 turn")


def test_paths_sort_by_position_and_not_by_spelling() -> None:
    # ENGINE 12
    given = ["10 turn", "9 turn/2 b", "9 turn/1 z/10 model", "9 turn/1 z/2 model", "9 turn"]

    found = sorted(given, key=paths.sort_key)

    assert found == ["9 turn", "9 turn/1 z/2 model", "9 turn/1 z/10 model", "9 turn/2 b", "10 turn"]


def test_closing_entry_sorts_after_all_that_is_in_its_scope() -> None:
    # ENGINE 12
    inside, closing = paths.sort_key("9 turn/99 z/99 model"), paths.sort_key("9 turn", closing=True)

    assert paths.sort_key("9 turn") < inside < closing < paths.sort_key("10 turn")


def test_path_is_shown_in_words() -> None:
    path = paths.child(paths.child(paths.child(paths.ROOT, 7, "turn"), 1, "the/writer"), 2, "model")

    assert paths.shown(path) == "turn 7 / the/writer / model 2"
