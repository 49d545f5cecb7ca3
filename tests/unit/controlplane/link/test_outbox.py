"""Two lanes with bounds: control is never dropped, bulk waits for control."""

import asyncio
from collections.abc import Iterator

import pytest

from controlplane.link.outbox import Outbox, OutboxFull


async def test_control_goes_before_bulk_and_each_lane_keeps_its_order() -> None:
    outbox = Outbox()
    assert outbox.offer_bulk(b"log 1") and outbox.offer_bulk(b"log 2")
    outbox.put(b"a")
    outbox.put(b"b")
    assert [await outbox.next() for _ in range(4)] == [b"a", b"b", b"log 1", b"log 2"]


@pytest.mark.parametrize("outbox", [Outbox(control_max=3), Outbox(control_bytes=30)])
async def test_a_full_control_lane_is_an_error_and_room_comes_back(outbox: Outbox) -> None:
    for _ in range(3):
        outbox.put(b"0123456789")
    with pytest.raises(OutboxFull):
        outbox.put(b"x")
    await outbox.next()
    outbox.put(b"x")


async def test_a_full_bulk_lane_says_no_and_room_comes_back() -> None:
    outbox = Outbox(bulk_bytes=10)
    assert outbox.offer_bulk(b"12345678")
    assert not outbox.offer_bulk(b"123")
    await outbox.next()
    assert outbox.offer_bulk(b"123")


async def test_pages_are_made_when_they_are_sent_and_stay_in_their_place() -> None:
    made: list[int] = []

    def pages() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"page %d" % number

    outbox = Outbox()
    outbox.put(b"before")
    outbox.put_pages(pages())
    outbox.put(b"after")
    assert await outbox.next() == b"before" and made == []
    assert await outbox.next() == b"page 0" and made == [0]
    assert [await outbox.next() for _ in range(3)] == [b"page 1", b"page 2", b"after"]


async def test_full_states_are_bounded_too() -> None:
    outbox = Outbox(control_max=1)
    outbox.put_pages(iter([b"x"]))
    with pytest.raises(OutboxFull):
        outbox.put_pages(iter([b"x"]))


async def test_the_end_comes_after_control_and_without_bulk() -> None:
    outbox = Outbox()
    outbox.offer_bulk(b"log")
    outbox.put(b"goodbye")
    outbox.finish()
    assert await outbox.next() == b"goodbye"
    assert await outbox.next() is None


async def test_a_waiting_writer_is_woken() -> None:
    outbox = Outbox()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(outbox.next())
        await asyncio.sleep(0)
        outbox.put(b"a")
    assert waiting.result() == b"a"
