"""The spans of agents and tools, where OpenTelemetry is there."""

from typing import Any

import pytest

from quorate.compat.autogen.core import (
    AgentId,
    AgentInstantiationContext,
    trace_create_agent_span,
    trace_invoke_agent_span,
    trace_tool_span,
)


@pytest.fixture
def tracing() -> tuple[Any, Any]:
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    exporting = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(exporting.SimpleSpanProcessor(memory))
    return provider.get_tracer("test"), memory


def test_spans_follow_the_genai_conventions(tracing: tuple[Any, Any]) -> None:
    tracer, memory = tracing

    with trace_tool_span("find", tracer=tracer, tool_description="Find.", tool_call_id="c1"):
        pass
    with (
        AgentInstantiationContext.populate_context((None, AgentId("writer", "k"))),
        trace_create_agent_span("writer", tracer=tracer, agent_description="Writes."),
    ):
        pass
    with trace_invoke_agent_span("writer", tracer=tracer) as outer, trace_tool_span("in", tracer=tracer, parent=outer):
        pass

    find, create, inner, invoke = memory.get_finished_spans()
    assert (find.name, find.kind.name) == ("execute_tool find", "INTERNAL")
    assert dict(find.attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.system": "autogen",
        "gen_ai.tool.name": "find",
        "gen_ai.tool.description": "Find.",
        "gen_ai.tool.call.id": "c1",
    }
    assert (create.name, create.kind.name) == ("create_agent writer", "CLIENT")
    assert create.attributes["gen_ai.agent.id"] == "writer/k"
    assert invoke.name == "invoke_agent writer"
    assert inner.parent.span_id == invoke.context.span_id


def test_an_exception_is_recorded_and_goes_on(tracing: tuple[Any, Any]) -> None:
    tracer, memory = tracing

    with pytest.raises(KeyError), trace_tool_span("find", tracer=tracer):
        raise KeyError("oh")

    (span,) = memory.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == "KeyError"
    assert span.events[0].name == "exception"
