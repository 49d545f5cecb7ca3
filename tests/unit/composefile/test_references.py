"""What one service says of another."""

import pytest

from composefile.references import find_cycle
from protocol.spec import Dependency
from tests.unit.composefile.sample import compose, errors, service, web, web_error

DB = "  db: {image: x, healthcheck: {test: a}}\n  plain: {image: x}\n  off: {image: x, healthcheck: {disable: true}}\n"


def test_depends_on_forms() -> None:
    assert web("depends_on: [db, plain]", DB).depends_on == {"db": Dependency(), "plain": Dependency()}
    written = "{db: {condition: service_healthy, required: true, restart: false}, plain: {condition: service_started}}"
    assert web(f"depends_on: {written}", DB).depends_on == {
        "db": Dependency(condition="service_healthy"),
        "plain": Dependency(),
    }


def test_required_and_restart() -> None:
    written = "{db: {condition: service_healthy, required: false, restart: true}, plain: {restart: true}}"
    assert web(f"depends_on: {written}", DB).depends_on == {
        "db": Dependency(condition="service_healthy", required=False, restart=True),
        "plain": Dependency(restart=True),
    }


def test_what_is_not_required_may_be_missing() -> None:
    text = service("depends_on: {dbs: {condition: service_healthy, required: false}, db: {required: false}}", DB)
    found = compose(text)
    assert found.spec.services["web"].depends_on == {"db": Dependency(required=False)}
    (warning,) = found.warnings
    assert warning.field == "services.web.depends_on.dbs" and warning.fix == 'Did you mean "db"?'


def test_a_probe_makes_a_service_healthy_too() -> None:
    probed = "  api: {image: x, x-rope: {probe: {tcp: {port: 80}}}}\n"
    needed = web("depends_on: {api: {condition: service_healthy}}", probed).depends_on
    assert needed == {"api": Dependency(condition="service_healthy")}


def migrate(restart: str) -> str:
    """A file whose web waits until migrate has completed."""
    waits = "depends_on: {migrate: {condition: service_completed_successfully}}"
    return service(waits, f"  migrate: {{image: x, {restart}}}\n")


@pytest.mark.parametrize(
    ("written", "rule"), [("", "no"), ('restart: "no"', "no"), ("restart: on-failure", "on-failure")]
)
def test_what_is_waited_for_until_it_has_completed_runs_once(written: str, rule: str) -> None:
    found = compose(migrate(written))
    assert found.spec.services["migrate"].restart == rule and found.warnings == ()
    assert found.spec.services["web"].restart == "unless-stopped"
    assert found.spec.services["web"].depends_on["migrate"].condition == "service_completed_successfully"


def test_what_is_always_restarted_never_completes() -> None:
    (warning,) = compose(migrate("restart: always")).warnings
    assert (warning.line, warning.field) == (4, "services.web.depends_on.migrate")
    assert "never completes" in warning.message and warning.fix == 'Write restart: "no" or on-failure in migrate.'


@pytest.mark.parametrize(
    ("written", "field", "why"),
    [
        ("[dbb]", "[0]", 'no service "dbb"'),
        ("{nobody: {condition: service_started}}", ".nobody", 'no service "nobody"'),
        ("[web]", "[0]", "wait for itself"),
        ("[db, $x]", "[1]", "variables"),
        ("{plain: {condition: service_healthy}}", ".plain", "has no healthcheck"),
        ("{off: {condition: service_healthy}}", ".off", "has no healthcheck"),
        ("{db: {condition: happy}}", ".db.condition", "service_started, service_healthy or service_completed_succ"),
        ("{db: {condition: service_started, required: maybe}}", ".db.required", "true or false"),
        ("{db: {condition: service_started, restart: 1}}", ".db.restart", "true or false"),
        ("{web: {condition: service_started, required: false}}", ".web", "wait for itself"),
        ("db", "", "must be a mapping"),
    ],
)
def test_depends_on_errors(written: str, field: str, why: str) -> None:
    problem = web_error(f"depends_on: {written}", DB)
    assert problem.field == f"services.web.depends_on{field}" and why in problem.message


def test_a_near_name_is_told() -> None:
    assert web_error("depends_on: [dbs]", DB).fix == 'Did you mean "db"?'


def test_an_unreadable_health_check_is_one_error_only() -> None:
    text = "services: {web: {image: x, depends_on: {db: {condition: service_healthy}}}, db: {image: x, healthcheck: 3}}"
    assert [p.field for p in errors(text)] == ["services.db.healthcheck"]


def test_a_circle_is_shown_with_its_path() -> None:
    text = """
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, depends_on: [c]}
  c: {image: x, depends_on: [a]}
"""
    (problem,) = errors(text)
    assert problem.message.endswith("in a circle: a → b → c → a") and problem.field == "services.a.depends_on[0]"


@pytest.mark.parametrize(
    ("waits_for", "cycle"),
    [
        ({}, ()),
        ({"a": ["b"], "b": []}, ()),
        ({"a": ["a"]}, ()),
        ({"a": ["b", "c"], "b": ["c"], "c": []}, ()),
        ({"a": ["x"]}, ()),
        ({"a": ["b"], "b": ["a"]}, ("a", "b", "a")),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ("b", "c", "b")),
        ({"a": ["a", "b"], "b": ["a"]}, ("a", "b", "a")),
    ],
)
def test_find_cycle(waits_for: dict[str, list[str]], cycle: tuple[str, ...]) -> None:
    assert find_cycle(waits_for) == cycle


def test_a_long_chain_is_no_circle() -> None:
    services = "".join(f"  s{i}: {{image: x, depends_on: [s{i + 1}]}}\n" for i in range(98))
    assert len(compose(f"services:\n{services}  s98: {{image: x}}\n").spec.services) == 99
