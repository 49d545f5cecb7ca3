"""Whether a host port is free on this machine, tried by binding it (DESIGN §4, Ports).

Says nothing about which container holds it. Called by the executor just before a container is made or started.
"""

import errno
import ipaddress
import socket
from collections.abc import Iterable

from protocol.spec import PortLease


def taken_port(leases: Iterable[PortLease]) -> PortLease | None:
    """The first lease whose host port something else is bound to; None = all are free, or cannot be tried (a port below
    1024 without the right to it, an address that is not ours): then Docker has the last word.
    """
    return next((lease for lease in leases if _is_taken(lease)), None)


def is_address(text: str) -> bool:
    """True for an IP address. Binding to anything else asks DNS, and a Center could have us wait for it."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_taken(lease: PortLease) -> bool:
    if lease.host_ip and not is_address(lease.host_ip):
        return False
    kind = socket.SOCK_STREAM if lease.protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in lease.host_ip else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # A port whose last connections are in TIME_WAIT is free; a listener on it still refuses us.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((lease.host_ip, lease.host))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
