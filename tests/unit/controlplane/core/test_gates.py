"""Canaries observed, promoted, aborted; a blue-green set switched to and returned from."""

from typing import Any

import pytest

from controlplane.core.command import AbortRelease, DrainNode, PromoteCanary, Rollback
from controlplane.core.gates import OPEN_MAX_S
from controlplane.core.record import Refused
from protocol.spec import Canary, UpdateConfig
from tests.unit.controlplane.core.releases import asked, bad, ended, served, sicken, steps
from tests.unit.controlplane.core.world import CHECK, World, a_service, deployed

ONE = Canary(replicas=1)


def _canaried(canary: Canary = ONE, replicas: int = 4) -> tuple[World, int]:
    """A canary that is up and observed."""
    world = World()
    deployed(world, a_service(replicas=replicas, health=CHECK, canary=canary))
    number = asked(world, a_service(replicas=replicas, health=CHECK, canary=canary, image="web:2"))
    world.until(lambda: any(s.state == "running" for s in steps(world, number, "promote")))
    return world, number


def test_a_canary_runs_beside_all_old_ones_until_it_is_promoted() -> None:
    world, number = _canaried()
    world.run(300)
    assert served(world) == {1: 4, 2: 1}
    (gate,) = steps(world, number, "promote")
    assert "rope deploy promote shop" in gate.reason
    world.send(PromoteCanary(deployment=number))
    assert ended(world, number) == "succeeded"
    world.run(3)
    assert served(world) == {2: 4}
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_a_canary_may_be_a_share_of_the_replicas() -> None:
    world, number = _canaried(Canary(percent=30))
    assert len(steps(world, number, "canary")) == 2, "30 % of 4, rounded up"
    assert served(world) == {1: 4, 2: 2}


def test_an_aborted_canary_leaves_what_was_there_untouched() -> None:
    world, number = _canaried()
    world.send(AbortRelease(deployment=number))
    assert ended(world, number) == "rolled_back"
    assert world.deployment(number).reason == "aborted by admin"
    world.run(3)
    assert served(world) == {1: 4}
    assert [world.alive(r.id)[0][1] for r in world.replicas()] == [1, 1, 1, 1], "the same copies as before"
    assert world.cluster.projects["shop"].revision == 1


def test_a_canary_is_promoted_by_itself_after_it_was_observed() -> None:
    world, number = _canaried(Canary(replicas=1, promote="auto", observe_s=120.0))
    world.run(115)
    assert steps(world, number, "promote")[0].state == "running"
    assert ended(world, number) == "succeeded"
    assert served(world)[2] == 4


@pytest.mark.parametrize("trouble", ["unhealthy", "restarted", "failed"])
def test_a_canary_that_is_not_well_is_taken_back_by_itself(trouble: str) -> None:
    world, number = _canaried(Canary(replicas=1, promote="auto", observe_s=120.0))
    for agent in world.agents.values():
        for container in agent.running.values():
            if container.want.revision == 2 and trouble == "restarted":
                container.restarts += 1
            elif container.want.revision == 2 and trouble == "failed":
                container.state, container.reason = "failed", "exit 137"
                agent.fails["web:2"] = "exit 137"
    if trouble == "unhealthy":
        sicken(world, 2)
    assert ended(world, number, 10.0) == "rolled_back"
    assert "canary shop/web/1" in world.deployment(number).reason
    world.run(3)
    assert served(world) == {1: 4}


def test_a_canary_that_never_comes_up_is_taken_back() -> None:
    world = World()
    deployed(world, a_service(replicas=3, canary=ONE))
    bad(world, "web:2")
    number = asked(world, a_service(replicas=3, canary=ONE, image="web:2"))
    assert ended(world, number) == "rolled_back"
    assert served(world) == {1: 3}


def test_a_canary_that_nobody_promotes_is_taken_back_after_a_day() -> None:
    world, number = _canaried()
    world.mono += OPEN_MAX_S
    for name in world.agents:
        world.last_seen[name] = world.mono
    assert ended(world, number, 10.0) == "rolled_back"
    assert "nobody promoted it" in world.deployment(number).reason


def test_a_canary_that_loses_its_node_is_not_to_blame() -> None:
    world, number = _canaried(Canary(replicas=1, promote="auto", observe_s=60.0))
    canary = world.replicas()[0]
    assert canary.wanted is not None
    world.power_off(canary.wanted.node)
    assert ended(world, number, 200.0) == "succeeded"
    world.run(3)
    assert served(world) == {2: 4}


def test_nothing_is_promoted_that_has_no_canary_or_not_yet() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK, canary=ONE))
    world.start_s = 30.0
    number = asked(world, a_service(replicas=2, health=CHECK, canary=ONE, image="web:2"))
    world.run(5)
    with pytest.raises(Refused, match="not up yet"):
        world.send(PromoteCanary(deployment=number))


def test_a_newer_deploy_takes_the_canary_s_place_and_the_old_ones_serve_on() -> None:
    world, number = _canaried()
    newer = asked(world, a_service(replicas=4, health=CHECK, canary=ONE, image="web:3"))
    assert world.deployment(number).state == "superseded"
    world.until(lambda: any(s.state == "running" for s in steps(world, newer, "promote")))
    assert served(world) == {1: 4, 3: 1}
    world.send(PromoteCanary(deployment=newer))
    assert ended(world, newer) == "succeeded"
    world.run(3)
    assert served(world) == {3: 4}
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


# -- blue-green -----------------------------------------------------------------------------------------------------


def _blue_green(**fields: Any) -> tuple[World, int]:
    world = World()
    spec: dict[str, Any] = {"replicas": 3, "health": CHECK, "release": "blue_green", **fields}
    deployed(world, a_service(**spec))
    return world, asked(world, a_service(**{**spec, "image": "web:2"}))


def test_blue_green_switches_all_at_one_moment_and_keeps_the_old_set() -> None:
    world, number = _blue_green()
    seen = []
    while not steps(world, number, "switch") or steps(world, number, "switch")[0].state != "done":
        world.run(0.25)
        seen.append(dict(served(world)))
    assert seen[-1] == {2: 3} and all(one == {1: 3} for one in seen[:-1]), seen
    assert ended(world, number) == "succeeded"
    world.run(60)
    assert served(world) == {2: 3}
    assert all(len(world.alive(r.id)) == 2 for r in world.replicas()), "the old set is kept"
    world.run(600)
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_a_rollback_while_the_old_set_is_kept_takes_no_time() -> None:
    world, number = _blue_green()
    assert ended(world, number) == "succeeded"
    rolled = world.send(Rollback(project="shop"))
    assert world.deployment(rolled.deployment).state in ("succeeded", "running")
    assert served(world) == {1: 3}, "switched back in the same decision"
    assert ended(world, rolled.deployment) == "succeeded"
    world.run(3)
    assert [world.alive(r.id)[0][1] for r in world.replicas()] == [1, 1, 1]


def test_a_second_set_that_does_not_come_up_serves_nobody_and_goes() -> None:
    world = World()
    deployed(world, a_service(replicas=3, health=CHECK, release="blue_green"))
    bad(world, "web:2")
    number = asked(world, a_service(replicas=3, health=CHECK, release="blue_green", image="web:2"))
    while world.deployment(number).state == "running":
        world.run(0.25)
        assert served(world) == {1: 3}
    assert world.deployment(number).state == "rolled_back"
    world.run(3)
    assert all(len(world.alive(r.id)) == 1 for r in world.replicas())


def test_a_release_after_a_switch_replaces_the_set_that_serves_not_the_one_that_is_kept() -> None:
    world, number = _blue_green()
    assert ended(world, number) == "succeeded"
    third = asked(world, a_service(replicas=3, health=CHECK, release="blue_green", image="web:3"))
    while world.deployment(third).state == "running":
        world.run(0.25)
        assert sum(served(world).values()) == 3 and not served(world)[1], served(world)
    assert world.deployment(third).state == "succeeded"
    world.run(3)
    assert served(world) == {3: 3}


def test_new_replicas_of_a_blue_green_release_wait_for_the_switch() -> None:
    world, number = _blue_green()
    assert ended(world, number) == "succeeded"
    grown = asked(world, a_service(replicas=5, health=CHECK, release="blue_green", image="web:3"))
    while world.deployment(grown).state == "running":
        world.run(0.25)
        assert set(served(world)) in ({2}, {3}), served(world)
    world.run(3)
    assert served(world) == {3: 5}


def test_a_set_that_fails_within_monitor_after_the_switch_is_switched_back() -> None:
    world = World()
    spec: dict[str, Any] = {"replicas": 3, "health": CHECK, "release": "blue_green"}
    spec["update"] = UpdateConfig(monitor_s=30.0)
    deployed(world, a_service(**spec))
    number = asked(world, a_service(**{**spec, "image": "web:2"}))
    world.until(lambda: served(world) == {2: 3})
    world.run(20)
    sicken(world, 2)
    assert ended(world, number, 10.0) == "rolled_back"
    assert served(world) == {1: 3}


def test_a_copy_that_gives_up_after_the_switch_is_moved_although_an_old_one_is_kept() -> None:
    world, number = _blue_green()
    assert ended(world, number) == "succeeded"
    first = world.replicas()[0].wanted
    assert first is not None
    world.agents[first.node].fails["web:2"] = "exit 1"
    for container in world.agents[first.node].running.values():
        if container.want.revision == 2:
            container.state, container.gave_up, container.reason = "failed", True, "exit 1"
    world.run(2)
    world.until(lambda: served(world)[2] == 3, 30.0)
    moved = world.replicas()[0].wanted
    assert moved is not None and moved.node != first.node


def test_a_drain_after_a_switch_moves_what_serves_and_nothing_is_missed() -> None:
    world, number = _blue_green()
    assert ended(world, number) == "succeeded"
    world.send(DrainNode(node="node-1"))
    while world.cluster.nodes["node-1"].drain != "done":
        world.run(0.25)
        assert served(world)[2] >= 3
    third = asked(world, a_service(replicas=3, health=CHECK, release="blue_green", image="web:3"))
    while world.deployment(third).state == "running":
        world.run(0.25)
        assert set(served(world)) in ({2}, {3}) and served(world).total() == 3, served(world)
    assert world.deployment(third).state == "succeeded"
