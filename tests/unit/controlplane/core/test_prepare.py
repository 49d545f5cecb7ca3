"""What was made ready for a replica is released as soon as it is of no use."""

from controlplane.core.command import RemoveNode, Scale
from protocol.spec import PortSpec
from tests.unit.controlplane.core.world import World, a_service, deployed

FIXED = a_service(ports=(PortSpec(container=80, host_from=8080, host_to=8080),))


def _silent() -> tuple[World, str]:
    world = World(("node-1", "node-2"))
    deployed(world, FIXED)
    node = world.states()[0][2]
    world.power_off(node)
    world.until(lambda: bool(world.cluster.preparations), 10.0)
    return world, node


def test_a_preparation_for_a_removed_node_does_not_keep_its_replica_from_the_port() -> None:
    world, node = _silent()
    world.send(RemoveNode(node=node, force=True))
    world.run(1.0)
    assert not world.cluster.preparations
    wanted = world.replicas()[0].wanted
    assert wanted is not None and wanted.ports[0].host == 8080


def test_a_preparation_ends_with_its_replica() -> None:
    world, _ = _silent()
    world.send(Scale(project="shop", services={"web": 0}))
    world.run(30.0)
    assert not world.replicas() and not world.cluster.preparations
