"""A manager of somebody's own as a turn policy: it is told what is said, and asked in a step who speaks next.

What it chose is in the journal, with what its `save_state` says has changed, without the thread: that follows from what
was said. So a manager is brought up to date in any process, and nobody is chosen twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from quorate.chat.facts import SHOWN, Choice, Fact, Thread
from quorate.chat.messages import load
from quorate.chat.turns import Speak, Stop
from quorate.compat.autogen.agentchat.messages import MessageFactory
from quorate.compat.autogen.agents import BaseAgent
from quorate.compat.autogen.managers import BaseGroupChatManager, Outlet
from quorate.compat.autogen.profile import STOPPED
from quorate.compat.autogen.within import place_of
from quorate.core.difference import changed, difference
from quorate.core.plain import plain
from quorate.errors import ConfigError, WrongState
from quorate.runs import paths
from quorate.runs.scope import scope_here
from quorate.runs.steps import step

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage, BaseMessage
    from quorate.chat.talk import Talk

THREAD = "message_thread"
State = Mapping[str, Any]


class Makes(Protocol):
    """Makes managers: a team."""

    def make_manager(self) -> Any:
        """Return a new one."""
        ...


@dataclass(slots=True)
class Live:
    """The manager of a conversation in this process: how much of it it was told, and what the journal has of it."""

    manager: BaseGroupChatManager
    count: int = 0
    state: State | None = None


@dataclass(slots=True)
class Heard:
    """What was said in a conversation, with None where a turn begins; shared, and only grows."""

    items: list[tuple[str, Any] | None]
    live: Live | None = None


class Kept(NamedTuple):
    """What is remembered of a conversation: what was said, and the manager's state after its last choice."""

    heard: Heard
    state: State | None = None


class Managing:
    """The managers of a team: one for each conversation, in AutoGen's programs just one.

    Args:
        team: Makes them.

    Attributes:
        spare: One that belongs to no conversation now: the next takes it over.
        is_valid: Whether it has said of the task that the run may begin with it.
        failed_to_begin: Whether it raised before anybody spoke.
        anew: The ids of messages with which the members begin anew.
    """

    def __init__(self, team: Makes) -> None:
        self._team = team
        self.spare: BaseGroupChatManager | None = None
        self.is_valid = self.failed_to_begin = False
        self.anew: set[str] = set()
        self._latest: tuple[str, Live] | None = None
        self._after: tuple[Choice, State] | None = None

    async def of(self, talk: Talk | None, where: str) -> BaseGroupChatManager:
        """Return the manager of a conversation, told all that was said; of none, the one that waits for the next."""
        if talk is None:
            found = self.spare = self.spare or self._team.make_manager()
            return found
        return (await self.caught_up(talk.policy, where)).manager

    async def released(self, talk: Talk | None, where: str) -> BaseGroupChatManager:
        """Return the manager of a conversation that the next conversation takes over."""
        manager = self.spare = await self.of(talk, where)
        self._latest = None
        return manager

    async def begin(self, talk: Talk | None, where: str, task: Sequence[BaseChatMessage]) -> None:
        """Let the manager say whether a run may begin."""
        self.is_valid = self.failed_to_begin = False
        await (await self.of(talk, where)).validate_group_state(list(task) or None)
        self.is_valid = True

    async def end(self, talk: Talk | None, where: str) -> None:
        """Tell the manager the last of a run."""
        self.is_valid = False
        if talk is not None:
            (await self.of(talk, where)).view_end()

    def chosen(self, choice: Choice, state: State | None) -> None:
        """Be told what the manager's state was after a choice."""
        self._after = choice, state or {}

    def after(self, choice: Choice) -> State:
        """Return what the manager's state was after the choice that was told last, nothing of another."""
        return self._after[1] if self._after is not None and self._after[0] is choice else {}

    async def caught_up(self, kept: Kept, where: str, but: int = 0) -> Live:
        """Return the manager of a conversation, told all that was said, as it was after its last choice.

        Args:
            kept: What is remembered of the conversation.
            where: What tells it from others; empty for one that is only replayed, which gets a manager of its own.
            but: So many of the latest messages it is not told yet.
        """
        heard = kept.heard
        live = heard.live = heard.live or self._live(where, len(heard.items))
        until = len(heard.items) - but
        if kept.state is not None and kept.state != live.state:  # of the latest choice: what came after changes it
            await self._tell(live, heard.items, min(until, last_choice(heard.items)))
            await restore(live, kept.state)
        await self._tell(live, heard.items, until)
        return live

    async def _tell(self, live: Live, items: Sequence[tuple[str, Any] | None], until: int) -> None:
        for speaker, said in speeches(items, live.count, until):
            await live.manager.view_told(speaker, said, self.anew)
        live.count = max(live.count, until)

    def _live(self, where: str, most: int) -> Live:
        """Return the manager that a conversation goes on with: the one it had in this process, or another."""
        if not where:
            return Live(self._team.make_manager())
        if self._latest is None or self._latest[0] != where or self._latest[1].count > most:
            self._latest = where, Live(self.spare or self._team.make_manager())
            self.spare = None
        return self._latest[1]


class Managed:
    """The policy: asks the manager in a step, and folds what it is asked about."""

    plain = True

    def __init__(self, managing: Managing, name: str) -> None:
        self._managing, self._name = managing, name

    def begin(self) -> Kept:
        return Kept(Heard([]))

    def see(self, memory: Kept, fact: Fact) -> Kept:
        items = memory.heard.items
        if fact.choice is not None:
            items.append(None)
            note = fact.choice.note
            if note is not None:
                self._managing.anew.update(note.get("anew", ()))
                memory = Kept(memory.heard, changed(memory.state or {}, note["state"]))
            self._managing.chosen(fact.choice, memory.state)
            return memory
        item = fact.message or fact.event
        if item is not None and fact.ref != SHOWN:
            items.append((fact.speaker, item))
        return memory

    async def next(self, memory: Kept, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        scope = scope_here()
        assert scope is not None  # a policy that is not pure has one
        turns = paths.elements(scope.path)[-2][0] - 1
        try:
            where = "" if scope.run.is_replay else place_of(scope.run, scope.path)
            return await self._chosen(memory, where, members, turns)
        except Exception:
            self._managing.failed_to_begin = not turns
            raise

    async def _chosen(self, memory: Kept, where: str, members: Sequence[str], turns: int) -> Speak | Stop:
        if where and not turns and not self._managing.is_valid:  # the run was begun by Quorate's team
            task = _task(memory.heard.items)
            live = await self._managing.caught_up(memory, where, len(task))
            await live.manager.validate_group_state(task or None)
        live = await self._managing.caught_up(memory, where)
        manager = live.manager
        manager._current_turn = turns  # pyright: ignore[reportPrivateUsage]: AutoGen's name, for its subclasses
        outlet = cast("Outlet", manager._output_message_queue)  # pyright: ignore[reportPrivateUsage]: its team gave it one
        is_asked = False

        async def ask() -> dict[str, Any]:
            nonlocal is_asked
            is_asked = True
            outlet.begin()
            names = _checked(await manager.view_next(), members, type(manager).__name__)
            return {
                "speakers": names,
                "over": _over(outlet),
                "state": difference(memory.state or {}, plain(f"{self._name}.save_state()", await state_of(manager))),
                **({"say": [message.journaled() for message in outlet.said]} if outlet.said else {}),
                **({"anew": outlet.anew} if outlet.anew else {}),
            }

        found = await step("select_speaker", ask, effect="read")
        after = changed(memory.state or {}, found["state"])
        say = tuple([cast("BaseChatMessage", load(data)) for data in found["say"]]) if "say" in found else ()
        if is_asked:
            live.state = after
            live.count += len(say) + bool(say)  # it knows what it has said, and that a turn begins
        else:
            await restore(live, after)
        note = {"state": found["state"]} if found["state"] else None
        if "anew" in found:
            note = {"state": found["state"], "anew": found["anew"]}
        if found["over"] is not None or not found["speakers"]:
            return Stop(STOPPED if found["over"] is None else found["over"], say, note)
        return Speak(tuple(found["speakers"]), f"chosen by {self._name}", say, note)


def _checked(names: list[str], members: Sequence[str], manager: str) -> list[str]:
    """Return the names that a manager chose.

    Raises:
        WrongState: One is none of a member, or is there twice.
    """
    for name in names:
        if name not in members:
            raise WrongState(f"{manager} chose {name!r}, who does not take part: {', '.join(members)}.")
    if len(set(names)) < len(names):
        raise WrongState(f"{manager} chose {names}: of those who speak side by side, each is named once.")
    return names


def _over(outlet: Outlet) -> str | None:
    """Return why a manager ended the run, None where it did not."""
    over: str | None = None
    while not outlet.empty():
        over = outlet.get_nowait().message.content
    return over


def _task(items: Sequence[tuple[str, Any] | None]) -> list[Any]:
    """Return the task: what was said last, by no member."""
    found: list[Any] = []
    for one in reversed(items):
        if one is None or one[0]:
            break
        found.append(one[1])
    return found[::-1]


def last_choice(items: Sequence[tuple[str, Any] | None]) -> int:
    """Return where the latest choice is, 0 where there was none."""
    return next((at for at in range(len(items) - 1, -1, -1) if items[at] is None), 0)


def speeches(items: Sequence[tuple[str, Any] | None], since: int, until: int) -> Iterator[tuple[str, list[Any]]]:
    """Yield what was said and done with who it was, each speech by itself, and a task as one."""
    said: list[Any] = []
    speaker = ""
    for i in range(since, until):
        one = items[i]
        if said and (one is None or one[0] != speaker):
            yield speaker, said
            said = []
        if one is not None:
            speaker = one[0]
            said.append(one[1])
    if said:
        yield speaker, said


# -- states ------------------------------------------------------------------------------------------------------------


async def state_of(manager: Any) -> State:
    """Return the state of a manager without its thread, nothing of one that keeps none."""
    if getattr(manager.save_state, "__func__", None) is BaseAgent.save_state:
        return {}
    thread, manager._message_thread = manager._message_thread, []
    try:
        return dict(await manager.save_state() or {})
    except NotImplementedError:
        return {}
    finally:
        manager._message_thread = thread


async def restore(live: Live, state: State) -> None:
    """Give a manager its state; its thread stays what it was told."""
    manager: Any = live.manager
    live.state = state
    if not state:
        return
    thread, told = manager._message_thread, dict[str, Any]()
    factory = manager._message_factory
    if state.get(THREAD) == []:
        told[THREAD] = [item.dump() for item in thread]
        manager._message_factory = _Knowing(factory, zip(thread, told[THREAD], strict=True))
    try:
        await manager.load_state({**deepcopy(dict(state)), **told})  # it may go on with what it is given
    finally:
        manager._message_factory = factory
    manager._message_thread = thread


class _Knowing(MessageFactory):
    """Makes the messages that are there what they are: their data has a name, and several classes may have that."""

    def __init__(self, factory: MessageFactory, known: Iterable[tuple[BaseMessage, dict[str, Any]]]) -> None:
        self._types = factory._types
        self._known = {message.id: (message, data) for message, data in known}

    def create(self, data: Mapping[str, Any]) -> BaseMessage:
        found = self._known.get(data.get("id", ""))
        return found[0] if found is not None and found[1] == data else super().create(data)


def made_by(factory: Any, wanted: type[Any]) -> BaseGroupChatManager:
    """Return the manager that a team's factory makes.

    Raises:
        ConfigError: It is of another class than the team says.
    """
    manager = factory()
    if type(manager) is not wanted or not isinstance(manager, BaseGroupChatManager):
        raise ConfigError(
            f"The factory made a {type(manager).__name__}, and the team's group_chat_manager_class is "
            f"{wanted.__name__}, which has to be a BaseGroupChatManager."
        )
    return manager
