"""Free address ranges for project networks (DESIGN §5): a /26 of the agent's pool that overlaps nothing in use.

`free_subnets` is a plain function over text; `host_routes` reads this machine's routing tables. Knows no Docker.
Called by `nodeagent.docker` (the choice) and by whoever calls `ensure_network` (the routes).
"""

import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

SUBNET_BITS = 26
"""Prefix length of a project network: 61 containers."""

_ROUTES = Path("/proc/net/route")
_ROUTE_UP = 0x1


def free_subnets(pool: str, taken: Iterable[str]) -> Iterator[str]:
    """The /26 networks of `pool` (CIDR) that overlap none of `taken` (CIDRs, IPv6 and nonsense are passed over), in
    order. Raises ValueError when `pool` is not an IPv4 network of at least that size.
    """
    whole = ipaddress.IPv4Network(pool)
    if whole.prefixlen > SUBNET_BITS:
        raise ValueError(f"subnet pool {pool} is smaller than one /{SUBNET_BITS}")
    used = [network for text in taken if (network := _network(text)) is not None and network.overlaps(whole)]
    # As numbers: a pool has a thousand subnets, and ipaddress is slow.
    ranges = [(int(network.network_address), int(network.broadcast_address)) for network in used]
    size = 1 << (32 - SUBNET_BITS)
    start = int(whole.network_address)
    for first in range(start, start + whole.num_addresses, size):
        if not any(low < first + size and first <= high for low, high in ranges):
            yield f"{ipaddress.IPv4Address(first)}/{SUBNET_BITS}"


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def host_routes() -> tuple[str, ...]:
    """This machine's IPv4 routes as CIDRs, without the default route; empty where the kernel shows none."""
    try:
        return parse_routes(_ROUTES.read_text())
    except OSError:
        return ()


def parse_routes(table: str) -> tuple[str, ...]:
    """The routes in the text of `/proc/net/route`: addresses there are hex in the machine's byte order."""
    routes = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or not int(fields[3], 16) & _ROUTE_UP:
            continue
        address, mask = (socket.inet_ntoa(struct.pack("=I", int(fields[i], 16))) for i in (1, 7))
        if mask != "0.0.0.0":
            routes.append(str(ipaddress.IPv4Network(f"{address}/{mask}", strict=False)))
    return tuple(dict.fromkeys(routes))
