"""Host ports: what is free, what is refused with which words, what is remapped."""

from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.core.node import Node
from controlplane.core.ports import Chosen, choose, obstacle, plenty
from controlplane.core.room import Holder, Resting, Room, Want
from protocol.names import ReplicaId
from protocol.spec import PortLease, PortSpec, Protocol, ServiceSpec

FIXED = PortSpec(container=80, host_from=8080, host_to=8080)
RANGE = PortSpec(container=80, host_from=8080, host_to=8082)
AUTOMATIC = PortSpec(container=80)
OTHER = Holder("blog", "api")


def node(first: int = 20000, last: int = 29999) -> Node:
    return Node(
        name="node-1",
        agent_id="a",
        public_key="k",
        address="10.0.0.1",
        registered_at=0.0,
        state="online",
        port_from=first,
        port_to=last,
    )


def want(*ports: PortSpec, fixed_required: bool = True, prefer: tuple[PortLease, ...] = (), index: int = 1) -> Want:
    return Want(
        replica=ReplicaId("shop", "web", index),
        spec=ServiceSpec(name="web", image="i", ports=ports),
        fixed_required=fixed_required,
        prefer=prefer,
        now=1000.0,
    )


def hosts(chosen: Chosen | str) -> list[int]:
    assert isinstance(chosen, Chosen), chosen
    return [lease.host for lease in chosen.ports]


def test_a_service_without_ports_needs_none() -> None:
    assert choose(want(), Room(node=node())) == Chosen()


def test_a_fixed_port_is_given_with_its_protocol_and_host_ip() -> None:
    port = PortSpec(container=53, protocol="udp", host_from=53, host_to=53, host_ip="10.0.0.1")
    lease = PortLease(container=53, host=53, protocol="udp", host_ip="10.0.0.1")
    assert choose(want(port), Room(node=node())) == Chosen(ports=(lease,))


def test_leases_come_in_the_order_of_the_specification() -> None:
    chosen = choose(want(AUTOMATIC, FIXED), Room(node=node()))
    assert isinstance(chosen, Chosen)
    assert [lease.container for lease in chosen.ports] == [80, 80]
    assert chosen.ports[1].host == 8080


def test_a_leased_fixed_port_is_refused_and_names_the_holder() -> None:
    room = Room(node=node(), leases={("tcp", 8080): OTHER})
    assert choose(want(FIXED), room) == "port 8080 is taken by blog/api"


def test_another_replica_of_the_same_service_holds_a_port_too() -> None:
    room = Room(node=node(), leases={("tcp", 8080): Holder("shop", "web")})
    assert choose(want(FIXED), room) == "port 8080 is taken by shop/web"


def test_a_port_that_another_program_listens_on_is_refused() -> None:
    assert choose(want(FIXED), Room(node=node(), foreign=frozenset({8080}))) == "port 8080 is taken by another program"


def test_tcp_and_udp_are_separate() -> None:
    room = Room(node=node(), leases={("udp", 8080): OTHER}, foreign=frozenset({8080}))
    assert hosts(choose(want(FIXED), room)) == [8080]


def test_a_resting_port_is_refused_to_other_services_until_its_time() -> None:
    def room(until: float | None) -> Room:
        return Room(node=node(), resting={("tcp", 8080): Resting(project="blog", service="api", until=until)})

    assert choose(want(FIXED), room(1042.0)) == "port 8080 rests 42 s more for blog/api"
    assert choose(want(FIXED), room(None)) == "port 8080 is taken by blog/api until its old container is gone"
    assert hosts(choose(want(FIXED), room(1000.0))) == [8080]


def test_the_same_service_takes_its_resting_port_at_once_though_it_still_listens() -> None:
    rest = Resting(project="shop", service="web", until=None)
    room = Room(node=node(), resting={("tcp", 8080): rest}, foreign=frozenset({8080}))
    assert hosts(choose(want(FIXED), room)) == [8080]


def test_a_port_that_rested_long_enough_but_is_listened_on_is_foreign() -> None:
    rest = Resting(project="blog", service="api", until=900.0)
    room = Room(node=node(), resting={("tcp", 8080): rest}, foreign=frozenset({8080}))
    assert choose(want(FIXED), room) == "port 8080 is taken by another program"


def test_the_same_fixed_port_twice_is_refused() -> None:
    again = PortSpec(container=81, host_from=8080, host_to=8080)
    assert choose(want(FIXED, again), Room(node=node())) == "port 8080 is asked for twice"


def test_on_failover_a_taken_fixed_port_is_remapped_and_told() -> None:
    room = Room(node=node(), leases={("tcp", 8080): OTHER})
    chosen = choose(want(FIXED, fixed_required=False), room)
    assert isinstance(chosen, Chosen)
    (lease,) = chosen.ports
    assert 20000 <= lease.host <= 29999
    assert chosen.remapped == ((8080, lease.host),)


def test_on_failover_a_free_fixed_port_comes_before_the_former_remapped_one() -> None:
    former = PortLease(container=80, host=20431)
    chosen = choose(want(FIXED, fixed_required=False, prefer=(former,)), Room(node=node()))
    assert chosen == Chosen(ports=(PortLease(container=80, host=8080),))


def test_on_failover_a_remapped_port_is_kept_where_the_fixed_one_is_still_taken() -> None:
    former = PortLease(container=80, host=20431)
    room = Room(node=node(), leases={("tcp", 8080): OTHER})
    chosen = choose(want(FIXED, fixed_required=False, prefer=(former,)), room)
    assert chosen == Chosen(ports=(PortLease(container=80, host=20431),), remapped=((8080, 20431),))


def test_a_range_gives_its_first_free_port() -> None:
    room = Room(node=node(), leases={("tcp", 8080): OTHER})
    assert hosts(choose(want(RANGE), room)) == [8081]


def test_a_range_keeps_the_former_lease() -> None:
    assert hosts(choose(want(RANGE, prefer=(PortLease(container=80, host=8082),)), Room(node=node()))) == [8082]


def test_a_full_range_is_refused_when_required_else_remapped() -> None:
    room = Room(node=node(), leases={("tcp", port): OTHER for port in (8080, 8081, 8082)})
    assert choose(want(RANGE), room) == "ports 8080-8082 are all taken"
    chosen = choose(want(RANGE, fixed_required=False), room)
    assert isinstance(chosen, Chosen)
    assert chosen.remapped == ((8080, chosen.ports[0].host),)


def test_overlapping_ranges_and_fixed_ports_leave_room_for_each_other() -> None:
    wide = PortSpec(container=1, host_from=8080, host_to=8082)
    narrow = PortSpec(container=2, host_from=8080, host_to=8081)
    fixed = PortSpec(container=3, host_from=8080, host_to=8080)
    assert hosts(choose(want(wide, narrow, fixed), Room(node=node()))) == [8082, 8081, 8080]


def test_an_automatic_port_never_takes_a_fixed_one_of_the_same_service() -> None:
    first = hosts(choose(want(AUTOMATIC), Room(node=node())))[0]
    fixed = PortSpec(container=81, host_from=first, host_to=first)
    chosen = hosts(choose(want(AUTOMATIC, fixed), Room(node=node())))
    assert chosen == [first + 1, first]


def test_a_remapped_port_never_takes_a_fixed_one_of_the_same_service() -> None:
    room = Room(node=node(20000, 20001), leases={("tcp", 8080): OTHER})
    for port in (20000, 20001):
        fixed = PortSpec(container=81, host_from=port, host_to=port)
        chosen = choose(want(FIXED, fixed, fixed_required=False), room)
        assert isinstance(chosen, Chosen)
        assert chosen.ports[1].host == port
        assert chosen.remapped == ((8080, 40001 - port),)


def test_automatic_ports_of_different_replicas_differ() -> None:
    given = {hosts(choose(want(AUTOMATIC, index=index), Room(node=node())))[0] for index in range(1, 51)}
    assert len(given) >= 48
    assert max(given) - min(given) > 5000


def test_an_automatic_port_keeps_the_former_lease_where_it_is_free() -> None:
    former = PortLease(container=80, host=20431)
    assert hosts(choose(want(AUTOMATIC, prefer=(former,)), Room(node=node()))) == [20431]
    taken = Room(node=node(), leases={("tcp", 20431): OTHER})
    assert hosts(choose(want(AUTOMATIC, prefer=(former,)), taken)) != [20431]


def test_former_leases_of_other_ports_protocols_or_ranges_are_not_kept() -> None:
    for former in (
        PortLease(container=81, host=20431),
        PortLease(container=80, host=20431, protocol="udp"),
        PortLease(container=80, host=8080),
    ):
        assert hosts(choose(want(AUTOMATIC, prefer=(former,)), Room(node=node()))) != [former.host]


def test_one_former_lease_serves_one_port() -> None:
    former = PortLease(container=80, host=20431)
    chosen = hosts(choose(want(AUTOMATIC, AUTOMATIC, prefer=(former,)), Room(node=node())))
    assert chosen[0] == 20431 != chosen[1]


def test_the_walk_finds_the_last_free_port_and_says_when_there_is_none() -> None:
    room = Room(node=node(20000, 20009), foreign=frozenset(range(20000, 20009)))
    assert hosts(choose(want(AUTOMATIC), room)) == [20009]
    assert choose(want(AUTOMATIC, AUTOMATIC), room) == "no tcp port is free in 20000-20009"


# -- properties -----------------------------------------------------------------------------------------------------

protocols: st.SearchStrategy[Protocol] = st.sampled_from(["tcp", "udp"])
hosts_near = st.integers(100, 119)
services = st.sampled_from([("shop", "web"), ("shop", "db"), ("blog", "web")])


@st.composite
def port_specs(draw: st.DrawFn) -> PortSpec:
    protocol: Protocol = draw(protocols)
    container = draw(st.integers(1, 3))
    if draw(st.booleans()):
        return PortSpec(container=container, protocol=protocol)
    first = draw(hosts_near)
    return PortSpec(
        container=container, protocol=protocol, host_from=first, host_to=first + draw(st.sampled_from([0, 0, 1, 4]))
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[Want, Room]:
    keys = st.tuples(protocols, hosts_near)
    rests = st.builds(
        lambda who, until: Resting(project=who[0], service=who[1], until=until),
        services,
        st.sampled_from([None, 900.0, 1030.0]),
    )
    room = Room(
        node=node(105, draw(st.integers(104, 119))),
        leases=draw(st.dictionaries(keys, services.map(lambda who: Holder(*who)), max_size=12)),
        resting=draw(st.dictionaries(keys, rests, max_size=12)),
        foreign=draw(st.frozensets(hosts_near, max_size=8)),
    )
    leases = st.builds(PortLease, container=st.integers(1, 3), host=hosts_near, protocol=protocols)
    asked = want(
        *draw(st.lists(port_specs(), max_size=6)),
        fixed_required=draw(st.booleans()),
        prefer=tuple(draw(st.lists(leases, max_size=3))),
        index=draw(st.integers(1, 5)),
    )
    return asked, room


@settings(max_examples=150, deadline=None)
@given(situations())
def test_ports_given_are_distinct_free_and_as_asked(situation: tuple[Want, Room]) -> None:
    asked, room = situation
    chosen = choose(asked, room)
    assert chosen == choose(asked, room)
    if isinstance(chosen, str):
        assert chosen
        return
    keys = [(lease.protocol, lease.host) for lease in chosen.ports]
    assert len(set(keys)) == len(keys) == len(asked.spec.ports)
    remapped = []
    for spec, lease in zip(asked.spec.ports, chosen.ports, strict=True):
        assert (lease.container, lease.protocol) == (spec.container, spec.protocol)
        assert obstacle(asked, room, lease.protocol, lease.host) is None
        assert (lease.protocol, lease.host) not in room.leases
        if spec.host_from is None or spec.host_to is None:
            assert room.node.port_from <= lease.host <= room.node.port_to
        elif not spec.host_from <= lease.host <= spec.host_to:
            assert room.node.port_from <= lease.host <= room.node.port_to
            remapped.append((spec.host_from, lease.host))
    assert list(chosen.remapped) == remapped
    assert not (asked.fixed_required and remapped)


@settings(max_examples=100, deadline=None)
@given(situations())
def test_an_obstacle_is_exactly_a_lease_a_rest_of_another_or_a_foreign_listener(situation: tuple[Want, Room]) -> None:
    asked, room = situation
    for protocol in ("tcp", "udp"):
        for port in range(100, 120):
            key: tuple[Protocol, int] = ("tcp" if protocol == "tcp" else "udp", port)
            rests = {
                proto: rest
                for (proto, number), rest in room.resting.items()
                if number == port and (rest.until is None or rest.until > asked.now)
            }
            ours = bool(rests) or ("tcp", port) in room.leases or ("udp", port) in room.leases
            mine = key[0] in rests and (rests[key[0]].project, rests[key[0]].service) == ("shop", "web")
            blocked = key in room.leases or (key[0] in rests and not mine) or (not ours and port in room.foreign)
            assert (obstacle(asked, room, *key) is not None) == blocked


@given(
    asked=st.lists(st.sampled_from([AUTOMATIC, AUTOMATIC, PortSpec(container=53, protocol="udp"), RANGE]), max_size=4),
    leased=st.sets(st.integers(20000, 20005)),
    resting=st.sets(st.integers(20000, 20005)),
    foreign=st.frozensets(st.integers(20000, 20005)),
)
def test_where_there_is_plenty_ports_are_always_found(
    asked: list[PortSpec], leased: set[int], resting: set[int], foreign: frozenset[int]
) -> None:
    room = Room(
        node=node(20000, 20005),
        leases={("tcp", port): OTHER for port in leased},
        resting={("tcp", port): Resting(project="blog", service="api") for port in resting},
        foreign=foreign,
    )
    asking = want(*asked)
    if plenty(asking, room):
        assert isinstance(choose(asking, room), Chosen)


def test_there_is_plenty_in_an_empty_node_and_not_in_a_full_one() -> None:
    full = Room(node=node(20000, 20001), leases={("tcp", 20000): OTHER}, foreign=frozenset({20001}))
    assert plenty(want(AUTOMATIC), Room(node=node()))
    assert plenty(want(), full)
    assert not plenty(want(AUTOMATIC), full)
    assert not plenty(want(FIXED), Room(node=node()))
