"""Documents of a small vocabulary become objects, and objects documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, Field, ValidationInfo

from quorate.core.config import Document, Fields, Form, Kind, Part, Registry
from quorate.core.parse import parse
from quorate.core.reading import read
from quorate.core.shape import described, fields_of, schema_of
from quorate.core.source import MAX_TOLD, Problem, plain
from quorate.errors import ConfigError


@dataclass(frozen=True)
class Leaf:
    name: str
    weight: float = 1.0
    colour: str | None = "green"
    age: int | None = None


@dataclass(frozen=True)
class Branch:
    children: list[Any]
    twin: Any = None
    birds: tuple[str, ...] = ()
    song: Callable[[], None] | None = None


def _known(name: str, info: ValidationInfo) -> str:
    if info.context is not None and name not in info.context:
        raise ConfigError(f"There is no bird {name!r}.")
    return name


class Bird(Form):
    def build(self, value: str, context: Any) -> str:
        return context[value]

    def dump(self, value: str) -> str:
        return value.lower()


class LeafFields(Fields):
    """A leaf."""

    name: str = Field(description="What it is called.")
    weight: float = Field(1.0, gt=0, description="In grams.")
    colour: str | None = Field("green", description="Null where it has none.")
    age: int | None = Field(None, description="In days.")


class BranchFields(Fields):
    """A branch with what grows on it."""

    children: list[Annotated[Any, Part("growth")]] = Field(description="What grows on it.")
    twin: Annotated[Any, Part("growth")] | None = Field(None, description="What grows beside it.")
    birds: list[Annotated[str, AfterValidator(_known), Bird()]] = Field(default_factory=list[str], description="On it.")


def crowded(document: Document) -> Iterator[Problem]:
    if len(document["children"]) > 3:
        yield Problem(("children", 3), "It cannot carry more than 3.")


def branch(children: list[Any], twin: Any, birds: list[str]) -> Branch:
    if twin is not None and not children:
        raise ConfigError("A bare branch has no twin.")
    return Branch(children, twin, tuple(birds))


TREES = Registry(
    [
        Kind("leaf", "growth", Leaf, LeafFields),
        Kind("branch", "growth", Branch, BranchFields, make=branch, check=crowded),
        Kind("stone", "ground", object, Fields, version=2),
    ]
)
BIRDS = {"owl": "OWL", "crow": "CROW"}


def grown(text: str) -> Any:
    return read(TREES, parse(text, "tree.yaml"), "growth", BIRDS)[0]


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        grown(text)
    return str(refused.value).splitlines()


TREE = """
type: branch
children:
  - {type: leaf, name: a, weight: 2}
  - type: branch
    children: []
    birds: [owl]
twin: {type: leaf, name: b, colour: null}
"""


def test_a_document_becomes_the_objects_that_it_describes() -> None:
    assert grown(TREE) == Branch([Leaf("a", 2.0), Branch([], birds=("OWL",))], Leaf("b", colour=None))


def test_the_normal_form_has_every_field_but_what_is_empty_by_default() -> None:
    _, document = read(TREES, parse("{type: leaf, name: a}", "tree.yaml"), "growth")

    assert document == {"type": "leaf", "version": 1, "name": "a", "weight": 1.0, "colour": "green"}


def test_the_normal_form_is_its_own_and_is_what_the_objects_dump() -> None:
    tree, document = read(TREES, parse(TREE, "tree.yaml"), "growth", BIRDS)

    again, same = read(TREES, plain(document, "tree"), "growth", BIRDS)

    assert (again, same) == (tree, document)
    assert TREES.dump(tree) == document


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "1:1: Here goes a growth: fields that begin with `type:`, not [1]. There are: leaf, branch."),
        ("{name: a}", "1:1: `type:` is missing: which growth is it? There are: leaf, branch."),
        ("{type: laef}", "1:8: There is no growth type 'laef'. Did you mean 'leaf'? There are: leaf, branch."),
        ("{type: x.Leaf}", "1:8: There is no growth type 'x.Leaf'. Did you mean 'leaf'? There are: leaf, branch."),
        ("{type: [leaf]}", "1:8: There is no growth type ['leaf']. Did you mean 'leaf'? There are: leaf, branch."),
        ("{type: stone}", "1:8: 'stone' is a ground; here goes a growth. There are: leaf, branch."),
        (
            "{type: leaf, name: a, version: 2}",
            "1:32: This Quorate reads version 1 of leaf, not 2. A newer Quorate may.",
        ),
        (
            "{type: leaf, name: a, version: true}",
            "1:32: This Quorate reads version 1 of leaf, not True. A newer Quorate may.",
        ),
        ("{type: leaf}", "1:1: 'name' is missing. What it is called."),
        ("{type: leaf, name: a, q: 1}", "1:23: 'q' is no field of leaf. There are: name, weight, colour, age."),
        ("{type: leaf, name: 3}", "1:20: name should be text, not 3. Put it in quotes."),
        ("{type: leaf, name: }", "1:19: name should be text, not None. Leave it out, or give it a value."),
        ("{type: leaf, name: a, weight: '2'}", "1:31: weight should be a number, not '2'. Write it without quotes."),
        ("{type: leaf, name: a, weight: 0}", "1:31: weight should be greater than 0, not 0."),
        ("{type: leaf, name: a, age: 1.5}", "1:28: age should be a whole number, not 1.5."),
        ("{type: branch, children: leaf}", "1:26: children should be a list, not 'leaf'. Write [leaf]."),
        ("{type: branch, children: [], birds: [emu]}", "1:38: There is no bird 'emu'."),
        ("{type: branch, children: [], twin: {type: leaf, name: a}}", "1:1: A bare branch has no twin."),
    ],
)
def test_a_fault_is_named_with_its_place_and_the_fix(text: str, expected: str) -> None:
    assert f"tree.yaml:{expected}" in wrong(text)


def test_all_faults_are_told_at_once_in_the_order_of_the_text() -> None:
    text = (
        "type: branch\nchldren: []\nchildren:\n  - {type: leef}\n  - {type: leaf, name: 1}\n  - {type: leaf, name: 2}\n"
    )

    places = [line.partition(": ")[0] for line in wrong(text)]

    assert places == ["tree.yaml:2:1", "tree.yaml:4:12", "tree.yaml:5:24", "tree.yaml:6:24"]


def test_of_very_many_faults_the_first_are_told() -> None:
    lines = wrong("type: leaf\nname: a\n" + "".join(f"k{n}: 1\n" for n in range(99)))

    assert (len(lines), lines[0][:12], lines[-1]) == (MAX_TOLD + 1, "tree.yaml:3:", "tree.yaml: … and 49 more.")


def test_a_misspelt_field_is_not_told_to_be_missing_too() -> None:
    assert wrong("{type: leaf, nam: a}") == ["tree.yaml:1:14: 'nam' is no field of leaf. Did you mean 'name'?"]


def test_what_only_the_whole_shows_is_told_where_it_is() -> None:
    inner = "{type: branch, children: [" + ", ".join(["{type: leaf, name: a}"] * 4) + "]}"

    (line,) = wrong(f"type: branch\nchildren:\n  - {inner}\n")

    assert line == f"tree.yaml:3:{inner.rindex('{') + 5}: It cannot carry more than 3."


def test_data_without_lines_is_named_by_the_way_to_it() -> None:
    data = {"type": "branch", "children": [{"type": "leaf", "nam": "a"}]}

    with pytest.raises(ConfigError, match=r"^tree: children\[0\]\.nam: 'nam' is no field of leaf"):
        read(TREES, plain(data, "tree"), "growth")


def test_data_that_contains_itself_is_refused() -> None:
    data: dict[str, Any] = {"type": "branch", "children": []}
    data["children"].append(data)

    with pytest.raises(ConfigError, match=r"tree: children\[0\]: It contains itself: a cycle"):
        read(TREES, plain(data, "tree"), "growth")


def test_data_that_is_no_json_is_refused() -> None:
    data = {"type": "leaf", "name": b"a", "weight": float("nan"), "age": {1}}

    with pytest.raises(ConfigError) as refused:
        read(TREES, plain(data, "tree"), "growth")

    assert [line.split(": ")[1] for line in str(refused.value).splitlines() if "no JSON data" in line] == [
        "name",
        "weight",
        "age",
    ]


def test_data_is_copied() -> None:
    data = {"type": "branch", "children": [{"type": "leaf", "name": "a"}]}
    _, document = read(TREES, plain(data, "tree"), "growth")

    data["children"].clear()

    assert len(document["children"]) == 1


def test_two_types_of_one_id_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Leaf and .*Branch have the same type id, 'leaf'"):
        TREES.plus([Kind("leaf", "growth", Branch, BranchFields)])


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (object, "is of no type that documents know: leaf, branch, stone"),
        (Branch([], song=print), "has a song, which is no data"),
        (Leaf("a", weight=-1.0), "weight should be greater than 0"),
        (Branch([3]), "is of no type"),
    ],
)
def test_what_is_no_data_is_not_dumped(thing: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        TREES.dump(thing)


# -- the shape --------------------------------------------------------------------------------------------------------


def test_the_schema_agrees_with_what_is_read() -> None:
    schema = schema_of(TREES, "growth", title="Trees")
    Draft202012Validator.check_schema(schema)
    valid = Draft202012Validator(schema).is_valid

    good = parse(TREE, "tree.yaml").data
    bad = [
        {**good, "type": "bush"},
        {**good, "leaves": []},
        {**good, "version": 2},
        {**good, "twin": {"type": "stone"}},
        {**good, "children": [{"type": "leaf"}]},
        {"type": "branch"},
    ]

    assert valid(good)
    assert not any(map(valid, bad))


class Nest(Fields):
    straws: int


class Parrot:
    """Says again what was said.

    Args:
        name: Who it is,
            in full.
        nest: Where it lives.
        says: What it does; left out of documents.

    Raises:
        ConfigError: Never.
    """

    def __init__(
        self, name: str, nest: Nest, *, days: frozenset[str] = frozenset(), says: Callable[[], str] = str
    ) -> None:
        self.name, self.nest, self.days, self.says = name, nest, days, says


def test_fields_come_from_the_constructor_and_its_docstring() -> None:
    fields = fields_of(Parrot, lambda hint: hint).model_fields

    assert {name: field.description for name, field in fields.items()} == {
        "name": "Who it is, in full.",
        "nest": "Where it lives.",
        "days": None,
    }
    assert fields["name"].is_required()
    assert not fields["days"].is_required()


def test_a_type_with_fields_of_its_constructor_is_read_and_dumped() -> None:
    zoo = Registry([Kind("parrot", "bird", Parrot, fields_of(Parrot, lambda hint: hint))])
    text = "type: parrot\nname: Ara\nnest: {straws: 3}\ndays: [Mo]\n"

    parrot, document = read(zoo, parse(text, "zoo.yaml"), "bird")

    assert (parrot.name, parrot.nest.straws, parrot.days) == ("Ara", 3, frozenset({"Mo"}))
    assert zoo.dump(parrot) == document


def test_a_misspelt_field_inside_a_value_is_told_with_its_own_neighbours() -> None:
    zoo = Registry([Kind("parrot", "bird", Parrot, fields_of(Parrot, lambda hint: hint))])

    with pytest.raises(ConfigError, match=r"^zoo:2:8: 'straw' is no field of nest. Did you mean 'straws'\?"):
        read(zoo, parse("{type: parrot, name: Ara,\nnest: {straw: 3, straws: 3}}", "zoo"), "bird")


class Untyped:
    def __init__(self, name) -> None: ...


class Starred:
    def __init__(self, *names: str) -> None: ...


class Singing:
    def __init__(self, song: Callable[[], str]) -> None: ...


class Shadowing:
    def __init__(self, model_dump: str) -> None: ...


class Enveloped:
    def __init__(self, type: str) -> None: ...


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (Untyped, "parameter name needs a type"),
        (Starred, r"takes \*names"),
        (Singing, "parameter song is no data"),
        (Shadowing, "cannot be called 'model_dump'"),
        (Enveloped, "cannot be called 'type'"),
    ],
)
def test_a_constructor_that_data_cannot_call_is_refused(cls: type[Any], why: str) -> None:
    with pytest.raises(ConfigError, match=f"^{cls.__name__}.* {why}"):
        fields_of(cls, lambda hint: hint)


def test_a_docstring_without_arguments_describes_none() -> None:
    assert described("Do it.\n\nReturns:\n    a: thing.") == {}
