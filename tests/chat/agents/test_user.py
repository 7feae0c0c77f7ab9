import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    StopMessageTermination,
    TextMessage,
    Turn,
    UserProxyAgent,
    conversation,
    open_store,
    replay,
)
from quorate.chat.agents.user import AUTO_REPLY
from quorate.chat.messages import UserInputRequestedEvent
from quorate.errors import ConfigError, RunFailed
from quorate.models import Said
from quorate.runs.questions import answer, find
from quorate.testing import ScriptedModel


def team(ask: Any, *lines: object) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(
        [AssistantAgent("clerk", ScriptedModel(lines)), UserProxyAgent("ann", input_func=ask)],
        termination_condition=MaxMessageTermination(3),
    )


async def answer_async(prompt: str) -> str:
    await asyncio.sleep(0)
    return f"async to {prompt!r}"


async def later(prompt: str) -> str:
    return "later"


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda prompt: f"sync to {prompt!r}", "sync to 'Enter your response: '"),
        (answer_async, "async to 'Enter your response: '"),
        (lambda prompt: later(prompt), "later"),
    ],
    ids=["sync", "async", "a sync function that returns an awaitable"],
)
async def test_person_is_asked_by_a_function_of_any_kind(ask: Any, text: str) -> None:
    result = await team(ask, "What shall I do?").run(task="Help.")

    assert result.messages[-1].source == "ann"
    assert result.messages[-1].to_text() == text


async def test_who_watches_is_told_that_a_person_is_asked() -> None:
    events = [e async for e in team(lambda _: "yes", "Well?").run_stream(task="Help.")]

    asked = next(e for e in events if isinstance(e, UserInputRequestedEvent))
    assert asked.source == "ann"
    assert asked.request_id


async def test_what_a_person_says_reaches_the_model_as_theirs() -> None:
    model = ScriptedModel(["Well?", "Thank you."])
    ann = UserProxyAgent("ann", input_func=lambda _: "Blue.")
    working = RoundRobinGroupChat([AssistantAgent("clerk", model), ann], max_turns=3)

    await working.run(task="Help.")

    said = model.requests[-1].blocks[-1]
    assert isinstance(said, Said)
    assert (said.source, said.text) == ("ann", "Blue.")


async def test_person_is_asked_once_whatever_crashes_after(killed: Any) -> None:
    # ENGINE 2
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "Blue."

    talk = conversation("talk")
    await team(ask, "Well?").run(task="Help.", conversation=talk)
    left = await killed(await talk.entries(), before="said", nth=2)

    result = await team(ask).continue_run("talk", store=left.store)

    assert result.messages[-1].to_text() == "Blue."
    assert len(asked) == 1


async def test_what_led_to_the_question_is_on_disk_before_a_person_is_asked(tmp_path: Path) -> None:
    # ENGINE 1: what the person was shown is not said otherwise after a crash
    seen: list[str] = []

    class Drawing(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content="drew 7", source=self.name)

    async def ask(prompt: str) -> str:
        async with open_store(tmp_path / "work.db") as other:
            seen.extend(e.kind for e in await other.read("talk"))
        return "Nice."

    members = [Drawing("a"), UserProxyAgent("ann", input_func=ask)]
    async with open_store(tmp_path / "work.db") as store:
        await RoundRobinGroupChat(members, max_turns=2).run(task="Draw.", conversation=store.conversation("talk"))

    assert seen == ["run", "choice", "said", "turn", "choice"]


async def test_replay_asks_nobody() -> None:
    # ENGINE 4
    asked: list[str] = []
    working = team(lambda prompt: asked.append(prompt) or "Blue.", "Well?")
    result = await working.run(task="Help.")

    report = await replay(result.run_id, team=working)

    assert report.identical
    assert len(asked) == 1


async def test_answer_that_is_no_text_is_refused() -> None:
    with pytest.raises((ConfigError, RunFailed), match="input_func returned 7; it must return a text"):
        await team(lambda _: 7, "Well?").run(task="Help.")


class AtTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stdin", [io.StringIO("piped\n"), AtTerminal(""), None], ids=["a pipe", "an end", "none"])
async def test_without_a_terminal_the_run_waits_and_the_answer_is_what_the_person_says(
    monkeypatch: pytest.MonkeyPatch, stdin: Any
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    talk = conversation("talk")
    working = team(None, "Which colour?")
    waits = await working.run(task="Help.", conversation=talk)
    assert waits.outcome is not None
    (id,) = waits.outcome.questions
    question, _ = await find(talk.store, id)

    await answer(talk.store, id, "Blue.")
    result = await working.continue_run("talk", store=talk.store)

    assert (question.text, question.to) == ("clerk: Which colour?", "ann")
    assert (result.messages[-1].source, result.messages[-1].to_text()) == ("ann", "Blue.")
    assert (await replay("talk", team=working, store=talk.store)).identical


async def test_terminal_is_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", AtTerminal("From the terminal.\n"))

    result = await team(None, "Well?").run(task="Help.")

    assert result.messages[-1].to_text() == "From the terminal."


async def test_who_answers_the_questions_of_a_run_is_asked_rather_than_the_terminal() -> None:
    result = await team(None, "Well?").run(task="Help.", answer=lambda question: f"to {question.text}")

    assert result.messages[-1].to_text() == "to clerk: Well?"


async def test_time_in_which_a_person_thinks_is_not_active_time(later: Any) -> None:
    async def slow(prompt: str) -> str:
        await later(100)
        return "at last"

    working = team(slow, "Well?")

    result = await working.run(task="Help.", limits=Limits(active_s=50))

    assert result.messages[-1].to_text() == "at last"


# -- modes ------------------------------------------------------------------------------------------------------------


def moded(person: UserProxyAgent, *lines: object) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(
        [AssistantAgent("clerk", ScriptedModel(lines)), person],
        termination_condition=StopMessageTermination() | MaxMessageTermination(7),
    )


def said(result: Any) -> list[str]:
    return [m.to_text() for m in result.messages if m.type in {"TextMessage", "StopMessage"} and m.source == "ann"]


def person(asked: list[str], *answers: str, **options: Any) -> UserProxyAgent:
    left = list(answers)

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return left.pop(0)

    return UserProxyAgent("ann", input_func=ask, **options)


async def test_person_is_asked_only_when_somebody_wants_to_end() -> None:
    asked: list[str] = []
    ann = person(asked, "One thing more.", "exit", human_input_mode="TERMINATE")

    result = await moded(ann, "Here.", "Done. TERMINATE", "And that. **TERMINATE**.").run(task="Help.")

    assert said(result) == [AUTO_REPLY, "One thing more.", "exit"]
    assert result.messages[-1].type == "StopMessage"
    assert len(asked) == 2


async def test_person_is_asked_after_so_many_answers_by_itself() -> None:
    asked: list[str] = []
    ann = person(
        asked, "Shorter.", human_input_mode="TERMINATE", max_consecutive_auto_reply=2, default_auto_reply="On."
    )

    result = await moded(ann, "One.", "Two.", "Three.").run(task="Help.")

    assert said(result) == ["On.", "On.", "Shorter."]


@pytest.mark.parametrize(
    ("lines", "options", "last"),
    [
        (["Done. TERMINATE"], {}, "clerk asked to end."),
        (["One.", "Two."], {"max_consecutive_auto_reply": 1}, "I answered 1 time by myself."),
        (["Enough!"], {"is_termination_msg": lambda m: "Enough" in m.to_text()}, "clerk asked to end."),
    ],
)
async def test_person_who_is_never_asked_ends_instead(lines: list[str], options: Any, last: str) -> None:
    ann = UserProxyAgent("ann", human_input_mode="NEVER", **options)

    result = await moded(ann, *lines).run(task="Help.")

    assert said(result)[-1] == last
    assert result.messages[-1].type == "StopMessage"


async def test_modes_are_the_same_in_a_replay() -> None:
    talk = conversation("talk")
    lines = ["Here.", "Done. TERMINATE"]
    await moded(person([], "exit", human_input_mode="TERMINATE"), *lines).run(task="Help.", conversation=talk)

    again = moded(person([], human_input_mode="TERMINATE"), *lines)

    assert (await replay("talk", team=again, store=talk.store)).identical


async def test_question_goes_into_the_inbox_though_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.chat.agents.user.is_terminal", lambda: True)

    result = await moded(UserProxyAgent("ann", inbox=True), "Hello.").run(task="Help.")

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"human_input_mode": "SOMETIMES"}, "none of ALWAYS, TERMINATE, NEVER"),
        ({"max_consecutive_auto_reply": 0}, "at least 1"),
        ({"max_consecutive_auto_reply": "2"}, "must be a whole number"),
        ({"input_func": "yes"}, "input_func='yes' is no function"),
        ({"is_termination_msg": "exit"}, "is_termination_msg='exit' is no function"),
        ({"inbox": True, "input_func": input}, "nothing is put into the inbox"),
    ],
)
def test_mode_that_cannot_be_is_refused(options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        UserProxyAgent("ann", **options)
