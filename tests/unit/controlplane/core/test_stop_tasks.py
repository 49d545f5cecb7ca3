"""Every task ends: also the stop of a copy that a newer decision does not wait for any more (DESIGN §3)."""

import msgspec

from controlplane.core import liveness
from controlplane.core.command import Deploy, RemoveProject
from protocol.spec import PortSpec
from tests.unit.controlplane.core.world import World, a_project, a_service

FIXED = a_service(image="web@sha256:1", ports=(PortSpec(container=80, host_from=8080, host_to=8080),))


def _half_replaced() -> tuple[World, str]:
    """A stop-first update whose old copy is being stopped on a node that is silent."""
    world = World()
    world.send(Deploy(spec=a_project("shop", FIXED)))
    world.until(lambda: world.all_running(count=1))
    world.run(6.0)
    node = world.states()[0][2]
    world.cut(node)
    world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(FIXED, environment={"V": "2"}))))
    world.until(lambda: any(r.outgoing and r.outgoing.ending for r in world.replicas()), 20.0)
    return world, node


def test_a_removal_ends_the_stop_that_nobody_waits_for() -> None:
    world, node = _half_replaced()
    world.send(RemoveProject(project="shop"))
    world.connect(node)
    world.until(lambda: not world.cluster.projects)
    assert world.cluster.open_tasks == set()


def test_another_update_ends_the_stop_that_nobody_waits_for() -> None:
    world, node = _half_replaced()
    world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(FIXED, environment={"V": "3"}))))
    world.run(1.0)
    world.connect(node)
    world.run(20.0)
    assert world.all_running(count=1)
    assert world.cluster.open_tasks == set()


def test_a_lost_node_ends_the_start_of_a_copy_that_was_replaced_before_it_ran() -> None:
    world = World(start_s=1e9)
    world.send(Deploy(spec=a_project("shop", a_service(image="web@sha256:1"))))
    world.run(1.0)
    world.send(Deploy(spec=a_project("shop", a_service(image="web@sha256:2"))))
    world.run(1.0)
    (replica,) = world.replicas()
    assert replica.outgoing is not None and not replica.outgoing.ending
    start = replica.outgoing.task
    world.power_off(replica.outgoing.node)
    world.run(20.0)
    assert world.cluster.tasks[start].state == "failed"


def test_a_node_is_asked_for_a_copy_it_never_knew() -> None:
    world = World()
    world.send(Deploy(spec=a_project("shop", FIXED)))
    world.until(lambda: world.all_running(count=1))
    agent = world.agents[world.states()[0][2]]
    agent.running.clear()
    agent.desired.clear()
    world.send(RemoveProject(project="shop"))
    world.run(10.0)
    assert world.cluster.projects, "it waits for the word of the node"
    world.until(lambda: not world.cluster.projects, 2 * liveness.RELIST_S)
    assert world.cluster.open_tasks == set()
