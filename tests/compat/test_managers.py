"""Managers of a program's own, in Quorate's engine: asked once a turn, whatever crashes, and never in a replay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import quorate
from quorate import Limits, conversation, replay
from quorate.chat.ledgers import FIELDS
from quorate.compat.autogen import QuorateChatCompletionClient, quorate_team
from quorate.compat.autogen.agentchat.agents import AssistantAgent, BaseChatAgent
from quorate.compat.autogen.agentchat.base import Response
from quorate.compat.autogen.agentchat.conditions import SourceMatchTermination
from quorate.compat.autogen.agentchat.messages import BaseChatMessage, StopMessage, TextMessage
from quorate.compat.autogen.agentchat.state import BaseGroupChatManagerState
from quorate.compat.autogen.agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
)
from quorate.compat.autogen.choosing import SelectorGroupChatManager
from quorate.compat.autogen.core import CancellationToken, DefaultTopicId
from quorate.compat.autogen.following import GraphFlowManager
from quorate.compat.autogen.managers import BaseGroupChatManager
from quorate.compat.autogen.orchestrating import MagenticOneOrchestrator
from quorate.core.difference import changed
from quorate.errors import ConfigError, WrongState
from quorate.runs.entries import Entry
from quorate.runs.memory import MemoryStore
from quorate.testing import ScriptedModel

ASKED: list[int] = []
"""Of all managers in this process, how much each was told when it was asked."""


class Says(BaseChatAgent):
    """Says how many messages are new."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"Is {name}.")

    @property
    def produced_message_types(self) -> Any:
        return (TextMessage,)

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        await asyncio.sleep(0)
        return Response(chat_message=TextMessage(content=f"{self.name} speaks.", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None: ...


class Manager(BaseGroupChatManager):
    """Chooses what nobody can know beforehand, and remembers what it has chosen."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.chosen: list[str] = []

    async def validate_group_state(self, messages: Any) -> None: ...

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        ASKED.append(len(thread))
        names = self._participant_names
        found = names[len(ASKED) % len(names)]
        self.chosen.append(found)
        return found

    async def reset(self) -> None:
        self._message_thread.clear()
        self.chosen.clear()

    async def save_state(self) -> dict[str, Any]:
        thread = [message.dump() for message in self._message_thread]
        state = BaseGroupChatManagerState(message_thread=thread, current_turn=self._current_turn)
        return {**state.model_dump(), "chosen": self.chosen}  # its own list, as is what it is given

    async def load_state(self, state: Any) -> None:
        kept = BaseGroupChatManagerState.model_validate(state)
        self._message_thread = [self._message_factory.create(message) for message in kept.message_thread]
        self.chosen = state["chosen"]


class Pairs(Manager):
    """Chooses one, then two side by side."""

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        found = await super().select_speaker(thread)
        return found if len(self.chosen) % 2 else [found, next(n for n in self._participant_names if n != found)]


class Managed(BaseGroupChat):
    """A team with such a manager."""

    def __init__(
        self,
        *,
        manager: Any = Manager,
        name: str = "Managed",
        max_turns: int | None = 4,
        members: Sequence[Says] = (),
        **options: Any,
    ) -> None:
        members = [*members] or [Says(n) for n in "abc"]
        super().__init__(name, "Managed.", members, "Manager", manager, max_turns=max_turns, **options)

    def _create_group_chat_manager_factory(self, **given: Any) -> Callable[[], Any]:  # pyright: ignore[reportIncompatibleMethodOverride]: called with names
        return lambda: self._base_group_chat_manager_class(**given)


def inside() -> Any:
    return RoundRobinGroupChat([Managed(name="inner", max_turns=2), Says("last")], max_turns=3)


async def played(made: Callable[[], Any], entries: Sequence[Entry] | None = None) -> tuple[list[Any], list[Entry], Any]:
    """Run a team that is new in its process, or go on behind these entries; return what was said, entries, and it."""
    ASKED.clear()
    store, team = MemoryStore(), made()
    if entries is None:
        result = await quorate_team(team).run("go", conversation=store.conversation("talk"))
    else:
        journal = await store.open("talk")
        for entry in entries:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        ASKED.extend([0] * 7)  # asked again it would choose another
        result = await quorate_team(team).continue_run("talk", store=store)
        del ASKED[:7]
    return result.messages, await store.conversation("talk").entries(), team


@pytest.mark.parametrize("made", [Managed, lambda: Managed(manager=Pairs), inside], ids=["one", "several", "inside"])
async def test_a_crash_anywhere_asks_a_manager_for_no_choice_twice(made: Callable[[], Any]) -> None:  # ENGINE 2
    said, entries, _ = await played(made)
    asked = len(ASKED)

    assert asked >= 4
    for at in range(2, len(entries)):
        if any(entry.kind == "outcome" and not entry.path for entry in entries[:at]):
            break
        before = [e for e in entries[:at] if e.path.endswith("select_speaker") and e.kind == "value"]
        chosen = [name for e in before for name in e.payload["value"]["speakers"]]
        found, after, _ = await played(made, entries[:at])
        assert len(ASKED) == asked - len(before), f"a crash after entry {at}, {entries[at - 1]}"
        again = [e for e in after if e.path.endswith("select_speaker") and e.kind == "value"]
        names = [name for e in again for name in e.payload["value"]["speakers"]]
        assert names[: len(chosen)] == chosen
        assert len(found) >= len(said) - 1


async def test_what_a_manager_remembers_is_whole_in_a_new_process() -> None:
    _, entries, _ = await played(Managed)

    for at in range(3, len(entries) - 1):
        said, after, _ = await played(Managed, entries[:at])
        speakers = [m.source for m in said if m.source != "user"]
        kept = states(after)[1:]
        assert [state["chosen"] for state in kept] == [speakers[:n] for n in range(1, len(speakers) + 1)]
        assert all(state.get("message_thread", []) == [] for state in kept)  # it follows from what was said
        assert ASKED[-1:] in ([], [len(said) - 1])  # it is told what was said before its process began


@pytest.mark.parametrize("made", [Managed, lambda: Managed(manager=Pairs), inside], ids=["one", "several", "inside"])
async def test_a_replay_asks_no_manager(made: Callable[[], Any]) -> None:  # ENGINE 4
    talk = conversation("talk")
    await quorate_team(made()).run("go", conversation=talk)
    await quorate_team(made()).run("more", conversation=talk)
    ASKED.clear()

    assert (await replay("talk", team=quorate_team(made()), store=talk.store)).identical
    assert ASKED == []


def states(entries: Sequence[Entry]) -> list[Any]:
    """Return what a manager's state was after each choice, folded of what changed."""
    found: list[Any] = [{}]
    for entry in entries:
        if entry.kind == "value":
            found.append(changed(found[-1], entry.payload["value"]["state"]))
    return found


async def test_a_team_goes_on_after_its_own_replay_with_the_manager_it_had() -> None:
    team, talk = Managed(max_turns=2), conversation("talk")
    await quorate_team(team).run("go", conversation=talk)
    await replay("talk", team=quorate_team(team), store=talk.store)
    ASKED.clear()

    result = await quorate_team(team).run("more", conversation=talk)

    assert ASKED == [4, 5]
    chosen = [state["chosen"] for state in states(await talk.entries())[1:]]
    assert chosen[-1][-2:] == [m.source for m in result.messages[1:]]
    assert len(chosen[-1]) == 4


async def test_one_team_manages_many_conversations_at_the_same_time() -> None:
    team = quorate_team(Managed())
    talks = [conversation(f"talk{at}") for at in range(5)]

    found = await asyncio.gather(*[team.run("go", conversation=talk) for talk in talks])

    for result, talk in zip(found, talks, strict=True):
        assert states(await talk.entries())[-1]["chosen"] == [m.source for m in result.messages[1:]]


async def test_an_agent_that_a_manager_asks_counts_and_is_within_the_limits() -> None:
    class Asks(Manager):
        async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
            helper = AssistantAgent("helper", QuorateChatCompletionClient(ScriptedModel(["b"])))
            return (await helper.run(task="Who?")).messages[-1].to_text()

    made = Managed(manager=Asks, max_turns=3)

    result = await quorate_team(made).run("go")
    limited = await quorate_team(Managed(manager=Asks)).run("go", limits=Limits(model_calls=2))

    assert [m.source for m in result.messages] == ["user", "b", "b", "b"]
    assert result.usage.completion_tokens == 3
    assert limited.outcome is not None
    assert limited.outcome.limit == "model_calls"


async def test_a_manager_ends_the_run_with_a_reason_of_its_own() -> None:
    class Ends(Manager):
        async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
            if len(thread) < 3:
                return await super().select_speaker(thread)
            await self._signal_termination(StopMessage(content="Enough said.", source=self._name))
            return []

    result = await Managed(manager=Ends, max_turns=None).run(task="go")

    assert (len(result.messages), result.stop_reason) == (3, "Enough said.")


async def test_a_condition_sees_what_all_have_said_who_spoke_side_by_side() -> None:
    class All(Manager):
        async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
            return list(self._participant_names)

    team = quorate.RoundRobinGroupChat([quorate_team(Managed(manager=All, max_turns=1)), Says("last")], max_turns=1)
    ends = SourceMatchTermination(["a"])  # AutoGen's would see c only

    result = await Managed(manager=All, max_turns=3, termination_condition=ends).run(task="go")

    assert [m.source for m in result.messages] == ["user", "a", "b", "c"]
    assert result.stop_reason == "'a' answered"
    assert (await team.run("go")).messages[-1].content == "c speaks."


async def test_a_manager_is_asked_about_the_task_before_it_is_told_of_it_however_the_run_begins() -> None:
    noted: list[Any] = []

    class Notes(Manager):
        async def validate_group_state(self, messages: Any) -> None:
            noted.append((len(self._message_thread), [m.to_text() for m in messages]))

    talk = conversation("talk")
    await quorate_team(Managed(manager=Notes, max_turns=1)).run("go", conversation=talk)
    await quorate_team(Managed(manager=Notes, max_turns=1)).run("more", conversation=talk)
    await Managed(manager=Notes, max_turns=1).run(task="go")
    await replay("talk", team=quorate_team(Managed(manager=Notes, max_turns=1)), store=talk.store)

    assert noted == [(0, ["go"]), (2, ["more"]), (0, ["go"])]


async def test_a_manager_that_keeps_no_state_works_without() -> None:
    class Bare(Manager):
        async def save_state(self) -> dict[str, Any]:
            raise NotImplementedError

    result = await Managed(manager=Bare, max_turns=2).run(task="go")

    assert len(result.messages) == 3


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"handle_start": lambda self, message, ctx: None}, "handle_start, which nobody calls here"),
        ({"_apply_termination_condition": lambda self, delta: None}, "_apply_termination_condition"),
    ],
)
async def test_what_nobody_would_call_is_refused(methods: dict[str, Any], said: str) -> None:
    made = Managed(manager=type("Handles", (Manager,), methods))

    with pytest.raises(ConfigError, match=said):
        await made.run(task="go")


async def test_a_manager_says_nothing_itself_and_names_each_speaker_once() -> None:
    class Speaks(Manager):
        async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
            await self._output_message_queue.put(TextMessage(content="I say.", source=self._name))
            return "a"

    class Twice(Manager):
        async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
            return ["a", "a"]

    with pytest.raises(ConfigError, match="A manager says nothing itself"):
        await Managed(manager=Speaks).run(task="go")
    with pytest.raises(WrongState, match="each is named once"):
        await Managed(manager=Twice).run(task="go")


async def test_a_team_without_a_way_to_choose_is_refused() -> None:
    class Nothing(BaseGroupChat): ...

    with pytest.raises(ConfigError, match="does not say who speaks next"):
        await Nothing("n", "N.", [Says("a")], "Manager").run(task="go")
    with pytest.raises(ConfigError, match="has no _create_group_chat_manager_factory"):
        await Nothing("n", "N.", [Says("a")], "Manager", Manager).run(task="go")

    class Wrong(Managed):
        def _create_group_chat_manager_factory(self, **given: Any) -> Callable[[], Any]:  # pyright: ignore[reportIncompatibleMethodOverride]: called with names
            return object

    with pytest.raises(ConfigError, match="The factory made a object"):
        await Wrong().run(task="go")


class Selecting(SelectorGroupChatManager):
    """Counts how often it was asked, and keeps what its model is shown."""

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        found = await super().select_speaker(thread)
        ASKED.append(len(await self._model_context.get_messages()))
        return found


class SelectingTeam(SelectorGroupChat):
    def __init__(self, *names: str) -> None:
        client = QuorateChatCompletionClient(ScriptedModel([names[at % len(names)] for at in range(9)]))
        super().__init__([Says(name) for name in sorted(set(names))], client, max_turns=4)  # type: ignore[arg-type]
        self._base_group_chat_manager_class = Selecting

    def _create_group_chat_manager_factory(self, **given: Any) -> Any:
        return lambda: Selecting(
            **given, model_client=self.model_client, selector_prompt=self.selector_prompt, allow_repeated_speaker=False,
            selector_func=None, max_selector_attempts=3, candidate_func=None, emit_team_events=False,
            model_context=None,
        )  # fmt: skip


async def test_a_subclass_of_the_selectors_manager_goes_on_after_a_crash_with_the_whole_thread_once() -> None:
    # ENGINE 2: choices that are journaled are not asked for again
    def made() -> SelectingTeam:
        return SelectingTeam("b", "a", "c")

    said, entries, _ = await played(made)
    assert ([m.source for m in said], ASKED) == (["user", "b", "a", "c", "b"], [1, 2, 3, 4])

    for at in (i for i, e in enumerate(entries, 1) if e.kind == "turn"):
        chosen = sum(e.path.endswith("select_speaker") and e.kind == "value" for e in entries[:at])
        found, _, _ = await played(made, entries[:at])
        assert [1, 2, 3, 4][chosen:] == ASKED, at
        assert len(found) == len(said)


async def test_a_factory_without_the_class_of_its_manager_is_refused() -> None:
    class Forgetful(SelectingTeam):
        def __init__(self) -> None:
            super().__init__("a", "b")
            self._base_group_chat_manager_class = None

    with pytest.raises(ConfigError, match=r"self\._base_group_chat_manager_class = TheClass"):
        await Forgetful().run(task="go")


# --- managers of graphs, and planners ---------------------------------------------------------------------------------


class Branching(GraphFlowManager):
    """Counts how often it was asked."""

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        ASKED.append(len(thread))
        return await super().select_speaker(thread)


class BranchingTeam(GraphFlow):
    def __init__(self, **options: Any) -> None:
        members = {name: Says(name) for name in "abcde"}
        built = DiGraphBuilder()
        for member in members.values():
            built.add_node(member)
        for edge in ("ab", "ac", "bd", "cd", "de"):
            built.add_edge(*edge)
        super().__init__(list(members.values()), built.build(), **options)  # type: ignore[arg-type]
        self._base_group_chat_manager_class = Branching

    def _create_group_chat_manager_factory(self, **given: Any) -> Any:
        return lambda: Branching(**given, graph=self._graph)


class Planner(MagenticOneOrchestrator):
    """Counts its steps."""

    async def _orchestrate_step(self, cancellation_token: CancellationToken) -> None:
        ASKED.append(len(self._message_thread))
        await super()._orchestrate_step(cancellation_token)


def planned(request: Any) -> str:
    """Answer as a model that plans: anew after the first word of a member, and the end after two more."""
    said = [getattr(block, "text", "") for block in request.blocks]
    if "next_speaker" not in said[-1]:
        return f"{len(said)} before this"
    words, is_first = sum(text.endswith("speaks.") for text in said), "1 before this" in said[0]
    answers = (
        {
            "is_request_satisfied": words == 2,
            "is_in_loop": words == 1 and is_first,
            "is_progress_being_made": True,
            "next_speaker": "ab"[words],
            "instruction_or_question": "Say it.",
        }
        if words < 2
        else dict.fromkeys(FIELDS, True)
    )
    return json.dumps({key: {"reason": "all said", "answer": answer} for key, answer in answers.items()})


class PlannedTeam(MagenticOneGroupChat):
    def __init__(self, planner: Any = Planner, **options: Any) -> None:
        client = QuorateChatCompletionClient(ScriptedModel([planned] * 40))
        super().__init__([Says(name) for name in "ab"], client, max_stalls=1, **options)  # type: ignore[arg-type]
        self._base_group_chat_manager_class = planner

    def _create_group_chat_manager_factory(self, **given: Any) -> Any:
        return lambda: self._base_group_chat_manager_class(  # type: ignore[misc]
            **given, model_client=self._model_client, max_stalls=self._max_stalls,
            final_answer_prompt=self._final_answer_prompt, emit_team_events=self._emit_team_events,
        )  # fmt: skip


@pytest.mark.parametrize("made", [BranchingTeam, PlannedTeam])
async def test_a_manager_of_a_graph_and_a_planner_go_on_after_a_crash_as_if_there_was_none(made: Any) -> None:
    # ENGINE 1 and 2: what is closed is not made again, and no choice is asked for twice
    said, entries, _ = await played(made)
    asked, after_each = list(ASKED), states(entries)

    for at in range(2, len(entries)):
        if any(entry.kind == "outcome" and not entry.path for entry in entries[:at]):
            break
        chosen = sum(e.path.endswith("select_speaker") and e.kind == "value" for e in entries[:at])
        found, after, _ = await played(made, entries[:at])
        assert asked[after_each[chosen].get("n_rounds", chosen) :] == ASKED, at
        assert [m.content for m in found] == [m.content for m in said], at
        assert states(after) == after_each, at


@pytest.mark.parametrize("made", [BranchingTeam, PlannedTeam])
async def test_a_replay_asks_neither_a_manager_of_a_graph_nor_a_planner(made: Any) -> None:  # ENGINE 4
    talk = conversation("talk")
    await quorate_team(made()).run("go", conversation=talk)
    await quorate_team(made()).run("more", conversation=talk)
    ASKED.clear()

    assert (await replay("talk", team=quorate_team(made()), store=talk.store)).identical
    assert ASKED == []


async def test_what_a_planner_of_ones_own_asks_its_model_is_counted_and_within_the_limits() -> None:
    result = await quorate_team(PlannedTeam()).run("go")
    limited = await quorate_team(PlannedTeam()).run("go", limits=Limits(model_calls=3))

    assert result.usage.prompt_tokens > 0
    assert (limited.outcome.kind, limited.outcome.limit) == ("limit", "model_calls")


async def test_of_a_graph_that_is_complete_the_reason_is_that_whatever_else_ends_it_too() -> None:
    team = BranchingTeam(termination_condition=SourceMatchTermination(["c"]))

    first, second = await team.run(task="go"), await team.run(task="more")

    assert ([m.source for m in first.messages], first.stop_reason) == (["user", "a", "b", "c"], "'c' answered")
    assert ([m.source for m in second.messages], second.stop_reason) == (
        ["user", "d", "e"],
        "Digraph execution is complete",
    )
    ends = BranchingTeam(termination_condition=SourceMatchTermination(["e"]))
    assert [(await ends.run(task="go")).stop_reason for _ in range(2)] == ["Digraph execution is complete"] * 2


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"handle_start": lambda self, message, ctx: None}, "handle_start, which nobody calls here"),
        ({"handle_agent_response": lambda self, message, ctx: None}, "handle_agent_response"),
    ],
)
async def test_of_a_planner_what_nobody_would_call_is_refused(methods: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await PlannedTeam(type("Handles", (Planner,), methods)).run(task="go")


async def test_a_planner_sends_nothing_that_nobody_would_receive_and_plans_for_a_task() -> None:
    class Sends(Planner):
        async def _orchestrate_step(self, cancellation_token: CancellationToken) -> None:
            await self.publish_message(TextMessage(content="psst", source="me"), DefaultTopicId())

    class Knocks(Planner):
        async def _orchestrate_step(self, cancellation_token: CancellationToken) -> None:
            await self._runtime.send_message(TextMessage(content="psst", source="me"), self.id)

    for planner in (Sends, Knocks):
        with pytest.raises(ConfigError, match="sent a TextMessage, and here there are no actors"):
            await PlannedTeam(planner).run(task="go")
    with pytest.raises(ConfigError, match="plans for a task"):
        await PlannedTeam().run()


def reports() -> list[Any]:
    """Return two classes of a name that have the same fields, of two modules."""
    return [
        type(BaseChatMessage)(
            "Tally",
            (BaseChatMessage,),
            {"__module__": module, "__qualname__": "Tally", "__annotations__": {"sales": int}},
        )
        for module in ("shop.sales", "shop.stock")
    ]


SALES, STOCK = reports()


class Tallies(Planner):
    """Says messages of two classes of one name by turns; counts those of the first, also in what it is loaded with."""

    sales = 0

    async def _reenter_outer_loop(self, cancellation_token: CancellationToken) -> None:
        self._message_thread.clear()
        await self._orchestrate_step(cancellation_token)

    async def _orchestrate_step(self, cancellation_token: CancellationToken) -> None:
        ASKED.append(len(self._message_thread))
        self._n_rounds += 1
        if self._n_rounds > 4:
            await self._prepare_final_answer("All is told.", cancellation_token)
            return
        kind = (SALES, STOCK)[self._n_rounds % 2]
        said = kind(source=self._name, sales=self.sales)
        await self.update_message_thread([said])
        await self._output_message_queue.put(said)
        self._desk.called.append("ab"[self._n_rounds % 2])

    async def update_message_thread(self, messages: Sequence[Any]) -> None:
        await super().update_message_thread(messages)
        self.sales += sum(isinstance(message, SALES) for message in messages)

    async def load_state(self, state: Any) -> None:
        await super().load_state(state)
        self.sales = sum(isinstance(message, SALES) for message in self._message_thread)


@pytest.mark.parametrize("known", [[], [STOCK]], ids=["none is registered", "one is registered"])
async def test_what_a_planner_says_in_two_classes_of_one_name_is_read_as_what_it_was(known: list[Any]) -> None:
    # ENGINE 1, 2 and 4
    def made() -> Any:
        return PlannedTeam(Tallies, custom_message_types=known)

    said, entries, _ = await played(made)
    asked = len(ASKED)
    told = [(type(m), m.sales) for m in said if isinstance(m, SALES | STOCK)]

    assert told == [(STOCK, 0), (SALES, 0), (STOCK, 1), (SALES, 1)]
    for at in range(2, len(entries)):
        chosen = sum(e.path.endswith("select_speaker") and e.kind == "value" for e in entries[:at])
        found, after, _ = await played(made, entries[:at])
        assert [(type(m), m.to_text()) for m in found] == [(type(m), m.to_text()) for m in said], at
        assert len(ASKED) == asked - chosen, at
        assert states(after) == states(entries), at
    talk = conversation("talk")
    await quorate_team(made()).run("go", conversation=talk)
    assert (await replay("talk", team=quorate_team(made()), store=talk.store)).identical


class Tells(Says):
    """Says a message of a class."""

    def __init__(self, name: str, kind: Any) -> None:
        super().__init__(name)
        self.kind = kind

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=self.kind(source=self.name, sales=0))


async def test_what_members_say_in_two_classes_of_one_name_a_manager_is_told_as_what_it_was() -> None:
    # ENGINE 1
    class Hears(Manager):
        def heard(self) -> list[str]:
            return [type(message).__module__ for message in self._message_thread[1:]]

        async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
            ASKED.append(len(thread))
            assert self._message_factory.create(thread[0].dump()) is not thread[0]
            self.chosen.append(" ".join(self.heard()))
            self.noted = thread[0].model_copy(update={"content": "noted"})  # with the id of what is there
            return "ab"[len(thread) % 2]

        async def save_state(self) -> dict[str, Any]:
            return {**await super().save_state(), "noted": self.noted.dump()}

        async def load_state(self, state: Any) -> None:
            await super().load_state(state)
            expected = self.chosen[-1].split()
            assert self.heard()[: len(expected)] == expected
            assert self._message_factory.create(state["noted"]).to_text() == "noted"

    def made() -> Any:
        return Managed(manager=Hears, members=[Tells("a", SALES), Tells("b", STOCK)])

    said, entries, _ = await played(made)

    assert [type(m) for m in said[1:]] == [STOCK, SALES, STOCK, SALES]
    for at in range(2, len(entries)):
        found, after, _ = await played(made, entries[:at])
        assert [type(m) for m in found] == [type(m) for m in said], at
        assert states(after) == states(entries), at
