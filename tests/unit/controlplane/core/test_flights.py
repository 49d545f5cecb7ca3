"""However nodes come and go, a replica is moved at most three times within ten minutes."""

from controlplane.core.command import Deploy
from tests.unit.controlplane.core.world import World, a_project


def test_a_replica_is_moved_three_times_and_then_waits() -> None:
    world = World(("node-1", "node-2", "node-3", "node-4", "node-5", "node-6"))
    world.send(Deploy(spec=a_project("shop")))
    world.until(lambda: world.all_running(count=1))
    for _ in range(4):
        node = world.states()[0][2]
        world.cut(node)
        world.run(25.0)
    assert world.states()[0][1:] == ("interrupted", node)
    assert world.replicas()[0].epoch == 4
    stays = [e.text for e in world.events if e.kind == "replica.stays"]
    assert stays == [
        "shop/web/1 stays interrupted: moved 3 times within 10 minutes; it waits for its node, or for a while"
    ]
    world.until(lambda: world.all_running(count=1), 600.0)
    assert world.replicas()[0].epoch == 5
