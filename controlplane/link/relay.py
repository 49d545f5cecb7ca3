"""Streams between people and agents: opened here, relayed without a look inside, bounded, ended with either socket.

Data come within the credit that the reader gave, so what waits here is never more than that; an agent that sends more
loses the stream. Input goes by the session's bulk lane, within the agent's credit. Called by `ride.py` with what agents
say, by the web ring (through its `Door`) with what people want. Nothing here waits.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, assert_never

from controlplane.core.record import Now, Refused
from controlplane.link.session import Session
from protocol.codec import encode
from protocol.flow import Lane
from protocol.messages import STREAMS_SINCE, ContainerRef
from protocol.streams import Ack, OpenExec, OpenLogs, Resize, StreamCredit, StreamData, StreamEnd, Tail

STREAMS_MAX = 512
"""Open streams to one agent."""

Relayed = StreamData | StreamCredit | StreamEnd | Ack | Tail
"""What an agent says of its streams."""


class Reader(Protocol):
    """Whoever opened a stream. Called at once, in order; must not wait."""

    def data(self, data: bytes, channel: int) -> None:
        """Bytes came, within the credit that was given."""

    def room(self) -> None:
        """The agent takes more input."""

    def ended(self, reason: str, code: int | None) -> None:
        """It is over; nothing comes after."""


class Stream:
    """One stream to one agent, for whoever opened it."""

    def __init__(self, line: "Line", number: int, reader: Reader, credit: int) -> None:
        self._line = line
        self.number = number
        self.reader = reader
        self.owed = credit
        """Bytes that the agent may still send."""
        self.input_room = 0
        """Bytes of input that the agent takes now."""

    def grant(self, credit: int) -> None:
        """The reader took so many bytes."""
        self.owed += credit
        self._line.session.send(StreamCredit(stream=self.number, credit=credit))

    def send(self, data: bytes, *, eof: bool = False) -> None:
        """Input for an exec; raises ValueError beyond `input_room`."""
        if len(data) > self.input_room:
            raise ValueError("more input than the agent takes")
        self.input_room -= len(data)
        self._line.push(self.number, data, eof=eof)

    def resize(self, cols: int, rows: int) -> None:
        """The person's terminal has another size."""
        self._line.session.send(Resize(stream=self.number, cols=cols, rows=rows))

    def close(self) -> None:
        """The person is gone. `Reader.ended` is not called."""
        self._line.close(self)


class Line:
    """The streams of one session, and what came and goes on its bulk lane. `keep`: takes last lines, by node."""

    def __init__(self, session: Session, now: Callable[[], Now], keep: Callable[[str, Tail], None]) -> None:
        self.session = session
        self._keep = keep
        self.streams: dict[int, Stream] = {}
        self._now = now
        self._made: Lane | None = None
        self._numbers = 0
        self._frames = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _lane(self) -> Lane:
        """Made when it is needed: most sessions never have a stream."""
        if self._made is None:
            self._made = Lane(self._now().mono)
        return self._made

    def open(self, reader: Reader, credit: int) -> Stream:
        """A new stream."""
        self._numbers += 1
        stream = self.streams[self._numbers] = Stream(self, self._numbers, reader, credit)
        self._lane.open(stream.number)
        return stream

    def close(self, stream: Stream) -> None:
        """Nobody reads it any more."""
        if self.streams.pop(stream.number, None) is not None:
            self._lane.drop(stream.number)
            self.session.send(StreamEnd(stream=stream.number))

    def push(self, number: int, data: bytes, *, eof: bool) -> None:
        """Input for the agent."""
        self._lane.push(number, data, 0, eof=eof)
        self.pump()

    def pump(self) -> None:
        """Send what may be sent now, and come back when time allows more."""
        now = self._now().mono
        while (frame := self._lane.next(now)) is not None:
            self.session.outbox.offer_bulk(encode(frame))
        if (at := self._lane.wake_at(now)) is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._due)

    def take(self, message: Relayed) -> None:
        """What the agent says of its streams. What is about a stream that is over is ignored."""
        match message:
            case StreamData():
                self._counted(ack=message.ack)
                self._data(message)
            case StreamCredit():
                if (stream := self.streams.get(message.stream)) is not None and message.credit > 0:
                    self._lane.grant(stream.number, message.credit)
                    stream.input_room += message.credit
                    self.pump()
                    stream.reader.room()
            case StreamEnd():
                if (stream := self.streams.pop(message.stream, None)) is not None:
                    self._lane.drop(stream.number)
                    stream.reader.ended(message.reason, message.code)
            case Ack():
                self._lane.acked(message.frames, self._now().mono)
                self.pump()
            case Tail():
                self._counted(ack=message.ack)
                self._keep(self.session.node, message)
            case _:
                assert_never(message)

    def left(self) -> None:
        """The session is over, and all its streams."""
        if self._timer is not None:
            self._timer.cancel()
        streams, self.streams = list(self.streams.values()), {}
        for stream in streams:
            stream.reader.ended(f"{self.session.node} is away", None)

    def _counted(self, *, ack: bool) -> None:
        """A frame of the bulk lane came."""
        self._frames += 1
        if ack:
            self.session.send(Ack(frames=self._frames))

    def _data(self, message: StreamData) -> None:
        stream = self.streams.get(message.stream)
        if stream is None or not message.data:
            return
        stream.owed -= len(message.data)
        if stream.owed < 0:
            self.close(stream)
            stream.reader.ended(f"{self.session.node} sent more than it was asked for", None)
            return
        stream.reader.data(message.data, message.channel)

    def _due(self) -> None:
        self._timer = None
        self.pump()


class Relay:
    """The lines to all nodes. `keep`: takes last lines of containers, by node."""

    def __init__(self, now: Callable[[], Now], keep: Callable[[str, Tail], None]) -> None:
        self._now = now
        self._keep = keep
        self._sessions: dict[str, Session] = {}
        self._lines: dict[Session, Line] = {}

    def enter(self, session: Session) -> None:
        """It is the node's session from now on, until `leave`."""
        self._sessions[session.node] = session

    def take(self, session: Session, message: Relayed) -> None:
        """What an agent says of its streams."""
        self._line(session).take(message)

    def leave(self, session: Session) -> None:
        """The session is over, and all its streams. Changes nothing for a newer one."""
        if self._sessions.get(session.node) is session:
            del self._sessions[session.node]
        line = self._lines.pop(session, None)
        if line is not None:
            line.left()

    def logs(
        self, node: str, target: ContainerRef, reader: Reader, *, follow: bool, lines: int, since_ns: int, credit: int
    ) -> Stream:
        """Open a stream of logs; see `OpenLogs`. Raises Refused."""
        stream, line = self._open(node, reader, credit)
        line.session.send(
            OpenLogs(stream=stream.number, target=target, follow=follow, lines=lines, since_ns=since_ns, credit=credit)
        )
        return stream

    def exec(
        self,
        node: str,
        target: ContainerRef,
        reader: Reader,
        command: tuple[str, ...],
        *,
        tty: bool,
        stdin: bool,
        size: tuple[int, int],
        credit: int,
    ) -> Stream:
        """Run a command; see `OpenExec`. `size`: columns and rows. Raises Refused."""
        stream, line = self._open(node, reader, credit)
        line.session.send(
            OpenExec(
                stream=stream.number,
                target=target,
                command=command,
                tty=tty,
                stdin=stdin,
                cols=size[0],
                rows=size[1],
                credit=credit,
            )
        )
        return stream

    def open_streams(self) -> int:
        """Streams that are open now."""
        return sum(len(line.streams) for line in self._lines.values())

    def _open(self, node: str, reader: Reader, credit: int) -> tuple[Stream, Line]:
        session = self._sessions.get(node)
        if session is None:
            raise Refused("unavailable", f"{node} is away")
        if session.protocol < STREAMS_SINCE:
            raise Refused("unavailable", f"the agent of {node} is too old for logs and exec: update it")
        line = self._line(session)
        if len(line.streams) >= STREAMS_MAX:
            raise Refused("busy", f"{STREAMS_MAX} streams to {node} are open")
        return line.open(reader, credit), line

    def _line(self, session: Session) -> Line:
        line = self._lines.get(session)
        if line is None:
            line = self._lines[session] = Line(session, self._now, self._keep)
        return line
