"""Failures are counted per address within a minute, for a bounded number of addresses."""

import pytest

from controlplane.link import registration
from controlplane.link.registration import FAILURES_MAX, FAILURES_S, Failures


def test_an_address_waits_after_too_many_failures_until_the_first_is_a_minute_old() -> None:
    failures = Failures()
    for second in range(FAILURES_MAX):
        assert failures.wait_s("10.0.0.1", second) == 0
        failures.add("10.0.0.1", second)
    assert failures.wait_s("10.0.0.1", 20.0) == FAILURES_S - 20.0
    assert failures.wait_s("10.0.0.2", 20.0) == 0, "others need not wait"
    assert failures.wait_s("10.0.0.1", FAILURES_S) == 0
    failures.add("10.0.0.1", FAILURES_S)
    assert failures.wait_s("10.0.0.1", FAILURES_S) > 0


def test_only_so_many_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "ADDRESSES_MAX", 3)
    failures = Failures()
    for _ in range(FAILURES_MAX):
        failures.add("old", 0.0)
    for number in range(3):
        failures.add(f"10.0.0.{number}", 1.0)
    assert failures.wait_s("old", 2.0) == 0
