"""The spans of a runtime."""

import asyncio
import logging
from contextlib import contextmanager

from autogen_core import (
    AgentId,
    DefaultInterventionHandler,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, Tracer, TracerProvider
from pydantic import BaseModel

logging.disable(logging.CRITICAL)


class Shown(Tracer):
    names = {0: "nothing"}

    def start_span(self, name, context=None, kind=SpanKind.INTERNAL, attributes=None, links=(), **options):
        number = len(self.names)
        self.names[number] = name.removeprefix("autogen ")
        of = [self.names[link.context.span_id] for link in links or ()]
        within = self.names[trace.get_current_span(context).get_span_context().span_id]
        print(f"{name} | {kind.name} | linked to {of}" + (f" | in {within}" if "process" in name else ""))
        known = {key: value for key, value in (attributes or {}).items() if key != "message_context"}
        print("  ", " ".join(f"{key}={known[key]}" for key in sorted(known)))
        return NonRecordingSpan(SpanContext(1, number, False, TraceFlags(1)))

    @contextmanager
    def start_as_current_span(
        self, name, context=None, kind=SpanKind.INTERNAL, attributes=None, links=(), *rest, **more
    ):
        with trace.use_span(self.start_span(name, context, kind, attributes, links)) as span:
            yield span


class Provider(TracerProvider):
    def get_tracer(self, name, *rest, **more):
        print("tracer", name)
        return Shown()


class Word(BaseModel):
    text: str


class Agent(RoutedAgent):
    def __init__(self):
        super().__init__("speaks")

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:
        if message.text == "raise":
            raise ValueError("oh")
        return Word(text="yes")


async def main():
    runtime = SingleThreadedAgentRuntime(
        tracer_provider=Provider(), intervention_handlers=[DefaultInterventionHandler()]
    )
    await Agent.register(runtime, "agent", Agent)
    await runtime.add_subscription(TypeSubscription("t", "agent"))
    await runtime.get("agent", "me", lazy=False)
    runtime.start()
    for text in ["hello", "raise"]:
        for sender in [None, AgentId("agent", "me")]:
            print("--", text, "from", sender)
            try:
                await runtime.send_message(Word(text=text), AgentId("agent", "k"), sender=sender)
            except ValueError:
                print("ValueError")
        print("-- published", text)
        await runtime.publish_message(Word(text=text), TopicId("t", "s"))
        await runtime.stop_when_idle()
        runtime.start()
    await runtime.stop_when_idle()


asyncio.run(main())
