"""A real Prometheus with the files of deploy/ watches a cluster through the loss of a node.

Scraped and judged each second, and alerts wait a second where they wait minutes: the rest is as people get it. One loss
serves all tests of this module.
"""

import json
import math
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.machines import REPOSITORY
from lab.prometheus import Prometheus
from tests.docker.cluster.cluster import Cluster, web
from tests.docker.cluster.conftest import Record

DEPLOY = REPOSITORY / "deploy"
CODE = "shop"
REPLICAS = 3
SERVE = (
    "mkdir -p /tmp/w; echo 'shop_orders_total 42' >/tmp/w/figures; echo web >/tmp/w/index.html;"
    " exec httpd -f -p 8080 -h /tmp/w"
)
QUICK = {"update_config": {"monitor": "1s"}}
"""Up for so long is ready: addresses are announced then."""

VARIABLES = {"$__rate_interval": "5s", "$node": ".*", "$project": ".*"}


class Loss(msgspec.Struct):
    """What Prometheus knew of one loss, step by step."""

    prometheus: Prometheus
    began_at: float
    """Prometheus's own clock, Unix seconds."""
    addresses_before: set[str]
    labels_before: list[dict[str, str]]
    victim: str = ""
    addresses_meanwhile: set[str] = set()
    fired: list[dict[str, str]] = []
    other_alerts: set[str] = set()
    resolved: bool = False


def configure(folder: Path, cluster: Cluster) -> None:
    """The files of deploy/prometheus with this cluster's address and token, and in a hurry."""
    token = folder / "ropeteam.token"
    token.write_text(cluster.token)
    config = (DEPLOY / "prometheus/prometheus.yml").read_text()
    assert config.count("10.0.0.5:8080") == 2
    config = config.replace("10.0.0.5:8080", cluster.url.removeprefix("http://"))
    config = config.replace("/etc/prometheus/ropeteam.token", str(token)).replace(": 15s", ": 1s")
    (folder / "prometheus.yml").write_text(config)
    rules = (DEPLOY / "prometheus/alerts.yml").read_text()
    (folder / "alerts.yml").write_text(re.sub(r"\bfor: \w+", "for: 1s", rules))


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def scraped(prometheus: Prometheus) -> set[str]:
    """Addresses of the project's copies that are scraped with success."""
    found = prometheus.targets("ropeteam-services")
    return {target["labels"]["instance"] for target in found if target["health"] == "up"}


def follows(prometheus: Prometheus, cluster: Cluster) -> bool:
    """True when every copy is announced, and those that are scraped are the same."""
    announced = {r.address for r in cluster.replicas(CODE).values() if r.announced}
    return len(announced) == REPLICAS and scraped(prometheus) == announced


@pytest.fixture(scope="module")
def loss(standing: Cluster, tmp_path_factory: pytest.TempPathFactory, record: Record) -> Iterator[Loss]:
    cluster = standing
    cluster.heal()
    folder = tmp_path_factory.mktemp("prometheus")
    configure(folder, cluster)
    with Prometheus(folder, free_port()) as prometheus:
        cluster.until(lambda: prometheus.series('up{job="ropeteam"} == 1'), 20.0, "the Center is scraped")
        began_at = prometheus.now()
        asking = {"x-rope": {"metrics": {"port": 8080, "path": "/figures"}}}
        cluster.deploy(CODE, {"web": {**web(REPLICAS, command=["sh", "-c", SERVE], deploy=QUICK), **asking}})
        cluster.until(lambda: follows(prometheus, cluster), 30.0, "every copy is found and scraped")
        before = scraped(prometheus)
        cluster.until(lambda: len(prometheus.series("shop_orders_total == 42")) == REPLICAS, 10.0, "their figures come")
        labels = [series["metric"] for series in prometheus.series("shop_orders_total == 42")]
        yield lose(cluster, prometheus, Loss(prometheus, began_at, before, labels), record)


def lose(cluster: Cluster, prometheus: Prometheus, seen: Loss, record: Record) -> Loss:
    """A node with copies is cut off, found lost, and comes back."""
    victim = seen.victim = next(r.node for r in cluster.replicas(CODE).values() if r.node) or ""
    began = time.monotonic()
    cluster.node(victim).host.cut()
    cluster.until(lambda: "RopeteamNodeOffline" in prometheus.firing(), 40.0, "the alert fires")
    record("Prometheus sees a node cut off", "cable pulled → alert fires", time.monotonic() - began)
    alerts = prometheus.firing()
    seen.fired, seen.other_alerts = alerts.pop("RopeteamNodeOffline"), set(alerts)
    cluster.until(
        lambda: victim not in {r.node for r in cluster.replicas(CODE).values()}
        and follows(prometheus, cluster),
        40.0, "the copies are scraped where they are now",
    )  # fmt: skip
    record("Prometheus finds copies after a failover", "cable pulled → all scraped elsewhere", time.monotonic() - began)
    seen.addresses_meanwhile = scraped(prometheus)
    cluster.node(victim).host.mend()
    cluster.until(lambda: "RopeteamNodeOffline" not in prometheus.firing(), 40.0, "the alert resolves")
    seen.resolved = True
    cluster.until(lambda: measured(prometheus) >= 1, 10.0, "the failover is measured")
    return seen


def measured(prometheus: Prometheus) -> float:
    """Failovers that the Center has counted since Prometheus looks."""
    found = prometheus.series("sum(increase(ropeteam_failover_duration_seconds_count[5m]))")
    return float(found[0]["value"][1]) if found else 0.0


def test_copies_that_ask_are_found_with_their_names(loss: Loss) -> None:
    assert len(loss.labels_before) == REPLICAS
    assert {s["replica"] for s in loss.labels_before} == {"1", "2", "3"}
    assert {(s["project"], s["service"], s["job"]) for s in loss.labels_before} == {(CODE, "web", "ropeteam-services")}
    assert {s["instance"] for s in loss.labels_before} == loss.addresses_before


def test_the_alert_of_the_lost_node_fires_and_resolves(loss: Loss) -> None:
    assert [(alert["node"], alert["severity"]) for alert in loss.fired] == [(loss.victim, "critical")]
    assert loss.resolved
    assert not loss.other_alerts & {"RopeteamScrapedWithoutToken", "RopeteamGuardHolds", "RopeteamStoreFull"}


def test_the_copies_are_scraped_where_they_are_now(loss: Loss, standing: Cluster) -> None:
    lost = standing.node(loss.victim).host.address
    assert any(address.startswith(f"{lost}:") for address in loss.addresses_before)
    assert not any(address.startswith(f"{lost}:") for address in loss.addresses_meanwhile)
    assert len(loss.addresses_meanwhile) == REPLICAS


def test_the_failover_is_measured_as_it_was(loss: Loss, standing: Cluster) -> None:
    ask = loss.prometheus.series
    name = "ropeteam_failover_duration_seconds"
    (mean,) = ask(f"sum(increase({name}_sum[5m])) / sum(increase({name}_count[5m]))")
    assert 15.0 <= float(mean["value"][1]) <= 60.0
    online = {s["metric"]["node"] for s in ask('ropeteam_node_state{state="online"} == 1')}
    assert online == {node.name for node in standing.nodes}


def queries() -> list[Any]:
    """Every query of the dashboard, with the values that its variables have when it is opened."""
    dashboard = json.loads((DEPLOY / "grafana/ropeteam.json").read_text())
    found = [(panel["title"], t["expr"]) for panel in dashboard["panels"] for t in panel.get("targets", ())]
    found += [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"]]
    return found


def test_every_query_of_the_dashboard_returns_data(loss: Loss) -> None:
    empty = []
    for title, expression in queries():
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        series = loss.prometheus.series(expression, since=loss.began_at)
        if not any(not math.isnan(float(value)) for one in series for _, value in one["values"]):
            empty.append((title, expression))
    assert empty == []


def test_the_lists_of_the_dashboard_have_entries(loss: Loss) -> None:
    nodes = loss.prometheus.series("count by (node) (ropeteam_node_state)")
    projects = loss.prometheus.series("count by (project) (ropeteam_service_replicas_wanted)")
    assert len(nodes) == 4 and [p["metric"]["project"] for p in projects] == [CODE]
