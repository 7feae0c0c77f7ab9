"""Spans by the GenAI conventions; with nobody tracing they keep nothing."""

from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    trace_create_agent_span,
    trace_invoke_agent_span,
    trace_tool_span,
)

with trace_tool_span("search", tool_description="Search.", tool_call_id="1") as span:
    span.set_attribute("a", 1)
    print(span.is_recording())
with AgentInstantiationContext.populate_context((None, AgentId("t", "k"))):
    with trace_create_agent_span("writer", agent_description="Writes.") as span:
        print(span.is_recording())
with trace_invoke_agent_span("writer", agent_id="w") as span:
    print(span.is_recording())
try:
    with trace_tool_span("search"):
        raise ValueError("oh")
except ValueError as error:
    print("ValueError", error)
