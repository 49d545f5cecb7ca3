"""Asking twice before many containers stop."""

import pytest

from nodeagent.core.brake import REFS_MAX, Question, review
from nodeagent.core.replica import Assignment
from tests.unit.nodeagent.core.made import a_container, a_ref, a_want, an_item


def items(wanted: int, dropped: int, *, ended: int = 0, stopping: int = 0) -> list[Assignment]:
    made = [an_item(a_want(n), a_container(a_want(n))) for n in range(1, wanted + 1)]
    made += [an_item(None, a_container(a_want(100 + n))) for n in range(dropped)]
    made += [an_item(None, a_container(a_want(200 + n), status="exited")) for n in range(ended)]
    made += [an_item(None, a_container(a_want(300 + n)), cleared=True) for n in range(stopping)]
    return made


@pytest.mark.parametrize(
    ("wanted", "dropped", "stopping", "asks"),
    [
        (0, 1, 0, False),
        (0, 2, 0, False),
        (0, 3, 0, True),
        (3, 3, 0, True),
        (4, 3, 0, False),
        (100, 49, 0, False),
        (50, 50, 0, True),
        (1, 2, 2, True),
        (9, 2, 2, False),
        (5, 0, 5, False),
    ],
)
def test_three_and_half_of_all(wanted: int, dropped: int, stopping: int, asks: bool) -> None:
    outcome = review(items(wanted, dropped, stopping=stopping), (1, 1), None)
    assert (outcome.ask is not None) == asks
    assert len(outcome.clear) == (0 if asks else dropped)


def test_what_has_ended_may_always_go() -> None:
    outcome = review(items(0, 3, ended=2), (1, 1), None)
    assert len(outcome.clear) == 2 and outcome.ask is not None and len(outcome.ask.stop) == 3


def test_is_asked_once_however_much_the_center_changes_meanwhile() -> None:
    first = review(items(0, 3), (1, 7), None).ask
    assert first is not None and first.authority == (1, 7)
    assert review(items(0, 3), (1, 7), first).ask is None
    assert review(items(0, 3), (1, 8), first).ask is None
    again = review(items(0, 3), (2, 8), first).ask
    assert again is not None and again.authority == (2, 8), "another incarnation"
    assert review(items(0, 4), (1, 7), first).ask is not None, "more than was asked for"


def test_a_question_fits_a_frame() -> None:
    outcome = review(items(0, REFS_MAX + 50), (1, 1), None)
    assert outcome.ask is not None and len(outcome.ask.stop) == REFS_MAX
    assert review(items(0, REFS_MAX + 50), (1, 1), outcome.ask).ask is None


def test_no_question_when_nothing_is_dropped() -> None:
    assert review(items(5, 0), (1, 1), Question(authority=(1, 1), stop=(a_ref(),))).ask is None
