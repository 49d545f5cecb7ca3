"""Backoff, giving up and Compose's `restart:` rule."""

import pytest

from nodeagent.core.restart import FAILURES_MAX, STABLE_S, Ending, Trials, delay_s, ending, failed, heals_unhealthy
from protocol.spec import RestartRule
from tests.unit.nodeagent.core.made import a_want


@pytest.mark.parametrize(
    ("attempts", "least", "most"),
    [(1, 0.75, 1.25), (2, 1.5, 2.5), (3, 3, 5), (4, 6, 10), (6, 24, 40), (7, 48, 60), (8, 60, 60), (400, 60, 60)],
)
def test_pauses_double_up_to_a_minute(attempts: int, least: float, most: float) -> None:
    for salt in ("shop/web/1@1", "shop/web/2@1", "shop/db/1@7"):
        assert least <= delay_s(attempts, salt) <= most


def test_neighbours_do_not_restart_in_step() -> None:
    assert len({delay_s(3, f"shop/web/{n}@1") for n in range(50)}) > 40


def fail(trials: Trials, now: float = 0.0, up_s: float = 1.0) -> Trials:
    return failed(trials, now=now, salt="x", code="", reason="exited", up_s=up_s)


def test_gives_up_after_five_failures_in_a_row() -> None:
    trials = Trials()
    for _ in range(FAILURES_MAX - 1):
        trials = fail(trials)
        assert not trials.gave_up
    trials = fail(trials)
    assert trials.gave_up and trials.tail_due and trials.code == "crash_loop"


def test_ten_stable_minutes_wash_clean() -> None:
    trials = Trials()
    for _ in range(FAILURES_MAX - 1):
        trials = fail(trials)
    trials = fail(trials, up_s=STABLE_S)
    assert (trials.failures, trials.attempts, trials.gave_up) == (1, 1, False)
    almost = fail(trials, up_s=STABLE_S - 1)
    assert almost.failures == 2


def test_what_is_not_its_fault_is_tried_for_ever() -> None:
    trials = Trials()
    for _ in range(50):
        trials = failed(trials, now=0, salt="x", code="port_taken", reason="taken", counts=False)
    assert not trials.gave_up and trials.code == "port_taken" and trials.not_before == 60


def test_the_hopeless_is_given_up_at_once_with_its_own_code() -> None:
    trials = failed(Trials(), now=0, salt="x", code="refused", reason="no", hopeless=True)
    assert trials.gave_up and trials.code == "refused"


@pytest.mark.parametrize(
    ("rule", "restart_max", "exit_code", "restarts", "expected"),
    [
        ("no", 0, 0, 0, "stopped"),
        ("no", 0, 1, 0, "failed"),
        ("no", 0, 137, 0, "failed"),
        ("on-failure", 0, 0, 3, "stopped"),
        ("on-failure", 0, 1, 99, ""),
        ("on-failure", 2, 1, 1, ""),
        ("on-failure", 2, 1, 2, "failed"),
        ("always", 0, 0, 0, ""),
        ("unless-stopped", 0, 0, 0, ""),
        ("unless-stopped", 0, 1, 9, ""),
    ],
)
def test_the_restart_rule_is_obeyed(
    rule: RestartRule, restart_max: int, exit_code: int, restarts: int, expected: Ending
) -> None:
    assert ending(a_want(restart=rule, restart_max=restart_max).spec, exit_code, restarts) == expected


def test_unhealthy_ones_are_healed_unless_the_rule_is_no() -> None:
    assert heals_unhealthy(a_want(restart="on-failure").spec)
    assert not heals_unhealthy(a_want(restart="no").spec)
