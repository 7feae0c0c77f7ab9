"""What people tell a run that is going on: seen once, kept for ever, whatever crashes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMentionTermination,
    TextMessage,
    Turn,
    ask,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.hearing import post
from quorate.errors import ConfigError, Conflict
from quorate.models import Said, ToolCall
from quorate.runs.memory import MemoryStore
from quorate.testing import ScriptedModel


class Doing(Agent):
    """Does something in its turn, and says what came of it."""

    def __init__(self, name: str, act: Callable[[Turn], Any]) -> None:
        super().__init__(name)
        self.act = act

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=str(await self.act(turn)), source=self.name)


def said_to(model: ScriptedModel, call: int) -> list[tuple[str, str]]:
    return [(b.source, b.text) for b in model.requests[call].blocks if isinstance(b, Said)]


def thread(result: Any) -> list[str]:
    return [f"{m.source}: {m.to_text()}" for m in result.messages if m.type == "TextMessage"]


def look(calls: int = 1) -> list[ToolCall]:
    return [ToolCall(f"c{i}", "look", f'{{"n": {i}}}') for i in range(calls)]


class Desk:
    """A conversation `talk` in a store, a tool `look` that can be made to do something, and how to post to it."""

    def __init__(self, store: Any, *lines: object, max_messages: int = 2) -> None:
        self.store = store
        self.model = ScriptedModel(lines)
        self.acts: list[Any] = []
        self.calls: list[int] = []

        @tool(effect="read")
        async def look(n: int) -> str:
            """Look at something."""
            self.calls.append(n)
            if self.acts:
                await self.acts.pop(0)()
            return f"seen {n}"

        self.look = look
        self.writer = AssistantAgent("writer", self.model, tools=[look])
        self.team = RoundRobinGroupChat([self.writer], termination_condition=MaxMessageTermination(max_messages))

    async def say(self, kind: str, text: str = "", **options: Any) -> None:
        await post(self.store, ("talk", 1), kind, text, **options)

    def saying(self, kind: str, text: str = "", **options: Any) -> Any:
        return lambda: self.say(kind, text, **options)

    async def run(self, **options: Any) -> Any:
        return await self.team.run(task="Go.", conversation=self.store.conversation("talk"), **options)

    async def entries(self, *kinds: str) -> list[Any]:
        return [e for e in await self.store.read("talk") if not kinds or e.kind in kinds]

    async def replays(self) -> bool:
        return (await replay("talk", team=self.team, store=self.store)).identical


# -- steer ------------------------------------------------------------------------------------------------------------


async def test_steering_is_seen_at_the_next_model_call_of_the_agent() -> None:
    desk = Desk(MemoryStore(), look(), "A short text.", max_messages=3)
    desk.acts = [desk.saying("steer", "Be short.", by="ann")]

    result = await desk.run()

    assert said_to(desk.model, 0) == [("user", "Go.")]
    assert said_to(desk.model, 1) == [("user", "Go."), ("ann", "Be short.")]
    assert thread(result) == ["user: Go.", "ann: Be short.", "writer: A short text."]
    (entry,) = await desk.entries("steer")
    assert entry.path == "1 turn/1 writer/3 steer"
    assert (entry.payload["text"], entry.payload["by"]) == ("Be short.", "ann")
    assert await desk.store.notes("talk") == []
    assert await desk.replays()


async def test_steering_is_for_the_agent_that_is_addressed() -> None:
    store = MemoryStore()
    first, second = ScriptedModel([look(), "One."]), ScriptedModel([look(), "Two."])
    desk = Desk(store)
    desk.acts = [desk.saying("steer", "For you, b.", to="b")]
    members = [AssistantAgent(n, m, tools=[desk.look]) for n, m in (("a", first), ("b", second))]
    from quorate import Team
    from quorate.chat.turns import Once

    desk.team = Team(members, turns=Once())  # type: ignore[assignment]

    await desk.run()

    assert [text for _, text in said_to(first, 1)] == ["Go."]
    assert [text for _, text in said_to(second, 1)] == ["Go.", "For you, b."]
    assert await desk.replays()


async def test_agent_remembers_later_what_it_was_told_on_the_way() -> None:
    # ENGINE 14: requests rebuilt from the journal are what was asked; the replay compares them
    desk = Desk(MemoryStore(), look(), "One.", "Two.", max_messages=4)
    desk.acts = [desk.saying("steer", "Be short.")]

    await desk.run()

    assert said_to(desk.model, 2) == [("user", "Go."), ("user", "Be short.")]
    assert [type(b).__name__ for b in desk.model.requests[2].blocks] == ["Said", "Reply", "Said", "Reply"]
    assert await desk.replays()


async def test_steering_that_comes_too_late_for_a_speech_is_heard_in_the_next_turn() -> None:
    desk = Desk(MemoryStore(), "One.", "Two.")

    async def late(turn: Turn) -> str:
        await desk.say("steer", "Be short.", to="writer")
        return "ok"

    desk.team = RoundRobinGroupChat([desk.writer, Doing("other", late)], termination_condition=MaxMessageTermination(5))

    result = await desk.run()

    assert thread(result) == ["user: Go.", "writer: One.", "other: ok", "user: Be short.", "writer: Two."]
    assert await desk.replays()


async def test_two_notes_are_heard_in_the_order_they_came() -> None:
    desk = Desk(MemoryStore(), look(), "Done.")

    async def both() -> None:
        await desk.say("steer", "one")
        await desk.say("steer", "two")

    desk.acts = [both]

    await desk.run()

    assert [text for _, text in said_to(desk.model, 1)] == ["Go.", "one", "two"]
    assert await desk.replays()


async def test_stop_phrase_of_a_person_who_steers_does_not_end_the_run() -> None:
    desk = Desk(MemoryStore(), look(), "Well.", "DONE")
    desk.acts = [desk.saying("steer", "Say DONE when you are.")]
    desk.team = RoundRobinGroupChat([desk.writer], termination_condition=TextMentionTermination("DONE"))

    result = await desk.run()

    assert result.messages[-1].to_text() == "DONE"
    assert len(desk.model.requests) == 3


# -- queue ------------------------------------------------------------------------------------------------------------


async def test_queued_message_is_heard_before_the_next_turn_as_a_turn_of_its_own() -> None:
    desk = Desk(MemoryStore(), look(), "One.", "Two.", max_messages=4)
    desk.acts = [desk.saying("queue", "In French.", by="ann")]

    result = await desk.run()

    assert [text for _, text in said_to(desk.model, 1)] == ["Go."]
    assert [text for _, text in said_to(desk.model, 2)] == ["Go.", "In French."]
    assert thread(result) == ["user: Go.", "writer: One.", "ann: In French.", "writer: Two."]
    assert [e.path for e in await desk.entries("heard", "turn")] == ["1 turn", "2 turn/1 heard", "2 turn", "3 turn"]
    assert result.turns == 2
    assert await desk.replays()


async def test_agent_alone_answers_again_what_is_queued_while_it_speaks() -> None:
    desk = Desk(MemoryStore(), look(), "One.", "Deux.")
    desk.acts = [desk.saying("queue", "And in French.")]

    result = await desk.writer.run(task="Go.", conversation=desk.store.conversation("talk"))

    assert thread(result) == ["user: Go.", "writer: One.", "user: And in French.", "writer: Deux."]


async def test_message_posted_at_the_very_end_is_heard_before_the_run_is_over() -> None:
    # ENGINE 16: the entry that ends an attempt is committed only together with the check that the inbox is empty
    desk = Desk(MemoryStore(), "One.", "Two.")
    journal_end = None

    class Late(MemoryStore):
        async def open(self, id: str, **options: Any) -> Any:
            nonlocal journal_end
            journal = await super().open(id, **options)
            end, said = journal.end, []

            async def late_end(last: Any, known: Any) -> Any:
                if not said:
                    said.append(True)
                    journal._watcher = None  # nobody told the run
                    await desk.say("queue", "One more thing.")
                return await end(last, known)

            journal.end = late_end  # type: ignore[method-assign]
            return journal

    desk.store = Late()

    result = await desk.writer.run(task="Go.", conversation=desk.store.conversation("talk"))

    assert thread(result) == ["user: Go.", "writer: One.", "user: One more thing.", "writer: Two."]
    assert len(await desk.entries("ended")) == 1


async def test_message_to_a_run_that_is_cut_short_waits_for_the_next_attempt() -> None:
    desk = Desk(MemoryStore(), look(), "One.", "Two.", max_messages=4)
    desk.acts = [desk.saying("queue", "In French.")]
    first = await desk.run(limits=Limits(turns=1))

    result = await desk.team.continue_run("talk", store=desk.store, limits=Limits(turns=5))

    assert first.outcome.kind == "completed" or first.outcome.kind == "limit"
    assert "user: In French." in thread(result)
    assert len(await desk.entries("heard")) == 1


async def test_message_that_comes_after_the_end_is_heard_by_the_next_run_of_the_conversation() -> None:
    desk = Desk(MemoryStore(), "One.", "Two.", max_messages=3)
    desk.team = RoundRobinGroupChat([desk.writer], max_turns=1)
    await desk.run()
    await desk.say("queue", "By the way.")

    result = await desk.run()

    assert thread(result) == ["user: Go.", "user: By the way.", "writer: Two."]


# -- interrupt --------------------------------------------------------------------------------------------------------


async def test_interrupt_cuts_the_turn_keeps_what_was_done_and_is_heard() -> None:
    desk = Desk(MemoryStore(), look(), look(2), "At last.", max_messages=3)

    async def hang() -> None:
        await desk.say("interrupt", "Stop looking.", by="ann")
        await asyncio.sleep(3600)

    async def nothing() -> None:
        pass

    desk.acts = [nothing, hang, nothing]

    result = await desk.run()

    assert desk.calls == [0, 0, 1]
    blocks = desk.model.requests[2].blocks
    assert [r.content for b in blocks if not isinstance(b, Said) for r in b.results] == [
        "seen 0",
        "look was not finished: a person interrupted the turn.",
        "seen 1",
    ]
    assert blocks[-1].text == "Stop looking."
    assert thread(result) == ["user: Go.", "ann: Stop looking.", "writer: At last."]
    closed = {e.path: e.payload for e in await desk.entries("said", "turn")}
    assert closed["1 turn/1 writer"]["interrupted"]
    assert closed["1 turn"] == {"interrupted": True}
    assert await desk.replays()


async def test_interrupt_in_a_model_call_drops_the_half_reply() -> None:
    class Slow(ScriptedModel):
        async def stream(self, request: Any) -> Any:
            async for event in super().stream(request):
                if len(self.requests) == 1:
                    await desk.say("interrupt", "No.")
                    await asyncio.sleep(3600)
                yield event

    desk = Desk(MemoryStore())
    slow = Slow(["Blah blah.", "Yes."])
    desk.team = RoundRobinGroupChat([AssistantAgent("writer", slow)], termination_condition=MaxMessageTermination(3))

    result = await desk.run()

    assert thread(result) == ["user: Go.", "user: No.", "writer: Yes."]
    assert await desk.replays()


async def test_interrupt_keeps_the_speeches_of_a_wave_that_were_closed() -> None:
    store = MemoryStore()
    desk = Desk(store)
    from quorate import Team
    from quorate.chat.turns import Once

    async def quick(turn: Turn) -> str:
        return "I am done"

    async def slow(turn: Turn) -> str:
        await step("wait", lambda: asyncio.sleep(0.01), effect="read")
        if len(turn.thread) == 1:
            if not await desk.entries("interrupt"):
                await desk.say("interrupt", "Enough.")
            await asyncio.sleep(3600)
        return "here I am"

    desk.team = Team([Doing("a", quick), Doing("b", slow)], turns=Once())  # type: ignore[assignment]

    result = await desk.run()

    assert thread(result)[:3] == ["user: Go.", "a: I am done", "user: Enough."]
    assert await desk.replays()


async def test_interrupt_that_comes_before_the_run_has_waited_for_anything_is_one(tmp_path: Path) -> None:
    # ENGINE 16: it is told of twice then, at the run's start and when it first waits
    async def afar() -> None:
        async with open_store(tmp_path / "work.db") as other:
            await post(other, ("talk", 1), "interrupt", "Enough.")

    async def busy(turn: Turn) -> str:
        if len(turn.thread) == 1:
            with ThreadPoolExecutor() as elsewhere:  # while the loop stands still
                elsewhere.submit(asyncio.run, afar()).result()
            await asyncio.sleep(3600)
        return "here I am"

    async with open_store(tmp_path / "work.db") as store:
        result = await RoundRobinGroupChat([Doing("a", busy)], max_turns=2).run(
            "Go.", conversation=store.conversation("talk")
        )

    assert thread(result) == ["user: Go.", "user: Enough.", "a: here I am"]


async def test_interrupt_in_an_unsafe_call_asks_a_person_and_goes_on_interrupted() -> None:
    # ENGINE 6, 7: unknown is unknown however it came
    store = MemoryStore()
    desk = Desk(store)
    paid: list[int] = []

    @tool
    async def pay(cents: int) -> str:
        """Pay."""
        paid.append(cents)
        await desk.say("interrupt", "Do not pay!")
        await asyncio.sleep(3600)
        return "never"

    model = ScriptedModel([ToolCall("1", "pay", '{"cents": 5}'), "I had paid already."])
    desk.team = RoundRobinGroupChat(
        [AssistantAgent("clerk", model, tools=[pay])], termination_condition=MaxMessageTermination(3)
    )

    waits = await desk.run()
    from quorate.runs.inbox import Note

    await store.post("talk", Note(waits.outcome.questions[0], "answer", {"happened": True, "result": "slip 9"}))
    result = await desk.team.continue_run("talk", store=store)

    assert waits.outcome.kind == "waiting"
    assert waits.outcome.open_intents
    assert paid == [5]
    assert model.requests[1].blocks[1].results[0].content == "slip 9"
    assert thread(result) == ["user: Go.", "user: Do not pay!", "clerk: I had paid already."]
    assert await desk.replays()


async def test_interrupt_withdraws_the_question_of_the_turn() -> None:
    store = MemoryStore()
    desk = Desk(store)
    waits = asyncio.Event()

    async def asks(turn: Turn) -> str:
        return await ask("Well?") if len(turn.thread) == 1 else "fine"

    async def live(question: Any) -> None:
        waits.set()
        await asyncio.sleep(3600)

    desk.team = RoundRobinGroupChat([Doing("a", asks)], termination_condition=MaxMessageTermination(3))
    async with desk.team.start("Go.", conversation=store.conversation("talk"), answer=live) as run:
        await waits.wait()
        await run.interrupt("Forget it.")
        result = await run.result()

    assert thread(result) == ["user: Go.", "user: Forget it.", "a: fine"]
    assert [e.payload for e in await desk.entries("answer")] == [{"withdrawn": True}]
    assert await store.questions() == []
    assert await desk.replays()


async def test_interrupt_without_a_word_says_that_somebody_did() -> None:
    desk = Desk(MemoryStore(), look(), "Again.", max_messages=3)

    async def hang() -> None:
        await desk.say("interrupt")
        await asyncio.sleep(3600)

    desk.acts = [hang]

    result = await desk.run()

    assert thread(result) == ["user: Go.", "user: (interrupted)", "writer: Again."]


async def test_who_cancels_a_run_that_is_being_interrupted_cancels_it() -> None:
    desk = Desk(MemoryStore(), look(), "x")

    async def hang() -> None:
        await desk.say("interrupt", "Stop.")
        await asyncio.sleep(3600)

    task: Any = None

    async def both() -> None:
        await desk.say("interrupt", "Stop.")
        task.cancel()
        await asyncio.sleep(3600)

    desk.acts = [both]
    task = asyncio.ensure_future(desk.run())
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [e.payload["outcome"] for e in await desk.entries("ended")] == ["cancelled"]


async def test_agent_that_swallows_the_cancellation_is_interrupted_all_the_same() -> None:
    store = MemoryStore()
    desk = Desk(store)

    async def stubborn(turn: Turn) -> str:
        if len(turn.thread) > 1:
            return "fine"
        try:
            await desk.say("interrupt", "Stop.")
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
        return "I go on"

    desk.team = RoundRobinGroupChat([Doing("a", stubborn)], termination_condition=MaxMessageTermination(4))

    result = await desk.run()

    assert thread(result) == ["user: Go.", "a: I go on", "user: Stop.", "a: fine"]


# -- pause, resume, stop ----------------------------------------------------------------------------------------------


async def test_paused_run_makes_no_further_step_and_goes_on_where_it_was() -> None:
    desk = Desk(MemoryStore(), look(), "Done.")
    desk.acts = [desk.saying("pause", by="ann")]

    paused = await desk.run()
    result = await desk.team.continue_run("talk", store=desk.store)

    assert (paused.outcome.kind, paused.outcome.reason) == ("waiting", "ann paused it.")
    assert not await desk.store.is_held("talk")
    assert len(desk.model.requests) == 2
    assert result.messages[-1].to_text() == "Done."
    assert desk.calls == [0]
    assert await desk.replays()


async def test_live_run_is_resumed_in_place() -> None:
    desk = Desk(MemoryStore(), look(), "Done.")
    desk.acts = [desk.saying("pause")]

    async with desk.team.start("Go.", conversation=desk.store.conversation("talk")) as run:
        paused = await run.result()
        await run.resume()
        result = await run.result()

    assert paused.outcome is not None
    assert paused.outcome.kind == "waiting"
    assert result.messages[-1].to_text() == "Done."


async def test_pause_that_is_taken_back_before_the_attempt_ended_does_not_end_it() -> None:
    desk = Desk(MemoryStore(), look(), "Done.")

    async def both() -> None:
        await desk.say("pause")
        await desk.say("unpause")

    desk.acts = [both]

    result = await desk.run()

    assert result.outcome.kind == "completed"
    assert [e.kind for e in await desk.entries("pause", "unpause", "resumed")] == ["pause", "unpause"]


async def test_stop_from_outside_ends_the_run_after_the_turn() -> None:
    desk = Desk(MemoryStore(), look(), "One.", max_messages=9)
    desk.acts = [desk.saying("stop", "Enough for today.", by="ann")]

    result = await desk.run()

    assert (result.outcome.kind, result.outcome.reason) == ("cancelled", "Enough for today.")
    assert len(await desk.entries("stop")) == 1


async def test_stop_and_pause_that_came_too_late_are_no_order_to_the_next_attempt() -> None:
    desk = Desk(MemoryStore(), look(), "One.", "Two.", max_messages=3)
    desk.acts = [desk.saying("stop")]
    await desk.run()
    await desk.say("stop")
    await desk.say("pause")

    result = await desk.team.continue_run("talk", store=desk.store)

    assert result.outcome.kind == "completed"
    assert await desk.store.notes("talk") == []


# -- who is told ------------------------------------------------------------------------------------------------------


async def test_viewers_are_told_each_thing_once_also_over_an_interrupt() -> None:
    desk = Desk(MemoryStore(), look(), look(), "Done.", max_messages=4)

    async def hang() -> None:
        await desk.say("steer", "Faster.")
        await desk.say("interrupt", "Stop.")
        await asyncio.sleep(3600)

    desk.acts = [hang]

    async with desk.team.start("Go.", conversation=desk.store.conversation("talk")) as run:
        seen = [item async for item in run.events()]
        result = await run.result()

    told = [item.id for item in seen if item.type != "ModelClientStreamingChunkEvent"]
    assert len(told) == len(set(told))
    assert set(told) == {m.id for m in result.messages}


async def test_steering_nobody_or_a_run_that_is_over_is_refused() -> None:
    desk = Desk(MemoryStore(), "One.")

    async with desk.team.start("Go.", conversation=desk.store.conversation("talk")) as run:
        with pytest.raises(ConfigError, match=r"Nobody here is named 'critic'\. There are: writer"):
            await run.steer("x", to="critic")
        with pytest.raises(ConfigError, match="say something"):
            await run.queue("  ")
        await run.result()
        with pytest.raises(Conflict, match="has ended: completed"):
            await run.steer("x")


async def test_run_is_steered_from_another_process(tmp_path: Path) -> None:
    # ENGINE 16: notice by one timer a store
    async with open_store(tmp_path / "work.db") as store, open_store(tmp_path / "work.db") as other:
        desk = Desk(store, look(), "Done.", max_messages=3)

        async def steered() -> None:
            await post(other, ("talk", 1), "steer", "From afar.")
            async with asyncio.timeout(60):
                while not (await store.notes("talk")) or not run.run.mail:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

        desk.acts = [steered]
        async with desk.team.start("Go.", conversation=store.conversation("talk")) as run:
            result = await run.result()

        assert thread(result) == ["user: Go.", "user: From afar.", "writer: Done."]
        assert await store.notes("talk") == []
        assert await desk.replays()
