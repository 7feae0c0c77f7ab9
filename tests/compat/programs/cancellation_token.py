"""A token that cancels."""

import asyncio

from autogen_core import CancellationToken


async def main():
    token = CancellationToken()
    token.add_callback(lambda: print("first"))
    token.add_callback(lambda: print("second"))
    print(token.is_cancelled())
    token.cancel()
    token.cancel()
    print(token.is_cancelled())
    token.add_callback(lambda: print("at once"))

    loop = asyncio.get_running_loop()
    late = loop.create_future()
    print(token.link_future(late) is late, late.cancelled())

    other = CancellationToken()
    linked = other.link_future(asyncio.ensure_future(asyncio.sleep(10)))
    pure = other.link_future(loop.create_future())
    await asyncio.sleep(0)
    other.cancel()
    print(pure.cancelled())
    try:
        await linked
    except asyncio.CancelledError:
        print("the sleep was cancelled")

    unused = CancellationToken()
    done = await unused.link_future(asyncio.ensure_future(asyncio.sleep(0, "a value")))
    unused.cancel()
    print(done, hasattr(unused, "cancelled"))


asyncio.run(main())
