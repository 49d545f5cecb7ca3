"""The Center's core as a whole: deploy, place, wait, remove, in virtual time with obedient agents."""

from controlplane.core.command import (
    Deploy,
    RemoveProject,
)
from controlplane.core.deployment import ENDED
from protocol.spec import Dependency, Resources
from tests.unit.controlplane.core.world import CHECK, PortSpec, World, a_project, a_service, deployed


def test_a_deploy_runs_three_replicas_on_three_nodes() -> None:
    world = World()
    number = deployed(world, a_service(replicas=3, health=CHECK))
    assert world.deployment(number).state == "succeeded"
    assert {node for _, _, node in world.states()} == {"node-1", "node-2", "node-3"}
    assert world.all_running(count=3)
    assert all(r.wanted and 20000 <= r.wanted.ports[0].host <= 29999 for r in world.replicas())


def test_the_same_file_again_is_unchanged() -> None:
    world = World()
    deployed(world)
    assert world.send(Deploy(spec=a_project())).unchanged


def test_a_second_service_on_a_taken_port_is_pending_with_the_reason() -> None:
    world = World(("node-1", "node-2"))
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    deployed(world, a_service(ports=fixed, replicas=2))
    world.send(Deploy(spec=a_project("other", a_service("api", ports=fixed))))
    world.run(5)
    replica = world.replicas("other")[0]
    assert replica.state == "pending"
    assert "8080" in replica.reason and "node-1" in replica.reason and "node-2" in replica.reason
    world.send(RemoveProject(project="shop"))
    world.until(lambda: world.all_running("other"), 120)


def test_remove_leaves_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    accepted = world.send(RemoveProject(project="shop"))
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED)
    assert "shop" not in world.cluster.projects
    assert not world.cluster.replicas
    assert not any(a.running for a in world.agents.values())


def test_a_quiet_cluster_writes_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=6))
    world.run(65)
    before = world.commits
    world.run(30)
    assert world.commits == before


def test_agents_on_one_engine_share_one_port_table() -> None:
    world = World(())
    for name in ("a", "b", "c"):
        world.add(name, engine_id="one")
        world.same_engine(name)
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    world.send(Deploy(spec=a_project("shop", a_service(ports=fixed, replicas=2))))
    world.run(5)
    assert sorted(s for _, s, _ in world.states()) == ["pending", "running"]


def test_services_start_in_order_of_their_dependencies() -> None:
    world = World()
    deployed(
        world,
        a_service("web", depends_on={"db": Dependency(condition="service_healthy")}),
        a_service("db", health=CHECK),
    )
    order = [e.replica for e in world.events if e.kind == "replica.placed"]
    assert order == ["shop/db/1", "shop/web/1"]


def test_a_replica_that_waits_says_so_once_although_free_memory_changes() -> None:
    world = World(("node-1", "node-2"))
    big = Resources(memory_reserved=6 * 1024**3)
    world.send(Deploy(spec=a_project("shop", a_service(replicas=2, resources=big))))
    for free in range(40):
        world.mem_free = (4096 + free) * 1024**2
        world.run(1)
    assert [e.replica for e in world.events if e.kind == "replica.pending"] == ["shop/web/1", "shop/web/2"]
    world.mem_free = 7 * 1024**3
    world.until(lambda: world.all_running(count=2))


def test_a_replica_that_waits_for_a_resting_port_says_so_once() -> None:
    world = World(("node-1",))
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    deployed(world, a_service(ports=fixed), code="first")
    world.send(RemoveProject(project="first"))
    world.until(lambda: not world.cluster.projects)
    world.send(Deploy(spec=a_project("second", a_service(ports=fixed))))
    world.run(40)
    assert [e.text for e in world.events if e.kind == "replica.pending"] == [
        "second/web/1 waits for a place: node-1: port 8080 rests 60 s more for first/web"
    ]
    world.until(lambda: [s for _, s, _ in world.states("second")] == ["running"], 30.0)
