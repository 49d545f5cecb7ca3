"""What Prometheus is told to scrape."""

from typing import Any

import msgspec
import pytest

from controlplane.core.cluster import Cluster
from controlplane.core.project import Revision
from controlplane.core.replica import Replica
from controlplane.core.targets import targets_of
from protocol.spec import MetricsSpec, PortLease, PortSpec, ProjectSpec, ServiceSpec
from protocol.targets import TargetView
from tests.unit.controlplane.sample_cluster import WALL, WEB, assignment, cluster, node, project, replica

ASKING = msgspec.structs.replace(WEB, ports=(PortSpec(container=80),), metrics=MetricsSpec(port=80))


def revision(number: int, spec: ServiceSpec = ASKING, pin: str = "web@sha256:ab") -> Revision:
    services = ProjectSpec(code="shop", services={spec.name: spec})
    return Revision(project="shop", number=number, spec=services, fingerprint="f", pins={"web": pin})


def told(where: Cluster) -> list[TargetView]:
    return [target for target in targets_of(where, WALL) if target is not None]


def shop(
    *replicas: Replica, revisions: tuple[Revision, ...] = (revision(1),), now: int = 1, **of_node: object
) -> Cluster:
    nodes = (node("node-1", 1, **of_node), node("node-2", 2))
    return cluster(*nodes, project(revision=now), *revisions, *replicas)


def test_a_copy_that_asks_is_told_with_its_address_and_labels() -> None:
    (target,) = told(shop(replica(1, "node-1")))
    assert target == TargetView(
        targets=("10.0.0.1:20001",),
        labels={
            "__metrics_path__": "/metrics",
            "__meta_ropeteam_revision": "1",
            "project": "shop",
            "service": "web",
            "replica": "1",
            "node": "node-1",
        },
    )


def test_who_does_not_ask_is_no_target() -> None:
    plain = msgspec.structs.replace(ASKING, metrics=None)
    assert told(shop(replica(1, "node-1"), revisions=(revision(1, plain),))) == []


@pytest.mark.parametrize("fields", [{"health": "unhealthy"}, {"health": "starting"}, {"state": "stopping"}])
def test_only_announced_copies_are_targets(fields: dict[str, Any]) -> None:
    assert told(shop(replica(1, "node-1", **fields), replica(2, "node-2"))) == told(shop(replica(2, "node-2")))


def test_an_offline_nodes_copies_go_at_once_a_suspects_stay() -> None:
    assert told(shop(replica(1, "node-1"), state="offline")) == []
    assert len(told(shop(replica(1, "node-1"), state="suspect"))) == 1


def test_the_port_is_that_of_the_container_and_tcp() -> None:
    leases = (
        PortLease(container=443, host=20001),
        PortLease(container=80, host=20002, protocol="udp"),
        PortLease(container=80, host=20003),
    )
    (target,) = told(shop(replica(1, "node-1", ports=leases)))
    assert target.targets == ("10.0.0.1:20003",)
    assert told(shop(replica(1, "node-1", ports=leases[:2]))) == []


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "::1"])
def test_what_only_the_node_itself_reaches_is_no_target(host_ip: str) -> None:
    lease = PortLease(container=80, host=20001, host_ip=host_ip)
    assert told(shop(replica(1, "node-1", ports=(lease,)))) == []


def test_a_new_path_holds_at_once_for_containers_that_stay() -> None:
    newer = revision(2, msgspec.structs.replace(ASKING, metrics=MetricsSpec(port=80, path="/stats")))
    (target,) = told(shop(replica(1, "node-1"), revisions=(revision(1), newer), now=2))
    assert target.labels["__metrics_path__"] == "/stats"


def test_during_an_update_each_copy_is_asked_as_its_own_revision_says() -> None:
    newer = revision(2, msgspec.structs.replace(ASKING, metrics=MetricsSpec(port=80, path="/stats")), "web@sha256:cd")
    both = msgspec.structs.replace(replica(1, "node-1", revision=2), outgoing=assignment("node-2", 9))
    found = told(shop(both, revisions=(revision(1), newer), now=2))
    assert [(t.labels["node"], t.labels["__metrics_path__"]) for t in found] == [
        ("node-1", "/stats"),
        ("node-2", "/metrics"),
    ]
