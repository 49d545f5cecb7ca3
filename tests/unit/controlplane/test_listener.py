"""The listening socket has the options that free a Center from clients that stop reading."""

import socket

import pytest

from controlplane.listener import DEAD_MS, ListenError, listen


def test_accepted_sockets_inherit_the_options() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == DEAD_MS
        with socket.create_connection(listener.getsockname()):
            listener.setblocking(True)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == DEAD_MS
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_a_port_in_use_and_an_address_of_nobody_are_explained() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(ListenError, match="another program uses this port"):
        listen("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:1"):
        listen("192.0.2.1", 1)
    with pytest.raises(ListenError, match="cannot listen on"):
        listen("no.such.host.invalid", 1)
