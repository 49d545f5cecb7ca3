"""A node with ten replicas of three projects and a database loses its power: what moves, what stays, what returns.

One power loss serves all tests of this module; they run in their order.
"""

import time
from collections.abc import Iterator

import msgspec
import pytest

from protocol.api import EventView, ReplicaView
from tests.docker.cluster.cluster import Cluster, Seen, answers, wanted, web
from tests.docker.cluster.conftest import Record

PROJECTS = {"shop": 4, "blog": 3, "wiki": 3}
"""Replicas of their one service, which is called like the project: answers name the service."""
VICTIM = "node-1"
LIMIT_S = 18.0
STALE_LIMIT_S = 10.0
# Counts its starts on the volume and serves the count.
COUNTING = (
    "echo start >>/data/starts; mkdir -p /tmp/w; cp /data/starts /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
)


class Loss(msgspec.Struct):
    """One power loss from beginning to end."""

    before: dict[str, ReplicaView]
    data: ReplicaView
    after: int
    """The journal's last line before it."""
    took_s: float
    moved: dict[str, ReplicaView]
    data_meanwhile: ReplicaView
    state_meanwhile: str
    message_meanwhile: str
    seen: list[Seen]
    running_left: list[Seen] | None = None
    back_at: int = 0


def deploy(cluster: Cluster) -> None:
    """Everything on the victim: the others take nothing while it is deployed."""
    others = [node.name for node in cluster.nodes if node.name != VICTIM]
    for name in others:
        cluster.api.node_do(name, "drain")
    for code, count in PROJECTS.items():
        cluster.deploy(code, {code: web(count)})
    counter = web(command=["sh", "-c", COUNTING], volumes=["data:/data"])
    cluster.deploy("data", {"db": counter}, volumes={"data": {}})
    for name in others:
        cluster.api.node_do(name, "resume")
    cluster.wait_answering(*PROJECTS, "data")


def replicas(cluster: Cluster) -> dict[str, ReplicaView]:
    return {f"{code}/{name}": r for code in PROJECTS for name, r in cluster.replicas(code).items()}


@pytest.fixture(scope="module")
def loss(standing: Cluster, record: Record) -> Iterator[Loss]:
    cluster = standing
    cluster.heal()
    deploy(cluster)
    before, data = replicas(cluster), cluster.replicas("data")["db/1"]
    after = cluster.api.last_event()
    began = time.monotonic()
    cluster.node(VICTIM).host.power_off()

    def elsewhere() -> bool:
        return all(r.node != VICTIM for r in replicas(cluster).values()) and all(map(cluster.answering, PROJECTS))

    cluster.until(elsewhere, 60.0, "everything answers elsewhere")
    took_s = time.monotonic() - began
    record("Power loss of a node with 10 replicas of 3 projects", "power off → all answer at new addresses", took_s)
    project = cluster.api.project("data")
    yield Loss(
        before=before,
        data=data,
        after=after,
        took_s=took_s,
        moved=replicas(cluster),
        data_meanwhile=cluster.replicas("data")["db/1"],
        state_meanwhile=project.state,
        message_meanwhile=project.message,
        seen=cluster.containers(),
    )


def test_all_replicas_answer_elsewhere_within_18_s(standing: Cluster, loss: Loss) -> None:
    assert len(loss.before) == 10 and {r.node for r in loss.before.values()} == {VICTIM}
    assert len(loss.moved) == 10 and VICTIM not in {r.node for r in loss.moved.values()}
    assert all(r.epoch == loss.before[name].epoch + 1 for name, r in loss.moved.items())
    texts = answers(loss.moved.values())
    assert None not in texts and len(set(texts)) == 10, "each address is answered by a container of its own"
    assert loss.took_s <= LIMIT_S, standing.told()


def test_no_replica_runs_twice(standing: Cluster, loss: Loss) -> None:
    count: dict[str, int] = {}
    for seen in loss.seen:
        count[str(seen.replica)] = count.get(str(seen.replica), 0) + 1
    assert count == {f"{code}/{code}/{n + 1}": 1 for code, number in PROJECTS.items() for n in range(number)}


def test_the_journal_tells_it_under_one_cause(standing: Cluster, loss: Loss) -> None:
    events = standing.story(loss.after)
    suspect = next(e for e in events if e.kind == "node.suspect")
    assert suspect.node == VICTIM and suspect.cause == suspect.seq
    story = [e for e in events if e.cause == suspect.seq]
    offline = next(e for e in story if e.kind == "node.offline")
    assert 15.0 <= offline.data["silent_s"] <= 16.5
    for name in loss.before:
        assert _lines(story, name) == ["replica.interrupted", "replica.placed", "replica.running"], name
        placed = next(e for e in story if e.replica == name and e.kind == "replica.placed")
        scored = {c["node"]: c["score"] for c in placed.data["candidates"]}
        assert scored[VICTIM] is None and scored[placed.node] is not None and len(scored) == 4
    assert [e.text for e in events if e.kind == "alarm"] == []


def _lines(story: list[EventView], replica: str) -> list[str]:
    return [e.kind for e in story if e.replica == replica]


def test_a_service_with_a_volume_stays_and_says_why(standing: Cluster, loss: Loss) -> None:
    stays = loss.data_meanwhile
    assert (stays.state, stays.node, stays.epoch) == ("interrupted", VICTIM, loss.data.epoch)
    assert stays.reason == f"volume data lives on {VICTIM}"
    assert loss.state_meanwhile == "interrupted" and stays.reason in loss.message_meanwhile
    told = [e.text for e in standing.story(loss.after, "replica.stays")]
    assert told == [f"data/db/1 stays interrupted: volume data lives on {VICTIM}"]


def test_a_host_that_boots_again_starts_nothing_that_lives_elsewhere(
    standing: Cluster, loss: Loss, record: Record
) -> None:
    cluster, victim = standing, standing.node(VICTIM)
    loss.back_at = cluster.api.last_event()
    victim.host.power_on()
    stale = {seen.id for seen in victim.containers() if seen.replica.project in PROJECTS}
    assert len(stale) == 10, "the disk has kept the containers"
    began = time.monotonic()
    victim.start_agent()
    started: set[str] = set()

    def cleared() -> bool:
        here = victim.containers()
        started.update(seen.id for seen in here if seen.running)
        return not stale & {seen.id for seen in here}

    cluster.until(cleared, 40.0, "stale containers are gone")
    total_s = time.monotonic() - began
    connected = next(e for e in cluster.story(loss.back_at) if e.kind == "node.connected")
    cluster.wait_answering(*PROJECTS, "data")
    assert not started & stale, "a stale container was started"
    record("A host reboots after its replicas moved", "agent start → 10 stale containers removed", total_s)
    assert any(e.kind == "node.rebooted" and e.node == VICTIM for e in cluster.story(loss.back_at)), connected
    assert {name: (r.node, r.epoch) for name, r in replicas(cluster).items()} == {
        name: (r.node, r.epoch) for name, r in loss.moved.items()
    }
    cluster.assert_nothing_twice()
    assert len(cluster.containers()) == sum(wanted(cluster.api.project(c)) for c in (*PROJECTS, "data"))
    assert total_s <= STALE_LIMIT_S


def test_the_volume_comes_back_with_its_node(standing: Cluster, loss: Loss) -> None:
    back = standing.replicas("data")["db/1"]
    assert (back.state, back.node, back.epoch, back.ports) == ("running", VICTIM, loss.data.epoch, loss.data.ports)
    assert answers([back]) == ["start\nstart\n"], "the same data, started twice"
