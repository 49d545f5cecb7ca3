"""From facts to the state the Center is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.core.replica import Assignment
from nodeagent.core.reports import TAIL_BYTES_MAX, Reports, report_of, trimmed_tail, uptime_text
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Create, Restart, Start, Stop
from protocol.codec import FRAME_MAX, encode
from protocol.messages import Health, Observed, ReplicaState
from tests.unit.nodeagent.core.made import a_container, a_ref, a_want, an_item

WANT = a_want(port=8080)
REF = a_ref()
FAILED = Trials(reason="exited with code 1", restarts=2)
CASES: list[tuple[str, Assignment, ReplicaState]] = [
    ("waits for its turn", an_item(WANT), "assigned"),
    ("made", an_item(WANT, a_container(WANT, status="created")), "starting"),
    ("runs", an_item(WANT, a_container(WANT)), "running"),
    ("runs, check starting", an_item(WANT, a_container(WANT, health="starting")), "running"),
    ("runs, unhealthy", an_item(WANT, a_container(WANT, health="unhealthy")), "running"),
    ("paused", an_item(WANT, a_container(WANT, status="paused")), "running"),
    ("crashed", an_item(WANT, a_container(WANT, status="exited", exit_code=1), trials=FAILED), "failed"),
    ("could not be made", an_item(WANT, trials=FAILED), "failed"),
    ("ended well", an_item(WANT, a_container(WANT, status="exited"), trials=Trials(ended="stopped")), "stopped"),
    ("ended badly", an_item(WANT, a_container(WANT, status="exited"), trials=Trials(ended="failed")), "failed"),
    ("removed by hand just now", an_item(WANT, a_container(WANT, status="removing")), "assigned"),
    ("stale, being stopped", an_item(None, a_container(WANT), cleared=True), "stopping"),
    ("stale, still asked for", an_item(None, a_container(WANT)), "running"),
    ("stale, ended", an_item(None, a_container(WANT, status="exited"), cleared=True), "stopped"),
]


@pytest.mark.parametrize(("item", "state"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_states(item: Assignment, state: ReplicaState) -> None:
    assert report_of(item, pulling=False).state == state


def test_states_while_a_step_is_under_way() -> None:
    item = an_item(WANT, a_container(WANT, status="exited"), trials=FAILED)
    item.busy = Start(ref=REF, container_id="c1", want=WANT)
    assert report_of(item, pulling=False).state == "starting"
    item.busy = Create(ref=REF, want=WANT)
    assert report_of(item, pulling=False).state == "starting"
    item.busy = Restart(ref=REF, container_id="c1", grace_s=1)
    assert report_of(item, pulling=False).state == "starting"
    item.busy = Stop(ref=REF, container_id="c1", grace_s=1)
    assert report_of(item, pulling=False).state == "starting", "it is made anew"
    item.want = None
    assert report_of(item, pulling=False).state == "stopping"


def test_pulling_only_for_who_needs_the_image() -> None:
    item = an_item(WANT)
    assert report_of(item, pulling=True).state == "assigned"
    item.image_missing = True
    assert report_of(item, pulling=True).state == "pulling"


@pytest.mark.parametrize("health", ["none", "starting", "healthy", "unhealthy"])
def test_health_is_as_docker_says(health: Health) -> None:
    assert report_of(an_item(WANT, a_container(WANT, health=health)), pulling=False).health == health


def test_leases_are_told_before_there_is_a_container() -> None:
    assert report_of(an_item(WANT), pulling=False).ports == WANT.ports


def test_why_it_waits_is_said() -> None:
    assert report_of(an_item(WANT), pulling=False, waits_for="somebody").reason == "somebody"
    assert report_of(an_item(WANT, a_container(WANT)), pulling=False, waits_for="somebody").reason == ""


def test_giving_up_is_told_only_with_the_last_lines() -> None:
    trials = Trials(reason="exited", code="crash_loop", gave_up=True, tail_due=True)
    item = an_item(WANT, a_container(WANT, status="exited", exit_code=1), trials=trials)
    assert not report_of(item, pulling=False).gave_up
    item.trials = Trials(reason="exited", code="crash_loop", gave_up=True, tail=("a", "b"))
    report = report_of(item, pulling=False)
    assert report.gave_up and report.log_tail == ("a", "b") and report.code == "crash_loop" and report.exit_code == 1


def test_numbers_grow_with_every_change_only() -> None:
    reports = Reports(100)
    item = an_item(WANT)
    reports.update(REF, report_of(item, pulling=False))
    reports.update(REF, report_of(item, pulling=False))
    assert reports.seq == 101
    item.have = a_container(WANT)
    reports.update(REF, report_of(item, pulling=False))
    changed, gone = reports.changes()
    assert [r.state_seq for r in changed] == [102] and gone == () and not reports.dirty
    reports.update(REF, None)
    assert reports.changes() == ((), (REF,))
    reports.update(REF, None)
    assert not reports.dirty


@given(st.lists(st.text(max_size=700), max_size=80))
def test_a_report_with_its_lines_fits_a_frame(lines: list[str]) -> None:
    tail = trimmed_tail(line.encode("utf-8", "replace").decode() for line in lines)
    trials = Trials(reason="x" * 2000, code="crash_loop", gave_up=True, tail=tail)
    report = report_of(an_item(WANT, a_container(WANT, status="exited"), trials=trials), pulling=False)
    assert len(encode(Observed(seq=1, containers=(report,)))) < min(FRAME_MAX, TAIL_BYTES_MAX + 4096)
    assert tail == tuple(line.encode("utf-8", "replace").decode()[:500] for line in lines)[len(lines) - len(tail) :]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (61, "1m1s"), (3600, "1h0m"), (12_300, "3h25m"), (86_400 * 12 + 4 * 3600, "12d4h")],
)
def test_uptimes_are_short(seconds: float, text: str) -> None:
    assert uptime_text(seconds) == text
