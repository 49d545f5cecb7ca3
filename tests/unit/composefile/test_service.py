"""The simple keys of a service, its defaults and its size."""

import msgspec
import pytest

from composefile.service import SPEC_BYTES_MAX
from protocol.spec import ServiceSpec
from tests.unit.composefile.sample import errors, service, web, web_error


def test_defaults() -> None:
    assert web("") == ServiceSpec(name="web", image="nginx", networks={"default": ()})


@pytest.mark.parametrize(
    ("written", "rule", "times"),
    [
        ("no", "no", 0),
        ("always", "always", 0),
        ("unless-stopped", "unless-stopped", 0),
        ("on-failure", "on-failure", 0),
        ("on-failure:3", "on-failure", 3),
    ],
)
def test_restart(written: str, rule: str, times: int) -> None:
    spec = web(f"restart: {written}")
    assert (spec.restart, spec.restart_max) == (rule, times)


@pytest.mark.parametrize(
    "written", ["never", "false", "on-failure:", "on-failure:x", "on-failure:0", "always:3", "[no]"]
)
def test_restart_errors(written: str) -> None:
    assert web_error(f"restart: {written if written[0] == '[' else repr(written)}").field == "services.web.restart"


@pytest.mark.parametrize(
    ("written", "signal"), [("SIGTERM", "SIGTERM"), ("term", "SIGTERM"), ("15", "15"), ("SIGRTMIN+3", "SIGRTMIN+3")]
)
def test_stop_signal(written: str, signal: str) -> None:
    assert web(f"stop_signal: {written}").stop_signal == signal


@pytest.mark.parametrize(
    "line",
    [
        "stop_signal: SIGFOO",
        "stop_signal: 0",
        "stop_signal: 65",
        "stop_signal: '²'",
        "hostname: a_b",
        "hostname: -a",
        "hostname: " + "a" * 64,
        "hostname: ''",
        "user: 'a b'",
        "user: ''",
        "user: ':0'",
        "working_dir: srv",
        "deploy: {mode: global}",
        "deploy: {mode: odd}",
        "deploy: {endpoint_mode: vip}",
        "deploy: {labels: {}}",
        "deploy: []",
    ],
)
def test_errors(line: str) -> None:
    assert web_error(line).field.startswith("services.web." + line.partition(":")[0])


@pytest.mark.parametrize(("written", "user"), [("1000", "1000"), ("1000:1000", "1000:1000"), ("app:app", "app:app")])
def test_user(written: str, user: str) -> None:
    assert web(f"user: {written}").user == user


@pytest.mark.parametrize("replicas", [0, 1, 1000])
def test_replicas(replicas: int) -> None:
    assert web(f"deploy: {{mode: replicated, replicas: {replicas}}}").replicas == replicas
    assert web(f"deploy: {{replicas: '{replicas}'}}").replicas == replicas


def test_a_service_fits_into_a_frame() -> None:
    spec = web("environment: {A: " + "x" * 30_000 + "}")
    assert len(msgspec.json.encode(spec)) < SPEC_BYTES_MAX
    problem = web_error("environment: {A: " + "x" * 30_000 + ", B: " + "x" * 11_000 + "}")
    assert problem.field == "services.web" and "40960" in problem.message


@pytest.mark.parametrize("written", ["", "x", "[]", "3"])
def test_a_service_is_a_mapping(written: str) -> None:
    (problem,) = errors(f"services: {{web: {written}}}")
    assert (problem.field, problem.message) == ("services.web", "must be a mapping")


def test_a_service_may_have_its_own_extension_fields() -> None:
    assert web("x-anything: [1]").image == "nginx" and service("")
