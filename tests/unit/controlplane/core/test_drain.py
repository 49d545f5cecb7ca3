"""Drains: tried out, with a deadline, with progress, and what blocks them."""

import pytest

from controlplane.core.command import DrainNode, PlanDrain, ResumeNode
from controlplane.core.draft import Draft
from controlplane.core.drain import left
from controlplane.core.node import Node
from controlplane.core.record import Refused
from controlplane.core.views import Figures, node_view
from protocol.api import DrainView
from protocol.spec import Mount, Resources
from tests.unit.controlplane.core.world import CHECK, GIB, World, a_service, deployed

DATA = (Mount(kind="volume", source="data", target="/data"),)


def _world() -> tuple[World, str]:
    """web/1..3 everywhere, and db with data on the node that is given."""
    world = World()
    deployed(world, a_service(replicas=3, health=CHECK), a_service("db", image="db:1", mounts=DATA))
    (node,) = {r.wanted.node for r in world.replicas() if r.id.service == "db" and r.wanted}
    return world, node


def _full() -> World:
    """Two nodes, each full with one replica."""
    world = World(("node-1", "node-2"))
    world.mem_free = 8 * GIB
    world.run(1)
    deployed(world, a_service(replicas=2, resources=Resources(memory_reserved=5 * GIB)))
    return world


def _view(world: World, node: str) -> DrainView:
    view = node_view(world.cluster, world.cluster.nodes[node], Figures(), world.now).drain
    assert view is not None
    return view


def test_a_drain_that_is_tried_out_says_what_would_move_and_what_stays_and_changes_nothing() -> None:
    world, node = _world()
    before = world.states()
    plan = world.send(PlanDrain(node=node))
    (move,) = plan.moves
    assert move.to not in (None, node) and move.reason == ""
    assert [(b.replica, b.reason) for b in plan.blockers] == [("shop/db/1", "volume data lives here")]
    assert world.states() == before and not world.cluster.nodes[node].draining


def test_a_drain_tells_how_far_it_is() -> None:
    world, node = _world()
    world.send(DrainNode(node=node))
    view = _view(world, node)
    assert (view.state, view.moved, view.total, len(view.left)) == ("moving", 0, 1, 1)
    assert [b.replica for b in view.blockers] == ["shop/db/1"]
    world.until(lambda: world.cluster.nodes[node].drain == "done")
    view = _view(world, node)
    assert (view.state, view.moved, view.total, view.left) == ("done", 1, 1, ())
    assert any("is drained: 1 moved" in line for line in world.story())


def test_a_drain_past_its_deadline_leaves_what_is_left_and_says_so() -> None:
    world = _full()
    world.send(DrainNode(node="node-1", deadline_s=30.0))
    world.run(25)
    assert world.cluster.open_deployments
    world.run(10)
    assert _view(world, "node-1").state == "late"
    assert not world.cluster.open_deployments
    assert any("is over its deadline: 0 moved, 1 left: shop/web/" in line for line in world.story())
    world.run(400)
    assert world.all_running(count=2) and not world.cluster.open_deployments, "nothing is tried again by itself"
    world.send(ResumeNode(node="node-1"))
    assert world.cluster.nodes["node-1"].drain == ""


def test_a_new_drain_after_a_late_one_begins_anew() -> None:
    world = _full()
    world.send(DrainNode(node="node-1", deadline_s=5.0))
    world.run(10)
    world.add("node-3")
    world.send(DrainNode(node="node-1"))
    world.until(lambda: world.cluster.nodes["node-1"].drain == "done")


def test_a_migration_that_failed_is_not_tried_again_at_once() -> None:
    world = World(("node-1", "node-2"))
    deployed(world, a_service(replicas=1, health=CHECK))
    (node,) = {r.wanted.node for r in world.replicas() if r.wanted}
    other = next(n for n in world.agents if n != node)
    world.agents[other].fails["web:1"] = "exit 1"
    world.send(DrainNode(node=node))
    world.run(120)
    migrations = [d for d in world.cluster.deployments.values() if d.kind == "migrate"]
    assert len(migrations) <= 2, [d.state for d in migrations]
    assert left(Draft(world.cluster, world.now), node) == ["shop/web/1"]
    serving = [a for r in world.replicas() for a in r.assignments if a.state == "running" and not a.ending]
    assert [a.node for a in serving] == [node], "the one that serves is left alone"
    (replica,) = world.replicas()
    assert (replica.epoch, replica.wanted and replica.wanted.epoch, replica.outgoing) == (2, 1, None)
    world.agents[other].fails.clear()
    world.until(lambda: world.cluster.nodes[node].drain == "done", 400.0)
    assert world.all_running(count=1)


def test_two_drains_that_fail_do_not_call_each_other_up_again() -> None:
    world = World(("node-1", "node-2"))
    deployed(world, a_service(replicas=2, health=CHECK))
    world.add("node-3").fails["web:1"] = "exit 1"
    world.run(1)
    for node in ("node-1", "node-2"):
        world.send(DrainNode(node=node))
    world.run(120)
    assert [d.node for d in world.cluster.deployments.values() if d.kind == "migrate"] == ["node-1", "node-2"]


@pytest.mark.parametrize("deadline_s", [-1.0, 1e9])
def test_a_deadline_must_make_sense(deadline_s: float) -> None:
    world = World(("node-1",))
    with pytest.raises(Refused, match="deadline"):
        world.send(DrainNode(node="node-1", deadline_s=deadline_s))
    assert not world.cluster.table(Node)["node-1"].draining
