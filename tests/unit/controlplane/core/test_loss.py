"""Losses seen as a whole: nodes that vanish and return, crashes and hostile reports, in virtual time."""

from typing import get_args

import msgspec
import pytest

from controlplane.core.command import (
    ConfirmDown,
    RemoveNode,
)
from controlplane.core.fact import Reported, SessionClosed
from protocol.messages import ReplicaState
from protocol.spec import Mount
from tests.unit.controlplane.core.world import PortSpec, World, a_service, deployed


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


def test_a_fixed_port_is_remapped_on_failover_and_told() -> None:
    world = World(("node-1", "node-2"))
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    deployed(world, a_service(ports=fixed, replicas=2))
    world.power_off("node-1")
    world.until(lambda: world.all_running() and not any(n == "node-1" for _, _, n in world.states()))
    hosts = sorted(r.wanted.ports[0].host for r in world.replicas() if r.wanted)
    assert hosts[0] == 8080 and hosts[1] >= 20000
    assert any(e.kind == "replica.port_remapped" for e in world.events)


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
