import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.attributes import messaging_attributes as messaging
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from quorate.core import (
    AgentId,
    CancellationToken,
    DefaultInterventionHandler,
    DropMessage,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    SendPolicy,
    TopicId,
    TypeSubscription,
    disable_tracing,
    enable_tracing,
    message_handler,
)
from quorate.errors import MessageDropped


@dataclass
class Note:
    text: str = ""


class Agent(RoutedAgent):
    seen: list[tuple[str, Any]]

    def __init__(self) -> None:
        super().__init__("passes on")

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> str | None:
        Agent.seen.append((self.id.type, ctx.trace_context))
        if message.text == "fail":
            raise LookupError("no such thing")
        if message.text == "hang":
            await asyncio.Event().wait()
        if message.text == "ask b":
            await asyncio.sleep(0)
            return await self.send_message(Note(), AgentId("b", "k"))
        if message.text == "tell":
            await self.publish_message(Note("told"), TopicId("news", "k"))
        return "answer" if ctx.is_rpc else None


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    Agent.seen = []
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    yield made
    disable_tracing()
    made.shutdown()


async def registered(runtime: LocalRuntime, *names: str) -> LocalRuntime:
    for name in names:
        await Agent.register(runtime, name, Agent)
        await runtime.add_subscription(TypeSubscription("news", name))
    return runtime


def tree(spans: tuple[ReadableSpan, ...]) -> list[str]:
    """Return the spans as lines, each below the one it was made in."""

    def lines(parent: int | None, indent: str) -> Iterator[str]:
        inside = [s for s in spans if (s.parent.span_id if s.parent else None) == parent]
        for span in sorted(inside, key=lambda s: s.start_time or 0):
            assert span.context is not None
            yield indent + span.name
            yield from lines(span.context.span_id, indent + "  ")

    return list(lines(None, ""))


def named(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


async def test_send_makes_spans_of_sending_making_and_processing_in_one_trace(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    async with await registered(LocalRuntime(tracer_provider=provider), "a", "b") as runtime:
        await runtime.send_message(Note("ask b"), AgentId("a", "k"), message_id="m-1")

    spans = exporter.get_finished_spans()
    assert tree(spans) == [
        "send a",
        "  create_agent a",
        "  process a",
        "    send b",
        "      create_agent b",
        "      process b",
    ]
    assert named(spans, "send a").kind is SpanKind.PRODUCER
    assert dict(named(spans, "send a").attributes or {}) == {
        messaging.MESSAGING_SYSTEM: "quorate",
        messaging.MESSAGING_OPERATION_NAME: "send",
        messaging.MESSAGING_OPERATION_TYPE: "send",
        messaging.MESSAGING_DESTINATION_NAME: "a/k",
        messaging.MESSAGING_DESTINATION_TEMPLATE: "a",
        messaging.MESSAGING_MESSAGE_ID: "m-1",
        "quorate.message.type": "Note",
    }
    process = named(spans, "process b")
    assert process.kind is SpanKind.CONSUMER
    assert process.attributes is not None
    assert process.attributes[messaging.MESSAGING_OPERATION_TYPE] == "process"
    assert process.attributes["quorate.sender"] == "a/k"
    assert process.attributes[gen_ai.GEN_AI_AGENT_ID] == "b/k"
    made = named(spans, "create_agent a").attributes or {}
    assert (made[gen_ai.GEN_AI_OPERATION_NAME], made[gen_ai.GEN_AI_AGENT_NAME]) == ("create_agent", "a")


async def test_published_message_carries_its_span_and_those_who_process_it_are_linked_to_it(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    async with await registered(LocalRuntime(tracer_provider=provider), "a", "b", "c") as runtime:
        for name in "abc":
            await runtime.get(name, "k", lazy=False)
        exporter.clear()
        await runtime.send_message(Note("tell"), AgentId("a", "k"))

    spans = exporter.get_finished_spans()
    assert tree(spans) == [
        "send a",
        "  process a",
        "    publish news",
        "      process news",
        "      process news",
    ]
    publish = named(spans, "publish news")
    assert publish.context is not None
    for span in spans:
        if span.name == "process news":
            assert [link.context.span_id for link in span.links] == [publish.context.span_id]
            assert (span.attributes or {})[messaging.MESSAGING_CONSUMER_GROUP_NAME] in {"b", "c"}
    carried = {name: context["traceparent"] for name, context in Agent.seen}
    trace_id, span_id = f"{publish.context.trace_id:032x}", f"{publish.context.span_id:016x}"
    assert carried["b"] == carried["c"]
    assert carried["b"].startswith(f"00-{trace_id}-{span_id}-")


async def test_span_around_the_sender_is_the_parent_before_the_start_too(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    runtime = await registered(LocalRuntime(tracer_provider=provider), "a")
    with provider.get_tracer("test").start_as_current_span("request"):
        await runtime.publish_message(Note(), TopicId("news", "k"))
    runtime.start()
    await runtime.stop_when_idle()
    await runtime.close()

    assert tree(exporter.get_finished_spans()) == [
        "request",
        "  publish news",
        "    create_agent a",
        "    process news",
    ]


@pytest.mark.parametrize("by", ["error", "cancel", "timeout"])
async def test_what_goes_wrong_is_an_error_of_each_span_it_passes_through(
    exporter: InMemorySpanExporter, provider: TracerProvider, by: str
) -> None:
    token = CancellationToken()
    async with await registered(LocalRuntime(tracer_provider=provider), "a") as runtime:
        text, policy = ("fail", None) if by == "error" else ("hang", SendPolicy(timeout_s=0.05))
        if by == "cancel":
            asyncio.get_running_loop().call_later(0.05, token.cancel)
            policy = None
        with pytest.raises((LookupError, asyncio.CancelledError, TimeoutError)):
            await runtime.send_message(Note(text), AgentId("a", "k"), policy=policy, cancellation_token=token)

    spans = exporter.get_finished_spans()
    expected = {
        "error": ("LookupError", "LookupError"),
        "cancel": ("asyncio.exceptions.CancelledError", "asyncio.exceptions.CancelledError"),
        "timeout": ("TimeoutError", "asyncio.exceptions.CancelledError"),
    }[by]
    found = [(named(spans, name).attributes or {})[error_attributes.ERROR_TYPE] for name in ("send a", "process a")]
    assert tuple(found) == expected
    assert {named(spans, name).status.status_code for name in ("send a", "process a")} == {StatusCode.ERROR}
    assert named(spans, "create_agent a").status.status_code is StatusCode.UNSET
    if by == "error":
        assert [event.name for event in named(spans, "process a").events] == ["exception"]


async def test_each_attempt_at_a_send_is_processed_in_a_span_of_its_own(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    policy = SendPolicy(attempts=3, pause_s=0, retry_on=(LookupError,))
    async with await registered(LocalRuntime(tracer_provider=provider), "a") as runtime:
        with pytest.raises(LookupError):
            await runtime.send_message(Note("fail"), AgentId("a", "k"), policy=policy)

    assert tree(exporter.get_finished_spans()) == ["send a", "  create_agent a", *["  process a"] * 3]
    assert len({context["traceparent"] for _, context in Agent.seen}) == 1


async def test_message_that_an_intervention_drops_is_an_error_of_its_span(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    class Drop(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            return DropMessage

    runtime = LocalRuntime(tracer_provider=provider, intervention_handlers=[Drop()])
    async with await registered(runtime, "a"):
        with pytest.raises(MessageDropped):
            await runtime.send_message(Note(), AgentId("a", "k"))

    attributes = named(exporter.get_finished_spans(), "send a").attributes or {}
    assert attributes[error_attributes.ERROR_TYPE] == "quorate.errors.MessageDropped"


async def test_tracing_of_the_process_counts_from_the_start_of_a_runtime(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    before = LocalRuntime()
    await registered(before, "a")
    before.start()
    enable_tracing(provider)
    async with await registered(LocalRuntime(), "a") as after:
        await before.send_message(Note(), AgentId("a", "k"))
        assert exporter.get_finished_spans() == ()

        await after.send_message(Note(), AgentId("a", "k"))
        assert [span.name for span in exporter.get_finished_spans()] == ["create_agent a", "process a", "send a"]
    await before.stop()
    before.start()
    exporter.clear()
    await before.send_message(Note(), AgentId("a", "k"))
    assert [span.name for span in exporter.get_finished_spans()] == ["process a", "send a"]
    disable_tracing()
    await before.stop()
    before.start()
    await before.send_message(Note(), AgentId("a", "k"))
    assert len(exporter.get_finished_spans()) == 2
    await before.close()


async def test_no_span_is_left_open_whatever_ends_the_send(
    exporter: InMemorySpanExporter, provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    async with await registered(LocalRuntime(tracer_provider=provider), "a", "b") as runtime:
        await runtime.send_message(Note("tell"), AgentId("a", "k"))
        sending = [asyncio.create_task(runtime.send_message(Note("hang"), AgentId("a", "k"))) for _ in range(3)]
        await asyncio.sleep(0)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

        assert not get_current_span().get_span_context().is_valid
    assert "Failed to detach context" not in caplog.text
    assert [span.name for span in exporter.get_finished_spans()].count("send a") == 4


def test_nothing_of_it_is_loaded_while_it_is_off() -> None:
    script = """
import asyncio, sys
from quorate import AssistantAgent, RoundRobinGroupChat
from quorate.core import AgentId, ClosureAgent, LocalRuntime
from quorate.models.scripted import ScriptedModel

async def answer(agent, message: str, ctx) -> str:
    return message

async def main():
    async with LocalRuntime() as runtime:
        await ClosureAgent.register_closure(runtime, "a", answer)
        assert await runtime.send_message("x", AgentId("a", "k")) == "x"
    team = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(["hi"]))], max_turns=1)
    await team.run(task="x")

asyncio.run(main())
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
assert "quorate.core.spans" not in sys.modules and "quorate.core.observing" not in sys.modules
"""
    script = script.replace("message: str", "message: 'str'")

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
