"""Ports of this machine that something listens on, read from the kernel's tables. Knows nothing of leases or Docker.

Called by the meters. Only this process's network namespace is seen; the agent runs in the host's.
"""

from collections.abc import Iterable
from pathlib import Path

PORTS_MAX = 512
"""Ports in one report."""

BELOW_MIN = 64
"""Places in a report that are kept for ports below the lease range, however full the range is."""

_TABLES = Path("/proc/net")
_TCP_LISTEN = "0A"
_UDP_UNCONNECTED = "07"


def listening_ports(port_from: int, port_to: int) -> tuple[int, ...]:
    """TCP and UDP ports from 1 to `port_to` that something listens on, sorted, at most PORTS_MAX: first those of the
    range `port_from`-`port_to`, then the lowest below it. Reads files; a table that cannot be read counts as empty.
    """
    found: set[int] = set()
    for name, state in (
        ("tcp", _TCP_LISTEN),
        ("tcp6", _TCP_LISTEN),
        ("udp", _UDP_UNCONNECTED),
        ("udp6", _UDP_UNCONNECTED),
    ):
        try:
            with (_TABLES / name).open() as table:
                found |= bound_ports(table, state)
        except OSError:
            continue
    return report(found, port_from, port_to)


def bound_ports(table: Iterable[str], state: str) -> set[int]:
    """Local ports of a `/proc/net/tcp`-like table's rows in `state`. In the TCP tables the kernel lists listeners
    before all connections, so reading ends with the first connection: a busy server may have 100,000.
    """
    ports: set[int] = set()
    rows = iter(table)
    next(rows, None)
    for row in rows:
        fields = row.split(maxsplit=4)
        if len(fields) < 4:
            continue
        if fields[3] != state:
            if state == _TCP_LISTEN:
                break
            continue
        ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def report(ports: Iterable[int], port_from: int, port_to: int) -> tuple[int, ...]:
    """Those to tell the Center, sorted: see `listening_ports`."""
    inside = sorted(p for p in ports if port_from <= p <= port_to)
    below = sorted(p for p in ports if 0 < p < port_from)
    inside = inside[: PORTS_MAX - min(len(below), BELOW_MIN)]
    return (*below[: PORTS_MAX - len(inside)], *inside)
