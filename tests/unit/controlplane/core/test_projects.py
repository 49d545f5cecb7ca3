"""What people ask of projects, and how much is remembered of it."""

import pytest

from controlplane.core import revisions, rollout
from controlplane.core.command import AbortRelease, Deploy, Rollback, Scale
from protocol.spec import Mount
from tests.unit.controlplane.core.world import CHECK, World, a_project, a_service, deployed


def _deploy(world: World, number: int) -> None:
    accepted = world.send(Deploy(spec=a_project("shop", a_service(image=f"web@sha256:{number}", replicas=0))))
    assert world.deployment(accepted.deployment).state == "succeeded"


def test_only_so_many_ended_deployments_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "KEPT", 5)
    world = World(("node-1",))
    for number in range(12):
        _deploy(world, number)
    assert sorted(world.cluster.deployments)[-1] == 12
    assert len(world.cluster.deployments) <= 7


def test_only_so_many_revisions_are_kept_and_those_in_use_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "KEPT", 3)
    world = World(("node-1", "node-2"))
    data = (Mount(kind="volume", source="data", target="/data"),)
    deployed(world, a_service(), a_service("db", mounts=data))
    node = next(r.wanted.node for r in world.replicas() if r.wanted)
    world.power_off(node)
    world.run(20.0)
    for number in range(10):  # db cannot follow
        world.send(
            Deploy(spec=a_project("shop", a_service(image=f"web@sha256:{number}"), a_service("db", mounts=data)))
        )
        world.run(0.5)
    used = {a.revision for r in world.replicas() for a in r.assignments}
    kept = {number for _, number in world.cluster.revisions}
    assert used <= kept and max(kept) == 11
    assert len(kept) <= 3 + len(used) + 1


def test_a_rollback_waits_visibly_for_the_update_that_runs_and_an_abort_ends_that_at_once() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK))
    world.start_s = 1e9  # the new version never comes up
    first = world.send(Deploy(spec=a_project("shop", a_service(replicas=2, image="web:2", health=CHECK))))
    world.run(5.0)
    rolled = world.send(Rollback(project="shop", revision=1))
    waiting = world.deployment(rolled.deployment)
    assert (waiting.state, waiting.reason) == ("waiting", f"waiting for deployment {first.deployment}")
    assert f"waiting for deployment {first.deployment}" in rolled.warnings[0]
    world.send(AbortRelease(deployment=first.deployment))
    world.until(lambda: world.deployment(rolled.deployment).state == "succeeded", 10.0)
    assert world.deployment(first.deployment).state == "rolled_back"
    world.run(2.0)
    assert [a.revision for r in world.replicas() for a in r.assignments] == [1, 1]
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_a_scale_asked_for_during_a_deploy_runs_the_images_of_that_deploy() -> None:
    world = World()
    world.send(Deploy(spec=a_project("shop", a_service(replicas=1))))
    scaled = world.send(Scale(project="shop", services={"web": 3}))
    world.until(lambda: world.deployment(1).state == "succeeded")
    for agent in world.agents.values():
        agent.images["web:1"] = "web@sha256:" + "b" * 64  # the tag moved
    world.until(lambda: world.deployment(scaled.deployment).state == "succeeded")
    assert len({c.want.image for a in world.agents.values() for c in a.running.values()}) == 1
    assert [r.wanted.revision for r in world.replicas() if r.wanted] == [2, 2, 2]


def test_a_scale_that_waited_for_a_deploy_whose_image_is_not_found_scales_what_there_is() -> None:
    world = World()
    deployed(world)
    for agent in world.agents.values():
        agent.unknown.add("web:2")
    world.send(Deploy(spec=a_project("shop", a_service(image="web:2"))))
    scaled = world.send(Scale(project="shop", services={"web": 3}))
    world.until(lambda: world.deployment(scaled.deployment).state == "succeeded")
    assert world.deployment(2).state == "failed"
    assert world.all_running(count=3)
    assert {c.want.image.split("@")[1] for a in world.agents.values() for c in a.running.values()} == {
        world.cluster.revisions["shop", 1].pins["web"].split("@")[1]
    }
