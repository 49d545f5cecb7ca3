"""Trying a host port by binding it."""

import contextlib
import random
import socket

import pytest

from nodeagent.hostports import taken_port
from protocol.spec import PortLease, Protocol


def bind_quiet(holder: socket.socket) -> None:
    """Bind below the kernel's ephemeral range, where no other test's connection comes by chance."""
    for port in random.sample(range(20_000, 30_000), 50):
        with contextlib.suppress(OSError):
            holder.bind(("0.0.0.0", port))
            return
    raise AssertionError("50 ports are taken")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_bound_port_is_taken_and_a_closed_one_free(protocol: Protocol) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as holder:
        bind_quiet(holder)
        if protocol == "tcp":
            holder.listen()
        lease = PortLease(container=80, host=holder.getsockname()[1], protocol=protocol)
        assert taken_port((lease,)) == lease
        other: Protocol = "udp" if protocol == "tcp" else "tcp"
        assert taken_port((PortLease(container=80, host=lease.host, protocol=other),)) is None
    assert taken_port((lease,)) is None


def test_only_its_own_address_counts() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.2", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert taken_port((PortLease(container=80, host=port, host_ip="127.0.0.3"),)) is None
        assert taken_port((PortLease(container=80, host=port, host_ip="127.0.0.2"),)) is not None


def test_a_name_is_never_looked_up() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        lease = PortLease(container=80, host=holder.getsockname()[1], host_ip="localhost")
        assert taken_port((lease,)) is None, "binding to a name asks DNS, and the agent would stand still meanwhile"


def test_what_cannot_be_tried_is_left_to_docker() -> None:
    assert taken_port((PortLease(container=80, host=20000, host_ip="203.0.113.9"),)) is None
    assert taken_port(()) is None
