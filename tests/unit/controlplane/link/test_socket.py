"""An agent's socket on a transport that a test holds: frames in, frames out, its end."""

import asyncio
from typing import Any, cast

import pytest
from websockets.frames import Frame, Opcode

from controlplane.link import socket
from controlplane.link.frames import close_said
from controlplane.link.socket import AgentSocket
from controlplane.link.wire import Closed


class Line:
    """A transport; `reading` and `out` are what a test looks at."""

    def __init__(self) -> None:
        self.out = b""
        self.reading = True
        self.aborted = self.closing = False
        self.protocol: AgentSocket | None = None

    def write(self, data: bytes) -> None:
        self.out += data

    def is_reading(self) -> bool:
        return self.reading

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self._end()

    def abort(self) -> None:
        self.aborted = True
        self._end()

    def _end(self) -> None:
        if not self.closing:
            self.closing = True
            assert self.protocol is not None
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Ear:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def heard(self, frame: bytes | None) -> None:
        self.told.append(frame)

    def room(self) -> None:
        self.told.append("room")

    def lost(self, closed: Closed) -> None:
        self.told.append(closed.code)


def opened() -> tuple[AgentSocket, Line]:
    line = Line()
    made = AgentSocket(cast(asyncio.Transport, line), "10.0.0.9", set())
    line.protocol = made
    return made, line


def text(body: bytes) -> bytes:
    return Frame(Opcode.TEXT, body).serialize(mask=True)


async def test_frames_are_received_in_order_and_few_are_kept() -> None:
    wire, line = opened()
    wire.data_received(text(b"1") + text(b"2"))
    assert line.reading
    wire.data_received(text(b"3") + text(b"4"))
    assert not line.reading, "what nobody receives stays in the kernel"
    assert [await wire.receive() for _ in range(4)] == [b"1", b"2", b"3", b"4"]
    assert line.reading


async def test_a_listener_is_told_what_nobody_received_and_what_comes() -> None:
    wire, line = opened()
    wire.data_received(text(b"1") + text(b"2"))
    assert await wire.receive() == b"1"
    ear = Ear()
    wire.listen(ear)
    wire.data_received(text(b"3") + Frame(Opcode.PING, b"p").serialize(mask=True))
    assert ear.told == [b"2", b"3", None]
    assert line.out == Frame(Opcode.PONG, b"p").serialize(mask=False)


async def test_who_waits_learns_of_the_end() -> None:
    wire, line = opened()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(outcome(wire))
        await asyncio.sleep(0)
        wire.data_received(Frame(Opcode.CLOSE, (1001).to_bytes(2) + b"restart").serialize(mask=True))
    assert waiting.result() == (1001, "restart", True)
    assert close_said(line.out[2:])[0] == 1001 and line.closing


async def test_a_bad_frame_is_told_to_both_sides() -> None:
    wire, line = opened()
    ear = Ear()
    wire.listen(ear)
    wire.data_received(Frame(Opcode.BINARY, b"x").serialize(mask=True))
    wire.data_received(text(b"more"))
    assert ear.told == [1003] and close_said(line.out[2:])[0] == 1003


async def test_a_peer_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SEND_S", 0.02)
    wire, line = opened()
    ear = Ear()
    wire.listen(ear)
    wire.pause_writing()
    assert not wire.has_room
    wire.resume_writing()
    assert wire.has_room and ear.told == ["room"]
    wire.pause_writing()
    await asyncio.sleep(0.05)
    assert line.aborted and ear.told == ["room", 1013]


async def test_a_close_waits_for_its_answer_but_not_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "CLOSE_S", 0.05)
    wire, line = opened()
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(wire.close(1008, "no"))
        await asyncio.sleep(0)
        wire.data_received(text(b"late") + Frame(Opcode.CLOSE, (1008).to_bytes(2)).serialize(mask=True))
    assert close_said(line.out[2:]) == (1008, "no") and not line.aborted
    silent, line = opened()
    async with asyncio.timeout(1):
        await silent.close(1008, "no")
    assert line.aborted


async def test_the_servers_end_is_a_restart() -> None:
    wire, line = opened()
    ear = Ear()
    wire.listen(ear)
    wire.shutdown()
    await asyncio.sleep(0.01)
    assert ear.told == [1012] and close_said(line.out[2:])[0] == 1012 and line.closing


async def outcome(wire: AgentSocket) -> tuple[int, str, bool]:
    try:
        await wire.receive()
    except Closed as closed:
        return closed.code, closed.reason, closed.by_peer
    raise AssertionError("a frame came")
