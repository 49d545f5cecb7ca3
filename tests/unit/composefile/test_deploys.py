"""Keys that say the same as `deploy` in another place."""

import pytest

from protocol.spec import Resources
from tests.unit.composefile.sample import compose, service, web, web_error


def test_short_forms() -> None:
    spec = web("scale: 3\ncpus: '0.5'\nmem_limit: 64m\nmem_reservation: 32m\npids_limit: 20")
    assert spec.replicas == 3
    assert spec.resources == Resources(cpus_limit=0.5, memory_limit=64 << 20, memory_reserved=32 << 20, pids_limit=20)


def test_the_same_said_twice_is_fine() -> None:
    spec = web("scale: 2\nmem_limit: 1g\ndeploy: {replicas: 2, resources: {limits: {memory: 1024m}}}")
    assert (spec.replicas, spec.resources.memory_limit) == (2, 1 << 30)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("scale: 2\ndeploy: {replicas: 3}", "scale"),
        ("scale: 2\ndeploy: {replicas: 1}", "scale"),
        ("cpus: 1\ndeploy: {resources: {limits: {cpus: 2}}}", "cpus"),
        ("mem_limit: 1g\ndeploy: {resources: {limits: {memory: 2g}}}", "mem_limit"),
        ("mem_reservation: 1g\ndeploy: {resources: {reservations: {memory: 2g}}}", "mem_reservation"),
        ("pids_limit: 5\ndeploy: {resources: {limits: {pids: 6}}}", "pids_limit"),
        ("restart: always\ndeploy: {restart_policy: {condition: on-failure}}", "restart"),
        ("mem_limit: 64m\nmem_reservation: 65m", "mem_reservation"),
        ("mem_limit: 5m", "mem_limit"),
        ("cpus: many", "cpus"),
        ("scale: -1", "scale"),
        ("deploy: {restart_policy: {condition: always}}", "deploy.restart_policy.condition"),
        ("deploy: {restart_policy: {max_attempts: 3}}", "deploy.restart_policy.max_attempts"),
    ],
)
def test_errors(body: str, field: str) -> None:
    assert web_error(body).field == f"services.web.{field}"


@pytest.mark.parametrize(
    ("written", "restart"),
    [
        ("{}", ("always", 0)),
        ("{condition: any}", ("always", 0)),
        ("{condition: none}", ("no", 0)),
        ("{condition: on-failure, max_attempts: 3}", ("on-failure", 3)),
    ],
)
def test_restart_policy(written: str, restart: tuple[str, int]) -> None:
    spec = web(f"deploy: {{restart_policy: {written}}}")
    assert (spec.restart, spec.restart_max) == restart


def test_times_of_a_restart_policy_are_the_agents() -> None:
    found = compose(service("deploy: {restart_policy: {condition: any, delay: 5s, window: 1m}}"))
    assert [w.field.rpartition(".")[2] for w in found.warnings] == ["delay", "window"]


def test_a_policy_counts_where_a_service_has_to_complete() -> None:
    job = "  job: {image: x, deploy: {restart_policy: {condition: any}}}\n"
    body = "depends_on: {job: {condition: service_completed_successfully}}"
    (warning,) = compose(service(body, job)).warnings
    assert "never completes" in warning.message
