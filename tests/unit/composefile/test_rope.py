"""Releases, failover and ports in `x-rope`, of a service and of the project."""

import pytest

from protocol.spec import Canary, FailoverPolicy
from tests.unit.composefile.sample import compose, errors, service, web, web_error


def test_nothing_said() -> None:
    spec = web("")
    assert (spec.canary, spec.release, spec.release_keep_s, spec.probe) == (None, "rolling", 600.0, None)
    assert (spec.on_return, spec.failover, spec.port_strict) == ("keep_new", FailoverPolicy(), False)
    assert spec.drain_wait_s == 2.0


@pytest.mark.parametrize(
    ("written", "canary"),
    [
        ("{replicas: 1}", Canary(replicas=1)),
        ("{percent: 20, promote: auto, observe: 5m}", Canary(percent=20, promote="auto", observe_s=300.0)),
        ("{percent: 100, observe: 0s}", Canary(percent=100, observe_s=0.0)),
        ("false", None),
    ],
)
def test_canary(written: str, canary: Canary | None) -> None:
    assert web(f"x-rope: {{canary: {written}}}").canary == canary


def test_policies() -> None:
    spec = web(
        "x-rope: {release: blue_green, release_keep: 1h, on_return: first_healthy, "
        "failover: {after: 1m, mode: manual}, port: strict, drain_wait: 0s}"
    )
    assert (spec.release, spec.release_keep_s, spec.on_return) == ("blue_green", 3600.0, "first_healthy")
    assert spec.failover == FailoverPolicy(after_s=60.0, mode="manual")
    assert (spec.port_strict, spec.drain_wait_s) == (True, 0.0)


def test_the_projects_word_holds_where_a_service_says_nothing() -> None:
    text = """
x-rope:
  canary: {percent: 10}
  release_keep: 1m
  on_return: keep_old
  failover: {mode: never}
  port: strict
  drain_wait: 5s
services:
  web: {image: x}
  api: {image: x, x-rope: {canary: false, on_return: keep_new, failover: {after: 20s}, port: remap, drain_wait: 0s}}
  job: {image: x, x-rope: {release: rolling}}
"""
    services = compose(text).spec.services
    web, api, job = services["web"], services["api"], services["job"]
    assert web.canary == Canary(percent=10) == job.canary and api.canary is None
    assert (web.release_keep_s, api.release_keep_s) == (60.0, 60.0)
    assert (web.on_return, api.on_return, job.on_return) == ("keep_old", "keep_new", "keep_old")
    assert (web.failover.mode, api.failover) == ("never", FailoverPolicy(after_s=20.0))
    assert (web.port_strict, api.port_strict) == (True, False)
    assert (web.drain_wait_s, api.drain_wait_s, job.drain_wait_s) == (5.0, 0.0, 5.0)


@pytest.mark.parametrize(
    ("written", "key", "fix"),
    [
        ("canary: {}", "canary", "Write {replicas: 1}, or {percent: 20}."),
        ("canary: {replicas: 1, percent: 20}", "canary", "Write {replicas: 1}, or {percent: 20}."),
        ("canary: {percent: 0}", "canary.percent", ""),
        ("canary: {percent: 101}", "canary.percent", ""),
        ("canary: {percent: 20%}", "canary.percent", "Write 20."),
        ("canary: {replicas: 0}", "canary.replicas", ""),
        ("canary: {replicas: 1, promote: later}", "canary.promote", ""),
        ("canary: {replicas: 1, observe: 2}", "canary.observe", 'Write "2s".'),
        ("canary: 1", "canary", "Write 'key: value' lines below it."),
        ("release: canary", "release", ""),
        ("release_keep: forever", "release_keep", 'Write it like "1m30s".'),
        ("on_return: both", "on_return", ""),
        ("failover: {after: 14s}", "failover.after", 'Write "15s" or more.'),
        ("failover: {mode: no}", "failover.mode", ""),
        ("failover: never", "failover", "Write 'key: value' lines below it."),
        ("port: fixed", "port", ""),
        ("drain_wait: 10m", "drain_wait", ""),
    ],
)
def test_errors(written: str, key: str, fix: str) -> None:
    problem = web_error(f"x-rope:\n  {written}")
    assert (problem.line, problem.field, problem.fix) == (5, f"services.web.x-rope.{key}", fix)


def test_an_error_of_the_project_is_told_once() -> None:
    text = "x-rope: {failover: {after: 1s}}\n" + service("", "  api: {image: x}\n")
    assert [(p.line, p.field) for p in errors(text)] == [(1, "x-rope.failover.after")]
