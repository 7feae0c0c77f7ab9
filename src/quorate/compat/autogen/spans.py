"""Spans for agents and tools by the GenAI conventions, where OpenTelemetry is in use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from quorate.core.messaging import AgentInstantiationContext


def trace_tool_span(
    tool_name: str,
    *,
    tracer: Any = None,
    parent: Any = None,
    tool_description: str | None = None,
    tool_call_id: str | None = None,
) -> AbstractContextManager[Any]:
    """Return a context manager for the call of a tool; it gives the span."""
    about = {"tool.name": tool_name, "tool.description": tool_description, "tool.call.id": tool_call_id}
    return _span("execute_tool", tool_name, "INTERNAL", tracer, parent, about)


def trace_create_agent_span(
    agent_name: str,
    *,
    tracer: Any = None,
    parent: Any = None,
    agent_id: str | None = None,
    agent_description: str | None = None,
) -> AbstractContextManager[Any]:
    """Return a context manager for the making of an agent, whose id is taken from where it is made."""
    if agent_id is None and AgentInstantiationContext.is_in_factory_call():
        agent_id = str(AgentInstantiationContext.current_agent_id())
    about = {"agent.name": agent_name, "agent.id": agent_id, "agent.description": agent_description}
    return _span("create_agent", agent_name, "CLIENT", tracer, parent, about)


def trace_invoke_agent_span(
    agent_name: str,
    *,
    tracer: Any = None,
    parent: Any = None,
    agent_id: str | None = None,
    agent_description: str | None = None,
) -> AbstractContextManager[Any]:
    """Return a context manager for the work of an agent."""
    about = {"agent.name": agent_name, "agent.id": agent_id, "agent.description": agent_description}
    return _span("invoke_agent", agent_name, "CLIENT", tracer, parent, about)


class NoSpan:
    """A span where nobody traces: takes everything and keeps nothing."""

    def is_recording(self) -> bool:
        """Return False."""
        return False

    def _nothing(self, *args: Any, **kwargs: Any) -> None: ...

    set_attribute = set_attributes = add_event = add_link = record_exception = set_status = update_name = end = _nothing


@contextmanager
def _span(
    operation: str, name: str, kind: str, tracer: Any, parent: Any, about: dict[str, str | None]
) -> Generator[Any]:
    if "opentelemetry" not in sys.modules:  # nobody can have set a provider up
        yield NoSpan()
        return
    trace = importlib.import_module("opentelemetry.trace")
    own = tracer or trace.get_tracer("autogen-core")
    attributes = {"gen_ai.operation.name": operation, "gen_ai.system": "autogen"}
    attributes |= {f"gen_ai.{key}": value for key, value in about.items() if value is not None}
    context = None if parent is None else trace.set_span_in_context(parent)
    with own.start_as_current_span(
        f"{operation} {name}", context=context, kind=getattr(trace.SpanKind, kind), attributes=attributes
    ) as span:  # which records an exception, with the status ERROR
        try:
            yield span
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            raise
