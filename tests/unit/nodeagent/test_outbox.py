"""The control lane."""

import asyncio

import pytest

from nodeagent.outbox import Outbox, OutboxFull
from protocol.messages import Goodbye


async def test_in_order_and_drained_only_when_sent() -> None:
    outbox = Outbox()
    outbox.put(Goodbye(reason="a"))
    outbox.put(Goodbye(reason="b"))
    assert (await outbox.get()) == Goodbye(reason="a")
    assert (await outbox.get()) == Goodbye(reason="a"), "not sent yet"
    outbox.sent()
    assert (await outbox.get()) == Goodbye(reason="b")
    drained = asyncio.get_running_loop().create_task(outbox.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    outbox.sent()
    await drained


async def test_a_full_lane_is_broken_for_good() -> None:
    outbox = Outbox(frames_max=2)
    for _ in range(3):
        outbox.put(Goodbye())
    for _ in range(2):
        with pytest.raises(OutboxFull):
            await outbox.get()


async def test_waits_for_the_next_frame() -> None:
    outbox = Outbox()
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(outbox.get())
        await asyncio.sleep(0)
        outbox.put(Goodbye())
    assert reader.result() == Goodbye()
