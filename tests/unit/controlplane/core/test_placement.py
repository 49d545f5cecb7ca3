"""Placement: each filter's words, the answer as a whole, and that no filter is ever placed against."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.core.node import Node
from controlplane.core.placement import Holder, Placed, Room, Unplaced, Want, place, refusal
from protocol.messages import Capacity, Versions
from protocol.names import ReplicaId
from protocol.spec import Constraint, Mount, Placement, PortLease, PortSpec, Resources, ServiceSpec

MIB = 1024**2
FIXED = PortSpec(container=80, host_from=8080, host_to=8080)
AUTOMATIC = PortSpec(container=80)


def node(name: str = "node-1", **more: Any) -> Node:
    """A node online with 4 cores and 1 GiB, unless told otherwise."""
    known: dict[str, Any] = {
        "agent_id": f"id-{name}",
        "public_key": "k",
        "address": "10.0.0.1",
        "registered_at": 0.0,
        "state": "online",
        "capacity": Capacity(cpus=4.0, memory=1024 * MIB),
        "versions": Versions(os="linux", arch="x86_64"),
    }
    return Node(name=name, **(known | more))


def room(name: str = "node-1", *, held: dict[str, Any] | None = None, **more: Any) -> Room:
    """A room on such a node; `held`: fields of the node."""
    return Room(node=node(name, **(held or {})), **more)


def want(index: int = 1, *, asked: dict[str, Any] | None = None, **spec: Any) -> Want:
    """A replica of shop/web; `asked`: fields of the want, the rest of its specification."""
    service = ServiceSpec(name="web", image="i", **spec)
    return Want(replica=ReplicaId("shop", "web", index), spec=service, now=1000.0, **(asked or {}))


def constrained(key: str, value: str, equal: bool = True) -> Want:
    return want(placement=Placement(constraints=(Constraint(key=key, value=value, equal=equal),)))


# -- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({}, None),
        ({"state": "suspect"}, "suspect (silent, or its connection broke)"),
        ({"state": "offline"}, "offline"),
        ({"state": "offline", "held": True}, "offline (held)"),
        ({"state": "unknown"}, "not heard from since the Center started"),
        ({"draining": True}, "draining"),
        ({"unschedulable": "engine down"}, "unschedulable (engine down)"),
        ({"versions": Versions(os="windows")}, "runs windows, not Linux"),
        ({"versions": Versions(os="Linux")}, None),
        ({"versions": Versions()}, None),
    ],
)
def test_only_nodes_that_are_heard_from_and_take_work(held: dict[str, Any], reason: str | None) -> None:
    assert refusal(want(), room(held=held)) == reason


def test_a_node_that_gave_up_is_avoided() -> None:
    assert refusal(want(asked={"avoid": frozenset({"node-1"})}), room()) == "gave up here"
    assert refusal(want(asked={"avoid": frozenset({"node-2"})}), room()) is None


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (constrained("name", "node-1"), None),
        (constrained("name", "node-2"), "name is node-1, must be node-2"),
        (constrained("hostname", "node-1", False), "hostname is node-1, which is excluded"),
        (constrained("platform.os", "Linux"), None),
        (constrained("platform.arch", "amd64"), None),
        (constrained("platform.arch", "aarch64"), "platform.arch is amd64, must be arm64"),
        (constrained("platform.arch", "amd64", False), "platform.arch is amd64, which is excluded"),
        (constrained("labels.region", "北京"), None),
        (constrained("labels.region", "上海"), "label region is 北京, must be 上海"),
        (constrained("labels.region", "北京", False), "label region is 北京, which is excluded"),
        (constrained("labels.region", "上海", False), None),
        (constrained("labels.gpu", "true"), "label gpu is not set, must be true"),
        (constrained("labels.gpu", "true", False), None),
        (constrained("role", "worker", False), "constraint role is not known"),
    ],
)
def test_constraints_hold_or_say_what_is_and_what_must_be(asked: Want, reason: str | None) -> None:
    assert refusal(asked, room(held={"labels": {"region": "北京"}})) == reason


def test_an_unknown_platform_equals_nothing() -> None:
    silent = room(held={"versions": Versions()})
    assert refusal(constrained("platform.arch", "amd64"), silent) == "platform.arch is not set, must be amd64"
    assert refusal(constrained("platform.arch", "amd64", False), silent) is None


def test_all_constraints_must_hold() -> None:
    both = (Constraint(key="name", value="node-1"), Constraint(key="labels.gpu", value="true"))
    assert refusal(want(placement=Placement(constraints=both)), room()) == "label gpu is not set, must be true"


def test_volume_data_keeps_a_replica_unless_it_may_move() -> None:
    asked: dict[str, Any] = {
        "mounts": (Mount(kind="volume", target="/data", source="data"),),
        "asked": {"data_node": "node-1"},
    }
    assert refusal(want(**asked), room("node-2")) == "volume data lives on node-1"
    assert refusal(want(**asked), room("node-1")) is None
    assert refusal(want(movable=True, **asked), room("node-2")) is None
    assert refusal(want(asked={"data_node": "node-1"}), room("node-2")) is None


@pytest.mark.parametrize(
    ("source", "roots", "fits"),
    [
        ("/srv/shop", ("/srv",), True),
        ("/srv", ("/srv",), True),
        ("/srv/", ("/srv/",), True),
        ("/srv", (), False),
        ("/srvother", ("/srv",), False),
        ("/srv/../etc", ("/srv",), False),
        ("//etc", ("/srv",), False),
        ("//srv/shop", ("/srv",), True),
        ("srv/shop", ("/srv",), False),
        ("/data/x", ("/srv", "/data"), True),
        ("/anything", ("/",), True),
        ("/srv", ("",), False),
    ],
)
def test_bind_mounts_lie_below_an_allowed_root(source: str, roots: tuple[str, ...], fits: bool) -> None:
    asked = want(mounts=(Mount(kind="bind", target="/data", source=source),))
    reason = None if fits else f"bind mount {source} is not below an allowed --bind-root of node-3"
    assert refusal(asked, room("node-3", held={"bind_roots": roots})) == reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"cpus_reserved": 3.5}, None),
        ({"cpus_reserved": 0.1 + 0.2 + 3.2}, None),
        ({"cpus_reserved": 3.75}, "0.25 CPU short"),
        ({"memory_reserved": 768 * MIB}, None),
        ({"memory_reserved": 768 * MIB + 1}, "1 MB short"),
        ({"memory_reserved": 1068 * MIB}, "300 MB short"),
        ({"mem_free": 256 * MIB}, None),
        ({"mem_free": 256 * MIB, "unseen_memory": 64 * MIB}, "64 MB short of free memory"),
        ({"disk_free": 0.1}, None),
        ({"disk_free": 0.0999}, "only 9 % of its disk is free"),
        ({"cpu_usage": 100.0}, None),
        ({"held": {"capacity": Capacity()}, "cpus_reserved": 99.0, "memory_reserved": 99 * MIB}, None),
    ],
)
def test_resources_must_fit_by_reservation_and_by_what_was_measured(more: dict[str, Any], reason: str | None) -> None:
    asked = want(resources=Resources(cpus_reserved=0.5, memory_reserved=256 * MIB))
    assert refusal(asked, room(**more)) == reason


def test_a_replica_that_reserves_nothing_counts_a_tenth_of_a_core_and_64_mb() -> None:
    assert refusal(want(), room(cpus_reserved=3.95)) == "0.05 CPU short"
    assert refusal(want(), room(memory_reserved=1000 * MIB)) == "40 MB short"


def test_ports_and_replicas_per_node() -> None:
    assert refusal(want(ports=(FIXED,)), room(foreign=frozenset({8080}))) == "port 8080 is taken by another program"
    crowded = room(services={("shop", "web"): 2, ("shop", "db"): 9})
    assert refusal(want(placement=Placement(max_per_node=3)), crowded) is None
    asked = want(placement=Placement(max_per_node=2))
    assert refusal(asked, crowded) == "has 2 of web, max_replicas_per_node is 2"


def test_the_first_filter_that_refuses_gives_the_reason() -> None:
    full: dict[str, Any] = {"memory_reserved": 2048 * MIB, "foreign": frozenset({8080})}
    assert refusal(want(ports=(FIXED,)), room(**full)) == "1088 MB short"
    assert refusal(want(ports=(FIXED,)), room(held={"draining": True}, **full)) == "draining"


# -- the answer -----------------------------------------------------------------------------------------------------


def test_placed_names_node_ports_and_every_candidate_best_first() -> None:
    rooms = [
        room("node-4", held={"state": "offline"}),
        room("node-3", cpus_reserved=2.0),
        room("node-2"),
        room("node-1", held={"draining": True}),
    ]
    answer = place(want(ports=(FIXED,)), rooms)
    assert isinstance(answer, Placed)
    assert (answer.node, answer.ports, answer.remapped) == ("node-2", (PortLease(container=80, host=8080),), ())
    assert [(it.node, it.reason) for it in answer.candidates] == [
        ("node-2", ""),
        ("node-3", ""),
        ("node-1", "draining"),
        ("node-4", "offline"),
    ]
    best, next_best, *refused = (it.score for it in answer.candidates)
    assert best is not None and next_best is not None and best > next_best
    assert refused == [None, None]


def test_unplaced_gives_the_reason_per_node() -> None:
    rooms = [
        room("node-3", memory_reserved=1260 * MIB),
        room("node-2", leases={("tcp", 8080): Holder("blog", "api")}),
    ]
    answer = place(want(ports=(FIXED,)), rooms)
    assert isinstance(answer, Unplaced)
    assert answer.reason == "node-2: port 8080 is taken by blog/api; node-3: 300 MB short"
    assert [it.node for it in answer.candidates] == ["node-2", "node-3"]


def test_nodes_with_the_same_reason_are_named_together_and_counted_when_many() -> None:
    rooms = [room(f"node-{index}", held={"state": "offline"}) for index in range(1, 10)]
    answer = place(want(), rooms)
    assert isinstance(answer, Unplaced)
    assert answer.reason == "node-1, node-2, node-3, node-4 and 5 more: offline"
    assert len(answer.candidates) == 9


def test_without_nodes_there_is_a_reason_too() -> None:
    assert place(want(), []) == Unplaced(reason="there is no node", candidates=())


def test_avoided_nodes_are_not_taken_even_when_nothing_else_is_left() -> None:
    answer = place(want(asked={"avoid": frozenset({"node-1"})}), [room("node-1"), room("node-2", held={"held": True})])
    assert isinstance(answer, Unplaced)
    assert answer.reason == "node-1: gave up here; node-2: offline (held)"


def test_failover_remaps_a_taken_fixed_port_and_tells() -> None:
    taken = room("node-2", leases={("tcp", 8080): Holder("blog", "api")})
    assert isinstance(place(want(ports=(FIXED,)), [taken]), Unplaced)
    answer = place(want(ports=(FIXED,), asked={"fixed_required": False}), [taken])
    assert isinstance(answer, Placed)
    assert answer.remapped == ((8080, answer.ports[0].host),)


# -- properties -----------------------------------------------------------------------------------------------------


def reserve(rooms: list[Room], answer: Placed, asked: Want) -> list[Room]:
    """The rooms after this placement, as the core keeps them."""
    key = (asked.replica.project, asked.replica.service)
    return [
        it
        if it.node.name != answer.node
        else msgspec.structs.replace(
            it,
            cpus_reserved=it.cpus_reserved + asked.spec.cpus,
            memory_reserved=it.memory_reserved + asked.spec.memory,
            unseen_memory=it.unseen_memory + asked.spec.memory,
            leases={**it.leases, **{(port.protocol, port.host): Holder(*key) for port in answer.ports}},
            services={**it.services, key: it.services.get(key, 0) + 1},
            projects={**it.projects, key[0]: it.projects.get(key[0], 0) + 1},
        )
        for it in rooms
    ]


@st.composite
def rooms_of_a_cluster(draw: st.DrawFn) -> list[Room]:
    return [
        room(
            f"node-{index}",
            held={
                "state": draw(st.sampled_from(["online", "online", "online", "suspect", "offline", "unknown"])),
                "draining": draw(st.sampled_from([False, False, False, True])),
                "unschedulable": draw(st.sampled_from(["", "", "", "disk full"])),
                "labels": draw(st.sampled_from([{}, {"zone": "north"}, {"zone": "south"}])),
                "bind_roots": draw(st.sampled_from([(), ("/srv",)])),
                "capacity": draw(st.sampled_from([Capacity(), Capacity(cpus=1.0, memory=512 * MIB)])),
                "port_to": 20003,
            },
            cpus_reserved=draw(st.floats(0, 1)),
            memory_reserved=draw(st.integers(0, 512)) * MIB,
            mem_free=draw(st.sampled_from([None, 100 * MIB, 400 * MIB])),
            disk_free=draw(st.sampled_from([None, 0.05, 0.5])),
            foreign=draw(st.frozensets(st.sampled_from([8080, 20000, 20001]))),
        )
        for index in range(draw(st.integers(0, 5)))
    ]


@st.composite
def wants(draw: st.DrawFn) -> Want:
    mounts = st.sampled_from(
        [(), (Mount(kind="bind", target="/d", source="/srv/a"),), (Mount(kind="volume", target="/d", source="data"),)]
    )
    return want(
        draw(st.integers(1, 9)),
        asked={
            "strategy": draw(st.sampled_from(["least_loaded", "labels", "affinity"])),
            "avoid": draw(st.frozensets(st.sampled_from(["node-0", "node-1"]))),
            "data_node": draw(st.sampled_from(["", "", "node-1"])),
            "fixed_required": draw(st.booleans()),
        },
        ports=tuple(draw(st.lists(st.sampled_from([FIXED, AUTOMATIC]), max_size=2))),
        mounts=draw(mounts),
        placement=Placement(
            constraints=draw(st.sampled_from([(), (Constraint(key="labels.zone", value="north"),)])),
            spread=draw(st.sampled_from([(), ("zone",)])),
            max_per_node=draw(st.integers(0, 2)),
        ),
    )


def fits_by_plain_reading(asked: Want, it: Room) -> bool:
    """The rules of DESIGN §5 but for ports, written once more."""
    node, spec = it.node, asked.spec
    binds = [mount.source for mount in spec.mounts if mount.kind == "bind"]
    known = node.capacity.cpus > 0
    return (
        node.takes_work
        and node.name not in asked.avoid
        and (not spec.placement.constraints or node.labels.get("zone") == "north")
        and not (asked.data_node and spec.mounts and node.name != asked.data_node)
        and (not binds or node.bind_roots == ("/srv",))
        and (not known or it.cpus_reserved + 0.1 <= 1.0 + 1e-9)
        and (not known or it.memory_reserved + 64 * MIB <= 512 * MIB)
        and (it.mem_free is None or it.mem_free >= it.unseen_memory + 64 * MIB)
        and it.disk_free != 0.05
        and not 0 < spec.placement.max_per_node <= it.services.get(("shop", "web"), 0)
    )


@settings(max_examples=150, deadline=None)
@given(rooms_of_a_cluster(), wants())
def test_replicas_are_never_placed_against_a_rule_and_only_refused_by_one(rooms: list[Room], asked: Want) -> None:
    for index in range(1, 7):
        one = msgspec.structs.replace(asked, replica=ReplicaId("shop", "web", index))
        answer = place(one, rooms)
        assert place(one, rooms[::-1]) == answer
        assert Counter(it.node for it in answer.candidates) == Counter(it.node.name for it in rooms)
        fitting = {it.node.name for it in rooms if fits_by_plain_reading(one, it)}
        assert {it.node for it in answer.candidates if it.score is not None} <= fitting
        if isinstance(answer, Unplaced):
            assert asked.spec.ports or not fitting
            assert answer.reason
            return
        chosen = next(it for it in rooms if it.node.name == answer.node)
        hosts = {(port.protocol, port.host) for port in answer.ports}
        assert len(hosts) == len(asked.spec.ports)
        assert not hosts & chosen.leases.keys()
        assert not {host for _, host in hosts} & chosen.foreign
        if not asked.spec.placement.spread:
            least = min(it.services.get(("shop", "web"), 0) for it in rooms if _scored(answer, it))
            assert chosen.services.get(("shop", "web"), 0) == least
        rooms = reserve(rooms, answer, one)


def _scored(answer: Placed, it: Room) -> bool:
    return any(one.node == it.node.name and one.score is not None for one in answer.candidates)
