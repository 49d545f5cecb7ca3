"""What a failover tells, beyond what `test_center` shows of what it does."""

from controlplane.core.command import Deploy, PatchNode
from protocol.spec import Constraint, Placement
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed


def test_the_journal_names_every_candidate_of_a_prepared_failover() -> None:
    world = World()
    world.send(Deploy(spec=a_project("shop", a_service(replicas=3))))
    world.until(lambda: world.all_running(count=3))
    lost = world.replicas()[0].wanted
    assert lost is not None
    mark = len(world.events)
    world.power_off(lost.node)
    world.until(lambda: any(e.kind == "replica.placed" for e in world.events[mark:]), 30.0)
    placed = next(e for e in world.events[mark:] if e.kind == "replica.placed")
    scores = {c["node"]: c["score"] for c in placed.data["candidates"]}
    assert scores.keys() == {"node-1", "node-2", "node-3"}
    assert scores[lost.node] is None and scores[placed.node] is not None


def test_the_journal_names_the_best_candidates_of_a_large_cluster() -> None:
    world = World(f"node-{n:02}" for n in range(40))
    deployed(world, a_service())
    placed = next(e for e in world.events if e.kind == "replica.placed")
    assert len(placed.data["candidates"]) == 32
    assert placed.data["candidates"][0]["node"] == placed.node


def test_the_reason_of_a_replica_that_waits_does_not_grow_with_the_cluster() -> None:
    world = World(f"node-{n:02}" for n in range(40))
    for number, name in enumerate(world.agents):
        world.send(PatchNode(node=name, labels={"rack": f"r{number}"}))
    nowhere = Placement(constraints=(Constraint(key="labels.rack", value="r99"),))
    world.send(Deploy(spec=a_project("shop", a_service(placement=nowhere))))
    world.run(2.0)
    assert world.replicas()[0].reason.endswith("; and 28 more nodes")
