"""Which replicas go when there are too many, and which numbers come back."""

from controlplane.core.command import CancelDeployment, Deploy, Scale
from protocol.spec import Placement, Resources
from tests.unit.controlplane.core.releases import ended
from tests.unit.controlplane.core.world import CHECK, GIB, World, a_project, a_service, deployed


def _scale(world: World, count: int) -> list[int]:
    """Numbers of the replicas after a scale to `count`."""
    ended(world, world.send(Scale(project="shop", services={"web": count})).deployment)
    world.run(2)
    return [r.id.index for r in world.replicas()]


def test_the_unhealthy_go_first_and_the_holes_they_leave_are_filled_again() -> None:
    world = World()
    deployed(world, a_service(replicas=5, health=CHECK))
    second = world.replicas()[1]
    assert second.wanted is not None
    for agent in world.agents.values():
        for ref, container in agent.running.items():
            if ref.replica in (2, 4):
                container.health = "unhealthy"
    world.run(1)
    assert _scale(world, 3) == [1, 3, 5]
    assert _scale(world, 4) == [1, 2, 3, 5]
    assert world.replicas()[1].epoch > second.epoch, "epochs are never used again"
    assert _scale(world, 6) == [1, 2, 3, 4, 5, 6]


def test_then_those_on_the_most_loaded_node() -> None:
    world = World(("node-1", "node-2"))
    deployed(world, a_service("big", resources=Resources(memory_reserved=4 * GIB), placement=Placement()), code="other")
    deployed(world, a_service(replicas=2, health=CHECK))
    loaded = world.replicas("other")[0].wanted
    assert loaded is not None
    on = {r.id.index: r.wanted.node for r in world.replicas() if r.wanted}
    assert len(set(on.values())) == 2
    (left,) = _scale(world, 1)
    assert on[left] != loaded.node


def test_among_equals_the_highest_number_goes() -> None:
    world = World(("node-1",))
    deployed(world, a_service(replicas=4, health=CHECK))
    assert _scale(world, 2) == [1, 2]


def test_none_is_left_of_a_service_scaled_to_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    assert _scale(world, 0) == []
    assert _scale(world, 2) == [1, 2]


def test_one_that_has_no_place_goes_before_those_that_run() -> None:
    world = World(("node-1",))
    service = a_service(replicas=6, resources=Resources(cpus_reserved=1.0))
    number = world.send(Deploy(spec=a_project("shop", service))).deployment
    world.run(5)
    world.send(CancelDeployment(deployment=number))
    world.run(5)
    assert _scale(world, 4) == [1, 2, 3, 4]
    assert world.all_running(count=4)
