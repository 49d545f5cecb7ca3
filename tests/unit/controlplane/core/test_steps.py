"""Steps that meet another operation half way: a copy that waits for its predecessor, a node that is away."""

import msgspec

from controlplane.core.command import Deploy, DrainNode, RemoveProject
from controlplane.core.deployment import ENDED
from controlplane.core.replica import Assignment, Replica
from protocol.spec import Dependency, Mount, PortSpec
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed

FIXED = a_service(image="web@sha256:1", ports=(PortSpec(container=80, host_from=8080, host_to=8080),))


def _waiting_copy(names: tuple[str, ...] = ("node-1",)) -> World:
    """A stop-first update whose new copy waits for the end of the old one."""
    world = World(names)
    deployed(world, FIXED)
    world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(FIXED, environment={"V": "2"}))))
    assert _wanted(world).hold
    return world


def _only(world: World) -> Replica:
    (replica,) = world.replicas()
    return replica


def _wanted(world: World) -> Assignment:
    wanted = _only(world).wanted
    assert wanted is not None
    return wanted


def test_a_removal_does_not_wait_for_a_copy_that_never_was() -> None:
    world = _waiting_copy()
    world.send(RemoveProject(project="shop"))
    world.until(lambda: not world.cluster.projects, 5.0)
    assert not world.agents["node-1"].running
    assert not world.cluster.open_tasks


def test_another_update_does_not_wait_for_a_copy_that_never_was() -> None:
    world = _waiting_copy()
    world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(FIXED, environment={"V": "3"}))))
    world.until(lambda: world.all_running(count=1), 5.0)
    world.run(6.0)
    wanted = _only(world).wanted
    assert wanted is not None and wanted.revision == 3 and wanted.ports[0].host == 8080
    assert world.alive(_only(world).id) == [("node-1", wanted.epoch)]
    assert not world.cluster.open_tasks


def test_a_drain_does_not_wait_for_a_copy_that_never_was() -> None:
    world = _waiting_copy(("node-1", "node-2"))
    node = _wanted(world).node
    world.send(DrainNode(node=node))
    world.run(20.0)
    wanted = _only(world).wanted
    assert wanted is not None and wanted.node != node and wanted.state == "running"
    assert _only(world).outgoing is None
    assert not world.cluster.open_tasks


def test_a_port_that_is_taken_where_a_lost_replica_goes_is_remapped() -> None:
    world = World(("node-1", "node-2"))
    deployed(world, FIXED)
    node = world.states()[0][2]
    other = next(name for name in world.agents if name != node)
    world.agents[other].busy_ports = 1
    world.power_off(node)
    world.until(lambda: world.states()[0][1:] == ("running", other), 60.0)
    wanted = _only(world).wanted
    assert wanted is not None and 20000 <= wanted.ports[0].host <= 29999
    assert any(e.kind == "replica.port_remapped" for e in world.events)


def test_an_update_goes_on_when_the_node_with_the_data_returns() -> None:
    db = a_service("db", mounts=(Mount(kind="volume", source="data", target="/data"),))
    world = World()
    deployed(world, db)
    node = world.states()[0][2]
    world.cut(node)
    world.run(30.0)
    accepted = world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(db, image="web@sha256:2"))))
    world.run(30.0)
    assert world.states()[0][1] == "interrupted"
    world.connect(node)
    world.until(lambda: world.deployment(accepted.deployment).state == "succeeded", 30.0)
    wanted = _only(world).wanted
    assert wanted is not None and (wanted.node, wanted.revision) == (node, 2)
    world.run(2.0)
    assert world.alive(_only(world).id) == [(node, wanted.epoch)]


def test_a_node_that_is_drained_while_it_is_away_is_emptied_when_it_returns() -> None:
    world = World(("node-1", "node-2"))
    deployed(world, FIXED)
    node = world.states()[0][2]
    other = next(name for name in world.agents if name != node)
    world.cut(other)
    world.cut(node)
    world.run(30.0)
    world.send(DrainNode(node=node))
    world.connect(node)
    world.connect(other)
    world.until(lambda: world.states()[0][1:] == ("running", other), 60.0)


def test_a_removal_does_not_wait_for_a_successor_made_in_the_same_decision() -> None:
    web, api = a_service(), a_service("api", depends_on={"web": Dependency()})
    world = World(("node-1", "node-2"))
    world.send(Deploy(spec=a_project("shop", web, api)))
    world.until(lambda: world.all_running(count=2))
    world.run(10.0)
    (node,) = {where for _, _, where in world.states()}
    world.cut(node)
    world.run(1.0)
    world.send(RemoveProject(project="shop"))
    world.until(lambda: not world.cluster.projects, 20.0)
    assert not world.cluster.open_tasks


def test_a_removal_does_not_wait_for_a_copy_that_was_let_start_in_the_same_decision() -> None:
    api = a_service("api", image="api@sha256:1", depends_on={"web": Dependency()})
    world = World(("node-1", "node-2"))
    world.send(Deploy(spec=a_project("shop", FIXED, api)))
    world.until(lambda: world.all_running(count=2))
    world.run(10.0)
    (node,) = {where for _, _, where in world.states()}
    world.abort(node)
    world.run(1.0)
    world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(FIXED, environment={"V": "2"}), api)))
    world.until(lambda: any(r.wanted and r.wanted.hold for r in world.replicas()), 5.0)
    world.send(RemoveProject(project="shop"))
    world.until(lambda: not world.cluster.projects, 20.0)
    assert not world.cluster.open_tasks


def test_an_update_mends_what_gave_up_on_the_node_that_returns() -> None:
    db = a_service("db", mounts=(Mount(kind="volume", source="data", target="/data"),))
    world = World()
    deployed(world, db)
    node = world.states()[0][2]
    world.cut(node)
    world.run(30.0)
    for container in world.agents[node].running.values():
        container.state, container.gave_up, container.reason = "failed", True, "exit 1"
    accepted = world.send(Deploy(spec=a_project("shop", msgspec.structs.replace(db, image="web@sha256:2"))))
    world.run(5.0)
    world.connect(node)
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED, 30.0)
    assert world.deployment(accepted.deployment).state == "succeeded"
    assert world.all_running(count=1) and not _only(world).failed
