"""What a failure does: the actions, the tolerated share, failures that come late, and the way back that fails too."""

from typing import Any

from controlplane.core.command import Rollback, Scale
from controlplane.core.deployment import ENDED
from protocol.spec import UpdateConfig
from tests.unit.controlplane.core.releases import asked, bad, ended, served, sicken, steps
from tests.unit.controlplane.core.world import CHECK, World, a_service, deployed


def _flaky(world: World, node: str) -> None:
    """Version 2 fails on one node only."""
    world.agents[node].fails["web:2"] = "exit 1"


def test_some_may_fail_when_the_file_says_so_and_the_rest_goes_on() -> None:
    world = World()
    config = UpdateConfig(max_failure_ratio=0.34)
    deployed(world, a_service(replicas=3, update=config))
    _flaky(world, "node-2")
    number = asked(world, a_service(replicas=3, image="web:2", update=config))
    assert ended(world, number) == "succeeded"
    assert "max_failure_ratio allows for it" in world.deployment(number).reason
    assert [s.state for s in steps(world, number, "replace")].count("done") == 2
    assert served(world)[2] == 2


def test_more_than_may_fail_go_back() -> None:
    world = World()
    config = UpdateConfig(max_failure_ratio=0.3)
    deployed(world, a_service(replicas=3, update=config))
    _flaky(world, "node-2")
    number = asked(world, a_service(replicas=3, image="web:2", update=config))
    assert ended(world, number) == "rolled_back"
    world.run(8)
    assert served(world) == {1: 3}


def test_continue_goes_on_to_the_end_and_is_no_success() -> None:
    world = World()
    config = UpdateConfig(failure_action="continue")
    deployed(world, a_service(replicas=3, update=config))
    bad(world, "web:2")
    number = asked(world, a_service(replicas=3, image="web:2", update=config))
    assert ended(world, number) == "failed"
    assert [s.state for s in steps(world, number, "replace")] == ["failed"] * 3
    assert "and 2 more" in world.deployment(number).reason
    assert served(world) == {1: 3}, "what served before serves on"


def test_a_failure_that_comes_within_monitor_after_the_last_batch_goes_back() -> None:
    world = World()
    config = UpdateConfig(monitor_s=30.0)
    deployed(world, a_service(replicas=2, health=CHECK, update=config))
    number = asked(world, a_service(replicas=2, health=CHECK, image="web:2", update=config))
    world.until(lambda: [s.state for s in steps(world, number, "replace")] == ["done", "done"])
    world.run(10)
    assert world.deployment(number).state == "running", "it is watched"
    sicken(world, 2)
    assert ended(world, number) == "rolled_back"
    assert "after it was ready" in world.deployment(number).reason
    world.run(3)
    assert served(world) == {1: 2}


def test_a_failure_after_monitor_is_the_agent_s_business() -> None:
    world = World()
    config = UpdateConfig(monitor_s=10.0)
    deployed(world, a_service(replicas=2, health=CHECK, update=config))
    number = asked(world, a_service(replicas=2, health=CHECK, image="web:2", update=config))
    assert ended(world, number) == "succeeded"
    sicken(world, 2)
    world.run(20)
    assert world.cluster.projects["shop"].revision == 2 and not world.cluster.open_deployments


def test_a_first_deploy_has_nothing_to_go_back_to() -> None:
    world = World()
    bad(world, "web:1")
    number = asked(world, a_service(replicas=2))
    assert ended(world, number) == "failed"
    again = asked(world, a_service(replicas=2, image="web:3"))
    assert ended(world, again) == "succeeded", "and blocks nothing"


def test_a_way_back_that_fails_says_both_and_is_a_failure() -> None:
    world = World()
    stop_first = UpdateConfig(order="stop-first")
    deployed(world, a_service(replicas=2, update=stop_first))
    bad(world, "web:1")
    bad(world, "web:2")
    number = asked(world, a_service(replicas=2, image="web:2", update=stop_first))
    assert ended(world, number, 300.0) == "failed"
    assert "then it could not go back" in world.deployment(number).reason
    assert world.cluster.projects["shop"].failed


def test_it_goes_back_to_what_last_succeeded_not_to_what_came_before() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK))
    world.start_s = 1e9
    half = asked(world, a_service(replicas=2, health=CHECK, image="web:2"))
    world.run(5)
    world.start_s = 0.5
    bad(world, "web:3")
    number = asked(world, a_service(replicas=2, health=CHECK, image="web:3"))
    assert world.deployment(half).state == "superseded"
    assert ended(world, number) == "rolled_back"
    assert world.deployment(number).back_to == 1
    world.run(3)
    assert served(world) == {1: 2}


def test_replicas_that_an_update_took_away_or_added_come_back_or_go_when_it_fails() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK), a_service("old", image="old:1"))
    bad(world, "web:2")
    number = asked(world, a_service(replicas=4, health=CHECK, image="web:2"), a_service("new", image="new:1"))
    assert ended(world, number, 200.0) == "rolled_back"
    world.run(8)
    assert [f"{r.id.service}/{r.id.index}" for r in world.replicas()] == ["old/1", "web/1", "web/2"]
    assert world.all_running(count=3)


def test_a_rollback_that_fails_goes_back_to_where_it_came_from() -> None:
    world = World()
    deployed(world, a_service(replicas=2))
    deployed(world, a_service(replicas=2, image="web:2"))
    bad(world, "web:1")
    rolled = world.send(Rollback(project="shop"))
    assert ended(world, rolled.deployment) == "rolled_back"
    world.run(8)
    assert served(world) == {2: 2}


def test_a_scale_that_fails_touches_nothing_else() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK))
    bad(world, "web:1")
    scaled = world.send(Scale(project="shop", services={"web": 3}))
    assert ended(world, scaled.deployment) == "failed"
    assert served(world).total() == 2
    assert all(d.state in ENDED for d in world.cluster.deployments.values())


def test_the_way_back_goes_as_rollback_config_says() -> None:
    world = World()
    back = UpdateConfig(parallelism=3, order="stop-first", monitor_s=0.0)
    config: dict[str, Any] = {"update": UpdateConfig(monitor_s=10.0), "rollback": back}
    deployed(world, a_service(replicas=3, health=CHECK, **config))
    number = asked(world, a_service(replicas=3, health=CHECK, image="web:2", **config))
    world.until(lambda: [s.state for s in steps(world, number, "replace")] == ["done"] * 3)
    world.run(3)
    sicken(world, 2)
    assert ended(world, number) == "rolled_back"
    undone = [s for s in steps(world, number, "replace") if s.back]
    assert len(undone) == 3 and len({s.started_at for s in undone}) <= 2, "the one that failed, then the others at once"
    world.run(3)
    assert served(world) == {1: 3}
