"""Two lanes with bounds: control is never dropped, bulk waits for control."""

from collections.abc import Iterator

import pytest

from controlplane.link.outbox import Outbox, OutboxFull


def test_control_goes_before_bulk_and_each_lane_keeps_its_order() -> None:
    outbox = Outbox()
    assert outbox.offer_bulk(b"log 1") and outbox.offer_bulk(b"log 2")
    outbox.put(b"a")
    outbox.put(b"b")
    assert [outbox.take() for _ in range(4)] == [b"a", b"b", b"log 1", b"log 2"]


@pytest.mark.parametrize("outbox", [Outbox(control_max=3), Outbox(control_bytes=30)])
def test_a_full_control_lane_is_an_error_and_room_comes_back(outbox: Outbox) -> None:
    for _ in range(3):
        outbox.put(b"0123456789")
    with pytest.raises(OutboxFull):
        outbox.put(b"x")
    outbox.take()
    outbox.put(b"x")


def test_a_full_bulk_lane_says_no_and_room_comes_back() -> None:
    outbox = Outbox(bulk_bytes=10)
    assert outbox.offer_bulk(b"12345678")
    assert not outbox.offer_bulk(b"123")
    outbox.take()
    assert outbox.offer_bulk(b"123")


def test_pages_are_made_when_they_are_sent_and_stay_in_their_place() -> None:
    made: list[int] = []

    def pages() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"page %d" % number

    outbox = Outbox()
    outbox.put(b"before")
    outbox.put_pages(pages())
    outbox.put(b"after")
    assert outbox.take() == b"before" and made == []
    assert outbox.take() == b"page 0" and made == [0]
    assert [outbox.take() for _ in range(3)] == [b"page 1", b"page 2", b"after"]


def test_full_states_are_bounded_too() -> None:
    outbox = Outbox(control_max=1)
    outbox.put_pages(iter([b"x"]))
    with pytest.raises(OutboxFull):
        outbox.put_pages(iter([b"x"]))


def test_the_end_comes_after_control_and_without_bulk() -> None:
    outbox = Outbox()
    outbox.offer_bulk(b"log")
    outbox.put(b"goodbye")
    outbox.finish()
    assert not outbox.ended
    assert outbox.take() == b"goodbye"
    assert outbox.take() is None and outbox.ended


def test_who_takes_is_called_at_each_change() -> None:
    outbox, called = Outbox(), 0

    def wake() -> None:
        nonlocal called
        called += 1

    outbox.wake = wake
    outbox.put(b"a")
    outbox.put_pages(iter([b"b"]))
    outbox.offer_bulk(b"c")
    outbox.finish()
    assert called == 4
