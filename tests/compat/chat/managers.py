"""Managers of a program's own: who speaks next, what they remember, what they refuse, and where they fail."""

import asyncio
from typing import Literal

from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.state import BaseGroupChatManagerState
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_agentchat.teams._group_chat._base_group_chat import BaseGroupChat as SameBaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._events import GroupChatTermination
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChatManager
from autogen_agentchat.teams._group_chat._selector_group_chat import SelectorGroupChatManager
from autogen_agentchat.teams._group_chat._sequential_routed_agent import SequentialRoutedAgent
from autogen_agentchat.teams._group_chat._swarm_group_chat import SwarmGroupChatManager
from autogen_core import CancellationToken, Component, SingleThreadedAgentRuntime
from autogen_core.models import UserMessage
from pydantic import BaseModel
from scenes import Echo, family, model, numbers, state, stream, tell


class Own(BaseGroupChatManager):
    """A manager that notes what it is told and asked; subclasses choose."""

    def __init__(self, *args, notes=None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.notes = [] if notes is None else notes

    def note(self, *what) -> None:
        self.notes.append(what)

    async def validate_group_state(self, messages) -> None:
        self.note("validate", None if messages is None else [m.to_text()[:9] for m in messages], self.said())

    async def update_message_thread(self, messages) -> None:
        self.note("told", [f"{m.source}:{type(m).__name__}" for m in messages])
        await super().update_message_thread(messages)

    async def select_speaker(self, thread):
        chosen = self.choose(thread)
        self.note("choose", chosen, self.said(), thread is self._message_thread, *self.turns())
        return chosen

    def choose(self, thread):
        raise NotImplementedError

    def said(self):
        return len(self._message_thread)

    def turns(self):
        return [self._current_turn]

    async def reset(self) -> None:
        self.note("reset", self.said())
        self._current_turn = 0
        self._message_thread.clear()
        if self._termination_condition is not None:
            await self._termination_condition.reset()

    async def save_state(self):
        self.note("save")
        thread = [message.dump() for message in self._message_thread]
        return BaseGroupChatManagerState(message_thread=thread, current_turn=self._current_turn).model_dump()

    async def load_state(self, state) -> None:
        self.note("load")
        kept = BaseGroupChatManagerState.model_validate(state)
        self._message_thread = [self._message_factory.create(message) for message in kept.message_thread]
        self._current_turn = kept.current_turn


class Quietest(Own):
    """Lets those speak who have said least."""

    def choose(self, thread):
        def times(name):
            return sum(m.source == name and isinstance(m, TextMessage) for m in thread)

        return min(self._participant_names, key=times)


class Stack(Own):
    """Pops who speaks from a stack, and pushes all again when it is empty: what it remembers is its own."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.stack = list(self._participant_names)
        self.times = 0

    def choose(self, thread):
        if not self.stack:
            self.stack = list(self._participant_names)
        self.times += 1
        return [self.stack.pop()]

    async def reset(self) -> None:
        await super().reset()
        self.stack, self.times = list(self._participant_names), 0

    async def save_state(self):
        return {**await super().save_state(), "stack": list(self.stack), "times": self.times}

    async def load_state(self, state) -> None:
        await super().load_state(state)
        self.stack, self.times = list(state["stack"]), state["times"]


class Everybody(Own):
    """Lets all speak at once, then the first alone."""

    def choose(self, thread):
        alone = sum(isinstance(m, TextMessage) for m in thread) % 2 == 0
        return self._participant_names[0] if alone else list(self._participant_names)


class Careful(Quietest):
    """Takes only tasks of two messages to somebody who is there, and needs a thread to go on without one."""

    async def validate_group_state(self, messages) -> None:
        await super().validate_group_state(messages)
        if messages is None and not self._message_thread:
            raise ValueError("Nothing to go on with.")
        if messages is not None and len(messages) != 2:
            raise KeyError("Two messages, please.")
        if messages is not None and messages[-1].to_text() not in self._participant_name_to_topic_type:
            raise LookupError("Nobody of that name.")


class Failing(Quietest):
    """Fails at some of its choices."""

    def __init__(self, *args, plan=(), **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.plan = list(plan)

    def turns(self):
        return []  # those of a run that failed count in AutoGen

    def choose(self, thread):
        step = self.plan.pop(0) if self.plan else None
        if isinstance(step, Exception):
            raise step
        return super().choose(thread) if step is None else step


class Asking(Own):
    """Asks a model who speaks next, of whom it tells the descriptions."""

    def __init__(self, *args, client, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.client = client

    async def select_speaker(self, thread):
        told = ", ".join(
            f"{n}: {d}" for n, d in zip(self._participant_names, self._participant_descriptions, strict=True)
        )
        messages = [UserMessage(content=f"{told}; {len(thread)} said", source="user")]
        result = await self.client.create(messages, cancellation_token=CancellationToken())
        return result.content


class Skipping(RoundRobinGroupChatManager):
    """In turn, but for who has just been named."""

    def __init__(self, *args, notes=None, **kwargs) -> None:
        super().__init__(*args, **kwargs)

    async def select_speaker(self, thread):
        name = await super().select_speaker(thread)
        return await super().select_speaker(thread) if name in thread[-1].to_text() else name


class Config(BaseModel):
    """A team of one's own as configuration."""

    names: list[str]
    max_turns: int | None
    tells: bool


class Talk(BaseGroupChat, Component[Config]):
    """A team with a manager of one's own."""

    component_config_schema = Config
    component_provider_override = "managers.Talk"

    def __init__(self, participants, manager=Quietest, *, termination_condition=None, more=None, **options) -> None:
        super().__init__(
            name=options.pop("name", "Talk"),
            description=options.pop("description", "Talks."),
            participants=participants,
            group_chat_manager_name=options.pop("group_chat_manager_name", "Manager"),
            group_chat_manager_class=manager,
            termination_condition=termination_condition,
            **options,
        )
        self.manager, self.more, self.notes = manager, more or {}, []

    def _create_group_chat_manager_factory(
        self,
        name,
        group_topic_type,
        output_topic_type,
        participant_topic_types,
        participant_names,
        participant_descriptions,
        output_message_queue: asyncio.Queue[GroupChatTermination],
        termination_condition,
        max_turns,
        message_factory,
    ):
        def make() -> SequentialRoutedAgent:
            return self.manager(
                name,
                group_topic_type,
                output_topic_type,
                participant_topic_types,
                participant_names,
                participant_descriptions,
                output_message_queue,
                termination_condition,
                max_turns,
                message_factory,
                self._emit_team_events,
                notes=self.notes,
                **self.more,
            )

        return make

    def _to_config(self):
        return Config(names=self._participant_names, max_turns=self._max_turns, tells=self._emit_team_events)

    @classmethod
    def _from_config(cls, config):
        return cls([Echo(name) for name in config.names], max_turns=config.max_turns, emit_team_events=config.tells)


def told(team: Talk) -> None:
    """Print what a team's manager has noted."""
    for note in team.notes:
        if note[0] != "save":  # when it is asked is each framework's own
            print("  ", *note)
    team.notes.clear()


class Plain(Echo):
    """Says what it was told, without thoughts."""

    async def on_messages(self, messages, cancellation_token):
        response = await super().on_messages(messages, cancellation_token)
        return Response(chat_message=response.chat_message)


def trio(last="x"):
    return [Echo("ann"), Echo("bob", ["x", "y"]), Echo("cid", [last])]


async def by_count() -> None:
    print("## the one who has said least")
    print(SameBaseGroupChat is BaseGroupChat)
    for options in (
        {"max_turns": 4},
        {"termination_condition": MaxMessageTermination(3), "emit_team_events": True},
        {"termination_condition": TextMentionTermination("y<"), "max_turns": 5, "description": "Is short."},
    ):
        team = Talk(trio(), **options)
        print(team.name, team.description)
        await stream(team, "go", None, "more")
        told(team)
        await state(team)
        await team.reset()
        told(team)
        await stream(team, "anew")
        told(team)
    skipping = Talk(trio(), Skipping, max_turns=3)
    await stream(skipping, "not ann", "bob neither")
    await state(skipping)
    await skipping.reset()
    await state(skipping)
    result = await Talk(trio(), max_turns=2).run(task="go", output_task_messages=False)
    print([m.source for m in result.messages], result.stop_reason)


async def on_a_stack() -> None:
    print("## what a manager remembers")
    team = Talk(trio(), Stack, max_turns=2, group_chat_manager_name="Stack")
    await state(team)
    await stream(team, "go")
    saved = await team.save_state()
    tell("saved", dict(saved))
    other = Talk(trio(), Stack, max_turns=2, group_chat_manager_name="Stack")
    other.notes.append(("loading",))
    await other.load_state(saved)
    await stream(other, None, "more")
    told(other)
    await state(other)
    await team.load_state(saved)
    await stream(team, None)
    told(team)
    await team.reset()
    await state(team)
    missing = {"agent_states": {k: v for k, v in saved["agent_states"].items() if k != "Stack"}}
    for wrong in (missing, {"agent_states": {**saved["agent_states"], "Stack": {"message_thread": 1}}}):
        try:
            await other.load_state(wrong)
        except ValueError as error:
            print("refused", family(error))


async def side_by_side() -> None:
    print("## several speak")
    pair = [Plain("ann"), Plain("bob")]
    team = Talk(pair, Everybody, max_turns=3, emit_team_events=True)
    await stream(team, "go")
    told(team)
    await state(team)


async def with_a_task() -> None:
    print("## tasks that are refused")
    team = Talk(trio(), Careful, max_turns=2)
    for task in (
        None,
        "go",
        [TextMessage(content="go", source="user"), TextMessage(content="dan", source="user")],
        [TextMessage(content="go", source="user"), TextMessage(content="bob", source="user")],
        None,
    ):
        await stream(team, task)
        told(team)


async def that_fails() -> None:
    print("## failures")
    for plan in (
        [ValueError("at once")],
        [None, ValueError("later")],
        [KeyError("at once")],
        ["nobody"],
        [None, ["ann", "nobody"]],
        [[]],
        [None, []],
    ):
        ends = TextMentionTermination("end<")
        team = Talk(trio("end"), Failing, more={"plan": plan}, termination_condition=ends)
        for task in ("go", "again"):
            try:
                result = await team.run(task=task)
                print([m.source for m in result.messages], result.stop_reason)
            except Exception as error:
                print("raised", family(error))
        if not isinstance(plan[-1], list | str):
            told(team)
    try:
        await Talk(trio(), Failing, max_turns=0).run(task="go")
    except ValueError as error:
        print("refused", family(error))


async def by_a_model() -> None:
    print("## a model, an inner team, a configuration")
    client = model("bob", "ann", "cid")
    team = Talk(trio(), Asking, more={"client": client}, max_turns=3)
    await stream(team, "go")
    for call in client.create_calls:
        print("asked", [m.content for m in call["messages"]])
    inner = Talk([Echo("ann"), Echo("bob")], max_turns=2, name="inner", description="Inside.", emit_team_events=True)
    outer = Talk([inner, Echo("cid")], max_turns=3, emit_team_events=True)
    await stream(outer, "go")
    told(inner)
    told(outer)
    outer = Talk([inner, Echo("cid")], Stack, max_turns=2, emit_team_events=True)
    await stream(outer, "go")
    await state(outer)
    mixed = RoundRobinGroupChat([Talk(trio(), Stack, max_turns=1, name="inner"), Echo("dan")], max_turns=4)
    await stream(mixed, "go")
    kept = Talk(trio(), max_turns=2, emit_team_events=True).dump_component()
    tell(kept.config)
    await stream(Talk._from_config(Config(**kept.config)), "go")


class Vote(TextMessage):
    """A message of one's own."""

    type: Literal["Vote"] = "Vote"


async def on_a_runtime() -> None:
    print("## a runtime and types of one's own")
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    voters = [Echo("ann", kind=Vote), Echo("bob", kind=Vote)]
    team = Talk(voters, Stack, max_turns=2, runtime=runtime, custom_message_types=[Vote])
    await stream(team, Vote(content="tea", source="user"), "more")
    saved = await team.save_state()
    again = Talk(voters, Stack, max_turns=1, custom_message_types=[Vote])
    await again.load_state(saved)
    await stream(again, None)
    told(again)
    await runtime.stop()


def making(*more):
    """Return the factory of a kind of team whose manager is the subclass it has set."""

    def factory(
        self, name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
        participant_descriptions, output_message_queue, termination_condition, max_turns, message_factory,
    ):  # fmt: skip
        given = (
            name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
            participant_descriptions, output_message_queue, termination_condition, max_turns, message_factory,
        )  # fmt: skip
        options = [getattr(self, option) for option in more]
        return lambda: self._base_group_chat_manager_class(*given, *options)

    return factory


class Picky(SelectorGroupChatManager):
    """Lets nobody speak twice before all others have, whatever the model says; the model is asked first."""

    async def select_speaker(self, thread):
        (name,) = await super().select_speaker(thread)
        spoke = [m.source for m in thread if isinstance(m, TextMessage) and m.source in self._participant_names]
        left = [other for other in self._participant_names if spoke.count(other) < min(map(spoke.count, NAMES)) + 1]
        return [name if name in left else left[0]]


NAMES = ("ann", "bob", "cid")


class PickyTeam(SelectorGroupChat):
    """A selector with a manager of its own."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self._base_group_chat_manager_class = Picky

    _create_group_chat_manager_factory = making(
        "_model_client", "_selector_prompt", "_allow_repeated_speaker", "_selector_func", "_max_selector_attempts",
        "_candidate_func", "_emit_team_events", "_model_context", "_model_client_streaming",
    )  # fmt: skip


class Homing(SwarmGroupChatManager):
    """Goes home to the first where nobody was handed the conversation lately."""

    async def select_speaker(self, thread):
        lately = [m for m in thread[-2:] if isinstance(m, HandoffMessage)]
        return await super().select_speaker(lately) if lately else self._participant_names[0]


class HomingTeam(Swarm):
    """A swarm with a manager of its own."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self._base_group_chat_manager_class = Homing

    _create_group_chat_manager_factory = making("_emit_team_events")


class SkippingTeam(RoundRobinGroupChat):
    """A round robin with a manager of its own."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self._base_group_chat_manager_class = Skipping

    _create_group_chat_manager_factory = making("_emit_team_events")


async def of_kinds() -> None:
    print("## subclasses of the managers there are")
    for options in (
        {"max_turns": 4},
        {"max_turns": 3, "selector_func": lambda thread: "bob" if len(thread) == 1 else None, "emit_team_events": True},
        {"max_turns": 2, "candidate_func": lambda thread: ["ann", "cid"], "allow_repeated_speaker": True},
    ):
        client = model("bob", "bob and ann", "it is cid", "nobody", "ann", "bob", "cid", "ann", "bob", "cid")
        team = PickyTeam(trio(), client, **options)
        await stream(team, "go", "more")
        saved = await team.save_state()
        await state(team)
        again = PickyTeam(trio(), model("cid", "ann", "bob", "bob", "cid", "ann"), **options)
        await again.load_state(saved)
        await stream(again, None)
        await team.reset()
        await state(team)
    hands = [
        Echo("ann", kind=HandoffMessage, target="bob"),
        Echo("bob"),
        Echo("cid", kind=HandoffMessage, target="bob"),
    ]
    swarm = HomingTeam(hands, max_turns=3, emit_team_events=True)
    await stream(swarm, "go", None, HandoffMessage(content="go on", source="user", target="cid"))
    await state(swarm)
    await stream(swarm, HandoffMessage(content="go on", source="user", target="zoe"))
    turns = SkippingTeam(trio(), max_turns=3)
    await stream(turns, "ann is away", "now bob")
    await state(turns)


async def cancelled() -> None:
    print("## cancelling")

    class Slow(Quietest):
        async def select_speaker(self, thread):
            if len(thread) > 1:
                token.cancel()
                await asyncio.sleep(60)
            return await super().select_speaker(thread)

    class Waits(Echo):
        async def on_messages(self, messages, cancellation_token):
            token.cancel()
            await asyncio.sleep(0.05)

    for team in (Talk(trio(), Slow, max_turns=3), Talk([Waits("ann")]), RoundRobinGroupChat([Waits("ann")])):
        token = CancellationToken()
        try:
            await team.run(task="go", cancellation_token=token)
        except BaseException as error:
            print("raised", family(error))


async def main() -> None:
    for part in (
        by_count,
        on_a_stack,
        side_by_side,
        with_a_task,
        that_fails,
        by_a_model,
        on_a_runtime,
        of_kinds,
        cancelled,
    ):
        numbers.clear()
        await part()


asyncio.run(main())
