"""Updates, scales, restarts, drains, and what interrupts them, in virtual time."""

from controlplane.core.command import (
    CancelDeployment,
    Deploy,
    DrainNode,
    Restart,
    Scale,
)
from controlplane.core.deployment import ENDED
from protocol.spec import UpdateConfig
from tests.unit.controlplane.core.world import CHECK, PortSpec, World, a_project, a_service, deployed


def test_an_update_goes_one_by_one_and_goes_back_at_the_first_that_fails() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    for agent in world.agents.values():
        agent.fails["web:bad"] = "exit 1"
    number = deployed(world, a_service(replicas=3, image="web:bad"))
    deployment = world.deployment(number)
    assert deployment.state == "rolled_back"
    assert "web/1" in deployment.reason and "exit 1" in deployment.reason
    assert world.cluster.projects["shop"].revision == 1
    world.run(3)
    assert [r.revision for r in world.replicas()] == [1, 1, 1]
    assert [world.alive(r.id)[0][1] for r in world.replicas()] == [1, 1, 1], "the copies that served before serve on"
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())
    assert not world.send(Deploy(spec=a_project("shop", a_service(replicas=3, image="web:bad")))).unchanged


def test_an_update_never_has_fewer_than_before_when_it_starts_first() -> None:
    world = World()
    deployed(world, a_service(replicas=3, health=CHECK))
    accepted = world.send(Deploy(spec=a_project("shop", a_service(replicas=3, health=CHECK, image="web:2"))))
    while world.deployment(accepted.deployment).state not in ENDED:
        world.run(0.25)
        running = sum(1 for a in world.agents.values() for c in a.running.values() if c.state == "running")
        assert running >= 3
    assert world.deployment(accepted.deployment).state == "succeeded"
    world.run(2)
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_a_fixed_port_is_updated_stop_first_on_its_node() -> None:
    world = World(("node-1",))
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    deployed(world, a_service(ports=fixed))
    number = deployed(world, a_service(ports=fixed, image="web:2"))
    assert world.deployment(number).state == "succeeded", world.story()[-10:]
    replica = world.replicas()[0]
    assert replica.wanted is not None and replica.wanted.ports[0].host == 8080
    assert world.alive(replica.id) == [("node-1", 2)]


def test_scale_up_and_down() -> None:
    world = World()
    deployed(world)
    up = world.send(Scale(project="shop", services={"web": 5}))
    world.until(lambda: world.deployment(up.deployment).state in ENDED)
    assert world.all_running(count=5)
    down = world.send(Scale(project="shop", services={"web": 2}))
    world.until(lambda: world.deployment(down.deployment).state in ENDED)
    assert world.all_running(count=2)
    assert sum(len(a.running) for a in world.agents.values()) == 2


def test_restart_touches_every_replica_once_and_keeps_epochs() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    accepted = world.send(Restart(project="shop"))
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED)
    assert world.deployment(accepted.deployment).state == "succeeded"
    assert [c.restarts for a in world.agents.values() for c in a.running.values()] == [1, 1, 1]
    assert [r.epoch for r in world.replicas()] == [1, 1, 1]


def test_a_drain_starts_elsewhere_first() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    world.send(DrainNode(node="node-1"))
    while world.cluster.open_deployments:
        world.run(0.25)
        running = sum(1 for a in world.agents.values() for c in a.running.values() if c.state == "running")
        assert running >= 3
    world.run(2)
    assert not world.agents["node-1"].running
    assert world.all_running(count=3)


def test_a_restart_of_the_center_in_the_middle_of_a_deploy_changes_nothing_in_the_outcome() -> None:
    world = World()
    accepted = world.send(Deploy(spec=a_project("shop", a_service(replicas=20))))
    world.run(0.5)
    world.restart_center()
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED)
    assert world.deployment(accepted.deployment).state == "succeeded"
    world.run(60)
    assert world.all_running(count=20)
    assert all(len(world.alive(r.id)) == 1 and r.epoch == 1 for r in world.replicas())


def test_an_image_that_no_node_knows_fails_the_deployment_with_the_reason() -> None:
    world = World()
    for agent in world.agents.values():
        agent.unknown.add("web:1")
    number = deployed(world)
    assert world.deployment(number).state == "failed"
    assert "web:1" in world.deployment(number).reason
    for agent in world.agents.values():
        agent.unknown.clear()
    assert world.deployment(deployed(world)).state == "succeeded", "the same file again is tried again"


def test_a_newer_deploy_supersedes_a_running_one() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    first = world.send(Deploy(spec=a_project("shop", a_service(replicas=3, image="web:2"))))
    world.run(2)
    number = deployed(world, a_service(replicas=3, image="web:3"))
    assert world.deployment(first.deployment).state == "superseded"
    assert world.deployment(number).state == "succeeded"
    world.run(2)
    assert [r.revision for r in world.replicas()] == [3, 3, 3]
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_a_taken_port_gets_another_lease_on_the_same_node() -> None:
    world = World(("node-1",))
    world.agents["node-1"].busy_ports = 1
    number = deployed(world)
    assert world.deployment(number).state == "succeeded", world.story()[-10:]
    assert world.replicas()[0].epoch == 2
    assert any(e.kind == "replica.port_taken" for e in world.events)


def test_a_scale_after_a_failed_update_does_not_go_on_with_it() -> None:
    world = World()
    stays = UpdateConfig(failure_action="pause")
    deployed(world, a_service(replicas=3, update=stays))
    for agent in world.agents.values():
        agent.fails["web:bad"] = "exit 1"
    bad = a_service(replicas=3, image="web:bad", update=stays)
    failed = world.send(Deploy(spec=a_project("shop", bad)))
    world.until(lambda: world.deployment(failed.deployment).state == "paused")
    scaled = world.send(Scale(project="shop", services={"web": 2}))
    assert world.deployment(scaled.deployment).reason == f"waiting for deployment {failed.deployment}"
    world.send(CancelDeployment(deployment=failed.deployment))
    world.until(lambda: world.deployment(scaled.deployment).state in ENDED)
    assert world.deployment(failed.deployment).state == "cancelled"
    assert world.deployment(scaled.deployment).state == "succeeded"
    assert [r.revision for r in world.replicas()] == [3, 3]
    assert not world.send(Deploy(spec=a_project("shop", bad))).unchanged, "it is not what runs"


def test_a_paused_update_leaves_the_copy_that_serves_alone_when_its_agent_gives_up() -> None:
    world = World()
    stays = UpdateConfig(failure_action="pause")
    deployed(world, a_service(replicas=1, update=stays))
    for agent in world.agents.values():
        agent.fails["web:bad"] = "exit 1"
    world.send(Deploy(spec=a_project("shop", a_service(replicas=1, image="web:bad", update=stays))))
    world.run(60)
    replica = world.replicas()[0]
    assert replica.failed and replica.epoch == 2
    assert replica.outgoing is not None and replica.outgoing.state == "running" and not replica.outgoing.ending


def test_a_deploy_without_any_node_fails_with_the_reason_after_ten_minutes() -> None:
    world = World(())
    accepted = world.send(Deploy(spec=a_project()))
    world.run(590)
    assert world.deployment(accepted.deployment).state == "running"
    world.run(20)
    assert world.deployment(accepted.deployment).state == "failed"
    assert "no node is online" in world.deployment(accepted.deployment).reason
