"""Health checks: Docker's forms, Compose's defaults."""

import pytest

from protocol.spec import HealthCheck
from tests.unit.composefile.sample import web, web_error


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ("{test: curl -f localhost}", HealthCheck(test=("CMD-SHELL", "curl -f localhost"))),
        ("{test: [CMD, curl, -f]}", HealthCheck(test=("CMD", "curl", "-f"))),
        ("{test: [CMD-SHELL, a b]}", HealthCheck(test=("CMD-SHELL", "a b"))),
        ("{test: [NONE]}", HealthCheck(test=("NONE",))),
        ("{disable: true}", HealthCheck(test=("NONE",))),
        ("{disable: false, test: a}", HealthCheck(test=("CMD-SHELL", "a"))),
        (
            "{test: a, interval: 5s, timeout: 2s, start_period: 1m, retries: 9}",
            HealthCheck(test=("CMD-SHELL", "a"), interval_s=5.0, timeout_s=2.0, start_period_s=60.0, retries=9),
        ),
    ],
)
def test_forms(written: str, check: HealthCheck) -> None:
    assert web(f"healthcheck: {written}").health == check


def test_none_given() -> None:
    assert web("").health is None


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ("{interval: 5s}", "healthcheck"),
        ("{test: []}", "healthcheck.test"),
        ("{test: [curl]}", "healthcheck.test"),
        ("{test: [CMD]}", "healthcheck.test"),
        ("{test: [CMD-SHELL, a, b]}", "healthcheck.test"),
        ("{test: [NONE, a]}", "healthcheck.test"),
        ("{test: ' '}", "healthcheck.test"),
        ("{test: a, interval: 5}", "healthcheck.interval"),
        ("{test: a, timeout: 0s}", "healthcheck.timeout"),
        ("{test: a, retries: 0}", "healthcheck.retries"),
        ("{tests: a, test: a}", "healthcheck.tests"),
        ("a", "healthcheck"),
    ],
)
def test_errors(written: str, field: str) -> None:
    assert web_error(f"healthcheck: {written}").field == f"services.web.{field}"
