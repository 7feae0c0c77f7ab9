"""A team in which the next speaker is selected: by a model's constrained choice, by likeness of meaning, or by code."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from quorate.chat import feed
from quorate.chat.agent import Participant
from quorate.chat.ending.stopping import PATIENCE, Condition
from quorate.chat.facts import Fact, Thread
from quorate.chat.naming import named
from quorate.chat.objects.seats import all_seated
from quorate.chat.team import Team
from quorate.chat.turns import Speak
from quorate.core.figures import check_count
from quorate.core.hosting import AgentRuntime
from quorate.core.lazy import lazy
from quorate.core.source import near
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.blocks import Blocks, Said
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelEvent, ModelRequest, TextDelta
from quorate.models.context import ModelContext, check_context, viewed
from quorate.runs.outcome import Limits
from quorate.runs.scope import scope_here
from quorate.runs.steps import step
from quorate.tools.threads import in_thread

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.messages import BaseChatMessage
else:
    messages = lazy("quorate.chat.messages")

SelectorFunc = Callable[[Sequence["BaseChatMessage"]], "str | Awaitable[str | None] | None"]
CandidateFunc = Callable[[Sequence["BaseChatMessage"]], "list[str] | Awaitable[list[str]]"]

FILLED_IN = ("roles", "participants", "history")
PROMPT = """Several roles take part in a conversation:
{roles}

Read what was said, then choose from {participants} the one who should speak next.

{history}

Answer with the name only."""
RECENT = 20
"""How many of the latest messages a selector is shown."""
SOURCE = "selector"
"""Whose what is shown of a choice is."""


class Spoken(Struct, frozen=True):
    """What a selector remembers: who has spoken, the latest last, each once; and what was said, if it has a context."""

    names: tuple[str, ...] = ()
    blocks: Blocks | None = None


class Choosing(Protocol):
    """Chooses one of several candidates; its reason is journaled."""

    async def choose(self, thread: Thread, candidates: Sequence[str], roles: dict[str, str]) -> tuple[str, str] | None:
        """Return who speaks next and why, None if this way has no opinion."""
        ...


class Selector:
    """A turn policy that asks the caller's function, then one way of choosing, then fairness.

    What is chosen is checked: only a candidate speaks. Where nothing legal was chosen, the one speaks who has been
    silent longest; the journal says so.
    """

    def __init__(
        self,
        roles: dict[str, str],
        choosing: Choosing,
        *,
        allow_repeated_speaker: bool = False,
        selector_func: SelectorFunc | None = None,
        candidate_func: CandidateFunc | None = None,
    ) -> None:
        self.roles, self.choosing = roles, choosing
        self.allow_repeated_speaker = allow_repeated_speaker
        self.selector_func, self.candidate_func = selector_func, candidate_func
        self._names_at_once = selector_func is not None and not inspect.iscoroutinefunction(selector_func)

    @property
    def model_client(self) -> ModelClient | str | None:
        """The model that chooses, if one does."""
        return getattr(self.choosing, "model_client", None)

    def begin(self) -> Spoken:
        return Spoken((), None if self._model_context is None else Blocks())

    def see(self, memory: Spoken, fact: Fact) -> Spoken:
        if fact.choice is not None:
            names = memory.names
            for name in fact.choice.speakers:
                if name in names:
                    at = names.index(name)
                    names = names[:at] + names[at + 1 :]
                names += (name,)
            return Spoken(names, memory.blocks)
        if memory.blocks is None or fact.message is None:
            return memory
        return Spoken(memory.names, memory.blocks.plus_one(fact.said()))

    def next(self, memory: Spoken, thread: Thread, members: Sequence[str]) -> Speak | Awaitable[Speak]:
        name = self.selector_func(thread) if self.selector_func is not None and self._names_at_once else None
        return _by_function(name, members) if type(name) is str else self._selected(name, memory, thread, members)

    async def _selected(
        self, name: str | Awaitable[str | None] | None, memory: Spoken, thread: Thread, members: Sequence[str]
    ) -> Speak:
        """Return who was selected, where that may take steps; `name` is what the caller's function said at once."""
        if self.selector_func is not None and not self._names_at_once:
            name = self.selector_func(thread)
        if inspect.isawaitable(name):
            name = await name
        if name is not None:
            return _by_function(name, members)
        candidates = await self._candidates(memory.names, thread, members)
        if len(candidates) == 1:
            return Speak((candidates[0],), "the only candidate")
        chosen = await self._chosen(memory, thread, candidates)
        if chosen is not None and chosen[0] in candidates:
            return Speak((chosen[0],), chosen[1])
        spoke = memory.names
        silent = min(candidates, key=lambda name: (spoke.index(name) if name in spoke else -1, members.index(name)))
        return Speak((silent,), "nobody legal was chosen; has been silent longest")

    async def _chosen(self, memory: Spoken, thread: Thread, candidates: list[str]) -> tuple[str, str] | None:
        choosing = self.choosing
        if isinstance(choosing, ByModel):
            return await choosing.choose(thread, candidates, self.roles, memory.blocks)
        return await choosing.choose(thread, candidates, self.roles)

    @property
    def _model_context(self) -> ModelContext | None:
        return getattr(self.choosing, "model_context", None)

    async def _candidates(self, spoke: tuple[str, ...], thread: Thread, members: Sequence[str]) -> list[str]:
        if self.candidate_func is not None:
            found = self.candidate_func(thread)
            found = await found if inspect.isawaitable(found) else found
            _check(found, members, "candidate_func")
            return list(dict.fromkeys(found))
        last = spoke[-1] if spoke else None
        if self.allow_repeated_speaker or len(members) == 1:
            return list(members)
        return [name for name in members if name != last]


def _by_function(name: str, members: Sequence[str]) -> Speak:
    if name not in members:
        raise _illegal([name], members, "selector_func")
    return Speak((name,), "chosen by selector_func")


def _check(names: Any, members: Sequence[str], who: str) -> None:
    found: list[Any] = list(names) if isinstance(names, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]: user code returned it
    if not found or any(name not in members for name in found):
        raise _illegal(names, members, who)


def _illegal(names: Any, members: Sequence[str], who: str) -> ConfigError:
    return ConfigError(f"{who} named {names!r}; it must name members: {', '.join(members)}.")


class ByModel:
    """A model chooses, its answer held to the candidates' names by a JSON schema; a wrong answer is sent back once.

    Args:
        client: The model.
        prompt: What it is asked, with `{roles}`, `{participants}` and `{history}`.
        attempts: How often it may answer.
        streams: Whether viewers see its answer as it comes.
        model_context: What of the conversation it is shown; by default the latest messages.
    """

    def __init__(
        self,
        client: ModelClient | str,
        *,
        prompt: str = PROMPT,
        attempts: int = 2,
        streams: bool = False,
        model_context: ModelContext | None = None,
    ) -> None:
        registry.check_client(client)
        check_count("max_selector_attempts", attempts)
        _check_prompt(prompt)
        check_context(model_context)
        self.model_client, self.prompt, self.attempts = client, prompt, attempts
        self.streams, self.model_context = streams, model_context

    async def choose(
        self, thread: Thread, candidates: Sequence[str], roles: dict[str, str], said: Blocks | None = None
    ) -> tuple[str, str] | None:
        client = await self._client()
        schema = json.dumps(
            {
                "type": "object",
                "properties": {"speaker": {"type": "string", "enum": list(candidates)}},
                "required": ["speaker"],
                "additionalProperties": False,
            },
            ensure_ascii=False,
        )
        blocks = Blocks([Said(self._asking(thread, candidates, roles, said))])
        showing = _Showing.begin() if self.streams else None
        for attempt in range(1, self.attempts + 1):
            request = ModelRequest(blocks=blocks, output_schema=schema, max_tokens=min(256, client.info.max_output))
            show = None if showing is None else showing.show(attempt)
            answer, _ = await ask(client, request, on_event=show)
            if showing is not None:
                showing.end(attempt, answer.reply.text)
            name = named(answer.reply.text, candidates)
            if name is not None:
                return name, f"chosen by {client.info.name}" + (f", at attempt {attempt}" if attempt > 1 else "")
            blocks = blocks.plus(
                answer.reply,
                Said(f'That names none of them. Answer {{"speaker": …}} with one of: {", ".join(candidates)}.'),
            )
        return None

    async def _client(self) -> ModelClient:
        client = self.model_client
        scope = scope_here()
        if not isinstance(client, str):
            return client
        if scope is None:
            return registry.open_model(client)
        return await scope.run.resource(client, lambda: registry.open_model(client))

    def _asking(self, thread: Thread, candidates: Sequence[str], roles: dict[str, str], said: Blocks | None) -> str:
        if said is None or self.model_context is None:
            history = "\n".join(f"{m.source}: {m.to_model_text()}" for m in thread[-RECENT:])
        else:
            shown = [block for block in viewed(self.model_context, said) if isinstance(block, Said)]
            history = "\n".join(f"{b.source}: {b.text}" if b.source else b.text for b in shown)
        listed = "\n".join(f"{name}: {' '.join(roles.get(name, '').split())}" for name in candidates)
        return (
            self.prompt.replace("{roles}", listed)
            .replace("{participants}", json.dumps(list(candidates), ensure_ascii=False))
            .replace("{history}", history)
        )


def _check_prompt(prompt: str) -> None:
    """Refuse a prompt with a misspelt field, which would stay as it is; other braces, such as of JSON, stay."""
    if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"selector_prompt={prompt!r} must be a text.")
    for word in re.findall(r"\{(\w+)\}", prompt):
        if word not in FILLED_IN and (meant := near(word, FILLED_IN)):
            raise ConfigError(f"selector_prompt has {{{word}}}, which nothing fills in.{meant}")


class _Showing:
    """Shows viewers the answer of the model that chooses, as it comes; nothing of it is kept."""

    def __init__(self, viewers: feed.Feed, id: str, at: int) -> None:
        self._viewers, self._id, self._at = viewers, id, at

    @classmethod
    def begin(cls) -> _Showing | None:
        """Return what shows, None where nobody looks on."""
        scope = scope_here()
        if scope is None or scope.feed is None or not scope.feed.watched:
            return None
        return cls(scope.feed, f"{scope.run.id}/{scope.path}", scope.at)

    def show(self, attempt: int) -> Callable[[ModelEvent, int], None]:
        id = f"{self._id}#{attempt}"

        def chunk(event: ModelEvent, again: int) -> None:
            if type(event) is TextDelta:
                self._viewers.push(
                    messages.ModelClientStreamingChunkEvent(
                        content=event.text,
                        source=SOURCE,
                        id=id,
                        full_message_id=id,
                        attempt=again,
                        created_at=messages.at(self._at),
                    )
                )

        return chunk

    def end(self, attempt: int, text: str) -> None:
        event = messages.SelectorEvent(
            content=text, source=SOURCE, id=f"{self._id}#{attempt}", created_at=messages.at(self._at)
        )
        self._viewers.push(event)


class ByLikeness:
    """Chooses whose role is nearest in meaning to what was said last. Offline: a small embedding model, no chat model.

    What comes out of it is journaled, so that a replay needs no weights.
    """

    async def choose(self, thread: Thread, candidates: Sequence[str], roles: dict[str, str]) -> tuple[str, str] | None:
        if not len(thread):
            return None
        said = thread[-1].to_model_text()
        described = [f"{name}: {roles.get(name, '')}" for name in candidates]
        scores: list[float] = await step("likeness", lambda: _scores(said, described), effect="read")
        best = max(range(len(candidates)), key=lambda i: scores[i])
        return candidates[best], f"its role is nearest to what was said last ({scores[best]:.2f})"


async def _scores(said: str, described: list[str]) -> list[float]:
    from quorate.models.embeddings import MiniLM  # numpy and the weights are loaded only where likeness decides

    def compute() -> list[float]:
        vectors = MiniLM().embed([said, *described])
        return [round(float(score), 4) for score in vectors[1:] @ vectors[0]]

    return await in_thread(compute)


class SelectorGroupChat(Team):
    """The next speaker is selected from what was said.

    Args:
        participants: At least two.
        model_client: The model that chooses; without one the role nearest in meaning to the last message is chosen.
        selector_prompt: What the model is asked, with `{roles}`, `{participants}` and `{history}`.
        allow_repeated_speaker: Whether who spoke last may be chosen again.
        max_selector_attempts: How often the model may answer with no legal name before fairness decides.
        selector_func: Is given the thread and returns a name, or None to let the model choose.
        candidate_func: Is given the thread and returns who may be chosen.
        model_client_streaming: Whether viewers see the model's choice as it comes; nothing of it is kept.
        model_context: What of the conversation the model is shown; by default the 20 latest messages.

    Raises:
        ConfigError: Fewer than two take part, or what `Team` raises.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        model_client: ModelClient | str | None = None,
        *,
        selector_prompt: str | None = None,
        allow_repeated_speaker: bool = False,
        max_selector_attempts: int = 2,
        selector_func: SelectorFunc | None = None,
        candidate_func: CandidateFunc | None = None,
        model_client_streaming: bool = False,
        model_context: ModelContext | None = None,
        termination_condition: Condition[Any] | None = None,
        max_turns: int | None = None,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        share_all: bool = False,
        emit_team_events: bool = False,
    ) -> None:
        participants = all_seated(participants)
        for what, given in (("selector_func", selector_func), ("candidate_func", candidate_func)):
            if given is not None and not callable(given):
                raise ConfigError(f"{what}={given!r} is no function of the thread.")
        if len(participants) < 2:
            raise ConfigError("SelectorGroupChat needs at least two participants to select from.")
        choosing = (
            ByLikeness()
            if model_client is None
            else ByModel(
                model_client,
                prompt=selector_prompt or PROMPT,
                attempts=max_selector_attempts,
                streams=model_client_streaming,
                model_context=model_context,
            )
        )
        roles = {p.name: getattr(p, "description", "") for p in participants}
        policy = Selector(
            roles, choosing, allow_repeated_speaker=allow_repeated_speaker, selector_func=selector_func,
            candidate_func=candidate_func,
        )  # fmt: skip
        super().__init__(
            participants, turns=policy, termination_condition=termination_condition, max_turns=max_turns, limits=limits,
            patience=patience, wrap_up=wrap_up, runtime=runtime, name=name, description=description,
            share_all=share_all, emit_team_events=emit_team_events,
        )  # fmt: skip
