"""Volume data stays where it is, also while nobody uses it (DESIGN §4, Volumes)."""

from controlplane.core.command import PatchNode, RemoveNode, Scale
from protocol.spec import Mount, PortSpec
from tests.unit.controlplane.core.world import World, a_service, deployed

DB = a_service("db", mounts=(Mount(kind="volume", source="data", target="/data"),))


def _scaled_away() -> tuple[World, str]:
    world = World()
    deployed(world, DB)
    node = world.states()[0][2]
    world.send(Scale(project="shop", services={"db": 0}))
    world.until(lambda: not world.replicas())
    for other in world.agents:
        world.send(PatchNode(node=other, weight=1.0 if other == node else 100.0))
    return world, node


def test_a_replica_scaled_away_and_back_comes_back_to_its_data() -> None:
    world, node = _scaled_away()
    world.send(Scale(project="shop", services={"db": 1}))
    world.until(lambda: world.all_running(count=1))
    assert world.states() == [("db/1", "running", node)]


def test_the_data_of_a_removed_node_is_given_up() -> None:
    world, node = _scaled_away()
    world.send(RemoveNode(node=node))
    world.send(Scale(project="shop", services={"db": 1}))
    world.until(lambda: world.all_running(count=1))
    assert world.states()[0][2] != node


def test_a_replica_that_waits_for_its_data_goes_elsewhere_when_the_node_is_removed() -> None:
    world = World(("node-1", "node-2"))
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    deployed(world, a_service("db", mounts=DB.mounts, ports=fixed))
    node = world.states()[0][2]
    world.agents[node].busy_ports = 1
    world.agents[node].running.clear()
    world.until(lambda: world.states()[0][1] == "pending", 10.0)
    world.send(RemoveNode(node=node, force=True))
    world.until(lambda: world.all_running(count=1), 20.0)
    assert world.states()[0][2] != node
