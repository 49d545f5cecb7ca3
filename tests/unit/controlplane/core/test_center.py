"""The Center's core as a whole: deploy, failover, return, update, drain, in virtual time with obedient agents."""

from typing import get_args

import msgspec
import pytest

from controlplane.core.command import (
    ConfirmDown,
    Deploy,
    DrainNode,
    RemoveNode,
    RemoveProject,
    Restart,
    Rollback,
    Scale,
)
from controlplane.core.deployment import ENDED
from controlplane.core.fact import Reported, SessionClosed
from protocol.messages import ReplicaState
from protocol.spec import Mount, Resources
from tests.unit.controlplane.core.world import CHECK, PortSpec, World, a_project, a_service


def deployed(world: World, *services: object, code: str = "shop", limit_s: float = 60.0) -> int:
    """Deploy and wait for its end; gives the deployment's number."""
    accepted = world.send(Deploy(spec=a_project(code, *services)))  # type: ignore[arg-type]
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED, limit_s)
    return int(accepted.deployment)


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


def test_a_lost_node_is_noticed_and_its_replicas_run_elsewhere_within_18_s() -> None:
    world = World()
    deployed(world, a_service(replicas=6))
    lost = {r.id: r.epoch for r in world.replicas() if r.wanted and r.wanted.node == "node-1"}
    assert lost
    world.power_off("node-1")
    world.run(1)
    took = world.until(lambda: world.all_running(count=6) and not any(n == "node-1" for _, _, n in world.states()))
    assert took <= 18.0
    for replica in world.replicas():
        assert len(world.alive(replica.id)) == 1
        if replica.id in lost:
            assert replica.epoch == lost[replica.id] + 1
    root = next(e for e in world.events if e.kind == "node.suspect")
    story = [e.kind for e in world.events if e.cause == root.seq]
    assert story[:2] == ["node.suspect", "node.offline"]
    assert {"replica.interrupted", "replica.placed", "replica.running"} <= set(story)


def test_a_node_that_returns_before_offline_keeps_its_epochs() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    before = [(r.id, r.epoch) for r in world.replicas()]
    world.cut("node-1")
    world.run(12)
    world.connect("node-1")
    world.run(30)
    assert [(r.id, r.epoch) for r in world.replicas()] == before


def test_a_node_that_returns_late_is_cleaned_up() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    world.cut("node-1")
    world.run(40)
    assert world.agents["node-1"].running, "cut off, it runs on"
    world.connect("node-1")
    world.run(1)
    assert not world.agents["node-1"].running
    world.run(70)
    assert not any(r.until is None for r in world.cluster.rests.values())
    assert world.all_running(count=3)


def test_all_cables_pulled_moves_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=6))
    before = [(r.id, r.epoch) for r in world.replicas()]
    for name in world.agents:
        world.cut(name)
    world.run(60)
    for name in world.agents:
        world.connect(name)
    world.run(30)
    assert [(r.id, r.epoch) for r in world.replicas()] == before
    assert world.all_running(count=6)


def test_a_service_with_a_volume_stays_and_says_why() -> None:
    world = World()
    deployed(world, a_service("db", mounts=(Mount(kind="volume", source="data", target="/data"),)))
    node = world.states()[0][2]
    world.power_off(node)
    world.run(40)
    replica = world.replicas()[0]
    assert replica.state == "interrupted"
    assert replica.wanted is not None and replica.wanted.reason == f"volume data lives on {node}"


def test_an_update_goes_one_by_one_and_stops_at_the_first_that_fails() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    for agent in world.agents.values():
        agent.fails["web:bad"] = "exit 1"
    number = deployed(world, a_service(replicas=3, image="web:bad"))
    deployment = world.deployment(number)
    assert deployment.state == "failed"
    assert "web/1" in deployment.reason and "exit 1" in deployment.reason
    assert [r.revision for r in world.replicas()] == [2, 1, 1]
    assert len(world.alive(world.replicas()[0].id)) == 2, "the old one serves on beside the failed one"
    rolled = world.send(Rollback(project="shop"))
    world.until(lambda: world.deployment(rolled.deployment).state in ENDED)
    assert world.deployment(rolled.deployment).state == "succeeded"
    world.run(3)
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


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


def test_a_fixed_port_is_remapped_on_failover_and_told() -> None:
    world = World(("node-1", "node-2"))
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    deployed(world, a_service(ports=fixed, replicas=2))
    world.power_off("node-1")
    world.until(lambda: world.all_running() and not any(n == "node-1" for _, _, n in world.states()))
    hosts = sorted(r.wanted.ports[0].host for r in world.replicas() if r.wanted)
    assert hosts[0] == 8080 and hosts[1] >= 20000
    assert any(e.kind == "replica.port_remapped" for e in world.events)


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


def test_remove_leaves_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    accepted = world.send(RemoveProject(project="shop"))
    world.until(lambda: world.deployment(accepted.deployment).state in ENDED)
    assert "shop" not in world.cluster.projects
    assert not world.cluster.replicas
    assert not any(a.running for a in world.agents.values())


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


def test_a_quiet_cluster_writes_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=6))
    world.run(65)
    before = world.commits
    world.run(30)
    assert world.commits == before


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


def test_a_crash_looping_replica_is_moved_three_times_then_failed() -> None:
    world = World(("node-1", "node-2", "node-3", "node-4", "node-5"))
    deployed(world)
    for agent in world.agents.values():
        agent.fails["web:1"] = "exit 7"
    holder = world.agents[world.states()[0][2]]
    for container in holder.running.values():
        container.state, container.started_at = "starting", world.mono
    world.until(lambda: world.replicas()[0].failed, 200)
    replica = world.replicas()[0]
    assert replica.epoch == 4 and replica.moves == 3
    assert replica.state == "failed"
    assert len(set(replica.avoid)) == 3


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
    deployed(world, a_service("web", depends_on={"db": "service_healthy"}), a_service("db", health=CHECK))
    order = [e.replica for e in world.events if e.kind == "replica.placed"]
    assert order == ["shop/db/1", "shop/web/1"]


def test_three_of_four_nodes_lost_is_held_until_an_operator_confirms() -> None:
    world = World(("node-1", "node-2", "node-3", "node-4"))
    deployed(world, a_service(replicas=4))
    for name in ("node-1", "node-2", "node-3"):
        world.power_off(name)
    world.run(40)
    assert all(world.cluster.nodes[n].held for n in ("node-1", "node-2", "node-3"))
    assert sum(1 for _, s, _ in world.states() if s == "running") == 1
    world.send(ConfirmDown(node="node-2"))
    world.run(5)
    assert sum(1 for _, s, _ in world.states() if s == "running") == 2
    world.until(lambda: world.all_running(count=4), 200)


def test_a_removed_node_gives_up_its_replicas() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    world.send(RemoveNode(node="node-1", force=True))
    world.until(lambda: world.all_running(count=3))
    assert "node-1" not in {n for _, _, n in world.states()}


def test_an_older_session_changes_nothing() -> None:
    world = World()
    deployed(world)
    agent = next(a for a in world.agents.values() if a.running)
    old = agent.epoch
    world.connect(agent.name)
    world.send(SessionClosed(node=agent.name, session_epoch=old, clean=False))
    world.send(Reported(node=agent.name, session_epoch=old, gone=tuple(agent.running)))
    world.run(1)
    assert world.cluster.nodes[agent.name].state == "online"
    assert world.all_running()


def test_a_scale_after_a_failed_update_does_not_go_on_with_it() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    for agent in world.agents.values():
        agent.fails["web:bad"] = "exit 1"
    bad = a_service(replicas=3, image="web:bad")
    deployed(world, bad)
    scaled = world.send(Scale(project="shop", services={"web": 2}))
    world.until(lambda: world.deployment(scaled.deployment).state in ENDED)
    assert world.deployment(scaled.deployment).state == "succeeded"
    assert [r.revision for r in world.replicas()] == [3, 1]
    world.send(Scale(project="shop", services={"web": 3}))
    world.run(10)
    assert not world.send(Deploy(spec=a_project("shop", bad))).unchanged, "it is not what runs"


def test_a_failed_update_leaves_the_copy_that_serves_alone_when_its_agent_gives_up() -> None:
    world = World()
    deployed(world, a_service(replicas=1))
    for agent in world.agents.values():
        agent.fails["web:bad"] = "exit 1"
    deployed(world, a_service(replicas=1, image="web:bad"))
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


def test_a_crash_out_of_the_blue_begins_a_story_of_its_own() -> None:
    world = World()
    number = deployed(world)
    world.run(10)
    for agent in world.agents.values():
        for container in agent.running.values():
            container.state, container.reason, container.started_at = "failed", "exit 7", world.mono
            agent.fails["web:1"] = "exit 7"
    world.run(2)
    failed = next(e for e in world.events if e.kind == "replica.failed")
    assert failed.cause != world.deployment(number).cause
    later = [e.cause for e in world.events if e.seq > failed.seq and e.replica]
    assert later and set(later) == {failed.cause}


@pytest.mark.parametrize("first", get_args(ReplicaState))
@pytest.mark.parametrize("second", get_args(ReplicaState))
def test_no_report_of_an_agent_makes_the_rules_fail(first: ReplicaState, second: ReplicaState) -> None:
    world = World(("node-1",))
    deployed(world)
    agent = world.agents["node-1"]
    for state in (first, second, "running"):
        (report,) = world.reports("node-1")
        odd = msgspec.structs.replace(report, state=state, up_s=-1e300, restarts=-5, reason="x" * 5000)
        world.send(Reported(node="node-1", session_epoch=agent.epoch, containers=(odd,)))
    assert world.replicas()[0].state == "running"


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
