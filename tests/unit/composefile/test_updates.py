"""`deploy.update_config` and `deploy.rollback_config`."""

import pytest

from protocol.spec import UpdateConfig
from tests.unit.composefile.sample import web, web_error


def test_nothing_said() -> None:
    assert (web("").update, web("").rollback) == (UpdateConfig(), None)
    assert web("deploy: {update_config: {}}").update == UpdateConfig()


def test_everything_said() -> None:
    written = (
        "{parallelism: 2, delay: 10s, order: start-first, monitor: 1m30s, failure_action: pause, "
        "max_failure_ratio: 0.25}"
    )
    expected = UpdateConfig(
        parallelism=2,
        delay_s=10.0,
        order="start-first",
        monitor_s=90.0,
        failure_action="pause",
        max_failure_ratio=0.25,
    )
    assert web(f"deploy: {{update_config: {written}}}").update == expected
    assert web(f"deploy: {{rollback_config: {written}}}").rollback == expected


def test_all_at_once_and_without_watching() -> None:
    update = web("deploy: {update_config: {parallelism: 0, monitor: 0s}}").update
    assert (update.parallelism, update.monitor_s) == (0, 0.0)


def test_a_rollback_that_fails_is_not_rolled_back() -> None:
    rollback = web("deploy: {rollback_config: {order: stop-first}}").rollback
    assert rollback == UpdateConfig(order="stop-first", failure_action="pause")
    problem = web_error("deploy: {rollback_config: {failure_action: rollback}}")
    assert "pause or continue" in problem.message


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{parallelism: -1}", ".parallelism"),
        ("{parallelism: 1.5}", ".parallelism"),
        ("{delay: 10}", ".delay"),
        ("{order: start_first}", ".order"),
        ("{monitor: soon}", ".monitor"),
        ("{failure_action: retry}", ".failure_action"),
        ("{max_failure_ratio: 1.1}", ".max_failure_ratio"),
        ("{max_failure_ratio: 20%}", ".max_failure_ratio"),
        ("{paralelism: 1}", ".paralelism"),
        ("fast", ""),
    ],
)
def test_errors(written: str, key: str) -> None:
    for name in ("update_config", "rollback_config"):
        problem = web_error(f"deploy: {{{name}: {written}}}")
        assert (problem.line, problem.field) == (4, f"services.web.deploy.{name}{key}")
