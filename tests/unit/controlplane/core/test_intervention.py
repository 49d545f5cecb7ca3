"""Pause, resume, cancel and abort; what waits, and for what."""

import pytest

from controlplane.core.command import (
    AbortRelease,
    CancelDeployment,
    Deploy,
    DrainNode,
    PauseDeployment,
    RemoveProject,
    Restart,
    ResumeDeployment,
    Rollback,
    Scale,
)
from controlplane.core.placing import START_FAILURES
from controlplane.core.record import Refused
from controlplane.core.rollout import PAUSE_MAX_S
from protocol.spec import UpdateConfig
from tests.unit.controlplane.core.releases import asked, bad, ended, served, steps
from tests.unit.controlplane.core.world import CHECK, World, a_project, a_service, deployed

SLOW = UpdateConfig(delay_s=10.0)


def _half_way() -> tuple[World, int]:
    """An update of four of which one is replaced."""
    world = World()
    deployed(world, a_service(replicas=4, health=CHECK, update=SLOW))
    number = asked(world, a_service(replicas=4, health=CHECK, image="web:2", update=SLOW))
    world.until(lambda: any(s.state == "done" for s in steps(world, number, "replace")))
    return world, number


def _states(world: World, number: int) -> list[str]:
    return [s.state for s in steps(world, number, "replace")]


def test_a_paused_deployment_begins_nothing_more_until_it_is_resumed() -> None:
    world, number = _half_way()
    assert world.send(PauseDeployment(deployment=number)).state == "paused"
    world.run(120)
    assert _states(world, number) == ["done", "waiting", "waiting", "waiting"]
    world.restart_center()
    world.run(30)
    assert _states(world, number) == ["done", "waiting", "waiting", "waiting"]
    assert world.send(ResumeDeployment(deployment=number)).state == "running"
    assert ended(world, number) == "succeeded"


def test_what_has_begun_goes_on_to_its_end_while_it_is_paused() -> None:
    world, number = _half_way()
    world.until(lambda: "running" in _states(world, number))
    world.send(PauseDeployment(deployment=number))
    world.until(lambda: "running" not in _states(world, number), 10.0)
    assert _states(world, number).count("done") == 2
    world.run(3)
    assert served(world) == {2: 2, 1: 2}


def test_a_deployment_that_nobody_resumes_is_cancelled_after_a_day() -> None:
    world, number = _half_way()
    world.send(PauseDeployment(deployment=number))
    world.mono += PAUSE_MAX_S + 1
    for name in world.agents:
        world.last_seen[name] = world.mono
    assert ended(world, number, 60.0) == "cancelled"
    world.run(5)
    assert served(world) == {1: 4}


def test_a_cancelled_release_leaves_everything_as_it_was() -> None:
    world, number = _half_way()
    world.send(CancelDeployment(deployment=number))
    assert ended(world, number) == "cancelled"
    world.run(3)
    assert served(world) == {1: 4} and world.cluster.projects["shop"].revision == 1
    again = world.send(Deploy(spec=a_project("shop", a_service(replicas=4, health=CHECK, update=SLOW))))
    assert again.unchanged


def test_a_cancelled_scale_goes_back_to_the_number_before() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK))
    world.start_s = 60.0
    scaled = world.send(Scale(project="shop", services={"web": 4}))
    world.run(5)
    world.send(CancelDeployment(deployment=scaled.deployment))
    assert ended(world, scaled.deployment) == "cancelled"
    assert len(world.replicas()) == 2 and served(world) == {1: 2}


def test_a_cancelled_restart_stops_where_it_is() -> None:
    world = World()
    deployed(world, a_service(replicas=3, update=SLOW))
    restarted = world.send(Restart(project="shop"))
    world.run(2)
    world.send(CancelDeployment(deployment=restarted.deployment))
    assert world.deployment(restarted.deployment).state == "cancelled"
    world.run(30)
    assert sorted(c.restarts for a in world.agents.values() for c in a.running.values()) == [0, 0, 1]


def test_what_failed_is_tried_again_when_a_paused_deployment_is_resumed() -> None:
    world = World()
    stays = UpdateConfig(failure_action="pause")
    deployed(world, a_service(replicas=2, update=stays))
    bad(world, "web:2")
    number = asked(world, a_service(replicas=2, image="web:2", update=stays))
    world.until(lambda: world.deployment(number).state == "paused")
    assert "exit 1" in world.deployment(number).reason
    for agent in world.agents.values():
        agent.fails.clear()
    world.send(ResumeDeployment(deployment=number))
    assert ended(world, number) == "succeeded"
    world.run(6)
    assert served(world) == {2: 2}
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_all_that_comes_meanwhile_waits_in_line_and_says_for_what() -> None:
    world, number = _half_way()
    restarted = world.send(Restart(project="shop"))
    scaled = world.send(Scale(project="shop", services={"web": 3}))
    rolled = world.send(Rollback(project="shop", revision=1))
    world.send(DrainNode(node="node-1"))
    line = world.cluster.projects["shop"].queue
    assert line[:3] == (restarted.deployment, scaled.deployment, rolled.deployment)
    reasons = [world.deployment(i).reason for i in line[:3]]
    before = [number, restarted.deployment, scaled.deployment]
    assert reasons == [f"waiting for deployment {i}" for i in before]
    world.send(CancelDeployment(deployment=scaled.deployment))
    assert world.deployment(scaled.deployment).state == "cancelled"
    assert world.deployment(rolled.deployment).reason == f"waiting for deployment {restarted.deployment}"
    assert ended(world, rolled.deployment, 300.0) == "succeeded"
    assert world.deployment(number).state == "succeeded"
    world.until(lambda: not world.cluster.open_deployments, 300.0)
    world.run(5)
    assert served(world) == {1: 4} and not world.agents["node-1"].running


def test_a_newer_deploy_takes_a_paused_one_s_place() -> None:
    world, number = _half_way()
    world.send(PauseDeployment(deployment=number))
    newer = asked(world, a_service(replicas=4, health=CHECK, image="web:3"))
    assert world.deployment(number).state == "superseded"
    assert ended(world, newer) == "succeeded"
    world.run(3)
    assert served(world) == {3: 4}


def test_what_makes_no_sense_is_refused_with_the_reason() -> None:
    world, number = _half_way()
    scaled = world.send(Scale(project="shop", services={"web": 3}))
    for command, why in (
        (PauseDeployment(deployment=99), "no deployment 99"),
        (PauseDeployment(deployment=1), "has succeeded"),
        (PauseDeployment(deployment=scaled.deployment), "waiting for deployment"),
    ):
        with pytest.raises(Refused, match=why):
            world.send(command)
    ended(world, number)
    with pytest.raises(Refused, match="not a release"):
        world.send(AbortRelease(deployment=scaled.deployment))
    ended(world, scaled.deployment)
    removal = world.send(RemoveProject(project="shop"))
    with pytest.raises(Refused, match="cannot be cancelled"):
        world.send(CancelDeployment(deployment=removal.deployment))


def test_what_came_up_in_the_end_is_done_when_resumed_however_often_it_was_restarted() -> None:
    """The simulation's seed 2: a healthy replica failed every resume for restarts of long ago."""
    world = World()
    for agent in world.agents.values():
        agent.fails["web:1"] = "no database"
    number = asked(world, a_service(image="web:1", health=CHECK, update=UpdateConfig(failure_action="pause")))
    world.until(lambda: world.deployment(number).state == "paused")
    for agent in world.agents.values():
        agent.fails.clear()
        for container in agent.running.values():
            container.state, container.health, container.gave_up = "running", "healthy", False
    world.run(10)
    (replica,) = world.replicas()
    assert replica.state == "running" and replica.wanted is not None and replica.wanted.restarts >= START_FAILURES
    world.send(ResumeDeployment(deployment=number))
    assert ended(world, number) == "succeeded"
