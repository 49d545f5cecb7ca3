"""Batches, delays, pulls before anything is stopped, and the deadline of every step."""

from controlplane.core import return_wait
from controlplane.core.command import Restart
from controlplane.core.steps import STEP_S
from protocol.spec import UpdateConfig
from tests.unit.controlplane.core.releases import asked, ended, served, steps
from tests.unit.controlplane.core.world import CHECK, World, a_service, deployed


def _begun(world: World, number: int, kind: str = "replace") -> list[float]:
    return sorted(round(s.started_at - world.deployment(number).started_at, 2) for s in steps(world, number, kind))


def test_batches_begin_when_the_last_one_is_ready_and_the_delay_is_over() -> None:
    world = World()
    config = UpdateConfig(parallelism=2, delay_s=20.0, monitor_s=0.0)
    deployed(world, a_service(replicas=5, health=CHECK, update=config))
    number = asked(world, a_service(replicas=5, health=CHECK, image="web:2", update=config))
    assert ended(world, number) == "succeeded"
    first, second, third, fourth, fifth = _begun(world, number)
    assert first == second and third == fourth
    assert third - first >= 20.0 and fifth - third >= 20.0


def test_services_of_one_depth_do_not_wait_for_each_other() -> None:
    world = World()
    config = UpdateConfig(delay_s=30.0)
    deployed(world, a_service(replicas=2, health=CHECK, update=config), a_service("api", health=CHECK))
    number = asked(
        world,
        a_service(replicas=2, health=CHECK, image="web:2", update=config),
        a_service("api", image="web:2", health=CHECK),
    )
    world.until(lambda: any(s.state == "done" and s.service == "api" for s in steps(world, number, "replace")), 10.0)
    assert [s.state for s in steps(world, number, "replace") if s.service == "web"].count("waiting") == 1


def test_all_images_are_pulled_before_the_first_copy_is_touched() -> None:
    world = World()
    config = UpdateConfig(order="stop-first")
    deployed(world, a_service(replicas=3, update=config))
    number = asked(world, a_service(replicas=3, image="web:2", update=config))
    world.until(lambda: bool(steps(world, number, "pull")), 5.0)
    assert ended(world, number) == "succeeded"
    pulls = steps(world, number, "pull")
    assert sorted(s.node for s in pulls) == ["node-1", "node-2", "node-3"]
    assert max(s.ended_at for s in pulls) <= min(s.started_at for s in steps(world, number, "replace"))


def test_an_image_that_cannot_be_pulled_fails_the_release_before_anything_is_stopped() -> None:
    world = World()
    config = UpdateConfig(order="stop-first")
    deployed(world, a_service(replicas=3, update=config))
    world.agents["node-3"].unpullable = True
    number = asked(world, a_service(replicas=3, image="web:2", update=config))
    assert ended(world, number) == "rolled_back"
    assert "node-3" in world.deployment(number).reason
    assert {s.state for s in steps(world, number, "replace")} == {"skipped"}
    world.run(6)
    assert served(world) == {1: 3} and [r.epoch for r in world.replicas()] == [1, 1, 1]


def test_a_node_that_is_lost_while_it_pulls_does_not_fail_the_release() -> None:
    world = World()
    deployed(world, a_service(replicas=3, health=CHECK))
    world.agents["node-3"].deaf = True
    number = asked(world, a_service(replicas=3, health=CHECK, image="web:2"))
    world.run(3)
    world.power_off("node-3")
    assert ended(world, number, 200.0) == "succeeded"
    assert [s.state for s in steps(world, number, "pull") if s.node == "node-3"] == ["skipped"]
    assert served(world) == {2: 3}


def test_a_step_that_does_not_end_fails_after_its_deadline() -> None:
    world = World()
    deployed(world, a_service(replicas=1, health=CHECK))
    world.start_s = 1e9
    number = asked(world, a_service(replicas=1, health=CHECK, image="web:2"))
    world.run(STEP_S - 20)
    assert world.deployment(number).state == "running"
    world.run(60)
    assert world.deployment(number).state == "rolled_back"
    assert "not done within" in world.deployment(number).reason
    assert served(world) == {1: 1}


def test_a_restart_takes_as_many_at_a_time_as_an_update_and_never_all_by_default() -> None:
    for parallelism, most in ((2, 2), (0, 1)):
        world = World()
        config = UpdateConfig(parallelism=parallelism)
        deployed(world, a_service(replicas=4, health=CHECK, update=config))
        world.run(10)
        restarted = world.send(Restart(project="shop"))
        seen = 0
        while world.deployment(restarted.deployment).state == "running":
            world.run(0.25)
            seen = max(seen, sum(s.state == "running" for s in steps(world, restarted.deployment, "restart")))
        assert world.deployment(restarted.deployment).state == "succeeded" and seen == most


def test_those_that_do_not_serve_are_restarted_first() -> None:
    world = World()
    deployed(world, a_service(replicas=3, health=CHECK))
    for agent in world.agents.values():
        for ref, container in agent.running.items():
            if ref.replica == 3:
                container.health = "unhealthy"
    world.run(1)
    restarted = world.send(Restart(project="shop"))
    assert [s.key.index for s in steps(world, restarted.deployment, "restart")] == [3, 1, 2]


def test_after_a_start_of_the_center_a_release_waits_for_the_nodes_and_spreads() -> None:
    world = World()
    for name in ("node-2", "node-3"):
        world.cut(name)
    world.restart_center()
    number = asked(world, a_service(replicas=3))
    world.run(2.0)
    (reason,) = {s.reason for s in steps(world, number, "start")}
    assert reason == "waits for node-2, node-3 to come back after the start of the Center"
    for name in ("node-2", "node-3"):
        world.connect(name)
    assert ended(world, number) == "succeeded"
    assert sorted(node for _, _, node in world.states()) == ["node-1", "node-2", "node-3"]


def test_a_release_does_not_wait_long_for_nodes_that_do_not_come_back() -> None:
    world = World()
    world.cut("node-2")
    world.restart_center()
    began = world.mono
    number = asked(world, a_service(replicas=2))
    assert ended(world, number) == "succeeded"
    assert return_wait.WAIT_S <= world.mono - began < return_wait.WAIT_S + 8.0
    assert sorted(node for _, _, node in world.states()) == ["node-1", "node-3"]
