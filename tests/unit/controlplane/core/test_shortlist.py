"""A shortlist says what a look at all nodes would say, whatever changes between two placements."""

import random
from dataclasses import dataclass, field

import msgspec
import pytest

from controlplane.core.node import Node
from controlplane.core.placement import Placed, place
from controlplane.core.room import Resting, Room, Want
from controlplane.core.shortlist import KEPT, Shortlist, is_plain, kept
from protocol.messages import Capacity
from protocol.names import ReplicaId
from protocol.spec import Placement, PortSpec, ServiceSpec

SPEC = ServiceSpec(name="web", image="i", ports=(PortSpec(container=80),), placement=Placement(max_per_node=3))


def want(index: int = 1, spec: ServiceSpec = SPEC, **fields: object) -> Want:
    return Want(replica=ReplicaId("shop", spec.name, index), spec=spec, now=float(index), **fields)  # type: ignore[arg-type]  # fields by name


def room(name: str, chance: random.Random) -> Room:
    node = Node(
        name=name,
        agent_id=name,
        public_key="",
        address="10.0.0.1",
        registered_at=0.0,
        state=chance.choice(("online", "online", "online", "suspect")),
        weight=chance.choice((1.0, 1.0, 2.0, 0.0)),
        labels={"gpu": chance.choice(("yes", "no"))},
        capacity=Capacity(cpus=8.0, memory=8 << 30),
        port_from=20000,
        port_to=20000 + chance.choice((0, 2, 5000)),
    )
    resting = Resting(project="other", service="x", until=chance.uniform(0, 40))
    return Room(
        node=node,
        cpus_reserved=chance.uniform(0, 8),
        memory_reserved=chance.randrange(8 << 30),
        cpu_usage=chance.choice((None, chance.uniform(0, 100))),
        mem_free=chance.choice((None, chance.randrange(8 << 30))),
        resting={("tcp", 20000 + i): resting for i in range(chance.randrange(3))},
        services={("shop", name): chance.randrange(3) for name in ("web", "db", "mail")},
        projects={"shop": chance.randrange(4)},
    )


@dataclass
class Cluster:
    """Rooms that change by chance."""

    seed: int
    rooms: list[Room] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 chance from a seed is the point
        self.rooms = [room(f"n{i:02d}", self.chance) for i in range(12)]

    def change(self) -> None:
        self.rooms = list(self.rooms)
        match self.chance.randrange(10):
            case 0:
                self.rooms.append(room(f"n{self.chance.randrange(100, 999)}", self.chance))
            case 1:
                del self.rooms[self.chance.randrange(len(self.rooms))]
            case 2:
                self.chance.shuffle(self.rooms)
            case _:
                at = self.chance.randrange(len(self.rooms))
                self.rooms[at] = room(self.rooms[at].node.name, self.chance)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("strategy", ["least_loaded", "labels"])
def test_it_says_what_a_look_at_all_nodes_says(seed: int, strategy: str) -> None:
    cluster = Cluster(seed)
    preferring = msgspec.structs.replace(SPEC, placement=Placement(preferred={"gpu": "yes"}, max_per_node=3))
    spec = preferring if strategy == "labels" else SPEC
    shortlist = Shortlist(want(spec=spec, strategy=strategy))
    for index in range(1, 60):
        asked = want(index, spec, strategy=strategy)
        assert shortlist.fits(asked)
        assert shortlist.place(asked, cluster.rooms)[0] == place(asked, cluster.rooms)
        cluster.change()


def test_only_what_changed_is_looked_at() -> None:
    cluster = Cluster(1)
    cluster.rooms = [msgspec.structs.replace(r, resting={}) for r in cluster.rooms]
    cluster.rooms = [
        msgspec.structs.replace(r, node=msgspec.structs.replace(r.node, port_to=25000)) for r in cluster.rooms
    ]
    shortlist = Shortlist(want())
    placed, looks = shortlist.place(want(1), cluster.rooms)
    assert isinstance(placed, Placed) and looks >= len(cluster.rooms)
    at = next(i for i, r in enumerate(cluster.rooms) if r.node.name == placed.node)
    cluster.rooms[at] = msgspec.structs.replace(cluster.rooms[at], cpus_reserved=cluster.rooms[at].cpus_reserved + 0.1)
    assert shortlist.place(want(2), cluster.rooms)[1] == 1


def test_no_node_is_told_with_the_reasons() -> None:
    cluster = Cluster(3)
    cluster.rooms = [
        msgspec.structs.replace(r, node=msgspec.structs.replace(r.node, draining=True)) for r in cluster.rooms
    ]
    assert Shortlist(want()).place(want(), cluster.rooms)[0] == place(want(), cluster.rooms)
    assert Shortlist(want()).place(want(), [])[0] == place(want(), [])


def test_what_depends_on_more_than_the_node_is_not_plain() -> None:
    fixed = ServiceSpec(name="web", image="i", ports=(PortSpec(container=80, host_from=8080),))
    spread = ServiceSpec(name="web", image="i", placement=Placement(spread=("region",)))
    assert is_plain(want())
    assert not is_plain(want(spec=fixed)) and not is_plain(want(spec=spread))
    assert not is_plain(want(strategy="affinity")) and not is_plain(want(company=(SPEC,)))
    assert not is_plain(want(data_node="n1"))


def test_another_want_gets_another_list_and_few_are_kept() -> None:
    lists: dict[tuple[str, str], Shortlist] = {}
    first = kept(lists, want(1))
    assert kept(lists, want(2)) is first
    assert kept(lists, want(3, avoid=frozenset({"n1"}))) is not first
    for name in ("a", "b", "c"):
        kept(lists, want(spec=msgspec.structs.replace(SPEC, name=name)))
    assert len(lists) == KEPT and ("shop", "c") in lists
