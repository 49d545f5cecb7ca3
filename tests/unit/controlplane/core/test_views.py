"""Records as the API shows them."""

import msgspec
import pytest

from controlplane.core.cluster import Changes, Cluster
from controlplane.core.deployment import Deployment, Step
from controlplane.core.journal import Event
from controlplane.core.task import Task
from controlplane.core.views import (
    Figures,
    KnownReplicas,
    deployment_view,
    event_view,
    iso,
    node_view,
    ports_view,
    project_view,
    replica_view,
    task_view,
    uptime,
)
from protocol.messages import ContainerBeat, ContainerRef, Heartbeat
from protocol.names import ReplicaId
from protocol.spec import PortLease
from tests.unit.controlplane.sample_cluster import (
    NOW,
    WALL,
    WEB,
    assignment,
    cluster,
    node,
    project,
    replica,
    revision,
    shop,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.9, "59s"), (60, "1m"), (250, "4m10s"), (3600, "1h"), (12_300, "3h25m"), (187_200, "2d4h"),
        (-5, "0s"),
    ],
)  # fmt: skip
def test_uptime_has_at_most_two_units(seconds: float, text: str) -> None:
    assert uptime(seconds) == text


def test_times_are_utc_with_milliseconds() -> None:
    assert iso(0.5) == "1970-01-01T00:00:00.500Z"


def test_a_node_shows_measured_and_promised_resources() -> None:
    found = shop()
    beat = ContainerBeat(
        project_code="shop", service="web", replica=1, epoch=1, status="running", cpu_usage=12.5, mem_mb=40
    )
    heartbeat = Heartbeat(
        agent_id="agent-1",
        seq=9,
        cpu_usage=30,
        mem_free_mb=5000,
        disk_free_gb=60,
        ports=(22, 20001),
        containers=(beat,),
    )
    seen = Figures(heartbeat=heartbeat, connected=True, last_seen_s=1.234)
    got = node_view(found, found.nodes["node-1"], seen, NOW)
    assert (got.connected, got.last_seen_s, got.state, got.unschedulable) == (True, 1.2, "online", None)
    assert got.resources.cpus_reserved == 0.2  # two replicas that reserve nothing count 0.1 each
    assert got.resources.mem_reserved_mb == 128
    assert got.resources.ports == (22, 20001, 20003)
    first, third = got.tasks
    assert (first.replica, first.uptime, first.cpu_usage, first.mem_mb) == (1, "1h", 12.5, 40)
    assert (third.replica, third.cpu_usage) == (3, None)


def test_a_node_never_heard_has_no_figures() -> None:
    found = shop()
    got = node_view(found, found.nodes["node-2"], Figures(), NOW)
    assert (got.connected, got.last_seen_s, got.resources.cpu_usage, got.engine_ok) == (False, None, None, True)


def test_a_replica_shows_where_it_is_reached() -> None:
    got = replica_view(shop(), replica(2, "node-2"), NOW.wall)
    assert [p.address for p in got.ports] == ["10.0.0.2:20002"]
    assert (got.node, got.epoch, got.revision, got.health) == ("node-2", 2, 1, "healthy")


def test_a_replica_that_moves_names_the_node_it_leaves() -> None:
    moving = msgspec.structs.replace(replica(1, "node-2"), outgoing=assignment("node-1"))
    assert replica_view(shop(), moving, NOW.wall).outgoing == "node-1"


def test_a_replica_on_its_way_out_is_shown_where_it_stops() -> None:
    leaving = msgspec.structs.replace(replica(1, "node-2"), wanted=None, outgoing=assignment("node-1"), ending=True)
    got = replica_view(shop(), leaving, NOW.wall)
    assert (got.state, got.node, got.outgoing) == ("stopping", "node-1", None)


@pytest.mark.parametrize(
    ("host_ip", "address"),
    [("", "10.0.0.1:8080"), ("0.0.0.0", "10.0.0.1:8080"), ("127.0.0.1", "127.0.0.1:8080"), ("::1", "[::1]:8080")],
)
def test_a_port_bound_to_one_address_is_reached_there(host_ip: str, address: str) -> None:
    lease = PortLease(container=80, host=8080, host_ip=host_ip)
    assert ports_view(shop(), "node-1", (lease,))[0].address == address


def test_an_ipv6_node_is_written_in_brackets() -> None:
    found = cluster(node("node-6", 6, address="fd00::6"))
    assert ports_view(found, "node-6", (PortLease(container=80, host=1),))[0].address == "[fd00::6]:1"


def test_a_project_shows_services_and_replicas() -> None:
    found = shop()
    got = project_view(found, found.projects["shop"], NOW)
    service = got.services[0]
    assert (service.wanted, service.running, service.healthy, service.pinned) == (3, 3, 3, "web@sha256:ab")
    assert [r.replica for r in got.replicas] == [1, 2, 3]
    assert (got.revisions, got.deployment, got.state) == ((1,), None, "running")


def test_a_deployment_shows_its_steps() -> None:
    step = Step(kind="replace", level=1, replica=ReplicaId("shop", "web", 2), state="running", started_at=WALL)
    got = deployment_view(Deployment(id=7, project="shop", kind="update", revision=2, created_at=WALL, steps=(step,)))
    assert (got.steps[0].name, got.steps[0].started_at, got.steps[0].ended_at) == ("replace web/2", iso(WALL), None)
    assert (got.started_at, got.ended_at) == (None, None)


def test_a_task_names_its_replica() -> None:
    target = ContainerRef(project="shop", service="web", replica=2, epoch=3)
    got = task_view(Task(id="t1", kind="restart", node="node-1", created_at=WALL, deadline_at=WALL, target=target))
    assert (got.replica, got.deployment, got.ended_at) == ("shop/web/2", None, None)


def test_an_event_keeps_its_cause() -> None:
    got = event_view(Event(seq=9, at=0.0, kind="replica.placed", text="placed", cause=4, node="node-1"))
    assert (got.seq, got.cause, got.node, got.at) == (9, 4, "node-1", "1970-01-01T00:00:00.000Z")


def test_a_project_looked_at_again_is_told_as_if_for_the_first_time() -> None:
    known: KnownReplicas = {}
    found, later = shop(), NOW._replace(wall=WALL + 60)
    steps: list[Cluster] = [
        found,
        shop([replica(1, "node-1"), replica(2, "node-2", state="failed", reason="exit 7"), replica(3, "node-1")]),
        cluster(project(), revision(), node("node-1", 7), node("node-2", 2), replica(1, "node-1")),
    ]
    for step in steps:
        for now in (NOW, later):
            want = project_view(step, step.projects["shop"], now)
            assert project_view(step, step.projects["shop"], now, known) == want
            assert known.keys() <= step.of_project["shop"]


def test_what_changes_by_time_or_order_alone_is_looked_at_each_time() -> None:
    known: KnownReplicas = {}
    unchecked = msgspec.structs.replace(WEB, health=None)
    young = replica(1, "node-1", health="none", running_since=NOW.wall)
    found = cluster(project(), revision(unchecked), node("node-1", 1), young)
    later = NOW._replace(wall=WALL + 60)
    told = [project_view(found, found.projects["shop"], now, known).replicas[0].announced for now in (NOW, later)]
    assert told == [False, True], "up for a while"
    target = ContainerRef(project="shop", service="web", replica=1, epoch=1)
    order = Task(id="t1", kind="restart", node="node-1", created_at=WALL, deadline_at=WALL + 99, target=target)
    found.apply(Changes(puts=[order]))
    assert not project_view(found, found.projects["shop"], later, known).replicas[0].announced, "about to restart"
