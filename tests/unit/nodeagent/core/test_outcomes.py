"""What the end of a step means for its replica."""

import pytest

from nodeagent.core import outcomes
from nodeagent.core.container import FaultKind
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Create, Restart, Start, Stop
from protocol.messages import ReasonCode
from tests.unit.nodeagent.core.made import a_container, a_ref, a_want, an_item

WANT = a_want()
REF = a_ref()
START = Start(ref=REF, container_id="c1", want=WANT)


@pytest.mark.parametrize(
    ("kind", "code", "counted"),
    [
        ("error", "error", 1),
        ("not_found", "error", 1),
        ("name_taken", "error", 1),
        ("image_missing", "image_missing", 1),
        ("pull_failed", "pull_failed", 1),
        ("port_taken", "port_taken", 0),
        ("timeout", "error", 0),
        ("engine_down", "engine_down", 0),
    ],
)
def test_who_is_to_blame(kind: FaultKind, code: ReasonCode, counted: int) -> None:
    item = an_item(WANT)
    outcomes.step_failed(item, START, kind, "why", None, 10.0)
    assert (item.trials.code, item.trials.failures, item.trials.attempts) == (code, counted, 1)
    assert item.trials.reason == "why" and item.trials.not_before > 10.0


def test_a_missing_image_is_no_failure_the_first_time() -> None:
    item = an_item(WANT)
    create = Create(ref=REF, want=WANT)
    outcomes.step_failed(item, create, "image_missing", "no such image", None, 10.0)
    assert item.image_missing and item.trials == Trials()
    outcomes.pull_done(item)
    assert not item.image_missing
    outcomes.step_failed(item, create, "image_missing", "no such image", None, 10.0)
    assert item.trials.failures == 1, "pulled, and still not there"


def test_a_failed_start_is_not_counted_again_by_its_exit() -> None:
    item = an_item(WANT)
    ended = a_container(WANT, status="exited", exit_code=127)
    outcomes.step_failed(item, START, "error", "no such command", ended, 10.0)
    assert item.trials.failed_run == (ended.id, ended.started_at)


def test_a_start_wipes_the_reason_and_counts_restarts() -> None:
    item = an_item(WANT, a_container(WANT, status="created"), trials=Trials(reason="x", code="error", failures=2))
    outcomes.step_done(item, START)
    assert (item.trials.reason, item.trials.code, item.trials.failures, item.trials.restarts) == ("", "", 2, 0)
    item.have = a_container(WANT, status="exited")
    outcomes.step_done(item, START)
    item.restart_due = True
    outcomes.step_done(item, Restart(ref=REF, container_id="c1", grace_s=1))
    assert item.trials.restarts == 2 and not item.restart_due


def test_what_nobody_wants_is_never_given_up() -> None:
    item = an_item(None, a_container(WANT), cleared=True)
    for _ in range(20):
        outcomes.step_failed(item, Stop(ref=REF, container_id="c1", grace_s=5), "error", "busy", item.have, 10.0)
    assert not item.trials.gave_up


def test_a_port_of_a_neighbour_asks_for_another_lease() -> None:
    item = an_item(WANT)
    outcomes.port_conflict(item, "shop/db/1 holds it", 10.0)
    assert item.trials.code == "port_taken" and item.trials.failures == 0
