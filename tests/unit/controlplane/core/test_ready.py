"""When a copy is ready: by its probe, its checks, or the time it has been up."""

import pytest

from controlplane.core.replica import UP_S, Assignment, is_ready
from protocol.messages import Health
from protocol.spec import HealthCheck, Probe, ServiceSpec, UpdateConfig

CHECK = HealthCheck(test=("CMD", "true"))
PROBE = Probe(kind="tcp", port=80)
WALL = 1_000_000.0


def ready(health: Health, up_s: float, *, check: HealthCheck | None = None, probe: Probe | None = None) -> bool:
    spec = ServiceSpec(name="web", image="i", health=check, probe=probe, update=UpdateConfig(monitor_s=60.0))
    copy = Assignment(node="n", epoch=1, revision=1, state="running", health=health, running_since=WALL - up_s)
    return is_ready(copy, spec, WALL)


@pytest.mark.parametrize(("health", "expected"), [("starting", False), ("healthy", True), ("unhealthy", False)])
@pytest.mark.parametrize(("check", "probe"), [(CHECK, None), (None, PROBE), (CHECK, PROBE), (None, None)])
def test_a_verdict_counts_whoever_gave_it(
    health: Health, expected: bool, check: HealthCheck | None, probe: Probe | None
) -> None:
    assert ready(health, 3600.0, check=check, probe=probe) == expected


def test_without_a_verdict_a_check_of_the_file_is_waited_for() -> None:
    assert not ready("none", 3600.0, check=CHECK)


def test_a_probe_that_was_added_to_what_runs_does_not_take_its_address() -> None:
    assert ready("none", 3600.0, probe=PROBE)
    assert not ready("none", UP_S - 1, probe=PROBE)
