import asyncio

from quorate.chat import feed as module
from quorate.chat.feed import Feed
from quorate.chat.messages import ModelClientStreamingChunkEvent


async def test_viewer_gets_the_past_then_what_comes_until_the_end() -> None:
    feed = Feed()
    view = feed.view(["past"])
    seen = [await anext(view)]
    feed.push("one")
    feed.push("two")
    feed.end()

    seen += [item async for item in view]

    assert seen == ["past", "one", "two"]
    assert not feed.watched


async def test_viewer_that_waits_is_woken() -> None:
    feed = Feed()
    view = feed.view([])
    waiting = asyncio.get_running_loop().create_task(anext(view))
    await asyncio.sleep(0)

    feed.push("here")

    assert await waiting == "here"
    await view.aclose()
    assert not feed.watched


async def test_viewers_each_get_everything() -> None:
    feed = Feed()
    views = [feed.view([n]) for n in range(3)]
    for view in views:
        await anext(view)

    feed.push("x")
    feed.end()

    assert [[item async for item in view] for view in views] == [["x"]] * 3


async def test_viewer_far_behind_misses_chunks_but_no_message(monkeypatch: object) -> None:
    feed = Feed()
    view = feed.view(["past"])
    await anext(view)
    for _ in range(module.MOST_WAITING + 10):
        feed.push(ModelClientStreamingChunkEvent(content="x", source="a", id="m"))
    feed.push("message")
    feed.end()

    items = [item async for item in view]

    assert len(items) == module.MOST_WAITING + 1
    assert items[-1] == "message"


async def test_viewer_of_what_has_ended_gets_the_past_and_is_done() -> None:
    feed = Feed()
    feed.end()

    assert [item async for item in feed.view([1, 2])] == [1, 2]
