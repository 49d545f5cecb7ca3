"""The edge's clock."""

import time

from controlplane.controller.clock import SystemClock


def test_both_clocks_are_read_and_uptime_goes_on() -> None:
    clock, before = SystemClock(), time.time()
    now = clock.now()
    assert before <= now.wall <= time.time() and abs(now.mono - time.monotonic()) < 5
    assert clock.uptime_s() <= clock.uptime_s()
