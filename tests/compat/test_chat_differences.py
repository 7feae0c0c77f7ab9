"""Where the view of AutoGen's chat is not as AutoGen, on purpose: what `docs/autogen.md` lists."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest
from pydantic import BaseModel

from quorate.chat.ledgers import FIELDS
from quorate.compat.autogen.agentchat.agents import BaseChatAgent
from quorate.compat.autogen.agentchat.base import Response, TerminatedException
from quorate.compat.autogen.agentchat.conditions import MaxMessageTermination, TextMentionTermination
from quorate.compat.autogen.agentchat.messages import StructuredMessage, TextMessage
from quorate.compat.autogen.agentchat.teams import DiGraphBuilder, GraphFlow, MagenticOneGroupChat, RoundRobinGroupChat
from quorate.compat.autogen.core import CancellationToken
from quorate.compat.autogen.core.models import ModelInfo
from quorate.compat.autogen.ext.models.replay import ReplayChatCompletionClient

ABLE = ModelInfo(vision=False, function_calling=True, json_output=True, family="unknown", structured_output=True)


def model(*answers: str) -> ReplayChatCompletionClient:
    return ReplayChatCompletionClient(list(answers), ABLE)


class Says(BaseChatAgent):
    """Says its words one after the other; raises those that are exceptions."""

    def __init__(self, name: str, *words: Any) -> None:
        super().__init__(name, "Says.")
        self.words, self.times = words or ("x",), 0

    @property
    def produced_message_types(self) -> Any:
        return (TextMessage,)

    async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Response:
        self.times += 1
        word = self.words[(self.times - 1) % len(self.words)]
        if isinstance(word, Exception):
            raise word
        message = word if isinstance(word, StructuredMessage) else TextMessage(content=word, source=self.name)
        return Response(chat_message=message)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.times = 0


def ledger(who: str = "ann", *, done: bool = False, without: str = "") -> str:
    answers = done, False, True, who, "go on"
    fields = {name: {"reason": "r", "answer": a} for name, a in zip(FIELDS, answers, strict=True)}
    return json.dumps({name: entry for name, entry in fields.items() if name != without})


@pytest.mark.parametrize("wrong", [ledger("zoe"), ledger(without="is_request_satisfied"), "```python\n1\n```"])
async def test_a_planner_whose_model_answers_with_no_ledger_asks_it_again(wrong: str) -> None:
    client = model("F", "P", wrong, wrong, ledger(), ledger(done=True), "the end")

    result = await MagenticOneGroupChat([Says("ann")], client).run(task="go")

    assert [m.to_text() for m in result.messages[-2:]] == ["x", "the end"]


async def test_a_planner_reads_what_is_structured_and_keeps_the_task_out_where_it_shall() -> None:
    class Point(BaseModel):
        x: int

    said = StructuredMessage[Point](content=Point(x=7), source="ann")
    client = model("F", "P", ledger(), ledger(done=True), "the end")

    result = await MagenticOneGroupChat([Says("ann", said)], client).run(task="go", output_task_messages=False)

    assert result.messages[0].source == "MagenticOneOrchestrator"
    assert client.create_calls[3]["messages"][-2].content == '{"x":7}'


async def test_a_planner_without_a_task_is_told_to_have_one_and_one_whose_model_fails_raises_as_later() -> None:
    with pytest.raises(ValueError, match="run\\(task=…\\)"):
        await MagenticOneGroupChat([Says("ann")], model()).run()
    with pytest.raises(RuntimeError, match="No more mock responses"):
        await MagenticOneGroupChat([Says("ann")], model()).run(task="go")


async def test_turns_of_a_run_that_failed_do_not_count_in_the_next() -> None:
    team = RoundRobinGroupChat([Says("ann", "1", "2", ValueError("bad"), "3", "4", "5")], max_turns=3)
    with pytest.raises(RuntimeError, match="bad"):
        await team.run(task="go")

    result = await team.run(task="again")

    assert [m.to_text() for m in result.messages] == ["again", "3", "4", "5"]


async def test_a_stream_that_is_left_open_is_closed_in_silence() -> None:
    trouble: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, said: trouble.append(said))
    before = len(asyncio.all_tasks())
    for of in (RoundRobinGroupChat([Says("ann")], max_turns=9), Says("ann")):
        async for _ in of.run_stream(task="go"):
            break

    gc.collect()  # then the loop closes what nobody holds any more, in a task with a context of its own
    await asyncio.sleep(0)
    while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110  # nothing else tells that they are closed
        await asyncio.sleep(0)

    gc.collect()
    assert trouble == []


async def test_a_graph_that_is_loaded_in_the_middle_of_a_loop_goes_on_with_it() -> None:
    def made() -> GraphFlow:
        agents = [Says("a"), Says("b", "again", "again", "done"), Says("c")]
        builder = DiGraphBuilder()
        for agent in agents:
            builder.add_node(agent)
        builder.add_edge("a", "b").add_edge("b", "a", condition="again").add_edge("b", "c", condition="done")
        return GraphFlow(agents, builder.set_entry_point("a").build(), max_turns=2)

    team, other = made(), made()
    await team.run(task="go")
    await other.load_state(await team.save_state())

    found = [m.source for _ in range(4) for m in (await other.run()).messages]

    assert found == [*"ab", *"ab", *"ab", "c"]


async def test_a_condition_that_has_stopped_raises_an_ordinary_exception_everywhere() -> None:
    said = [TextMessage(content="x", source="a")]
    for condition in (MaxMessageTermination(1), MaxMessageTermination(1) | TextMentionTermination("y")):
        assert await condition(said) is not None

        with pytest.raises(TerminatedException) as caught:
            await condition(said)

        assert isinstance(caught.value, RuntimeError)


def test_configurations_keep_what_autogens_lose() -> None:
    text = TextMentionTermination("x", sources=["a"])

    assert TextMentionTermination.load_component(text.dump_component()).dump_component().config["sources"] == ["a"]


@pytest.mark.parametrize("name", ["half \ud800", "two\nlines", 5])
async def test_a_team_whose_name_nothing_can_hold_takes_part_in_no_other(name: Any) -> None:
    inner = RoundRobinGroupChat([Says("ann")], name=name, max_turns=1)
    assert (await inner.run(task="Go.")).messages[-1].source == "ann"

    with pytest.raises(ValueError, match="cannot take part in another: give printable characters"):
        RoundRobinGroupChat([inner], max_turns=1)
