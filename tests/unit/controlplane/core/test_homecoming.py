"""`x-rope.on_return`: what happens to copies on a node that returns after its replicas moved."""

import msgspec
import pytest

from controlplane.core.homecoming import SETTLED_S
from protocol.spec import Dependency, OnReturn
from tests.unit.controlplane.core.world import CHECK, World, a_service, deployed

NODES = ("node-1", "node-2", "node-3")


def cut_off(policy: OnReturn, **fields: object) -> tuple[World, str]:
    """`web` runs on a node whose cable is pulled."""
    world = World(NODES)
    service = msgspec.structs.replace(a_service(health=CHECK, on_return=policy), **fields)
    deployed(world, service)
    world.run(20)
    node = world.states()[0][2]
    world.cut(node)
    return world, node


def copies(world: World) -> list[tuple[str, int]]:
    """(node, epoch) of every container that runs."""
    return sorted(world.alive(world.replicas()[0].id))


def has_successor(world: World, node: str) -> bool:
    wanted = world.replicas()[0].wanted
    return wanted is not None and wanted.node != node


@pytest.mark.parametrize("policy", ["keep_new", "first_healthy"])
def test_a_successor_that_serves_stays(policy: OnReturn) -> None:
    world, node = cut_off(policy)
    world.until(lambda: has_successor(world, node) and world.all_running())
    world.run(5)
    world.connect(node)
    world.run(SETTLED_S + 60)
    replica = world.replicas()[0]
    assert replica.wanted is not None and (replica.epoch, replica.outgoing, replica.home) == (2, None, "")
    assert copies(world) == [(replica.wanted.node, 2)]
    assert not any(rest.until is None for rest in world.cluster.rests.values())


def test_keep_new_stops_the_old_copy_even_if_it_could_serve() -> None:
    world, node = cut_off("keep_new")
    world.start_s = 60.0
    world.until(lambda: has_successor(world, node))
    world.connect(node)
    world.run(2)
    assert node not in {n for n, _ in copies(world)}


@pytest.mark.parametrize("policy", ["keep_old", "first_healthy"])
def test_a_node_that_returns_before_the_successor_is_ready_goes_on_serving(policy: OnReturn) -> None:
    world, node = cut_off(policy)
    began = next(iter(world.agents[node].running.values())).started_at
    world.start_s = 60.0
    world.until(lambda: has_successor(world, node))
    world.run(5)
    world.connect(node)
    world.run(3)
    replica = world.replicas()[0]
    assert replica.wanted is not None
    assert (replica.wanted.node, replica.wanted.epoch, replica.state) == (node, 1, "running")
    assert copies(world) == [(node, 1)] and next(iter(world.agents[node].running.values())).started_at == began
    assert (replica.outgoing, replica.home) == (None, "")
    world.cut(node)
    world.start_s = 0.5
    world.until(lambda: has_successor(world, node) and world.all_running())
    assert world.replicas()[0].epoch == 3, "epoch 2 is not used again"


def test_keep_old_goes_back_start_first_when_the_node_has_settled() -> None:
    world, node = cut_off("keep_old")
    world.until(lambda: has_successor(world, node) and world.all_running())
    world.run(5)
    world.connect(node)
    world.run(SETTLED_S - 5)
    assert world.replicas()[0].epoch == 2 and copies(world) == [(world.states()[0][2], 2)]
    while world.replicas()[0].epoch == 2 or world.replicas()[0].outgoing is not None:
        assert any(c.state == "running" for a in world.agents.values() for c in a.running.values() if a.linked)
        world.run(0.25)
        assert world.mono < 1300
    replica = world.replicas()[0]
    assert replica.wanted is not None and (replica.wanted.node, replica.wanted.epoch) == (node, 3)
    world.run(2)
    assert world.replicas()[0].home == "" and copies(world) == [(node, 3)]
    assert any(e.text == f"shop/web/1 goes back to {node}, which is back" for e in world.events)


def test_a_node_that_comes_and_goes_gets_nothing_back() -> None:
    world, node = cut_off("keep_old")
    world.until(lambda: has_successor(world, node) and world.all_running())
    for _ in range(5):
        world.connect(node)
        world.run(SETTLED_S - 20)
        world.cut(node)
        world.run(20)
    assert world.replicas()[0].epoch == 2


def test_a_copy_that_fails_at_home_leaves_the_one_that_serves() -> None:
    world, node = cut_off("keep_old")
    world.until(lambda: has_successor(world, node) and world.all_running())
    world.connect(node)
    world.agents[node].fails["web:1"] = "no"
    world.until(lambda: any(e.kind == "replica.returned" for e in world.events), 120)
    replica = world.replicas()[0]
    assert replica.wanted is not None and (replica.wanted.epoch, replica.state) == (2, "running")
    assert not replica.failed and replica.home == ""
    world.run(120)
    assert world.replicas()[0].wanted == replica.wanted


def test_the_second_node_lost_while_the_first_is_back() -> None:
    world, node = cut_off("keep_old")
    world.start_s = 600.0
    world.until(lambda: has_successor(world, node))
    second = world.states()[0][2]
    world.power_off(second)
    world.run(5)
    world.connect(node)
    world.run(30)
    replica = world.replicas()[0]
    assert replica.wanted is not None and (replica.wanted.node, replica.wanted.epoch) == (node, 1)


def test_only_the_copy_at_home_is_kept_when_the_second_node_is_lost_too() -> None:
    world, node = cut_off("keep_old")
    world.until(lambda: has_successor(world, node) and world.all_running())
    second = world.states()[0][2]
    world.cut(second)
    world.until(lambda: world.states()[0][2] not in (node, second) and world.all_running(), 200)
    replica = world.replicas()[0]
    assert (replica.outgoing, replica.home) == (None, node)


def test_a_restart_of_the_center_changes_nothing() -> None:
    world, node = cut_off("keep_old")
    world.until(lambda: has_successor(world, node) and world.all_running())
    world.restart_center()
    world.run(5)
    world.connect(node)
    world.restart_center()
    world.until(lambda: world.states()[0][2] == node and world.replicas()[0].outgoing is None, 200)
    world.run(5)
    assert copies(world) == [(node, 3)]


def test_a_chain_goes_home_in_order() -> None:
    needs_db = {"db": Dependency(condition="service_healthy")}
    db = a_service("db", health=CHECK, on_return="keep_old")
    api = a_service("api", health=CHECK, on_return="keep_old", depends_on=needs_db)
    world = World(NODES)
    deployed(world, db, api)
    world.run(20)
    (node,) = {n for _, _, n in world.states()}
    world.power_off(node)
    world.until(lambda: node not in {n for _, _, n in world.states()} and world.all_running())
    world.connect(node)
    while {n for _, _, n in world.states()} != {node} or any(r.outgoing is not None for r in world.replicas()):
        world.run(0.25)
        for agent in world.agents.values():
            here = {key.service for key, c in agent.running.items() if c.state == "running"}
            assert here != {"api"}, "it reaches db by name wherever it runs"
        assert world.mono < 1300
    assert not any(r.home for r in world.replicas())
    since = {r.id.service: r.wanted.running_since for r in world.replicas() if r.wanted}
    assert since["db"] < since["api"]
