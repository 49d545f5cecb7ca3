"""Host ports: which of a node's ports one replica would get (DESIGN §4, Ports).

A port is free unless someone leases it, it rests for another service, or another program listens on it. TCP and UDP are
separate. The agent's test-bind has the last word; this module only chooses. Called by `placement`.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from controlplane.core.room import Room, Want
from protocol.spec import PortLease, PortSpec, Protocol

_PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp")


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A host port for each `PortSpec`, in the order of the specification. `remapped`: (wanted host, given host)."""

    ports: tuple[PortLease, ...] = ()
    remapped: tuple[tuple[int, int], ...] = ()


def choose(want: Want, room: Room) -> Chosen | str:
    """Choose all host ports of `want` on this node, or say in one sentence why that cannot be done.

    Fixed ports are chosen first, then ranges by their upper end (so overlapping ranges find room when there is any),
    then those that take any port, so that none takes what a stricter one needs. These lie in the node's own range and
    keep the former lease where it is free. Same input, same answer.
    """
    asked = want.spec.ports
    given: dict[int, int] = {}
    taken: set[tuple[Protocol, int]] = set()
    strictest_first = sorted(range(len(asked)), key=lambda i: (not asked[i].fixed, asked[i].host_to or 1 << 16, i))
    for pick in (_as_asked, _from_own_range):
        for index in strictest_first:
            if index in given:
                continue
            host = pick(want, room, asked[index], taken)
            if isinstance(host, str):
                return host
            if host is not None:
                given[index] = host
                taken.add((asked[index].protocol, host))
    return Chosen(
        ports=tuple(
            PortLease(container=port.container, host=given[i], protocol=port.protocol, host_ip=port.host_ip)
            for i, port in enumerate(asked)
        ),
        remapped=tuple(
            (port.host_from, given[i])
            for i, port in enumerate(asked)
            if port.host_from is not None and not _asked_for(port, given[i])
        ),
    )


def plenty(want: Want, room: Room) -> bool:
    """True when `choose` finds ports for sure: any number will do, and the node's range has more than can be taken."""
    asked = want.spec.ports
    if any(port.host_from is not None for port in asked):
        return False
    taken = len(room.leases) + len(room.resting) + len(room.foreign) + len(asked)
    return not asked or taken <= room.node.port_to - room.node.port_from + 1


def obstacle(want: Want, room: Room, protocol: Protocol, port: int) -> str | None:
    """Why this replica cannot have this host port now, as a sentence; None when it can."""
    name = _name(protocol, port)
    if holder := room.leases.get((protocol, port)):
        return f"{name} is taken by {holder.project}/{holder.service}"
    rest = room.resting.get((protocol, port))
    if rest is not None and (rest.until is None or rest.until > want.now):
        if (rest.project, rest.service) == (want.replica.project, want.replica.service):
            return None
        if not rest.project:  # an agent found somebody else's listener there
            return f"{name} is taken by another program"
        if rest.until is None:
            return f"{name} is taken by {rest.project}/{rest.service} until its old container is gone"
        return f"{name} rests {rest.until - want.now:.0f} s more for {rest.project}/{rest.service}"
    if port in room.foreign and not _ours(want, room, port):
        return f"{name} is taken by another program"
    return None


def _as_asked(want: Want, room: Room, port: PortSpec, taken: set[tuple[Protocol, int]]) -> int | str | None:
    """A host port the specification names. None when any port of the node's range will do, by wish or by need."""
    if port.host_from is None:
        return None
    asked = range(port.host_from, (port.host_to or port.host_from) + 1)
    host = _first_free(want, room, port, [*_former(want, port, asked), *asked], taken)
    return _refusal(want, room, port, asked, taken) if host is None and want.fixed_required else host


def _from_own_range(want: Want, room: Room, port: PortSpec, taken: set[tuple[Protocol, int]]) -> int | str:
    """The former lease or any free port of the node's range."""
    own = range(room.node.port_from, room.node.port_to + 1)
    host = _first_free(want, room, port, _former(want, port, own), taken)
    if host is None:
        host = _first_free(want, room, port, _walk(want, port, own), taken)
    return f"no {port.protocol} port is free in {room.node.port_from}-{room.node.port_to}" if host is None else host


def _first_free(
    want: Want, room: Room, port: PortSpec, hosts: Iterable[int], taken: set[tuple[Protocol, int]]
) -> int | None:
    """The first of `hosts` that the replica can have and has not already."""
    for host in hosts:
        if (port.protocol, host) not in taken and obstacle(want, room, port.protocol, host) is None:
            return host
    return None


def _former(want: Want, port: PortSpec, within: range) -> list[int]:
    """Host ports the replica had for this container port, of those that lie within a range.

    Others are not kept: a port outside was asked for by an older specification, or belongs to another node's range.
    """
    return [
        lease.host
        for lease in want.prefer
        if lease.container == port.container and lease.protocol == port.protocol and lease.host in within
    ]


def _walk(want: Want, port: PortSpec, within: range) -> Iterable[int]:
    """All ports of a range from a place that depends on the replica, so that replicas seldom want the same one."""
    if not within:
        return
    text = f"{want.replica}:{port.container}/{port.protocol}"
    start = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % len(within)
    yield from within[start:]
    yield from within[:start]


def _refusal(want: Want, room: Room, port: PortSpec, asked: range, taken: set[tuple[Protocol, int]]) -> str:
    """Why none of the host ports asked for can be had."""
    if len(asked) != 1:
        suffix = "" if port.protocol == "tcp" else f"/{port.protocol}"
        return f"ports {asked.start}-{asked.stop - 1}{suffix} are all taken"
    if (port.protocol, asked.start) in taken:
        return f"{_name(port.protocol, asked.start)} is asked for twice"
    return obstacle(want, room, port.protocol, asked.start) or f"{_name(port.protocol, asked.start)} is taken"


def _asked_for(port: PortSpec, host: int) -> bool:
    """True when `host` is what the specification says."""
    return port.host_from is not None and port.host_from <= host <= (port.host_to or port.host_from)


def _ours(want: Want, room: Room, port: int) -> bool:
    """True when a listener on `port` is explained by a container of ours: heartbeats do not tell TCP from UDP."""
    for protocol in _PROTOCOLS:
        if (protocol, port) in room.leases:
            return True
        rest = room.resting.get((protocol, port))
        if rest is not None and (rest.until is None or rest.until > want.now):
            return True
    return False


def _name(protocol: Protocol, port: int) -> str:
    """`port 8080`, `port 53/udp`."""
    return f"port {port}" if protocol == "tcp" else f"port {port}/{protocol}"
