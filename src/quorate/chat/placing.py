"""Teams on a runtime: members are placed as actors, and are told there that it is their turn.

The loop and the journal stay with the team. A member's steps find their place in the run through the caller's context,
which the runtime carries without looking into it. What an intervention changed or dropped is a step of the speech, so
that the run is resumed and replayed without the runtime.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from quorate.chat.messages import BaseChatMessage
from quorate.chat.speech import Turn, spoken
from quorate.core.agents import BaseAgent
from quorate.core.hosting import AgentRuntime
from quorate.core.identity import AgentId
from quorate.core.messaging import MessageContext
from quorate.core.policies import SendPolicy
from quorate.core.runtime import LocalRuntime
from quorate.errors import CantHandle, ConfigError, MessageDropped, WrongState
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.journal import LOCAL_OWNER
from quorate.runs.run import Interrupted, Run
from quorate.runs.steps import step

if TYPE_CHECKING:
    from quorate.chat.agent import Speaker
    from quorate.chat.facts import Thread
    from quorate.chat.talk import Cast

STEP = "intervention"
_ONCE = SendPolicy()
"""Whatever the runtime's policy: a speech is tried again by nobody."""
_placed: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""The agent types in each runtime that are members of teams."""


class Dropped(Interrupted):
    """An intervention dropped the turn of a member, or what it said: it says nothing."""


class SpeakRequest:
    """What a team sends to a member when it is its turn. An intervention may look at it, and drop it.

    Attributes:
        name: Who shall speak.
        turn: What it is given for that.
        said: What it answered, once it has.
    """

    __slots__ = ("agent", "said", "turn")

    def __init__(self, agent: Speaker, turn: Turn) -> None:
        self.agent, self.turn = agent, turn
        self.said: BaseChatMessage | None = None

    @property
    def name(self) -> str:
        return self.turn.name

    @property
    def run_id(self) -> str:
        """The run that it is part of."""
        return self.turn.run.id

    @property
    def thread(self) -> Thread:
        """The conversation so far."""
        return self.turn.thread

    def __repr__(self) -> str:
        return f"SpeakRequest({self.name!r}, run_id={self.run_id!r})"


class Participant(BaseAgent):
    """Where a member of a team speaks, in one conversation. It keeps nothing: the team's journal does."""

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> BaseChatMessage:
        if not isinstance(message, SpeakRequest):
            raise CantHandle(
                f"{self.id} speaks when its team sends it a SpeakRequest, and takes no {type(message).__name__}.",
                recipient=self.id,
            )
        turn = message.turn
        if turn.scope.is_owned_here():
            message.said = await spoken(message.agent.speak(turn))
        else:  # the runtime runs it in a task of its own, and the team does nothing else meanwhile
            with turn.scope.lent():
                message.said = await spoken(message.agent.speak(turn))
        return message.said


def address(cast: Cast, name: str, run: Run) -> AgentId:
    """Return where a member lives in a run."""
    where = run.conversation
    key = where.id if where.owner == LOCAL_OWNER else f"{where.owner}:{where.id}"
    return AgentId(f"{_word(cast.name)}.{_word(name)}", key)


def _word(name: str) -> str:
    """Return a name as a part of an agent type, with a mark of its own where characters had to be left out."""
    word = re.sub(r"[^\w-]", "_", name)
    return word if word == name else f"{word}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


async def place(cast: Cast) -> None:
    """Make a team's members known to its runtime.

    Raises:
        WrongState: The runtime is not started.
        ConfigError: An agent type of another kind has a member's name.
    """
    runtime = _started(cast)
    ours = _placed.setdefault(runtime, set())
    for name in cast.names:
        type = f"{_word(cast.name)}.{_word(name)}"
        if type in ours:
            continue
        try:
            await runtime.register_factory(type, lambda: Participant("a member of a team"))
        except ConfigError as error:
            raise ConfigError(f"{name} would be {type} in the runtime. {error} Or name the team: name=…") from error
        ours.add(type)


def _started(cast: Cast) -> AgentRuntime:
    runtime: AgentRuntime = cast.runtime
    if not getattr(runtime, "is_running", True):
        raise WrongState(
            f"The runtime of {cast.name} is not started. Call start() before the team runs on it, or give a team "
            "without runtime=: it goes on with the same journal."
        )
    return runtime


async def leave(cast: Cast, run: Run) -> None:
    """Take the members of a run that ends out of the runtime."""
    runtime = cast.runtime
    if isinstance(runtime, LocalRuntime):
        for name in cast.names:
            await runtime.remove_agent(address(cast, name, run))


async def speak(team: Cast | None, agent: Speaker, turn: Turn) -> BaseChatMessage:
    """Let a member speak: on the team's runtime, or where there is none as the journal says that it did.

    Raises:
        Dropped: It says nothing.
    """
    verdict = _recorded(turn)
    if verdict is not None and verdict.get("dropped") == "turn":
        return await _heed(turn, None, verdict)
    if team is None or team.runtime is None or turn.run.is_replay:
        said, verdict = await spoken(agent.speak(turn)), None
    else:
        said, verdict = await _asked(team, agent, turn)
    verdict = _recorded(turn) or verdict
    return cast("BaseChatMessage", said) if verdict is None else await _heed(turn, said, verdict)


async def _asked(cast: Cast, agent: Speaker, turn: Turn) -> tuple[BaseChatMessage | None, Payload | None]:
    """Send a member its turn; return what it said, and what an intervention made of that."""
    runtime, recipient = _started(cast), address(cast, turn.name, turn.run)
    request = SpeakRequest(agent, turn)
    local: dict[str, Any] = {"policy": _ONCE} if isinstance(runtime, LocalRuntime) else {}
    try:
        answer = await runtime.send_message(request, recipient, **local)
    except MessageDropped as drop:
        if drop.recipient != recipient:  # of something that the member sent itself
            raise
        return request.said, {"dropped": "turn" if request.said is None else "answer"}
    said = request.said
    if said is None:
        raise ConfigError(f"An intervention put something else in the place of {request!r}. It may only drop it.")
    if answer is said or answer == said:
        return said, None
    if not isinstance(answer, BaseChatMessage):
        raise ConfigError(f"An intervention answered {answer!r} for {turn.name}; it must be a message.")
    id = f"{turn.run.id}/{_here(turn)}"  # as of every message: of the place where it was made
    return said, {"changed": "answer", "message": answer.model_copy(update={"id": id}).journaled()}


def _recorded(turn: Turn) -> Payload | None:
    """Return what the journal says that an intervention did at this place of a speech."""
    run, path = turn.run, _here(turn)
    entry: Entry | None = run.peek(path) if run.is_replay else None
    if entry is None:
        entry = next(reversed(run.recorded.get(path, [])), None)
    return cast("Payload | None", entry.payload["value"]) if entry is not None and entry.kind == "value" else None


def _here(turn: Turn) -> str:
    """Return the path that the step of an intervention would have now."""
    return paths.child(turn.scope.path, turn.scope.count + 1, STEP)


async def _heed(turn: Turn, said: BaseChatMessage | None, verdict: Payload) -> BaseChatMessage:
    """Do as an intervention wants, as a step."""

    async def decided() -> Payload:
        return verdict

    value = await step(STEP, decided, effect="read")
    turn.take_back(said)
    if "dropped" in value:
        raise Dropped(f"An intervention dropped the {value['dropped']}.")
    return turn.changed(value)
