"""One step for one replica: a table of situations."""

import math

import msgspec
import pytest

from nodeagent.core.container import ContainerStatus
from nodeagent.core.replica import Assignment, next_step, observe
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Create, NextStep, Nothing, Pull, ReadTail, Remove, Restart, Start, Stop, Wait
from protocol.spec import DesiredReplica, Mount
from tests.unit.nodeagent.core.made import WALL, a_container, a_ref, a_want, an_item

WANT = a_want()
REF = a_ref()
OTHER = a_container(WANT, spec="other")
LATER = Trials(not_before=50.0, reason="exited with code 1")


def stale(status: ContainerStatus = "running", *, cleared: bool = True) -> Assignment:
    return an_item(None, a_container(WANT, status=status), cleared=cleared)


CASES: list[tuple[str, Assignment, NextStep]] = [
    ("nothing there", an_item(WANT), Create(ref=REF, want=WANT)),
    ("created", an_item(WANT, a_container(WANT, status="created")), Start(ref=REF, container_id="c1", want=WANT)),
    ("runs", an_item(WANT, a_container(WANT)), Nothing()),
    ("starting", an_item(WANT, a_container(WANT, health="starting")), Nothing()),
    ("unhealthy", an_item(WANT, a_container(WANT, health="unhealthy")),
     Restart(ref=REF, container_id="c1", grace_s=10)),
    ("paused by hand", an_item(WANT, a_container(WANT, status="paused")), Nothing()),
    ("exited", an_item(WANT, a_container(WANT, status="exited")), Start(ref=REF, container_id="c1", want=WANT)),
    ("dead", an_item(WANT, a_container(WANT, status="dead")), Remove(ref=REF, container_id="c1")),
    ("being removed", an_item(WANT, a_container(WANT, status="removing")), Wait(until=math.inf)),
    ("backs off", an_item(WANT, a_container(WANT, status="exited"), trials=LATER), Wait(until=50.0)),
    ("backs off without container", an_item(WANT, trials=LATER), Wait(until=50.0)),
    ("gave up", an_item(WANT, a_container(WANT, status="exited"), trials=Trials(gave_up=True)), Nothing()),
    ("gave up, logs due", an_item(WANT, a_container(WANT, status="exited"), trials=Trials(gave_up=True, tail_due=True)),
     ReadTail(ref=REF, container_id="c1")),
    ("ended for good", an_item(WANT, a_container(WANT, status="exited"), trials=Trials(ended="stopped")), Nothing()),
    ("other spec, runs", an_item(WANT, OTHER), Stop(ref=REF, container_id="c1", grace_s=10)),
    ("other spec, ended", an_item(WANT, a_container(WANT, status="exited", spec="other")),
     Remove(ref=REF, container_id="c1")),
    ("stale, runs", stale(), Stop(ref=REF, container_id="c1", grace_s=5)),
    ("stale, ended", stale("exited"), Remove(ref=REF, container_id="c1")),
    ("stale, never started", stale("created"), Remove(ref=REF, container_id="c1")),
    ("stale, not cleared", stale(cleared=False), Nothing()),
]  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_next_step(item: Assignment, expected: NextStep) -> None:
    assert next_step(item, 10.0) == expected
    assert next_step(item, 10.0) == expected, "asking twice gives the same"


@pytest.mark.parametrize(("item", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_nothing_while_a_step_is_under_way(item: Assignment, expected: NextStep) -> None:
    item.busy = Stop(ref=REF, container_id="c1", grace_s=1)
    try:
        assert next_step(item, 10.0) == Nothing()
    finally:
        item.busy = None


def test_a_held_node_starts_nothing_but_keeps_what_runs() -> None:
    assert next_step(an_item(WANT), 10.0, held=True) == Wait(until=math.inf)
    assert next_step(an_item(WANT, a_container(WANT, status="exited")), 10.0, held=True) == Wait(until=math.inf)
    assert next_step(an_item(WANT, a_container(WANT)), 10.0, held=True) == Nothing()


def test_a_blocked_one_is_made_but_not_started() -> None:
    assert isinstance(next_step(an_item(WANT), 10.0, blocked=True), Create)
    created = an_item(WANT, a_container(WANT, status="created"))
    assert next_step(created, 10.0, blocked=True) == Wait(until=math.inf)


def test_a_missing_image_is_pulled_first() -> None:
    item = an_item(WANT)
    item.image_missing = True
    assert next_step(item, 10.0) == Pull(image=WANT.image)


def test_grace_is_short_for_the_stale_and_whole_for_the_dropped() -> None:
    for stale_, expected in ((True, 5.0), (False, 30.0)):
        item = an_item(a_want(grace_s=30), a_container(a_want(grace_s=30)))
        item.dropped(10.0, stale=stale_)
        assert item.grace_s == expected
    short = an_item(a_want(grace_s=1))
    short.dropped(10.0, stale=True)
    assert short.grace_s == 1.0


def test_what_has_its_data_here_lives_nowhere_else_and_gets_its_whole_grace() -> None:
    plain = a_want(grace_s=60)
    database = msgspec.structs.replace(
        plain, spec=msgspec.structs.replace(plain.spec, mounts=(Mount(kind="volume", source="db", target="/data"),))
    )
    item = an_item(database, a_container(database))
    item.dropped(10.0, stale=True)
    assert item.grace_s == 60.0, "a full state after a lost line may be the first word of an ordinary removal"


def test_a_dropped_one_does_not_wait_for_its_backoff() -> None:
    item = an_item(WANT, a_container(WANT, status="exited"), trials=LATER)
    item.dropped(10.0, stale=False)
    item.cleared = True
    assert isinstance(next_step(item, 10.0), Remove)


def test_another_specification_begins_anew() -> None:
    item = an_item(WANT, trials=Trials(gave_up=True, failures=5))
    item.wanted(a_want(port=8080))
    assert item.trials == Trials()
    item.trials = Trials(failures=3)
    item.wanted(a_want(port=8080))
    assert item.trials.failures == 3


def test_an_exit_is_counted_once_however_often_it_is_seen() -> None:
    item = an_item(WANT)
    ended = a_container(WANT, status="exited", exit_code=3, started_at=WALL, finished_at=WALL + 4)
    for _ in range(3):
        observe(item, ended, 10.0, WALL + 5)
    assert item.trials.failures == 1 and item.trials.reason == "exited with code 3"
    assert 10.7 <= item.trials.not_before <= 11.3


def test_what_ended_while_the_engine_was_away_is_started_at_once() -> None:
    item = an_item(WANT)
    observe(item, a_container(WANT, status="exited", exit_code=255), 10.0, WALL, after_break=True)
    assert item.trials.failures == 0
    assert isinstance(next_step(item, 10.0), Start)


def test_unhealthy_counts_once_per_run() -> None:
    item = an_item(WANT)
    sick = a_container(WANT, health="unhealthy", started_at=WALL - 5)
    observe(item, sick, 10.0, WALL)
    observe(item, sick, 11.0, WALL + 1)
    assert item.trials.failures == 1 and "health check failed" in item.trials.reason
    again = a_container(WANT, health="unhealthy", started_at=WALL + 20)
    observe(item, again, 40.0, WALL + 30)
    assert item.trials.failures == 2


def test_the_rule_no_leaves_an_ended_one_alone_and_a_start_by_hand_counts() -> None:
    want = a_want(restart="no")
    item = an_item(want)
    observe(item, a_container(want, status="exited", exit_code=0), 10.0, WALL)
    assert next_step(item, 99.0) == Nothing()
    observe(item, a_container(want, started_at=WALL), 20.0, WALL)
    observe(item, a_container(want, status="exited", exit_code=1, started_at=WALL), 30.0, WALL)
    assert item.trials.ended == "failed"


def test_out_of_memory_is_said() -> None:
    item = an_item(WANT)
    killed = a_container(WANT, status="exited", exit_code=137)
    observe(item, msgspec.structs.replace(killed, oom_killed=True), 1.0, WALL)
    assert "out of memory" in item.trials.reason


@pytest.mark.parametrize("wanted", [None, WANT, a_want(env="other")])
def test_what_docker_removes_already_is_waited_for(wanted: DesiredReplica | None) -> None:
    item = an_item(wanted, a_container(WANT, status="removing"), cleared=wanted is None)
    assert next_step(item, 10.0) == Wait(until=math.inf), "a stop would end at once and be begun again, for ever"
