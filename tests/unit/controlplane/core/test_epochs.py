"""Epochs are never used twice for a replica, not even when it was forgotten in between (DESIGN §1, Assignment)."""

from controlplane.core.command import Deploy, RemoveProject, Scale
from protocol.names import ReplicaId
from tests.unit.controlplane.core.world import World, a_project, a_service

WEB_2 = ReplicaId("shop", "web", 2)


def _deployed() -> World:
    world = World()
    world.send(Deploy(spec=a_project("shop", a_service(replicas=2))))
    world.until(lambda: world.all_running(count=2))
    world.run(6.0)
    return world


def test_a_replica_scaled_away_and_back_gets_a_new_epoch() -> None:
    world = _deployed()
    world.send(Scale(project="shop", services={"web": 1}))
    world.until(lambda: WEB_2 not in world.cluster.replicas)
    world.run(6.0)
    world.send(Scale(project="shop", services={"web": 2}))
    world.until(lambda: world.all_running(count=2))
    assert world.cluster.replicas[WEB_2].epoch == 2


def test_a_project_removed_and_deployed_again_gets_new_epochs() -> None:
    world = _deployed()
    world.send(RemoveProject(project="shop"))
    world.until(lambda: not world.cluster.projects)
    world.restart_center()
    world.run(1.0)
    world.send(Deploy(spec=a_project("shop", a_service(replicas=2))))
    world.until(lambda: world.all_running(count=2))
    assert [r.epoch for r in world.replicas()] == [2, 2]
