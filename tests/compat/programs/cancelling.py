"""A token that reaches the handler."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, BaseAgent, CancellationToken, SingleThreadedAgentRuntime


@dataclass
class Sleep:
    linked: bool


class Sleeper(BaseAgent):
    def __init__(self):
        super().__init__("sleeps")

    async def on_message_impl(self, message, ctx):
        print("asleep", ctx.cancellation_token.is_cancelled())
        begun.set()
        try:
            if message.linked:
                await ctx.cancellation_token.link_future(asyncio.ensure_future(asyncio.sleep(10)))
            else:
                await over.wait()
        except asyncio.CancelledError:
            print("the handler was cancelled")
            raise
        print("the handler slept to its end")
        ended.set()


begun, over, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Sleeper.register(runtime, "sleeper", Sleeper)
    runtime.start()
    for linked in [True, False]:
        token = CancellationToken()
        sent = asyncio.ensure_future(
            runtime.send_message(Sleep(linked), AgentId("sleeper", "k"), cancellation_token=token)
        )
        await begun.wait()
        begun.clear()
        for _ in range(5):  # what it waits for begins
            await asyncio.sleep(0)
        token.cancel()
        try:
            await sent
        except asyncio.CancelledError:
            print("the sender was cancelled")
    over.set()
    await ended.wait()
    await runtime.stop_when_idle()


asyncio.run(main())
