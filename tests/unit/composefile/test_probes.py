"""`x-rope.probe`."""

import pytest

from protocol.spec import Probe
from tests.unit.composefile.sample import compose, web, web_error


def probe(text: str) -> str:
    return f"x-rope: {{probe: {text}}}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{http: {port: 8080}}", Probe(kind="http", port=8080)),
        (
            "{http: {port: 80, path: '/health?deep=1', status: 204, headers: {Host: shop.example, X-Depth: 2}}}",
            Probe(
                kind="http",
                port=80,
                path="/health?deep=1",
                status_from=204,
                status_to=204,
                headers={"Host": "shop.example", "X-Depth": "2"},
            ),
        ),
        ("{http: {port: 80, status: 200-299}}", Probe(kind="http", port=80, status_to=299)),
        ("{http: {port: 80, headers: [Host=a]}}", Probe(kind="http", port=80, headers={"Host": "a"})),
        (
            "{tcp: {port: '5432'}, interval: 2s, timeout: 500ms, retries: 5, start_period: 1m}",
            Probe(kind="tcp", port=5432, interval_s=2.0, timeout_s=0.5, retries=5, start_period_s=60.0),
        ),
        ("{exec: [pg_isready, -U, 10]}", Probe(kind="exec", command=("pg_isready", "-U", "10"))),
        ("{exec: pg_isready -U 'a b'}", Probe(kind="exec", command=("pg_isready", "-U", "a b"))),
    ],
)
def test_forms(written: str, expected: Probe) -> None:
    assert web(probe(written)).probe == expected


def test_none_given() -> None:
    assert web("").probe is None


def test_the_projects_probe_holds_for_services_without_one() -> None:
    text = """
x-rope: {probe: {tcp: {port: 80}}}
services:
  web: {image: x, x-rope: {probe: {tcp: {port: 81}}}}
  api: {image: x}
  job: {image: x, x-rope: {probe: false}}
"""
    services = compose(text).spec.services
    assert services["web"].probe == Probe(kind="tcp", port=81)
    assert services["api"].probe == Probe(kind="tcp", port=80)
    assert services["job"].probe is None


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{}", ""),
        ("{interval: 2s}", ""),
        ("{http: {port: 80}, tcp: {port: 80}}", ""),
        ("true", ""),
        ("{http: {path: /}}", ".http"),
        ("{http: 80}", ".http"),
        ("{http: {port: 0}}", ".http.port"),
        ("{http: {port: web}}", ".http.port"),
        ("{http: {port: 80, path: health}}", ".http.path"),
        ("{http: {port: 80, path: '/a b'}}", ".http.path"),
        ('{http: {port: 80, path: "/a\\r\\nX: y"}}', ".http.path"),
        ("{http: {port: 80, status: ok}}", ".http.status"),
        ("{http: {port: 80, status: 399-200}}", ".http.status"),
        ("{http: {port: 80, headers: {'a b': c}}}", ".http.headers.a b"),
        ('{http: {port: 80, headers: {A: "b\\nc: d"}}}', ".http.headers.A"),
        ("{http: {port: 80, host: a}}", ".http.host"),
        ("{tcp: {}}", ".tcp"),
        ("{tcp: {port: 65536}}", ".tcp.port"),
        ("{exec: []}", ".exec"),
        ("{exec: ''}", ".exec"),
        ('{exec: "a \'b"}', ".exec"),
        ("{exec: [a], interval: 0s}", ".interval"),
        ("{exec: [a], timeout: 5}", ".timeout"),
        ("{exec: [a], retries: 0}", ".retries"),
        ("{udp: {port: 1}, tcp: {port: 1}}", ".udp"),
    ],
)
def test_errors(written: str, key: str) -> None:
    problem = web_error(probe(written))
    assert (problem.line, problem.field) == (4, f"services.web.x-rope.probe{key}")
