"""A run that ends with a typed result: the arguments of a tool call."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    ResultTermination,
    RoundRobinGroupChat,
    load_team,
    replay,
    tool,
)
from quorate.errors import ConfigError
from quorate.models import ToolCall
from quorate.testing import ScriptedModel


class Source(BaseModel):
    """Where something was read."""

    title: str
    year: int


class FinalReport(BaseModel):
    """Hand in the report, once it is complete."""

    headline: Annotated[str, Field(min_length=3, description="In one line.")]
    sources: list[Source] = Field(min_length=1)
    score: float = 0.5


GOOD = '{"headline": "Rivers rise", "sources": [{"title": "Water", "year": 1990}]}'


def call(arguments: str, name: str = "final_report", id: str = "c1") -> ToolCall:
    return ToolCall(id, name, arguments)


async def test_call_ends_turn_and_run_and_its_arguments_are_the_result() -> None:
    done = ResultTermination(FinalReport)
    writer = AssistantAgent("writer", ScriptedModel([call(GOOD)]), tools=[done.tool])
    team = RoundRobinGroupChat([writer], termination_condition=done)

    result = await team.run(task="Write it.")

    assert (result.stop_reason, result.turns) == ("writer handed in 'final_report'", 1)
    report = done.value(result)
    assert report == FinalReport(headline="Rivers rise", sources=[Source(title="Water", year=1990)], score=0.5)
    assert type(report) is FinalReport
    assert (await replay(result.run_id, team=team)).identical


@pytest.mark.parametrize(
    "bad",
    [
        "{}",
        '{"headline": "Rivers rise", "sources": []}',
        '{"headline": "R", "sources": [{"title": "W", "year": 1}]}',
        "no",
    ],
)
async def test_call_that_does_not_fit_ends_nothing_and_the_model_may_mend_it(bad: str) -> None:
    done = ResultTermination(FinalReport)
    model = ScriptedModel([call(bad), call(GOOD, id="c2")])
    writer = AssistantAgent("writer", model, tools=[done.tool])

    result = await RoundRobinGroupChat([writer], termination_condition=done).run(task="Write it.")

    assert len(model.requests) == 2
    assert done.value(result).headline == "Rivers rise"


def test_model_reads_the_fields_with_their_descriptions() -> None:
    tool = ResultTermination(FinalReport).tool

    assert (tool.name, tool.description) == ("final_report", "Hand in the report, once it is complete.")
    assert '"description":"In one line."' in tool.spec.parameters
    assert '"minLength":3' in tool.spec.parameters
    assert '"required":["headline","sources"]' in tool.spec.parameters


async def test_tool_of_ones_own_is_called_and_its_arguments_are_the_result() -> None:
    sent: list[str] = []

    @tool(final=True)
    async def send(to: str, words: int = 3) -> str:
        """Send it."""
        sent.append(to)
        return f"sent to {to}"

    done = ResultTermination(send)
    writer = AssistantAgent("writer", ScriptedModel([call('{"to": "ann"}', "send")]), tools=[send])

    result = await RoundRobinGroupChat([writer], termination_condition=done).run(task="Write it.")

    assert sent == ["ann"]
    assert done.value(result) == {"to": "ann", "words": 3}
    assert result.messages[-1].to_text() == "sent to ann"


async def test_tool_that_fails_or_is_not_final_does_not_end_the_turn() -> None:
    @tool(effect="read", final=True)
    async def submit(n: int) -> str:
        """Submit."""
        if n == 1:
            raise ValueError("not yet")
        return "done"

    model = ScriptedModel([call('{"n": 1}', "submit"), "I could not.", call('{"n": 2}', "submit")])
    done = ResultTermination(submit)
    writer = AssistantAgent("writer", model, tools=[submit])

    result = await RoundRobinGroupChat([writer], termination_condition=done | MaxMessageTermination(9)).run(task="Go.")

    assert result.turns == 2
    assert done.value(result) == {"n": 2}


async def test_run_that_ended_otherwise_has_no_value() -> None:
    done = ResultTermination(FinalReport)
    writer = AssistantAgent("writer", ScriptedModel(["Hm."]), tools=[done.tool])

    result = await RoundRobinGroupChat([writer], termination_condition=done | MaxMessageTermination(2)).run(task="Go.")

    assert done.value(result) is None


async def test_calls_with_one_id_in_several_replies_are_told_apart() -> None:
    done = ResultTermination(FinalReport)
    one = AssistantAgent("one", ScriptedModel([call("{}"), "I give up."]), tools=[done.tool])
    two = AssistantAgent("two", ScriptedModel([call(GOOD)]), tools=[done.tool])

    result = await RoundRobinGroupChat([one, two], termination_condition=done).run(task="Go.")

    assert done.value(result).headline == "Rivers rise"


class Plain(BaseModel):
    n: int


@pytest.mark.parametrize(("given", "told"), [(Plain, "Plain has no docstring"), ("send", "is no tool")])
def test_what_can_hand_in_nothing_is_refused(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ResultTermination(given)


def test_team_file_names_the_tool_and_a_class_is_no_data() -> None:
    @tool(final=True, effect="read")
    def submit(answer: str) -> str:
        """Submit."""
        return answer

    text = """
type: round_robin
participants:
  - {type: assistant, name: ann, model_client: embedded, tools: [submit]}
termination_condition: {type: tool_result, tool: submit}
"""

    team = load_team(text, tools=[submit])

    assert isinstance(team.termination_condition, ResultTermination)
    assert team.termination_condition.tool is submit
    with pytest.raises(ConfigError, match="takes a class, which is no data"):
        ResultTermination(FinalReport).dump_component()
    with pytest.raises(ConfigError, match="No participant has a tool 'submit'"):
        load_team(text.replace(", tools: [submit]", ""), tools=[submit])
