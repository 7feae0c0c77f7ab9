"""Messages and contents of one name and of several places: each is read from the journal as what it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeVar

import pytest
from msgspec.structs import replace
from pydantic import BaseModel, create_model

from quorate import Agent, AssistantAgent, RoundRobinGroupChat, StructuredMessage, Team, Turn, fork, replay
from quorate.chat import messages, structured
from quorate.chat.messages import BaseAgentEvent, BaseChatMessage, BaseMessage, TextMessage
from quorate.chat.structured import AnyContent, Output, message
from quorate.chat.turns import Speak, Stop
from quorate.core.identity import AgentId
from quorate.core.interventions import DefaultInterventionHandler
from quorate.core.runtime import LocalRuntime
from quorate.errors import ConfigError, Divergence
from quorate.runs.entries import Entry
from quorate.runs.memory import MemoryStore
from quorate.testing import FakeClock, ScriptedModel

T = TypeVar("T")


def reports(name: str = "Report") -> tuple[Any, Any]:
    """Return two classes of a name that have the same fields, of two modules."""
    made: list[Any] = []
    for module in ("shop.sales", "shop.stock"):
        body = {"__module__": module, "__qualname__": name, "__annotations__": {"count": int}}
        made.append(type(BaseChatMessage)(name, (BaseChatMessage,), body))
    return made[0], made[1]


def contents(name: str) -> tuple[Any, Any]:
    """Return two contents of a name that have the same fields, of two modules."""
    a, b = (create_model(name, __module__=module, count=(int, ...)) for module in ("shop.sales", "shop.stock"))
    return a, b


class Says(Agent):
    """Says a message of a class."""

    def __init__(self, name: str, make: Callable[[str], BaseChatMessage], event: type[BaseAgentEvent] | None = None):
        super().__init__(name)
        self.make, self.event = make, event

    async def speak(self, turn: Turn) -> BaseChatMessage:
        if self.event is not None:
            turn.emit(self.event(source=self.name))
        return self.make(self.name)


def saying(*makes: Callable[[str], BaseChatMessage], turns: int = 4) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([Says(f"agent{i}", make) for i, make in enumerate(makes)], max_turns=turns)


async def recorded(team: Team, task: Any = "Go.") -> list[Entry]:
    store = MemoryStore(clock=FakeClock())
    await team.run(task, conversation=store.conversation("talk"))
    return await store.read("talk")


async def stored(entries: list[Entry]) -> MemoryStore:
    """Return a store that has some entries of a conversation, as after a crash."""
    store = MemoryStore(clock=FakeClock())
    journal = await store.open("talk")
    for entry in entries:
        journal.append(entry.run, entry.path, entry.kind, entry.payload)
    await journal.release()
    return store


def older(value: Any) -> Any:
    """Return data as journals had it that did not say where classes are defined."""
    if isinstance(value, dict):
        return {name: older(one) for name, one in value.items() if name != "class"}
    if isinstance(value, list | tuple):
        made = [older(one) for one in value]
        return [made[0], made[1], re.sub(r"^.*[:.]", "", made[2]), *made[3:]] if made[:1] == ["structured"] else made
    return value


# -- messages ---------------------------------------------------------------------------------------------------------


async def test_two_classes_of_one_name_come_back_as_what_they_were_after_a_crash_anywhere() -> None:
    # ENGINE 1
    sales, stock = reports()
    team = saying(lambda name: sales(source=name, count=1), lambda name: stock(source=name, count=1))
    task = [stock(source="ann", count=0), sales(source="ann", count=0)]
    entries = await recorded(team, task)

    for at in range(1, len(entries)):
        store = await stored(entries[:at])
        result = await team.continue_run("talk", store=store)
        assert [type(m) for m in result.messages] == [stock, sales, sales, stock, sales, stock]
        assert (await replay("talk", team=team, store=store)).identical


async def test_the_class_that_is_not_known_here_is_not_taken_for_another_of_its_name() -> None:
    _, stock = reports("Notice")
    data = stock(source="a", count=1).journaled() | {"class": "shop.gone:Notice"}

    with pytest.raises(ConfigError, match=r"no message type 'shop.gone:Notice'.*formerly.*shop.sales:Notice and shop"):
        messages.load(data)


def test_name_that_may_mean_two_classes_is_refused_until_one_says_that_it_was_meant() -> None:
    reports("Bill")
    data = {"type": "Bill", "source": "a", "count": 1}

    with pytest.raises(
        ConfigError, match=r"'Bill'.*shop.sales:Bill and shop.stock:Bill.*formerly: ClassVar = \('Bill',\)"
    ):
        messages.load(data)

    class Bill(BaseChatMessage):
        formerly = ("Bill", "shop.old:Invoice")
        count: int
        type: Literal["Bill"] = "Bill"

    assert type(messages.load(data)) is Bill
    assert type(messages.load({"type": "Invoice", "class": "shop.old:Invoice", "source": "a", "count": 1})) is Bill

    class Later(Bill):
        pass

    assert type(messages.load(data)) is Bill, "who inherits was not meant"


def test_name_that_two_classes_say_they_had_is_refused() -> None:
    class One(BaseChatMessage):
        formerly = ("Ours",)

    class Two(BaseChatMessage):
        formerly = ("Ours",)

    with pytest.raises(ConfigError, match=r"'Ours'.*One and .*Two"):
        messages.load({"type": "Ours", "source": "a"})
    assert One is not Two


def test_former_name_that_is_no_tuple_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"formerly='Bill' is no tuple of names. Write formerly: ClassVar = \('Bill',\)"
    ):

        class Sole(BaseChatMessage):
            formerly = "Bill"  # type: ignore[assignment]


def test_class_that_is_defined_anew_takes_the_place_of_the_one_before() -> None:
    def define(old: tuple[str, ...]) -> type[BaseMessage]:
        class Cell(BaseChatMessage):
            formerly = old
            count: int

        return Cell

    first, second = define(("Former",)), define(())
    data = first(source="a", count=1).journaled()  # type: ignore[call-arg]

    assert type(messages.load(data)) is second
    assert type(messages.load(older(data))) is second
    with pytest.raises(ConfigError, match="no message type 'Former'"):
        messages.load({**data, "type": "Former", "class": ""})


def test_classes_of_one_name_inside_two_functions_are_two() -> None:
    def one() -> type[BaseMessage]:
        class Inner(BaseAgentEvent):
            pass

        return Inner

    def other() -> type[BaseMessage]:
        class Inner(BaseAgentEvent):
            pass

        return Inner

    a, b = one(), other()

    assert [type(messages.load(kind(source="x").journaled())) for kind in (a, b)] == [a, b]
    with pytest.raises(ConfigError, match=r"test_message_classes:test_classes.*\.<locals>\.one\.<locals>\.Inner and "):
        messages.load(a(source="x").dump())


class Page(BaseChatMessage, Generic[T]):
    """A message that is made of another class."""

    of: T


def test_generic_messages_of_two_classes_of_one_name_are_two() -> None:
    a, b = contents("Item")
    pages = [Page[a](of=a(count=1), source="x"), Page[b](of=b(count=1), source="x")]  # type: ignore[valid-type]

    again: list[Any] = [messages.load(page.journaled()) for page in pages]

    assert [type(page.of) for page in again] == [a, b]


def test_what_a_message_dumps_says_nothing_of_where_its_class_is() -> None:
    sales, _ = reports("Plain")
    said = sales(source="a", count=1)

    assert said.dump() == {**said.model_dump(mode="json"), "type": "Plain"}
    assert said.journaled() == {**said.dump(), "class": "shop.sales:Plain"}
    assert TextMessage(content="x", source="a").journaled().keys() == TextMessage.model_fields.keys()


def test_name_that_begins_like_that_of_a_structured_message_is_a_name_like_others() -> None:
    class StructuredMessages(BaseChatMessage):
        type: Literal["StructuredMessages"] = "StructuredMessages"

    assert isinstance(messages.load(StructuredMessages(source="a").dump()), StructuredMessages)


# -- contents ---------------------------------------------------------------------------------------------------------


async def test_two_contents_of_one_name_and_one_schema_come_back_as_what_they_were() -> None:
    sales, stock = contents("Tally")
    models = [ScriptedModel([lambda _: '{"count": 1}'] * 99) for _ in range(2)]
    answering = [AssistantAgent(f"a{i}", models[i], output_content_type=kind) for i, kind in enumerate((sales, stock))]
    other = [
        Says("b0", lambda name: StructuredMessage[sales](content=sales(count=1), source=name)),
        Says("b1", lambda name: StructuredMessage[stock](content=stock(count=1), source=name)),
    ]
    team = RoundRobinGroupChat([*answering, *other], max_turns=4)
    entries = await recorded(team)

    for at in range(1, len(entries)):
        store = await stored(entries[:at])
        result = await team.continue_run("talk", store=store)
        said: list[Any] = [*result.messages]
        assert [type(m.content) for m in said[1:]] == [sales, stock, sales, stock]
        assert [m.type for m in said[1:]] == ["StructuredMessage[Tally]"] * 4


def test_content_that_is_not_known_here_is_stood_in_for_and_not_by_another_of_its_name() -> None:
    sales, _ = contents("Sum")
    StructuredMessage[sales]
    said = message("shop.gone:Sum#00000000", '{"count": 1}', source="a")
    data = said.journaled()

    again: Any = messages.load(data)

    for one in (said, again):
        assert isinstance(one.content, AnyContent)
        assert one.type == "StructuredMessage[Sum]"
    assert again.journaled() == data
    assert data["class"] == "StructuredMessage[shop.gone:Sum]"


def test_content_whose_fields_have_changed_is_read_as_its_class_is_now() -> None:
    sales, _ = contents("Count")
    Output("a", sales)

    said: Any = message("shop.sales:Count#00000000", '{"count": 1}', source="a")

    assert type(said.content) is sales


@pytest.mark.parametrize("kind", ["answer", "message"])
def test_name_that_may_mean_two_contents_is_refused_until_one_says_that_it_was_meant(kind: str) -> None:
    name = f"Of{kind.title()}"
    known: list[Any] = [StructuredMessage[each] for each in contents(name)]

    def read() -> Any:
        if kind == "answer":
            return message(f"{name}#00000000", '{"count": 1}', source="a")
        return messages.load({"type": f"StructuredMessage[{name}]", "source": "a", "content": {"count": 1}})

    with pytest.raises(ConfigError, match=rf"content '{name}'.*shop.sales:{name} and shop.stock:{name}.*formerly"):
        read()

    class Meant(BaseModel):
        formerly: ClassVar[tuple[str, ...]] = (name,)
        count: int

    known.append(StructuredMessage[Meant])

    assert type(read().content) is Meant


def test_answer_of_an_older_journal_is_read_as_the_class_that_has_its_schema() -> None:
    a = create_model("Answer", __module__="shop.sales", count=(int, ...))
    b = create_model("Answer", __module__="shop.stock", count=(int, ...), price=(int, 1))
    keys = [older(["structured", 1, Output("a", kind).key])[2] for kind in (a, b)]

    said: list[Any] = [message(key, '{"count": 1}', source="a") for key in keys]

    assert [type(m.content) for m in said] == [a, b]


def test_contents_of_two_schemas_of_one_title_are_two() -> None:
    schemas = [
        {"title": "Vote", "type": "object", "properties": {"yes": {"type": "boolean", "description": words}}}
        for words in ("for it", "against it")
    ]
    outputs = [Output("a", schema) for schema in schemas]
    made: list[Any] = [output.content for output in outputs]

    answers: list[Any] = [message(output.key, '{"yes": true}', source="a") for output in outputs]
    said: list[Any] = [
        messages.load(StructuredMessage[each](content=each(yes=True), source="a").journaled()) for each in made
    ]

    assert [type(m.content) for m in answers] == [type(m.content) for m in said] == made


# -- older journals ---------------------------------------------------------------------------------------------------


async def test_journal_that_says_no_places_is_read_replayed_and_gone_on_with() -> None:
    class Sale(BaseChatMessage):
        count: int

    class Seen(BaseAgentEvent):
        pass

    kind: Any = create_model("Figure", count=(int, ...))
    team = RoundRobinGroupChat(
        [
            Says("a", lambda name: Sale(source=name, count=1), Seen),
            Says("b", lambda name: StructuredMessage[kind](content=kind(count=1), source=name)),
            AssistantAgent("c", ScriptedModel([lambda _: '{"count": 1}'] * 99), output_content_type=kind),
        ],
        max_turns=3,
    )
    whole = await recorded(team, [Sale(source="ann", count=0)])
    entries = [replace(entry, payload=older(entry.payload)) for entry in whole]
    assert "class" not in str([entry.payload for entry in entries])

    for at in range(1, len(entries) + 1):
        store = await stored(entries[:at])
        result: Any = await team.continue_run("talk", store=store)
        assert [type(m) for m in result.messages] == [
            Sale, Seen, Sale, StructuredMessage[kind], StructuredMessage[kind]
        ]  # fmt: skip
        assert (await replay("talk", team=team, store=store)).identical


async def test_replay_tells_when_the_code_says_a_message_of_another_place() -> None:
    sales, stock = reports("Moved")
    store = await stored(await recorded(saying(lambda name: sales(source=name, count=1), turns=1)))

    with pytest.raises(Divergence, match=r"class='shop.sales:Moved', the code now gives 'shop.stock:Moved'"):
        await replay("talk", team=saying(lambda name: stock(source=name, count=1), turns=1), store=store)


async def test_classes_that_were_moved_and_renamed_are_gone_on_with_and_replayed() -> None:
    def define(module: str, name: str, **more: Any) -> tuple[Any, Any]:
        body = {
            "__module__": module,
            "__qualname__": name,
            "__annotations__": {"count": int, "formerly": ClassVar},
            "formerly": (),
            **more,
        }
        old = {"formerly": ("shop.early:Total",) if "formerly" in more else ()}
        return (
            type(BaseChatMessage)(name, (BaseChatMessage,), body),
            type(BaseModel)("Total", (BaseModel,), body | {"__qualname__": "Total"} | old),
        )

    def team(said: Any, content: Any) -> RoundRobinGroupChat:
        answering = AssistantAgent("c", ScriptedModel([lambda _: '{"count": 1}'] * 99), output_content_type=content)
        says = (
            Says("a", lambda name: said(source=name, count=1)),
            Says("b", lambda name: StructuredMessage[content](content=content(count=1), source=name)),
        )
        return RoundRobinGroupChat([*says, answering], max_turns=6)

    before = define("shop.early", "Early")
    entries = await recorded(team(*before))
    today = define("shop.late", "Late", formerly=("shop.early:Early",))
    for known in (messages._classes, structured._contents, structured._outputs):  # pyright: ignore[reportPrivateUsage]: as in another process
        for where in [one for one in known._exact if "shop.early" in one]:  # pyright: ignore[reportPrivateUsage]: as above
            del known._exact[where]  # pyright: ignore[reportPrivateUsage]: as above

    store = await stored(entries)
    assert (await replay("talk", team=team(*today), store=store)).identical
    store = await stored(entries[: len(entries) // 2])
    result: Any = await team(*today).continue_run("talk", store=store)
    assert [type(m) for m in result.messages[1::3]] == [today[0]] * 2
    assert [type(m.content) for m in (*result.messages[2::3], *result.messages[3::3])] == [today[1]] * 4


class SaysFirst:
    """A policy that says a message of its own with its choice."""

    def __init__(self, make: Callable[[str], BaseChatMessage]) -> None:
        self.make = make

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Any) -> int:
        return memory + bool(fact.speaker and fact.message)

    async def next(self, memory: int, thread: Any, members: Sequence[str]) -> Speak | Stop:
        if memory > 2:
            return Stop("enough")
        return Speak((members[0],), "next", say=(self.make("policy"),))


class Asks(Agent):
    """Has a team work on a message."""

    def __init__(self, name: str, team: RoundRobinGroupChat, make: Callable[[str], BaseChatMessage]) -> None:
        super().__init__(name)
        self.team, self.make = team, make

    async def speak(self, turn: Turn) -> BaseChatMessage:
        result = await self.team.run([self.make(self.name)])
        return result.messages[-1]  # type: ignore[return-value]


async def test_what_policies_say_and_teams_inside_are_asked_is_read_as_what_it_was_too() -> None:
    sales, _ = reports("Spoken")

    def say(name: str) -> BaseChatMessage:
        return sales(source=name, count=1)

    policy = Team([Says("a", say)], turns=SaysFirst(say))
    nested = RoundRobinGroupChat([Asks("b", saying(say, turns=1), say)], max_turns=3)

    for team in (policy, nested):
        entries = await recorded(team, [say("ann")])
        whole = [message.to_text() for message in (await team.run([say("ann")])).messages]
        for at in range(1, len(entries)):
            result = await team.continue_run("talk", store=await stored(entries[:at]))
            assert [message.to_text() for message in result.messages] == whole
        assert {type(message) for message in result.messages} == {sales}


async def test_fork_of_two_classes_of_one_name_says_other_words_in_the_right_one() -> None:
    notes = [
        type(TextMessage)("Noted", (TextMessage,), {"__module__": module, "__qualname__": "Noted"})
        for module in ("shop.sales", "shop.stock")
    ]
    team = saying(*[lambda name, note=note: note(source=name, content="x") for note in notes], turns=3)  # type: ignore[misc]
    store = await stored(await recorded(team))

    branch = await fork(store, "talk", at=3, say="y")
    result = await team.continue_run(branch.id, store=store)

    assert [(type(m), m.to_text()) for m in result.messages[1:]] == [
        (notes[0], "x"), (notes[1], "y"), (notes[0], "x")
    ]  # fmt: skip


class Rounds(DefaultInterventionHandler):
    """Answers with a message of the same class for another one."""

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return message.model_copy(update={"count": 10})


async def test_what_an_intervention_answers_is_read_as_what_it_was_too() -> None:
    _, stock = reports("Rounded")
    store = MemoryStore(clock=FakeClock())

    async with LocalRuntime(intervention_handlers=[Rounds()]) as runtime:
        member = Says("a", lambda name: stock(source=name, count=1))
        await RoundRobinGroupChat([member], max_turns=2, runtime=runtime).run(
            "Go.", conversation=store.conversation("talk")
        )
    result: Any = await RoundRobinGroupChat([member], max_turns=1).run("On.", conversation=store.conversation("talk"))
    thread = await store.read("talk")

    assert [(type(m), m.count) for m in result.messages[1:]] == [(stock, 1)]
    [changed] = [e.payload["value"]["message"] for e in thread if e.path.endswith("intervention")][:1]
    assert type(messages.load(changed)) is stock
