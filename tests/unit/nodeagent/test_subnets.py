"""Free subnets, and this machine's routes."""

import ipaddress
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.subnets import free_subnets, host_routes, parse_routes

TABLE = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
eth0	0000A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
down0	0000000A	00000000	0000	0	0	0	000000FF	0	0	0
short
"""


def test_the_first_free_one_comes_first() -> None:
    assert list(islice(free_subnets("10.213.0.0/16", ()), 2)) == ["10.213.0.0/26", "10.213.0.64/26"]
    taken = ("10.213.0.0/24", "172.17.0.0/16", "10.213.1.7/32", "fd00::/8", "nonsense", "")
    assert next(free_subnets("10.213.0.0/16", taken)) == "10.213.1.64/26"


def test_a_wider_route_takes_the_whole_pool() -> None:
    assert list(free_subnets("10.213.0.0/16", ("10.0.0.0/8",))) == []


@pytest.mark.parametrize("pool", ["10.213.0.0/27", "10.213.0.1/16", "nonsense", "fd00::/48"])
def test_a_pool_that_is_none_is_refused(pool: str) -> None:
    with pytest.raises(ValueError):
        next(free_subnets(pool, ()))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**12 - 1), st.integers(18, 32)), max_size=20))
def test_no_free_one_overlaps_what_is_taken(places: list[tuple[int, int]]) -> None:
    start = int(ipaddress.IPv4Address("10.213.0.0"))
    taken = [ipaddress.IPv4Network((start + offset, bits), strict=False) for offset, bits in places]
    free = [ipaddress.IPv4Network(text) for text in free_subnets("10.213.0.0/20", map(str, taken))]
    assert not any(a.overlaps(b) for a in free for b in taken)
    assert len(free) >= 64 - sum(max(1, 2 ** (26 - bits)) for _, bits in places)


def test_routes_are_read_without_the_default_route() -> None:
    assert parse_routes(TABLE) == ("192.168.0.0/24", "172.17.0.0/16")


def test_this_machine_has_readable_routes() -> None:
    for route in host_routes():
        ipaddress.IPv4Network(route)
