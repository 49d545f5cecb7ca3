"""The floor beside which the Center is measured: a WebSocket server by hand that decodes the same frames, and no more.

No keys, no sessions, no rules, no routing; `Hello` is answered `Welcome`, a heartbeat is kept and answered `Beat`.
Run as `python -m benchmarks.reference`; prints its port.
"""

import asyncio
import base64
import hashlib
import re
from typing import cast

import uvloop

from protocol.codec import decode_from_agent, encode
from protocol.messages import Beat, Heartbeat, Hello, Welcome

_KEY = re.compile(rb"sec-websocket-key: *(\S+)", re.IGNORECASE)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE = 8

beats: dict[str, Heartbeat] = {}


class Socket(asyncio.Protocol):
    """One connection: the upgrade, then masked frames in, plain frames out."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out = cast(asyncio.Transport, transport)
        self._in = bytearray()
        self._open = False

    def data_received(self, data: bytes) -> None:
        self._in += data
        if not self._open:
            end = self._in.find(b"\r\n\r\n")
            key = _KEY.search(self._in[:end]) if end > 0 else None
            if key is None:
                return
            token = base64.b64encode(hashlib.sha1(key[1] + _GUID, usedforsecurity=False).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            protocol = b"Sec-WebSocket-Protocol: ropeteam.agent.v1\r\n"
            self._out.write(head + protocol + b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n")
            del self._in[: end + 4]
            self._open = True
        while self._frame():
            pass

    def _frame(self) -> bool:
        frame = self._in
        if len(frame) < 8:
            return False
        size, start = frame[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(frame[2:4]), 4
        end = start + 4 + size
        if len(frame) < end:
            return False
        if frame[0] & 15 == _CLOSE:
            self._out.close()
            return False
        mask = (bytes(frame[start : start + 4]) * (size // 4 + 1))[:size]
        body = int.from_bytes(frame[start + 4 : end]) ^ int.from_bytes(mask)
        del frame[:end]
        self._take(body.to_bytes(size))
        return True

    def _take(self, body: bytes) -> None:
        match decode_from_agent(body):
            case Heartbeat() as beat:
                beats[beat.agent_id] = beat
                self._answer(encode(Beat(seq=beat.seq)))
            case Hello() as hello:
                self._answer(encode(Welcome(node=hello.agent_id, session_epoch=1, incarnation=1)))
            case _:
                pass

    def _answer(self, body: bytes) -> None:
        self._out.write(bytes((0x81, len(body))) + body)  # answers are shorter than 126 bytes


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Socket, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
