"""What a team's run looks like to whoever traces it."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.trace import SpanKind, StatusCode

from quorate import AssistantAgent, RoundRobinGroupChat, UserProxyAgent, conversation, open_store, replay, tool
from quorate.core import LocalRuntime, disable_tracing, enable_tracing
from quorate.errors import ModelError, RunFailed, ToolError
from quorate.models.blocks import ToolCall
from quorate.runs.entries import canonical_export
from quorate.testing import FakeClock, ScriptedModel


@tool
async def weather(city: str) -> str:
    """Tell the weather."""
    if city == "Atlantis":
        raise ToolError("There is no such city.")
    return "rain"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    enable_tracing(provider)
    yield made
    disable_tracing()
    provider.shutdown()


def tree(spans: tuple[ReadableSpan, ...]) -> list[str]:
    def lines(parent: int | None, indent: str) -> Iterator[str]:
        inside = [s for s in spans if (s.parent.span_id if s.parent else None) == parent]
        for span in sorted(inside, key=lambda s: s.start_time or 0):
            assert span.context is not None
            yield indent + span.name
            yield from lines(span.context.span_id, indent + "  ")

    return list(lines(None, ""))


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    return next(span for span in exporter.get_finished_spans() if span.name == name)


def calls(*cities: str) -> list[ToolCall]:
    return [ToolCall(f"c{n}", "weather", f'{{"city": "{city}"}}') for n, city in enumerate(cities)]


def model(*lines: object) -> ScriptedModel:
    return ScriptedModel(lines, name="scripted:model")


async def test_run_has_spans_of_agents_their_model_calls_and_tool_calls(exporter: InMemorySpanExporter) -> None:
    writer = AssistantAgent("writer", model(calls("Rome", "Atlantis"), "It rains."), tools=[weather])
    critic = AssistantAgent("critic", model("Good."), max_tokens=77)
    team = RoundRobinGroupChat([writer, critic], max_turns=2, name="team")

    result = await team.run(task="Weather?", conversation=conversation("talk"))

    assert tree(exporter.get_finished_spans()) == [
        "invoke_workflow team",
        "  invoke_agent writer",
        "    chat model",
        "    execute_tool weather",
        "    execute_tool weather",
        "    chat model",
        "  invoke_agent critic",
        "    chat model",
    ]
    run = named(exporter, "invoke_workflow team").attributes or {}
    assert (run["quorate.run.id"], run[gen_ai.GEN_AI_CONVERSATION_ID], run["quorate.outcome"]) == (
        result.run_id,
        "talk",
        "limit",
    )
    spoken = named(exporter, "invoke_agent critic").attributes or {}
    assert (spoken[gen_ai.GEN_AI_OPERATION_NAME], spoken[gen_ai.GEN_AI_AGENT_NAME]) == ("invoke_agent", "critic")
    chat = [span for span in exporter.get_finished_spans() if span.name == "chat model"][-1]
    assert chat.kind is SpanKind.CLIENT
    said = chat.attributes or {}
    assert said[gen_ai.GEN_AI_PROVIDER_NAME] == "scripted"
    assert said[gen_ai.GEN_AI_REQUEST_MAX_TOKENS] == 77
    assert said[gen_ai.GEN_AI_RESPONSE_FINISH_REASONS] == ("stop",)
    assert said[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS] > 0
    good, bad = [span for span in exporter.get_finished_spans() if span.name == "execute_tool weather"]
    called = good.attributes or {}
    assert (called[gen_ai.GEN_AI_TOOL_NAME], called[gen_ai.GEN_AI_TOOL_CALL_ID]) == ("weather", "c0")
    assert called[gen_ai.GEN_AI_TOOL_DESCRIPTION] == "Tell the weather."
    assert bad.status.status_code is StatusCode.ERROR
    words = str([[span.name, span.attributes] for span in exporter.get_finished_spans()])
    assert "rain" not in words
    assert "Rome" not in words


async def test_members_that_speak_on_a_runtime_are_in_the_same_trace(exporter: InMemorySpanExporter) -> None:
    async with LocalRuntime() as runtime:
        critic = AssistantAgent("critic", model("Good."))
        await RoundRobinGroupChat([critic], max_turns=1, name="team", runtime=runtime).run("x")

    assert tree(exporter.get_finished_spans()) == [
        "invoke_workflow team",
        "  invoke_agent critic",
        "    send team.critic",
        "      create_agent team.critic",
        "      process team.critic",
        "        chat model",
    ]


async def test_failed_attempts_and_failed_runs_are_errors_and_waiting_for_a_person_is_none(
    exporter: InMemorySpanExporter,
) -> None:
    broken = AssistantAgent("a", model(ModelError("no such model")))
    with pytest.raises(RunFailed):
        await RoundRobinGroupChat([broken], max_turns=1, name="team").run(task="x")

    for name in ("chat model", "invoke_agent a", "invoke_workflow team"):
        span = named(exporter, name)
        assert (span.status.status_code, (span.attributes or {})["error.type"]) == (
            StatusCode.ERROR,
            "quorate.errors.ModelError",
        )
    exporter.clear()

    result = await RoundRobinGroupChat([UserProxyAgent("user")], max_turns=1, name="asks").run(task="x")

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert (named(exporter, "invoke_workflow asks").attributes or {})["quorate.outcome"] == "waiting"
    assert {span.status.status_code for span in exporter.get_finished_spans()} == {StatusCode.UNSET}


async def test_replay_makes_no_spans_of_calls_that_it_does_not_make(exporter: InMemorySpanExporter) -> None:
    writer = AssistantAgent("writer", model(calls("Rome"), "It rains."), tools=[weather])
    team = RoundRobinGroupChat([writer], max_turns=1)
    result = await team.run(task="Weather?")
    assert result.run_id
    exporter.clear()

    await replay(result.run_id, team=team)

    assert {span.name for span in exporter.get_finished_spans()} <= {"invoke_agent writer"}


async def test_tracing_changes_nothing_of_what_is_journaled(exporter: InMemorySpanExporter) -> None:
    def team() -> RoundRobinGroupChat:
        writer = AssistantAgent("writer", model(calls("Rome", "Atlantis"), "It rains."), tools=[weather])
        return RoundRobinGroupChat([writer], max_turns=1)

    async def exported() -> bytes:
        talk = open_store("memory:", clock=FakeClock()).conversation("talk")
        await team().run(task="x", conversation=talk)
        return canonical_export(await talk.entries())

    traced = await exported()
    assert exporter.get_finished_spans()
    disable_tracing()
    plain = await exported()

    assert traced == plain
