"""Where people are sent: announced copies on nodes that are heard, and a version that changes with them."""

import msgspec
import pytest

from controlplane.core.addresses import addresses_view, people_go_to
from controlplane.core.cluster import Cluster
from controlplane.core.node import NodeState
from controlplane.core.replica import ref
from controlplane.core.task import Task
from controlplane.core.views import project_view
from protocol.api import AddressesView
from tests.unit.controlplane.sample_cluster import NOW, WALL, assignment, cluster, node, project, replica, revision


def shop(*replicas: object, **of_node: object) -> Cluster:
    nodes = [node("node-1", 1, **of_node), node("node-2", 2)]
    return cluster(*nodes, project(), revision(), *replicas)  # type: ignore[arg-type]  # records


def view(found: Cluster, wall: float = WALL) -> AddressesView:
    return addresses_view(found, found.projects["shop"], wall)


def where(found: Cluster) -> list[str]:
    return [a.address for a in view(found).services["web"]]


def test_each_service_names_the_addresses_of_its_ready_copies() -> None:
    found = shop(replica(1, "node-1"), replica(2, "node-2"))
    assert where(found) == ["10.0.0.1:20001", "10.0.0.2:20002"]
    first = view(found).services["web"][0]
    assert (first.node, first.replica, first.container, first.protocol, first.revision) == ("node-1", 1, 80, "tcp", 1)


def test_a_service_without_a_ready_copy_is_there_with_no_address() -> None:
    assert view(shop(replica(1, "node-1", health="unhealthy"))).services == {"web": ()}


@pytest.mark.parametrize(
    ("state", "announced"), [("online", True), ("suspect", True), ("unknown", True), ("offline", False)]
)
def test_an_address_stays_until_its_node_is_offline(state: NodeState, announced: bool) -> None:
    found = shop(replica(1, "node-1"), state=state)
    assert bool(where(found)) == announced
    shown = project_view(found, found.projects["shop"], NOW).replicas[0]
    assert (shown.announced, shown.address) == (announced, "10.0.0.1:20001" if announced else "")


def test_the_version_changes_with_the_addresses_and_with_nothing_else() -> None:
    before = view(shop(replica(1, "node-1"), replica(2, "node-2")))
    restarted = shop(replica(1, "node-1", restarts=3, reason="x"), replica(2, "node-2"))
    assert view(restarted).version == before.version
    ill = shop(replica(1, "node-1", health="unhealthy"), replica(2, "node-2"))
    assert view(ill).version != before.version
    moved = shop(replica(1, "node-2"), replica(2, "node-2"))
    assert view(moved).version != before.version


def test_while_an_update_goes_on_both_copies_are_named_until_the_old_one_leaves() -> None:
    both = msgspec.structs.replace(replica(3, "node-2"), outgoing=assignment("node-1", 1))
    assert where(shop(both)) == ["10.0.0.2:20003", "10.0.0.1:20001"]
    going = msgspec.structs.replace(both, outgoing=assignment("node-1", 1, ending=True))
    assert where(shop(going)) == ["10.0.0.2:20003"]
    assert people_go_to(shop(going), going, WALL, frozenset()) == (going.wanted,)


def test_a_copy_whose_restart_is_ordered_is_not_named_until_it_is_done() -> None:
    first = replica(1, "node-1")
    order = Task(
        id="t1",
        kind="restart",
        node="node-1",
        created_at=WALL,
        deadline_at=WALL + 60,
        target=ref(first.id, 1),
        state="running",
    )
    found = shop(first, replica(2, "node-2"), order)
    assert where(found) == ["10.0.0.2:20002"]
    assert [r.announced for r in project_view(found, found.projects["shop"], NOW).replicas] == [False, True]
    done = msgspec.structs.replace(order, state="done")
    assert len(where(shop(first, replica(2, "node-2"), done))) == 2
