"""Spans of OpenTelemetry, named and attributed by its conventions for messaging and generative AI.

Only the API is needed; what becomes of spans is the application's choice. They hold names, ids, counts and the text of
errors, never what was said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from quorate.core.extras import require

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, SpanKind, TracerProvider
    from opentelemetry.util.types import AttributeValue

T = TypeVar("T")

Attributes = Mapping[str, "AttributeValue | None"]
Expected = tuple[type[BaseException], ...]

SYSTEM = "quorate"
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"


class Spans:
    """Makes spans.

    Args:
        tracer_provider: Where they go; by default OpenTelemetry's global provider.

    Raises:
        MissingExtra: The package opentelemetry-api is not installed.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._trace = require("opentelemetry.trace", extra="telemetry")
        self._context = require("opentelemetry.context", extra="telemetry")
        carrying = require("opentelemetry.trace.propagation.tracecontext", extra="telemetry")
        self._propagator = carrying.TraceContextTextMapPropagator()
        self._tracer = self._trace.get_tracer("quorate", None, tracer_provider, SCHEMA)

    @contextmanager
    def span(
        self,
        name: str,
        kind: str,
        attributes: Attributes,
        *,
        expected: Expected = (),
        parent: Mapping[str, str] | None = None,
        links: Sequence[SpanContext] = (),
    ) -> Generator[Span]:
        """Make a span of a block; what is raised in it makes it an error, unless it is expected.

        Args:
            name: Of the span.
            kind: `INTERNAL`, `CLIENT`, `PRODUCER` or `CONSUMER`.
            attributes: Those that are None are left out.
            expected: What says something else than that it failed, such as that a person is waited for.
            parent: A carried context to begin in, where no other span is open.
            links: What else it belongs to.
        """
        kinds: type[SpanKind] = self._trace.SpanKind
        context: Any = None
        if parent and not self.here().is_valid:
            context = self._propagator.extract(parent)
        span: Span = self._tracer.start_span(
            name,
            context=context,
            kind=kinds[kind],
            attributes={key: value for key, value in attributes.items() if value is not None},
            links=[self._trace.Link(link) for link in links],
        )
        token = self._context.attach(self._trace.set_span_in_context(span, context))
        try:
            yield span
        except expected:
            raise
        except BaseException as error:
            self.failed(span, error)
            raise
        finally:
            self._context.detach(token)
            span.end()

    def failed(self, span: Span, error: BaseException) -> None:
        """Say that what a span stands for ended with an error."""
        if span.is_recording():
            span.set_attribute("error.type", _name_of(type(error)))
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, str(error) or None))
            if isinstance(error, Exception):
                span.record_exception(error)

    def here(self) -> SpanContext:
        """Return the context of the span that is open here; not valid if there is none."""
        return self._trace.get_current_span().get_span_context()

    def carried(self) -> dict[str, str]:
        """Return the context of the span that is open here as W3C trace context, to go with a message."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier

    # --- what teams do ------------------------------------------------------------------------------------------------

    async def run(
        self, work: Awaitable[T], name: str, run_id: str, *, expected: Expected, told: Callable[[T], Outcome]
    ) -> T:
        """Await an attempt at a run; `told` says of what it returned how it ended, and with which error."""
        attributes = {"gen_ai.conversation.id": run_id.rpartition(".")[0], "quorate.run.id": run_id}
        attributes["gen_ai.workflow.name"] = name
        with self._gen_ai("invoke_workflow", name, attributes, expected=expected) as span:
            found = await work
            outcome, error = told(found)
            span.set_attribute("quorate.outcome", outcome)
            if error is not None:
                self.failed(span, error)
            return found

    async def speech(
        self, work: Awaitable[T], name: str, description: str, run_id: str, path: str, *, expected: Expected
    ) -> T:
        """Await what an agent says in its turn."""
        attributes = {
            "gen_ai.agent.name": name,
            "gen_ai.agent.description": description or None,
            "gen_ai.conversation.id": run_id.rpartition(".")[0],
            "quorate.run.id": run_id,
            "quorate.path": path,
        }
        with self._gen_ai("invoke_agent", name, attributes, expected=expected):
            return await work

    async def tool(self, work: Awaitable[T], name: str, description: str, call: str, *, expected: Expected) -> T:
        """Await a tool call."""
        attributes = {
            "gen_ai.tool.name": name,
            "gen_ai.tool.description": description or None,
            "gen_ai.tool.call.id": call or None,
            "gen_ai.tool.type": "function",
        }
        with self._gen_ai("execute_tool", name, attributes, expected=expected):
            return await work

    async def chat(
        self,
        work: Awaitable[T],
        model: str,
        request: Attributes,
        answered: Callable[[T], Attributes],
        *,
        expected: Expected,
    ) -> T:
        """Await the answer of a model, named as in `openai:gpt-5`; `answered` says what to note of it."""
        provider, colon, name = model.partition(":")
        name = name if colon else provider
        attributes = {"gen_ai.provider.name": provider, "gen_ai.request.model": name, **request}
        with self._gen_ai("chat", name, attributes, kind="CLIENT", expected=expected) as span:
            found = await work
            if span.is_recording():
                span.set_attributes({key: value for key, value in answered(found).items() if value is not None})
            return found

    def _gen_ai(
        self, operation: str, name: str, attributes: Attributes, *, kind: str = "INTERNAL", expected: Expected = ()
    ) -> Any:
        said = {"gen_ai.operation.name": operation, "gen_ai.provider.name": SYSTEM, **attributes}
        return self.span(f"{operation} {name}", kind, said, expected=expected)

    def agent_made(self, type: str, id: str) -> Any:
        """Return a block in which an agent of a runtime is made."""
        return self._gen_ai("create_agent", type, {"gen_ai.agent.name": type, "gen_ai.agent.id": id})


Outcome = tuple[str, BaseException | None]


def _name_of(cls: type[BaseException]) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
