"""The spans of agents and tools, where OpenTelemetry is there."""

import sys
from dataclasses import dataclass
from typing import Any

import pytest

from quorate.compat.autogen.core import (
    AgentId,
    AgentInstantiationContext,
    ClosureAgent,
    ClosureContext,
    MessageContext,
    SingleThreadedAgentRuntime,
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


def test_where_opentelemetry_is_not_loaded_a_span_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry", raising=False)

    with trace_tool_span("find") as span:
        span.set_attribute("a", 1)
        span.record_exception(KeyError("x"))

    assert not span.is_recording()
    assert "opentelemetry" not in sys.modules


@dataclass
class Ping:
    pass


async def pong(agent: ClosureContext, message: Ping, ctx: MessageContext) -> str:
    return "pong"


async def spans_of_a_send(tracer: Any) -> None:
    class Provider:
        def get_tracer(self, name: str) -> Any:
            return tracer

    runtime = SingleThreadedAgentRuntime(tracer_provider=Provider())
    await ClosureAgent.register_closure(runtime, "pong", pong)
    runtime.start()
    assert await runtime.send_message(Ping(), AgentId("pong", "k")) == "pong"
    await runtime.stop()


async def test_a_runtime_makes_spans(tracing: tuple[Any, Any]) -> None:
    tracer, memory = tracing

    await spans_of_a_send(tracer)

    create, send, process, _ = memory.get_finished_spans()
    assert [create.name, send.name, process.name] == [
        "autogen create pong.(k)-A",
        "autogen send pong.(k)-A",
        "autogen process pong.(k)-A",
    ]
    assert process.links[0].context == create.context
    assert process.parent == send.context


async def test_the_environment_switches_the_spans_of_a_runtime_off(
    tracing: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer, memory = tracing
    monkeypatch.setenv("AUTOGEN_DISABLE_RUNTIME_TRACING", "true")

    await spans_of_a_send(tracer)

    assert memory.get_finished_spans() == ()
