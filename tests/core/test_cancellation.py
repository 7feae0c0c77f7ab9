import asyncio
import threading

import pytest

from quorate.core import CancellationToken


async def test_token_cancels_what_is_linked_and_calls_back_in_order_once() -> None:
    called: list[str] = []
    token = CancellationToken()
    token.add_callback(lambda: called.append("a"))
    forget = token.add_callback(lambda: called.append("forgotten"))
    token.add_callback(lambda: called.append("b"))
    future = token.link_future(asyncio.get_running_loop().create_future())
    forget()

    token.cancel()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await future
    assert (called, token.is_cancelled()) == (["a", "b"], True)
    token.add_callback(lambda: called.append("at once"))
    assert called[-1] == "at once"


async def test_token_may_be_cancelled_from_another_thread_and_keeps_nothing_that_is_done() -> None:
    token = CancellationToken()
    done = token.link_future(asyncio.get_running_loop().create_future())
    done.set_result(1)
    future = token.link_future(asyncio.get_running_loop().create_future())
    thread = threading.Thread(target=token.cancel)

    thread.start()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(future, 60)
    thread.join()

    assert await done == 1


async def test_token_cancels_at_once_where_the_loop_runs() -> None:
    token = CancellationToken()
    before = token.link_future(asyncio.get_running_loop().create_future())

    token.cancel()
    after = token.link_future(asyncio.get_running_loop().create_future())

    assert before.cancelled()
    assert after.cancelled()
