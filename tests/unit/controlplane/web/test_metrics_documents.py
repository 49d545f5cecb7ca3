"""What is written about metrics elsewhere is true: docs/metrics.md, the alert rules and the Grafana dashboard."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from protocol.messages import ContainerBeat
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.test_metrics import heard

ROOT = Path(__file__).parents[4]
_NAME = re.compile(r"\b(?:ropeteam|process)_[a-z_]+\b")
_ROW = re.compile(r"^\| `(?P<name>[a-z_]+)` \| (?P<kind>\w+) \| (?P<labels>[^|]*) \| (?P<text>[^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def families() -> Mapping[str, Metric]:
    """Everything `/metrics` has for who shows the token, by name."""
    center = FakeCenter()
    beat = ContainerBeat(project_code="shop", service="web", replica=1, epoch=1, status="running")
    center.seen = {"node-1": heard("node-1", 1, containers=(beat,))}
    text = center.client().get("/metrics").text
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(families: Mapping[str, Metric]) -> set[str]:
    return {sample.name for family in families.values() for sample in family.samples}


def row(family: Metric) -> tuple[str, str, str, str]:
    """The family as docs/metrics.md shows it."""
    labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
    name = family.name + ("_total" if family.type == "counter" else "")
    return name, family.type, ", ".join(f"`{label}`" for label in labels), family.documentation


def test_the_documentation_names_every_metric_as_it_is(families: Mapping[str, Metric]) -> None:
    text = (ROOT / "docs/metrics.md").read_text()
    written = {found.groups() for found in _ROW.finditer(text)}
    true = {row(family) for family in families.values()}
    missing = "\n".join("| `{}` | {} | {} | {} |".format(*entry) for entry in sorted(true - written))
    assert written == true, f"rows of docs/metrics.md that are due:\n{missing}"


def test_every_name_has_its_unit_and_a_help_text(families: Mapping[str, Metric]) -> None:
    for family in families.values():
        assert len(family.documentation) > 5, family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def rules() -> Iterator[dict[str, Any]]:
    for group in YAML(typ="safe").load(ROOT / "deploy/prometheus/alerts.yml")["groups"]:
        yield from group["rules"]


def test_alerts_ask_for_metrics_that_exist(families: Mapping[str, Metric]) -> None:
    known = samples(families)
    for rule in rules():
        assert set(_NAME.findall(rule["expr"])) <= known, rule["alert"]


def test_every_alert_says_how_bad_it_is_and_is_tested() -> None:
    tests = YAML(typ="safe").load(ROOT / "deploy/prometheus/alerts_test.yml")["tests"]
    fires = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        assert rule["alert"] in fires, f"no test lets {rule['alert']} fire"


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "deploy/grafana/ropeteam.json").read_text())["panels"]
    return found


def test_the_dashboard_asks_for_metrics_that_exist(families: Mapping[str, Metric]) -> None:
    known = samples(families)
    queries = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    assert len(queries) > 30
    for query in queries:
        assert set(_NAME.findall(query)) <= known, query


def test_the_dashboard_uses_every_family_but_a_few(families: Mapping[str, Metric]) -> None:
    text = json.dumps(panels()) + (ROOT / "deploy/prometheus/alerts.yml").read_text()
    unused = {name for name in families if name.startswith("ropeteam_") and name not in text}
    assert unused <= {
        "ropeteam_build_info",
        "ropeteam_incarnation",
        "ropeteam_event_seq",
        "ropeteam_nodes_draining",
        "ropeteam_replicas_health",
        "ropeteam_node_state",
        "ropeteam_node_cpus",
        "ropeteam_node_load",
        "ropeteam_node_engine_up",
        "ropeteam_node_answer_seconds",
    }


def test_panels_of_the_dashboard_have_their_own_place_and_number() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
    numbers = [panel["id"] for panel in panels()]
    assert len(numbers) == len(set(numbers))
