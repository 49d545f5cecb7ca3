"""Nodes that gave up on a replica are avoided, but not for ever and not when nothing else is left."""

from tests.unit.controlplane.core.world import World, a_service, deployed


def _moved_away() -> tuple[World, str, str]:
    world = World(("node-1", "node-2"))
    deployed(world)
    bad = world.states()[0][2]
    good = next(name for name in world.agents if name != bad)
    world.agents[bad].fails["web:1"] = "exit 1"
    pinned = next(iter(world.agents[bad].desired.values())).image
    world.agents[bad].fails = {"web:1": "exit 1", pinned: "exit 1"}
    for container in world.agents[bad].running.values():
        container.state = "failed"
    world.until(lambda: world.states()[0][1:] == ("running", good), 60.0)
    world.agents[bad].fails = {}
    return world, bad, good


def test_a_node_that_gave_up_once_is_better_than_none() -> None:
    world, bad, good = _moved_away()
    world.run(10.0)
    world.power_off(good)
    world.until(lambda: world.states()[0][1:] == ("running", bad), 60.0)


def test_a_node_that_gave_up_is_forgiven_after_ten_stable_minutes() -> None:
    world, bad, good = _moved_away()
    world.run(610.0)
    for container in world.agents[good].running.values():
        container.state, container.restarts, container.gave_up, container.reason = "failed", 5, True, "exit 1"
    world.until(lambda: world.states()[0][1:] == ("running", bad), 60.0)
    assert not world.replicas()[0].failed
    assert world.replicas()[0].avoid == (good,)


def test_a_deploy_does_not_go_round_between_nodes_that_give_up() -> None:
    world = World(("node-1", "node-2"))
    deployed(world, a_service())
    for agent in world.agents.values():
        agent.fails["web:1"] = "exit 1"
    for agent in world.agents.values():
        for container in agent.running.values():
            container.state = "failed"
    world.until(lambda: world.replicas()[0].failed, 120.0)
    assert world.replicas()[0].moves == 1
