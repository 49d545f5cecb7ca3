"""`x-rope.metrics`."""

import pytest

from protocol.spec import MetricsSpec, container_spec
from tests.unit.composefile.sample import compose, errors, web, web_error


def metrics(text: str, ports: str = '["8080"]') -> str:
    return f"ports: {ports}\nx-rope: {{metrics: {text}}}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{port: 8080}", MetricsSpec(port=8080, path="/metrics")),
        ("{port: '8080', path: /stats?format=prometheus}", MetricsSpec(port=8080, path="/stats?format=prometheus")),
        ("false", None),
    ],
)
def test_forms(written: str, expected: MetricsSpec | None) -> None:
    assert web(metrics(written)).metrics == expected


def test_none_given() -> None:
    assert web("").metrics is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{}", "metrics need port"),
        ("{path: /metrics}", "metrics need port"),
        ("{port: 0}", "must be between 1 and 65535, not 0"),
        ("{port: 8080, path: metrics}", '"metrics" is no path of a URL'),
        ("{port: 8080, path: '/a b'}", '"/a b" is no path of a URL'),
        ("{port: 8080, scheme: https}", "unknown key"),
        ("true", "must be a mapping"),
    ],
)
def test_what_is_wrong_is_said(written: str, message: str) -> None:
    assert web_error(metrics(written)).message == message


@pytest.mark.parametrize("ports", ["[]", '["9090"]', '["8080/udp"]'])
def test_a_port_that_is_not_published_cannot_be_reached(ports: str) -> None:
    error = web_error(metrics("{port: 8080}", ports))
    assert error.field == "services.web.x-rope.metrics"
    assert error.message == '"web" does not publish port 8080, so Prometheus cannot reach it'
    assert error.fix.startswith('Add "8080" to its ports:')


def test_the_projects_metrics_hold_for_services_that_say_nothing() -> None:
    text = """
x-rope: {metrics: {port: 80}}
services:
  web: {image: x, ports: ["80"]}
  api: {image: x, ports: ["81"], x-rope: {metrics: {port: 81}}}
  job: {image: x, x-rope: {metrics: false}}
"""
    services = compose(text).spec.services
    assert services["web"].metrics == MetricsSpec(port=80)
    assert services["api"].metrics == MetricsSpec(port=81)
    assert services["job"].metrics is None


def test_the_projects_metrics_are_an_error_where_the_port_is_not_published() -> None:
    text = "x-rope: {metrics: {port: 80}}\nservices:\n  web: {image: x}\n"
    (error,) = errors(text)
    assert error.field == "x-rope.metrics" and '"web" does not publish port 80' in error.message


def test_containers_are_the_same_with_and_without() -> None:
    plain, asking = web('ports: ["8080"]'), web(metrics("{port: 8080}"))
    assert plain != asking and container_spec(plain) == container_spec(asking)
