"""What the scheduler is told of the nodes: in the middle of a decision the same as from the tables after it."""

from collections.abc import Callable
from functools import cache

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from controlplane.core.cluster import KEYS, UNSTORED, Cluster, Meta
from controlplane.core.command import Deploy
from controlplane.core.draft import Draft
from controlplane.core.port_rest import PortRest
from controlplane.core.project import Revision
from controlplane.core.replica import Replica, ref
from controlplane.core.room import Room
from controlplane.core.rooms import rooms
from protocol.spec import PortLease, Resources
from tests.unit.controlplane.core.world import World, a_project, a_service

NODES = ("node-1", "node-2", "node-3")
Change = Callable[[Draft, Replica, int], None]


@cache
def world() -> World:
    """Six replicas of two services that run on three nodes. Not changed by the tests."""
    made = World(NODES)
    made.send(Deploy(spec=a_project("shop", a_service("web", replicas=4), a_service("db", replicas=2))))
    made.until(lambda: made.all_running(count=6))
    return made


def told(draft: Draft) -> dict[str, Room]:
    return {room.node.name: room for room in rooms(draft)}


def copy(cluster: Cluster) -> Cluster:
    records = [r for kind in KEYS if kind not in (Meta, *UNSTORED) for r in cluster.table(kind).values()]
    return Cluster(cluster.meta, cluster.volatile, records)


def move(draft: Draft, replica: Replica, number: int) -> None:
    """A new epoch elsewhere, the former one still serves."""
    if replica.wanted is None:
        return
    epoch, port = replica.epoch + 1, PortLease(container=80, host=21000 + number)
    wanted = msgspec.structs.replace(replica.wanted, node=NODES[number % 3], epoch=epoch, ports=(port,))
    draft.put(msgspec.structs.replace(replica, epoch=epoch, wanted=wanted, outgoing=replica.wanted))


def end(draft: Draft, replica: Replica, number: int) -> None:
    """Its wanted copy is on its way out."""
    if replica.wanted is not None:
        outgoing = msgspec.structs.replace(replica.wanted, ending=True)
        draft.put(msgspec.structs.replace(replica, wanted=None, outgoing=outgoing))


def other_ports(draft: Draft, replica: Replica, number: int) -> None:
    """The same epoch with other ports: no rule does that, the sums must not care."""
    if replica.wanted is not None:
        wanted = msgspec.structs.replace(replica.wanted, ports=(PortLease(container=80, host=22000 + number),))
        draft.put(msgspec.structs.replace(replica, wanted=wanted))


def forget(draft: Draft, replica: Replica, number: int) -> None:
    draft.drop(replica)


def rest(draft: Draft, replica: Replica, number: int) -> None:
    holder = ref(replica.id, replica.epoch)
    draft.put(PortRest(node=NODES[number % 3], protocol="tcp", port=23000 + number, holder=holder))


CHANGES: tuple[Change, ...] = (move, end, other_ports, forget, rest)


@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 5), st.integers(0, 20)), max_size=12))
def test_rooms_follow_every_change_of_a_decision(changes: list[tuple[Change, int, int]]) -> None:
    begun, keys = world(), sorted(world().cluster.replicas)
    draft = Draft(copy(begun.cluster), begun.now)
    for change, which, number in changes:
        replica = draft.replica(keys[which])
        if replica is not None:
            change(draft, replica, number)
        told(draft)  # what is remembered of this moment must not last
    after = copy(begun.cluster)
    after.apply(draft.changes())
    assert told(draft) == told(Draft(after, begun.now))


def test_rooms_follow_a_revision_that_changes_what_its_services_reserve() -> None:
    draft = Draft(copy(world().cluster), world().now)
    key = min(draft.base.replicas)
    replica, revision = draft.replica(key), draft.get(Revision, ("shop", 1))
    assert replica is not None and replica.wanted is not None and revision is not None
    node = replica.wanted.node
    move(draft, replica, NODES.index(node))
    before = told(draft)[node].cpus_reserved
    services = {
        name: msgspec.structs.replace(s, resources=Resources(cpus_reserved=1.0))
        for name, s in revision.spec.services.items()
    }
    draft.put(msgspec.structs.replace(revision, spec=msgspec.structs.replace(revision.spec, services=services)))
    other_ports(draft, draft.replicas_on(node)[0], 1)
    assert told(draft)[node].cpus_reserved >= before * 5


def test_what_is_assumed_of_a_replica_refuses_nothing_once_it_is_shown() -> None:
    small = World(("node-1",))
    small.send(Deploy(spec=a_project("shop", a_service("web", replicas=60))))
    small.until(lambda: small.all_running(count=60), 60)


def test_what_is_asked_for_counts_for_ever() -> None:
    small = World(("node-1",))
    asking = a_service("web", replicas=5, resources=Resources(cpus_reserved=1.0))
    small.send(Deploy(spec=a_project("shop", asking)))
    small.run(60)
    assert [r.state for r in small.replicas()] == ["running"] * 4 + ["pending"]
