"""The listening socket, made by us because its options are inherited by every accepted socket (notes: limits §6).

A client that stops reading blocks `send` for ever otherwise; no timeout of the server frees it, the kernel's does.
"""

import errno
import socket

BACKLOG = 4096
"""Connections that may wait; a reconnect storm beyond it loses a second to SYN retries."""

DEAD_MS = 10_000
"""Unacknowledged data older than this ends a connection."""

SEND_BUFFER = 128 * 1024


class ListenError(Exception):
    """The address cannot be listened on; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 = any free one. Raises ListenError."""
    where = f"{host or '*'}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ListenError(f"cannot listen on {where}: {error.strerror}") from error
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a silent browser that is gone is found in a minute
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"cannot listen on {where}: another program uses this port; choose one with --listen"
            ) from error
        raise ListenError(f"cannot listen on {where}: {error.strerror}") from error
    made.setblocking(False)
    return made
