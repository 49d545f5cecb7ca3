"""How a service is released, from its specification alone."""

import pytest

from controlplane.core.deployment import Deployment, DeploymentKind, Outcome
from controlplane.core.release import canaries, config, is_blue_green, order_of, parallelism
from protocol.spec import Canary, Mount, PortSpec, ServiceSpec, UpdateConfig
from tests.unit.controlplane.core.world import a_service

FIXED = (PortSpec(container=80, host_from=8080, host_to=8080),)


def a_deployment(kind: DeploymentKind = "update", outcome: Outcome = "") -> Deployment:
    return Deployment(id=1, project="shop", kind=kind, revision=2, created_at=1.0, outcome=outcome, back_to=1)


@pytest.mark.parametrize(
    ("spec", "start_first", "why"),
    [
        (a_service(), True, "side by side"),
        (a_service(ports=(PortSpec(container=80, host_from=8000, host_to=8010),)), True, "side by side"),
        (a_service(ports=FIXED), False, "8080"),
        (a_service(mounts=(Mount(kind="volume", source="data", target="/d"),)), False, "data"),
        (a_service(mounts=(Mount(kind="bind", source="/srv", target="/d"),)), False, "/srv"),
        (a_service(mounts=(Mount(kind="bind", source="/etc/x", target="/d", read_only=True),)), True, "side by side"),
        (a_service(mounts=(Mount(kind="volume", target="/d"),)), True, "side by side"),
        (a_service(mounts=(Mount(kind="tmpfs", target="/d"),)), True, "side by side"),
        (a_service(ports=FIXED, update=UpdateConfig(order="start-first")), True, "says so"),
        (a_service(update=UpdateConfig(order="stop-first")), False, "says so"),
    ],
)
def test_the_order_is_start_first_unless_only_one_copy_may_run(spec: ServiceSpec, start_first: bool, why: str) -> None:
    found, told = order_of(spec, spec.update)
    assert found is start_first and why in told


@pytest.mark.parametrize(
    ("canary", "replicas", "count"),
    [
        (None, 5, 0),
        (Canary(replicas=2), 5, 2),
        (Canary(replicas=2), 1, 1),
        (Canary(percent=20), 10, 2),
        (Canary(percent=20), 3, 1),
        (Canary(percent=1), 10, 1),
        (Canary(percent=100), 3, 3),
        (Canary(percent=50), 0, 0),
    ],
)
def test_canaries_are_counted_up_to_the_next_whole_one(canary: Canary | None, replicas: int, count: int) -> None:
    assert canaries(a_deployment(), a_service(replicas=replicas, canary=canary)) == count


@pytest.mark.parametrize(
    "deployment", [a_deployment("rollback"), a_deployment("scale"), a_deployment(outcome="cancelled")]
)
def test_what_ran_before_needs_no_canary(deployment: Deployment) -> None:
    assert canaries(deployment, a_service(replicas=5, canary=Canary(replicas=1))) == 0


def test_the_way_back_takes_no_second_set_and_does_not_stop_at_failures() -> None:
    spec = a_service(release="blue_green", update=UpdateConfig(delay_s=60.0))
    assert is_blue_green(a_deployment(), spec) and not is_blue_green(a_deployment(outcome="rolled_back"), spec)
    back = config(a_deployment(outcome="rolled_back"), spec)
    assert (back.failure_action, back.delay_s) == ("continue", 0.0)


def test_rollback_config_holds_for_both_kinds_of_rollback() -> None:
    spec = a_service(rollback=UpdateConfig(parallelism=7))
    assert config(a_deployment("rollback"), spec).parallelism == 7
    assert config(a_deployment(outcome="rolled_back"), spec).parallelism == 7
    assert config(a_deployment(), spec).parallelism == 1


def test_drains_go_one_by_one_and_restarts_never_all_at_once() -> None:
    spec = a_service(update=UpdateConfig(parallelism=0))
    assert parallelism(a_deployment("update"), spec) == 0
    assert parallelism(a_deployment("restart"), spec) == 1
    assert parallelism(a_deployment("migrate"), a_service(update=UpdateConfig(parallelism=5))) == 1
