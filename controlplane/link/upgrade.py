"""`/api/agent/session` on the web server's own port: uvicorn parses the request, then hands us the transport.

All other paths and WebSockets are uvicorn's. Not a proxy, not a server of its own. Given to uvicorn by `app.py`.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from controlplane.link.registration import SESSION_PATH
from controlplane.link.socket import AgentSocket
from protocol.messages import SUBPROTOCOL

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
_PATH = SESSION_PATH.encode()


class Refusal(NamedTuple):
    """Why there is no socket, as HTTP says it. `headers`: added to the answer, each with its line end."""

    status: HTTPStatus
    text: str
    headers: str = ""


class Door(Protocol):
    """Who takes the sockets: `endpoint.Endpoint`."""

    def refusal(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Why this request gets no socket; None: it gets one."""

    def enter(self, socket: AgentSocket) -> None:
        """Serve an accepted socket to its end, without waiting here."""


class _Upgrade(HttpToolsProtocol):
    """One connection of uvicorn until it shows what it wants."""

    door: Door

    def handle_websocket_upgrade(self) -> None:
        """As uvicorn does, but for our path."""
        if self.url.partition(b"?")[0] != _PATH:
            super().handle_websocket_upgrade()
            return
        headers = dict(self.headers)
        key = headers.get(b"sec-websocket-key", b"")
        refusal = _not_websocket(self.scope["method"], headers, key) or self.door.refusal(headers)
        if refusal is not None:
            self.transport.write(_refused(refusal))
            self.transport.close()
            return
        transport, remote = self.transport, self.client[0] if self.client else ""
        socket = AgentSocket(transport, remote, self.connections)
        self._forget()
        transport.set_protocol(socket)
        transport.write(_accepted(key))
        self.door.enter(socket)

    def _forget(self) -> None:
        """Nothing of the request stays for as long as the socket is open; the parser and we hold each other."""
        self.connections.discard(self)
        self.parser = self.transport = self.flow = self.scope = None  # type: ignore[assignment]  # uvicorn types none of them as optional
        self.headers = []


def agents_first(door: Door) -> Callable[..., asyncio.Protocol]:
    """What uvicorn takes as `http`: makes its protocol for a connection."""
    return type("AgentsFirst", (_Upgrade,), {"door": door})


def _not_websocket(method: str, headers: Mapping[bytes, bytes], key: bytes) -> Refusal | None:
    if method != "GET" or headers.get(b"sec-websocket-version") != b"13":
        return Refusal(HTTPStatus.UPGRADE_REQUIRED, "WebSocket version 13 is needed", "sec-websocket-version: 13\r\n")
    try:
        good = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        good = False
    return None if good else Refusal(HTTPStatus.BAD_REQUEST, "a WebSocket key is 16 bytes")


def _accepted(key: bytes) -> bytes:
    token = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-protocol: " + SUBPROTOCOL.encode() + b"\r\nsec-websocket-accept: " + token + b"\r\n\r\n"
    )


def _refused(refusal: Refusal) -> bytes:
    body = f"{refusal.text}\n".encode()
    head = f"HTTP/1.1 {refusal.status} {refusal.status.phrase}\r\n{refusal.headers}"
    kind = f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return (head + kind).encode() + body


__all__ = ["Door", "Refusal", "agents_first"]
