"""Five failures a minute, by address."""

from controlplane.web.attempts import FAILURES_MAX, WINDOW_S, Attempts
from tests.unit.controlplane.web.test_session import Clock


def test_after_five_failures_an_address_waits_for_the_first_to_age() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(FAILURES_MAX):
        assert attempts.wait_s("10.0.0.1") == 0
        attempts.failed("10.0.0.1")
        clock.now += 2
    assert attempts.wait_s("10.0.0.1") == WINDOW_S - 2 * FAILURES_MAX
    assert attempts.wait_s("::ffff:10.0.0.1") > 0, "the same machine by another name"
    assert attempts.wait_s("10.0.0.2") == 0
    clock.now += WINDOW_S - 2 * FAILURES_MAX
    assert attempts.wait_s("10.0.0.1") == 0


def test_a_success_forgets_the_failures() -> None:
    attempts = Attempts(Clock())
    for _ in range(FAILURES_MAX):
        attempts.failed("a")
    attempts.succeeded("a")
    assert attempts.wait_s("a") == 0


def test_an_ipv6_client_cannot_use_a_new_address_each_time() -> None:
    attempts = Attempts(Clock())
    for number in range(FAILURES_MAX):
        attempts.failed(f"2001:db8::{number + 1}")
    assert attempts.wait_s("2001:db8::ffff") > 0
    assert attempts.wait_s("2001:db8:0:1::1") == 0


def test_the_table_is_bounded() -> None:
    attempts = Attempts(Clock(), addresses_max=3)
    for number in range(10):
        for _ in range(FAILURES_MAX):
            attempts.failed(f"10.0.0.{number}")
    assert [n for n in range(10) if attempts.wait_s(f"10.0.0.{n}")] == [7, 8, 9]
