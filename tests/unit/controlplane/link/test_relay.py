"""Streams through the Center: credit is kept, acknowledgements are sent, everything ends with either side."""

import pytest

from controlplane.core.record import Now, Refused
from controlplane.link.relay import STREAMS_MAX, Relay
from controlplane.link.session import Session
from protocol.codec import decode_from_center
from protocol.messages import ContainerRef, FromCenter
from protocol.streams import Ack, OpenExec, OpenLogs, Resize, StreamCredit, StreamData, StreamEnd, Tail

REF = ContainerRef(project="shop", service="web", replica=1, epoch=1)


class Reader:
    """Keeps what came."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, int]] = []
        self.rooms = 0
        self.over: tuple[str, int | None] | None = None

    def data(self, data: bytes, channel: int) -> None:
        self.came.append((data, channel))

    def room(self) -> None:
        self.rooms += 1

    def ended(self, reason: str, code: int | None) -> None:
        assert self.over is None, "told once"
        self.over = (reason, code)


class Bench:
    """A relay with one node."""

    def __init__(self, protocol: int = 2) -> None:
        self.kept: list[tuple[str, Tail]] = []
        self.relay = Relay(lambda: Now(0.0, 0.0), lambda node, tail: self.kept.append((node, tail)))
        self.session = Session("node-1", "agent-1", 1, protocol=protocol)
        self.relay.enter(self.session)
        self.reader = Reader()

    def sent(self) -> list[FromCenter]:
        """What the agent was sent since the last look."""
        found = []
        while (frame := self.session.outbox.take()) is not None:
            found.append(decode_from_center(frame))
        return found

    def exec(self, reader: Reader | None = None) -> None:
        self.stream = self.relay.exec(
            "node-1", REF, reader or self.reader, ("sh",), tty=True, stdin=True, size=(80, 24), credit=100
        )


async def test_a_stream_from_its_opening_to_its_end() -> None:
    it = Bench()
    stream = it.relay.logs("node-1", REF, it.reader, follow=True, lines=5, since_ns=7, credit=10)
    assert it.sent() == [OpenLogs(stream=1, target=REF, follow=True, lines=5, since_ns=7, credit=10)]
    it.relay.take(it.session, StreamData(stream=1, data=b"12345", ack=True))
    assert it.sent() == [Ack(frames=1)]
    stream.grant(5)
    assert it.sent() == [StreamCredit(stream=1, credit=5)]
    it.relay.take(it.session, StreamData(stream=1, data=b"1234567890"))
    assert it.reader.came == [(b"12345", 1), (b"1234567890", 1)]
    it.relay.take(it.session, StreamEnd(stream=1, reason="gone"))
    assert it.reader.over == ("gone", None)
    assert it.relay.open_streams() == 0
    it.relay.take(it.session, StreamData(stream=1, data=b"late"))


async def test_an_agent_that_sends_more_than_its_credit_loses_the_stream() -> None:
    it = Bench()
    it.relay.logs("node-1", REF, it.reader, follow=True, lines=5, since_ns=0, credit=4)
    it.sent()
    it.relay.take(it.session, StreamData(stream=1, data=b"12345"))
    assert it.reader.came == [] and it.reader.over is not None and "more than" in it.reader.over[0]
    assert it.sent() == [StreamEnd(stream=1)]


async def test_input_goes_within_the_agents_credit() -> None:
    it = Bench()
    it.exec()
    assert isinstance(it.sent()[0], OpenExec)
    with pytest.raises(ValueError, match="more input"):
        it.stream.send(b"x")
    it.relay.take(it.session, StreamCredit(stream=1, credit=5))
    assert (it.reader.rooms, it.stream.input_room) == (1, 5)
    it.stream.send(b"hello", eof=True)
    assert it.sent() == [StreamData(stream=1, data=b"hello", channel=0, eof=True, ack=True)]
    it.stream.resize(100, 30)
    assert it.sent() == [Resize(stream=1, cols=100, rows=30)]


async def test_input_waits_for_acknowledgements_and_heartbeats_do_not() -> None:
    it = Bench()
    it.exec()
    it.relay.take(it.session, StreamCredit(stream=1, credit=1 << 20))
    it.stream.send(b"x" * (1 << 20))
    first = [m for m in it.sent() if isinstance(m, StreamData)]
    assert 0 < sum(len(m.data) for m in first) < 16 * 1024
    it.session.send(Ack(frames=0))
    assert it.sent() == [Ack(frames=0)]
    it.relay.take(it.session, Ack(frames=len(first)))
    assert any(isinstance(m, StreamData) for m in it.sent())
    it.relay.leave(it.session)


async def test_the_end_of_a_session_ends_its_streams_and_no_others() -> None:
    it = Bench()
    it.exec()
    newer, other = Session("node-1", "agent-1", 2), Reader()
    it.relay.enter(newer)
    it.exec(other)
    it.relay.leave(it.session)
    assert it.reader.over == ("node-1 is away", None)
    assert other.over is None and it.relay.open_streams() == 1
    it.relay.leave(newer)
    assert other.over == ("node-1 is away", None)
    with pytest.raises(Refused, match="away"):
        it.exec()


async def test_a_person_who_leaves_is_told_to_the_agent_and_not_back() -> None:
    it = Bench()
    it.exec()
    it.sent()
    it.stream.close()
    it.stream.close()
    assert it.sent() == [StreamEnd(stream=1)]
    assert it.reader.over is None


async def test_an_old_agent_and_too_many_streams_are_refused() -> None:
    with pytest.raises(Refused, match="too old"):
        Bench(protocol=1).exec()
    it = Bench()
    for _ in range(STREAMS_MAX):
        it.relay.logs("node-1", REF, Reader(), follow=True, lines=0, since_ns=0, credit=1)
        it.sent()
    with pytest.raises(Refused, match="streams"):
        it.exec()


async def test_last_lines_are_kept_and_acknowledged() -> None:
    it = Bench()
    tail = Tail(target=REF, lines=b"o\n", ended=True, ack=True)
    it.relay.take(it.session, tail)
    assert it.kept == [("node-1", tail)]
    assert it.sent() == [Ack(frames=1)]
