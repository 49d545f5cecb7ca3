"""The clock that stands still while the Center stood still."""

import math

import pytest

from controlplane.core.detector_clock import Clock, Pause, advance


def test_it_runs_with_monotonic_time() -> None:
    clock, told = advance(Clock(at=100.0, mark=50.0), 101.0, 1.0)
    assert (clock.reading, told) == (101.0, "")
    assert clock.silence(7.0) == 7.0


def test_a_silence_from_before_the_mark_is_endless() -> None:
    clock = Clock(at=100.0, mark=90.0)
    assert clock.silence(9.9) == 9.9
    assert clock.silence(10.0) == math.inf
    assert clock.silence(None) == math.inf


def test_a_pause_is_not_counted() -> None:
    clock, told = advance(Clock(at=100.0, mark=0.0), 103.0, 3.0)
    assert (clock.reading, clock.not_before, clock.mark) == (100.0, 105.0, 0.0)
    assert told == "the Center stood still for 3.0 s: deadlines shift by as much"


@pytest.mark.parametrize(
    ("silent_s", "expected"),
    [(1.0, 1.0), (2.0, 2.0), (3.5, 2.0), (5.0, 2.0), (7.0, 4.0)],
)
def test_a_silence_shrinks_by_the_part_of_the_pause_in_it(silent_s: float, expected: float) -> None:
    clock = Clock(at=105.0, mark=0.0, paused_s=3.0, pauses=(Pause(100.0, 103.0, 100.0),))
    assert clock.silence(silent_s) == expected


def test_a_pause_is_remembered_as_long_as_it_can_matter() -> None:
    clock, _ = advance(Clock(at=100.0, mark=0.0), 110.0, 10.0)
    clock, _ = advance(clock, 111.0, 1.0)
    assert clock.silence(12.0) == 2.0
    for _ in range(14):
        clock, _ = advance(clock, clock.at + 1.0, 1.0)
    assert (len(clock.pauses), clock.silence(26.0)) == (1, 16.0)
    clock, _ = advance(clock, clock.at + 1.0, 1.0)
    assert clock.pauses == ()
    assert clock.silence(27.0) > 15.0
    assert clock.reading == clock.at - 10.0


def test_a_long_pause_sets_the_mark_where_it_began() -> None:
    clock, _ = advance(Clock(at=100.0, mark=0.0), 116.0, 16.0)
    assert (clock.mark, clock.not_before) == (100.0, 115.0)
    assert clock.silence(15.9) < math.inf
    assert clock.silence(16.0) == math.inf


def test_a_suspension_sets_the_mark_to_its_end() -> None:
    clock, _ = advance(Clock(at=100.0, mark=0.0), 100.25, 60.0)
    assert clock.mark == 100.25
    assert clock.silence(0.1) == math.inf


def test_a_gap_of_more_than_a_second_is_a_pause() -> None:
    assert advance(Clock(at=100.0, mark=0.0), 101.0, 1.0)[1] == ""
    assert advance(Clock(at=100.0, mark=0.0), 101.1, 1.1)[1] != ""


def test_a_short_pause_does_not_shorten_the_rest_after_a_longer_one() -> None:
    clock, _ = advance(Clock(at=100.0, mark=0.0), 112.0, 12.0)
    clock, _ = advance(clock, 113.0, 1.0)
    clock, _ = advance(clock, 115.0, 2.0)
    assert clock.not_before == 112.0


def test_a_short_suspension_takes_nothing_from_monotonic_time_but_its_own_gap() -> None:
    clock, _ = advance(Clock(at=100.0, mark=0.0), 100.25, 5.0)
    assert (clock.reading, clock.mark, clock.not_before) == (100.0, 0.0, 105.0)
