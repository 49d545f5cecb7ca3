"""A flood of log lines is cut, and how much was cut is told."""

import logging

from controlplane import loglines
from controlplane.loglines import LINES_MAX, Sparing


def line(at: float, text: str = "no session for %s", level: int = logging.INFO) -> logging.LogRecord:
    record = logging.LogRecord("link", level, "", 0, text, ("10.0.0.9",) if "%" in text else None, None)
    record.created = at
    return record


def test_a_flood_is_cut_and_counted() -> None:
    sparing = Sparing()
    passed = sum(sparing.filter(line(100.0 + n / 1000)) for n in range(LINES_MAX + 50))
    assert passed == LINES_MAX
    assert sparing.filter(line(100.5, "another kind"))
    later = line(161.0)
    assert sparing.filter(later)
    assert later.getMessage() == "no session for 10.0.0.9 (after 50 lines of this kind that were left out)"
    again = line(162.0)
    assert sparing.filter(again) and again.getMessage() == "no session for 10.0.0.9"


def test_errors_are_never_left_out() -> None:
    sparing = Sparing()
    assert all(sparing.filter(line(1.0, level=logging.ERROR)) for _ in range(2 * LINES_MAX))


def test_a_clock_that_is_set_back_silences_nothing_for_long() -> None:
    sparing = Sparing()
    for _ in range(LINES_MAX + 1):
        sparing.filter(line(5000.0))
    assert sparing.filter(line(100.0))


def test_kinds_are_bounded() -> None:
    sparing = Sparing()
    for number in range(loglines.KINDS_MAX + 10):
        assert sparing.filter(line(1.0, f"kind {number}"))
    assert len(sparing._seen) <= loglines.KINDS_MAX
