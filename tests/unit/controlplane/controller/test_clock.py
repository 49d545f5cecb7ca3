"""The edge's clock."""

import time

from controlplane.controller.clock import SteadyWall, SystemClock


def test_both_clocks_are_read_and_uptime_goes_on() -> None:
    clock, before = SystemClock(), time.time()
    now = clock.now()
    assert before <= now.wall <= time.time() and abs(now.mono - time.monotonic()) < 5
    assert clock.uptime_s() <= clock.uptime_s()


def test_a_wall_clock_that_goes_right_is_followed() -> None:
    steady = SteadyWall(1000.0, 5.0)
    assert [steady.at(1000.0 + s, 5.0 + s) for s in (0.25, 1.0, 60.0)] == [1000.25, 1001.0, 1060.0]


def test_a_clock_that_is_set_forward_is_caught_up_with_at_double_speed() -> None:
    steady = SteadyWall(1000.0, 0.0)
    walls = [steady.at(1000.0 + 90.0 + s, float(s)) for s in range(1, 121)]
    assert walls[:3] == [1002.0, 1004.0, 1006.0] and walls[88] == 1178.0
    assert walls[89:] == [1000.0 + 90.0 + s for s in range(90, 121)], "right after 90 s"


def test_a_clock_that_is_set_back_is_waited_for_and_never_followed_back() -> None:
    steady = SteadyWall(1000.0, 0.0)
    walls = [steady.at(1000.0 - 30.0 + s, float(s)) for s in range(1, 81)]
    assert walls[:3] == [1000.5, 1001.0, 1001.5]
    assert walls == sorted(walls) and walls[59:] == [1000.0 - 30.0 + s for s in range(60, 81)]


def test_sleep_of_the_machine_is_no_jump() -> None:
    steady = SteadyWall(1000.0, 0.0)
    assert steady.at(1000.0 + 7200.0, 7200.0) == 8200.0


def test_a_clock_that_was_wrong_by_years_is_followed_at_once() -> None:
    steady = SteadyWall(0.0, 0.0)
    assert steady.at(1.8e9, 1.0) == 1.8e9
    assert steady.at(1.0e9, 2.0) == 1.0e9
