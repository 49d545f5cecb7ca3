"""`/metrics`: what anybody may read, what only those with the token, and how much of it."""

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from controlplane.core.deployment import Deployment
from controlplane.core.views import Figures
from controlplane.web import metrics
from protocol.messages import ContainerBeat, Heartbeat
from tests.unit.controlplane.sample_cluster import assignment, cluster, node, project, replica, revision, shop
from tests.unit.controlplane.web.fake_center import FakeCenter

MIB = 1 << 20
Labels = tuple[tuple[str, str], ...]


def read(text: str) -> dict[tuple[str, Labels], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(center: FakeCenter, **headers: str) -> dict[tuple[str, Labels], float]:
    center.measures.kept[True].until = center.measures.kept[False].until = 0.0
    got = center.client(**headers).get("/metrics")
    assert got.status_code == 200 and got.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(got.text)


def openly(center: FakeCenter) -> dict[tuple[str, Labels], float]:
    return scrape(center, Authorization="")


def heard(name: str, number: int, **fields: object) -> Figures:
    """A node that sent a heartbeat a second ago."""
    beat = Heartbeat(
        agent_id=f"agent-{number}",
        seq=1,
        cpu_usage=25.0,
        mem_free_mb=512.0,
        disk_free_gb=10.0,
        mem_total_mb=1024.0,
        disk_total_gb=40.0,
        answer_ms=2.0,
    )
    return Figures(heartbeat=msgspec.structs.replace(beat, **fields), connected=True, last_seen_s=1.5)


def test_everybody_may_read_counts(center: FakeCenter) -> None:
    found = openly(center)
    assert found["ropeteam_nodes", (("state", "online"),)] == 2
    assert found["ropeteam_nodes", (("state", "offline"),)] == 0
    assert found["ropeteam_replicas", (("state", "running"),)] == 3
    assert found["ropeteam_replicas_health", (("health", "healthy"),)] == 3
    assert found["ropeteam_projects", (("state", "running"),)] == 1
    assert found["ropeteam_loop_lag_seconds", ()] == 0.004
    assert found["ropeteam_queue_length", (("queue", "inbox"),)] == 2
    assert found["ropeteam_queue_limit", (("queue", "inbox"),)] == 4096
    assert found["ropeteam_queue_dropped_total", (("queue", "inbox"),)] == 5
    assert found["ropeteam_faults_total", ()] == 1
    assert found["ropeteam_ready", ()] == 1
    assert found["ropeteam_build_info", (("version", "0"),)] == 1


def test_a_count_of_what_ended_begins_at_zero(center: FakeCenter) -> None:
    found = openly(center)
    assert found["ropeteam_deployments_ended_total", (("kind", "update"), ("result", "rolled_back"))] == 0
    assert found["ropeteam_deployment_duration_seconds_count", (("result", "failed"),)] == 0
    assert found["ropeteam_failover_duration_seconds_count", ()] == 0
    assert found["ropeteam_events_total", (("kind", "alarm"),)] == 0


def test_without_the_token_there_are_no_names(center: FakeCenter) -> None:
    center.seen = {"node-1": heard("node-1", 1)}
    text = center.client(Authorization="").get("/metrics").text
    assert "shop" not in text and "node-1" not in text and "10.0.0.1" not in text
    assert "ropeteam_node_" not in text and "ropeteam_replica_" not in text


def test_a_wrong_token_is_refused(center: FakeCenter) -> None:
    assert center.client(Authorization="Bearer wrong").get("/metrics").status_code == 401


def test_with_the_token_nodes_are_told(center: FakeCenter) -> None:
    center.seen = {"node-1": heard("node-1", 1)}
    found = scrape(center)
    mine = (("node", "node-1"),)
    assert found["ropeteam_node_cpu_usage_ratio", mine] == 0.25
    assert found["ropeteam_node_memory_free_bytes", mine] == 512 * MIB
    assert found["ropeteam_node_memory_bytes", mine] == 1024 * MIB
    assert found["ropeteam_node_disk_free_bytes", mine] == 10 * 1024 * MIB
    assert found["ropeteam_node_disk_bytes", mine] == 40 * 1024 * MIB
    assert found["ropeteam_node_answer_seconds", mine] == 0.002
    assert found["ropeteam_node_silence_seconds", mine] == 1.5
    assert found["ropeteam_node_replicas", mine] == 2
    assert found["ropeteam_node_cpus", mine] == 4
    assert found["ropeteam_heartbeat_lag_seconds", ()] == 1.5
    assert found["ropeteam_agent_sessions", ()] == 1
    assert found["ropeteam_node_state", (("node", "node-1"), ("state", "online"))] == 1
    assert found["ropeteam_node_state", (("node", "node-1"), ("state", "offline"))] == 0
    assert ("ropeteam_node_memory_free_bytes", (("node", "node-2"),)) not in found


def test_an_offline_nodes_figures_are_gone_not_frozen(center: FakeCenter) -> None:
    center.cluster = shop([replica(1, "node-1")])
    center.cluster.nodes["node-1"] = node("node-1", 1, state="offline")
    center.seen = {"node-1": msgspec.structs.replace(heard("node-1", 1), connected=False, last_seen_s=90.0)}
    found = scrape(center)
    mine = (("node", "node-1"),)
    assert ("ropeteam_node_cpu_usage_ratio", mine) not in found
    assert found["ropeteam_node_silence_seconds", mine] == 90
    assert found["ropeteam_node_takes_work", mine] == 0
    assert found["ropeteam_heartbeat_lag_seconds", ()] == 0, "nobody who is connected is silent"


def test_with_the_token_replicas_are_told(center: FakeCenter) -> None:
    beat = ContainerBeat(
        project_code="shop", service="web", replica=1, epoch=1, status="running", cpu_usage=150.0, mem_mb=64.0
    )
    stale = msgspec.structs.replace(beat, replica=3, epoch=1)
    center.cluster = shop(
        [replica(1, "node-1", restarts=4), replica(2, "node-2", state="failed"), replica(3, "node-1")]
    )
    center.seen = {"node-1": heard("node-1", 1, containers=(beat, stale))}
    found = scrape(center)
    first = (("node", "node-1"), ("project", "shop"), ("replica", "1"), ("service", "web"))
    second = (("node", "node-2"), ("project", "shop"), ("replica", "2"), ("service", "web"))
    third = (("node", "node-1"), ("project", "shop"), ("replica", "3"), ("service", "web"))
    assert found["ropeteam_replica_cpu_cores", first] == 1.5
    assert found["ropeteam_replica_memory_bytes", first] == 64 * MIB
    assert found["ropeteam_replica_restarts_total", first] == 4
    assert (found["ropeteam_replica_up", first], found["ropeteam_replica_up", second]) == (1, 0)
    assert ("ropeteam_replica_cpu_cores", third) not in found, "the figures of an epoch that is over"
    of_service = (("project", "shop"), ("service", "web"))
    assert found["ropeteam_service_replicas_wanted", of_service] == 3
    assert found["ropeteam_service_replicas_ready", of_service] == 2


@pytest.mark.parametrize(("limit", "named"), [(0, []), (2, ["1", "2"]), (3, ["1", "2", "3"])])
def test_replicas_have_a_limit_and_a_switch(center: FakeCenter, limit: int, named: list[str]) -> None:
    center.metrics_replicas = limit
    found = scrape(center)
    shown = sorted(dict(labels)["replica"] for name, labels in found if name == "ropeteam_replica_up")
    assert shown == named
    assert found["ropeteam_series_left_out", (("of", "replicas"),)] == 3 - limit
    assert found["ropeteam_series_left_out", (("of", "nodes"),)] == 0


def test_open_deployments_and_troubled_projects_are_counted(center: FakeCenter) -> None:
    ended = Deployment(id=1, project="shop", kind="deploy", revision=1, created_at=0.0, state="failed")
    running = msgspec.structs.replace(ended, id=2, state="running")
    records = (project(deployment=2), revision(), replica(1, "node-1"), ended, running)
    center.cluster = cluster(node("node-1", 1, draining=True), *records)
    found = openly(center)
    assert found["ropeteam_deployments_open", (("state", "running"),)] == 1
    assert found["ropeteam_deployments_open", (("state", "waiting"),)] == 0
    assert found["ropeteam_projects", (("state", "deploying"),)] == 1
    assert found["ropeteam_nodes_draining", ()] == 1


def test_what_a_machine_says_of_itself_is_cut_and_stays_on_its_line(center: FakeCenter) -> None:
    hostile = node("node-1", 1)
    versions = msgspec.structs.replace(hostile.versions, agent='1"} 1\nropeteam_ready 0\n' + "x" * 100)
    center.cluster = cluster(msgspec.structs.replace(hostile, versions=versions))
    found = scrape(center)
    (info,) = (dict(labels) for name, labels in found if name == "ropeteam_node_info")
    assert info["agent"] == versions.agent[:64]
    assert found["ropeteam_ready", ()] == 1


def test_an_answer_is_given_again_for_a_while(center: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REUSE", 1e6)
    monkeypatch.setattr(metrics, "CHEAP_S", 0.0)
    client = center.client()
    first = client.get("/metrics").text
    center.cluster = shop([replica(1, "node-1")])
    assert client.get("/metrics").text == first
    center.measures.kept[True].until = 0.0
    assert client.get("/metrics").text != first


def test_an_outgoing_copy_does_not_make_a_second_series(center: FakeCenter) -> None:
    both = msgspec.structs.replace(replica(1, "node-1"), outgoing=assignment("node-2", 9))
    center.cluster = shop([both])
    text = center.client().get("/metrics").text
    assert text.count("\nropeteam_replica_up{") == 1
