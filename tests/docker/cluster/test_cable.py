"""Cables pulled: one for a moment, one for long, all at once. One project serves all tests, in their order."""

import time
from datetime import datetime

import pytest

from protocol.api import ReplicaView
from tests.docker.cluster.cluster import Cluster, moments, web
from tests.docker.cluster.conftest import Record

REPLICAS = 8
BLINK_S = 12.0
LONG_S = 60.0
STALE_LIMIT_S = 10.0
CUT = "node-2"


@pytest.fixture(scope="module")
def deployed(standing: Cluster) -> Cluster:
    """Eight replicas, two on each node."""
    standing.heal()
    standing.deploy("cable", {"web": web(REPLICAS)})
    standing.wait_answering("cable")
    return standing


def places(replicas: dict[str, ReplicaView]) -> dict[str, tuple[str | None, int]]:
    return {name: (r.node, r.epoch) for name, r in replicas.items()}


@pytest.mark.parametrize("how", ["cable pulled", "switch dead"])
def test_a_line_dead_for_a_moment_moves_nothing(deployed: Cluster, record: Record, how: str) -> None:
    cluster, host = deployed, deployed.node(CUT).host
    before, was, after = places(cluster.replicas("cable")), moments(cluster.containers()), cluster.api.last_event()
    assert sum(node == CUT for node, _ in before.values()) == 2, cluster.told()
    host.cut() if how == "cable pulled" else host.lose_packets()
    time.sleep(BLINK_S)
    host.mend()
    took_s = cluster.wait_online(CUT)
    record(f"{how.capitalize()} for {BLINK_S:.0f} s: nothing moves", "line back → node online", took_s)
    cluster.wait_answering("cable")
    kinds = [e.kind for e in cluster.story(after) if e.node == CUT]
    assert "node.suspect" in kinds and "node.offline" not in kinds
    assert places(cluster.replicas("cable")) == before
    assert moments(cluster.containers()) == was


def test_a_cable_out_for_60_s_moves_and_is_cleaned_up_after(deployed: Cluster, record: Record) -> None:
    cluster, cut = deployed, deployed.node(CUT)
    before, was, after = places(cluster.replicas("cable")), moments(cluster.containers(CUT)), cluster.api.last_event()
    stale = moments(cut.containers())
    began = time.monotonic()
    cut.host.cut()
    cluster.until(
        lambda: CUT not in {r.node for r in cluster.replicas("cable").values()} and cluster.answering("cable"),
        40.0, "everything answers elsewhere",
    )  # fmt: skip
    record("Cable pulled for 60 s", "cable out → all answer at new addresses", time.monotonic() - began)
    time.sleep(LONG_S - (time.monotonic() - began))
    assert moments(cut.containers()) == stale, "cut off, it goes on with what it has"
    moved = places(cluster.replicas("cable"))
    assert {name for name in moved if moved[name] != before[name]} == {n for n in before if before[n][0] == CUT}

    cut.host.mend()
    cluster.until(lambda: not cut.containers(), 40.0, "stale containers are gone")
    gone_at = time.time()
    connected = next(e for e in cluster.story(after, "node.connected") if e.node == CUT)
    took_s = gone_at - datetime.fromisoformat(connected.at).timestamp()
    record("Cable back after 60 s", "agent connected → stale containers removed", took_s)
    assert took_s <= STALE_LIMIT_S
    cluster.wait_online()
    cluster.assert_nothing_twice()
    assert places(cluster.replicas("cable")) == moved and cluster.answering("cable")
    now = moments(cluster.containers())
    assert len(now) == REPLICAS and now.items() >= was.items(), "what ran on the other nodes was not touched"


def test_all_cables_out_for_60_s_move_and_restart_nothing(deployed: Cluster, record: Record) -> None:
    cluster = deployed
    before, was, after = places(cluster.replicas("cable")), moments(cluster.containers()), cluster.api.last_event()
    for node in cluster.nodes:
        node.host.cut()
    time.sleep(LONG_S)
    assert places(cluster.replicas("cable")) == before
    assert all(node.held for node in cluster.api.nodes().values()), "offline, but held"
    for node in cluster.nodes:
        node.host.mend()
    took_s = cluster.wait_online()
    record("All cables pulled for 60 s: nothing moves, nothing restarts", "cables back → all nodes online", took_s)
    cluster.wait_answering("cable")
    time.sleep(2)
    assert places(cluster.replicas("cable")) == before
    assert moments(cluster.containers()) == was
    story = cluster.story(after)
    assert len([e for e in story if e.kind == "alarm"]) == 1 and len([e for e in story if e.kind == "alarm.over"]) == 1
    assert not [e.text for e in story if e.kind in ("replica.placed", "replica.restarted")]
