"""What holds in every release, whatever its numbers: enough copies, not too many, a way back, no memory but records.

The world is driven through whole updates with numbers chosen by Hypothesis; every tick is judged.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.core.command import PromoteCanary
from controlplane.core.deployment import ENDED
from controlplane.core.replica import is_ready
from protocol.spec import Canary, ServiceSpec, UpdateConfig
from tests.unit.controlplane.core.releases import asked, bad, ended, served, steps
from tests.unit.controlplane.core.world import CHECK, World, a_service, deployed

updates: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    replicas=st.integers(1, 6),
    order=st.sampled_from(["start-first", "stop-first"]),
    parallelism=st.integers(0, 4),
    delay_s=st.sampled_from([0.0, 1.0, 7.0]),
    monitor_s=st.sampled_from([0.0, 2.0]),
    checked=st.booleans(),
)


def _service(numbers: dict[str, Any], image: str) -> ServiceSpec:
    config = UpdateConfig(
        order=numbers["order"],
        parallelism=numbers["parallelism"],
        delay_s=numbers["delay_s"],
        monitor_s=numbers["monitor_s"],
    )
    check = CHECK if numbers["checked"] else None
    return a_service(replicas=numbers["replicas"], image=image, health=check, update=config)


def _ready(world: World) -> int:
    """Replicas with a copy that serves and is not on its way out."""
    found = 0
    for replica in world.replicas():
        for assignment in replica.assignments:
            spec = world.cluster.revisions["shop", assignment.revision].spec.services["web"]
            if not assignment.ending and is_ready(assignment, spec, world.now.wall):
                found += 1
                break
    return found


def _copies(world: World) -> int:
    """Copies that shall run, those that wait for an end left out."""
    return sum(not a.ending and not a.hold for r in world.replicas() for a in r.assignments)


@settings(max_examples=60, deadline=None)
@given(numbers=updates)
def test_an_update_never_has_too_few_or_too_many(numbers: dict[str, Any]) -> None:
    world = World()
    deployed(world, _service(numbers, "web:1"))
    world.run(6)
    replicas = numbers["replicas"]
    at_once = numbers["parallelism"] or replicas
    number = asked(world, _service(numbers, "web:2"))
    least, most = replicas, 0
    while world.deployment(number).state not in ENDED:
        world.run(0.25)
        least, most = min(least, _ready(world)), max(most, _copies(world))
    assert world.deployment(number).state == "succeeded"
    world.run(2)
    assert [r.wanted.revision for r in world.replicas() if r.wanted] == [2] * replicas
    if numbers["order"] == "start-first":
        assert least == replicas
        assert most <= replicas + min(at_once, replicas)
    else:
        assert least >= replicas - at_once
        assert most <= replicas


@settings(max_examples=60, deadline=None)
@given(numbers=updates, breaks=st.sampled_from(["exits", "unhealthy"]))
def test_a_failed_update_ends_in_the_old_revision(numbers: dict[str, Any], breaks: str) -> None:
    numbers = {**numbers, "checked": numbers["checked"] or breaks == "unhealthy"}
    world = World()
    deployed(world, _service(numbers, "web:1"))
    world.run(6)
    replicas = numbers["replicas"]
    if breaks == "exits":
        bad(world, "web:2")
    else:
        for agent in world.agents.values():
            agent.sick.add("web:2")
    least = replicas
    number = asked(world, _service(numbers, "web:2"))
    while world.deployment(number).state not in ENDED:
        world.run(0.25)
        least = min(least, _ready(world))
    assert world.deployment(number).state == "rolled_back", world.story()[-20:]
    world.run(8)
    assert world.all_running(count=replicas)
    assert [r.wanted.revision for r in world.replicas() if r.wanted] == [1] * replicas
    assert served(world) == {1: replicas}
    if numbers["order"] == "start-first":
        assert least == replicas
    else:
        assert least >= replicas - (numbers["parallelism"] or replicas)


def _rolling(world: World) -> int:
    return asked(world, a_service(replicas=3, health=CHECK, image="web:2", update=UpdateConfig(parallelism=2)))


def _stop_first(world: World) -> int:
    return asked(world, a_service(replicas=3, image="web:2", update=UpdateConfig(order="stop-first", delay_s=2.0)))


def _broken(world: World) -> int:
    bad(world, "web:2")
    return asked(world, a_service(replicas=3, image="web:2"))


def _canary(world: World) -> int:
    canary = Canary(replicas=1, promote="auto", observe_s=5.0)
    return asked(world, a_service(replicas=3, health=CHECK, image="web:2", canary=canary))


def _blue_green(world: World) -> int:
    return asked(world, a_service(replicas=3, health=CHECK, image="web:2", release="blue_green", release_keep_s=0.0))


def _outcome(begin: Callable[[World], int], crash_after: int = 0) -> tuple[list[Any], int]:
    """How it ends when the Center dies after so many commits of it (0 = never), and how many there are."""
    world = World()
    deployed(world, a_service(replicas=3))
    before = world.commits
    world.crash_at = before + crash_after if crash_after else 0
    number, until = begin(world), world.mono + 150.0
    while world.deployment(number).state not in ENDED:
        world.run(0.25)
        assert world.mono < until
    commits = world.commits - before
    world.run(15)
    replicas = [
        (r.id.index, r.state, r.wanted.revision if r.wanted else 0, len(world.alive(r.id))) for r in world.replicas()
    ]
    return [world.deployment(number).state, world.cluster.projects["shop"].revision, replicas], commits


@pytest.mark.parametrize("begin", [_rolling, _stop_first, _broken, _canary, _blue_green])
def test_a_crash_of_the_center_after_any_commit_changes_nothing_in_the_outcome(begin: Callable[[World], int]) -> None:
    expected, commits = _outcome(begin)
    assert commits > 5
    for crash_after in range(1, commits + 1):
        assert _outcome(begin, crash_after)[0] == expected, f"crash after commit {crash_after}"


def test_a_crash_while_a_canary_waits_for_a_person_changes_nothing() -> None:
    world = World()
    deployed(world, a_service(replicas=2, health=CHECK))
    number = asked(world, a_service(replicas=2, health=CHECK, image="web:2", canary=Canary(replicas=1)))
    world.until(lambda: any(s.state == "running" for s in steps(world, number, "promote")))
    world.restart_center()
    world.run(5)
    assert served(world) == {1: 2, 2: 1}
    world.send(PromoteCanary(deployment=number))
    assert ended(world, number) == "succeeded"
