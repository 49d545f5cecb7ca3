"""The bulk lane of a session: writers wait, the session's writer is woken, nothing waits for ever."""

import asyncio

from nodeagent.bulk import PENDING_BYTES, Bulk
from nodeagent.outbox import Outbox
from protocol.flow import WINDOW_BYTES
from protocol.messages import ContainerRef, Pulse
from protocol.streams import StreamData, Tail

REF = ContainerRef(project="shop", service="web", replica=1, epoch=1)


async def test_a_writer_waits_until_the_reader_takes_more() -> None:
    bulk = Bulk(lambda: None)
    bulk.open(1, credit=1 << 20)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(bulk.write(1, b"x" * (PENDING_BYTES * 2)))
        await asyncio.sleep(0)
        assert not writing.done()
        sent = frames = 0
        while not writing.done():
            while isinstance(frame := bulk.take(), StreamData):
                sent += len(frame.data)
                frames += 1
            bulk.acked(frames)
            await asyncio.sleep(0.005)
    assert sent > 0


async def test_a_reader_that_is_gone_frees_the_writer() -> None:
    bulk = Bulk(lambda: None)
    bulk.open(1, credit=10)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(bulk.write(1, b"x" * (PENDING_BYTES + 1)))
        await asyncio.sleep(0)
        assert not writing.done()
        bulk.drop(1)
        async with asyncio.timeout(1):
            await writing


async def test_control_frames_go_before_what_fills_the_window() -> None:
    bulk = Bulk(lambda: outbox.wake())
    outbox = Outbox(bulk=bulk.take)
    bulk.open(1, credit=1 << 20)
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(bulk.write(1, b"x" * (1 << 20)))
        await asyncio.sleep(0)
        first = await outbox.get()
        outbox.sent()
        assert isinstance(first, StreamData)
        outbox.put(Pulse())
        assert isinstance(await outbox.get(), Pulse)
        outbox.sent()
        size = len(first.data)
        while isinstance(frame := bulk.take(), StreamData):
            size += len(frame.data)
        assert size <= WINDOW_BYTES
        writing.cancel()


async def test_what_the_pace_holds_back_comes_by_itself() -> None:
    woken = asyncio.Event()
    bulk = Bulk(woken.set)
    bulk.open(1, credit=1 << 20)
    frames = 0
    for _ in range(60):
        await bulk.write(1, b"drop")
        while isinstance(bulk.take(), StreamData):
            frames += 1
        bulk.acked(frames)
    woken.clear()
    async with asyncio.timeout(1):
        while True:
            await woken.wait()
            woken.clear()
            if isinstance(bulk.take(), StreamData):
                break
    bulk.close()


async def test_tails_are_bounded() -> None:
    bulk = Bulk(lambda: None)
    assert [bulk.offer(Tail(target=REF, lines=b"o\n")) for _ in range(100)].count(False) > 0
