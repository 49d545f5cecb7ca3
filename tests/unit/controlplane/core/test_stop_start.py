"""A project is stopped and started again: nothing of it is forgotten, and it comes back as it was."""

from controlplane.core.command import StartProject, StopProject
from controlplane.core.standing import standing
from protocol.spec import Dependency
from tests.unit.controlplane.core.world import World, a_service, deployed


def _state(world: World) -> str:
    return standing(world.cluster, world.cluster.projects["shop"], world.now.wall).state


def test_a_stopped_project_comes_back_with_the_numbers_it_had() -> None:
    world = World()
    deployed(world, a_service(replicas=3), a_service("idle", image="idle:1", replicas=0))
    stopped = world.send(StopProject(project="shop"))
    world.until(lambda: world.deployment(stopped.deployment).state == "succeeded")
    assert not any(a.running for a in world.agents.values()) and _state(world) == "stopped"
    assert world.send(StopProject(project="shop")).unchanged
    started = world.send(StartProject(project="shop"))
    world.until(lambda: world.deployment(started.deployment).state == "succeeded")
    assert sorted((r.id.service, r.id.index) for r in world.replicas()) == [("web", 1), ("web", 2), ("web", 3)]
    assert world.send(StartProject(project="shop")).unchanged


def test_those_that_depend_on_others_stop_first() -> None:
    world = World()
    deployed(world, a_service(depends_on={"db": Dependency()}), a_service("db", image="db:1"))
    stopped = world.send(StopProject(project="shop"))
    world.until(lambda: world.deployment(stopped.deployment).state == "succeeded")
    steps = [s for s in world.deployment(stopped.deployment).steps if s.kind == "stop"]
    assert [s.service for s in sorted(steps, key=lambda s: s.level)] == ["web", "db"]
    assert steps[0].level != steps[1].level
