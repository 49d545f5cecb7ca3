"""Emptying a node for maintenance: everything starts elsewhere first, volume data stays and is told."""

import time

from tests.docker.cluster.cluster import Cluster, answers, web
from tests.docker.cluster.conftest import Record
from tests.docker.cluster.watch import Watching

DRAINED = "node-2"
COUNT = 8


def test_a_drained_node_is_emptied_without_a_gap(cluster: Cluster, record: Record) -> None:
    cluster.deploy("drained", {"web": web(COUNT)})
    placed = web(volumes=["data:/data"], deploy={"placement": {"constraints": [f"node.hostname == {DRAINED}"]}})
    cluster.deploy("drained-data", {"db": placed}, volumes={"data": {}})
    cluster.wait_answering("drained", "drained-data")
    first, epochs, data = (
        list(cluster.replicas("drained").values()),
        cluster.epochs("drained"),
        cluster.epochs("drained-data"),
    )
    here = sum(r.node == DRAINED for r in first)
    assert here, cluster.told()
    after, began = cluster.api.last_event(), time.monotonic()

    def heard() -> int:
        """Addresses that answer, of those announced before and those announced now."""
        known = {r.ports[0].address: r for r in (*first, *cluster.replicas("drained").values()) if r.ports}
        return sum(text is not None for text in answers(known.values()))

    with Watching(heard) as seen:
        cluster.api.node_do(DRAINED, "drain")
        cluster.until(
            lambda: not [s for s in cluster.node(DRAINED).containers() if s.replica.project == "drained"], 60.0, "empty"
        )
        record(
            f"Drain of a node with {here} of {COUNT} replicas, start-first", "asked → empty", time.monotonic() - began
        )
        cluster.wait_answering("drained")
    assert len(seen.values) > 10 and min(seen.values) >= COUNT, seen.values
    moved = cluster.replicas("drained")
    assert DRAINED not in {r.node for r in moved.values()}
    assert sum(r.epoch == epochs[name] + 1 for name, r in moved.items()) == here
    assert sum(r.epoch == epochs[name] for name, r in moved.items()) == COUNT - here
    stays = cluster.replicas("drained-data")["db/1"]
    assert (stays.state, stays.node) == ("running", DRAINED) and cluster.epochs("drained-data") == data
    assert f"drained-data/db/1 stays on {DRAINED}: volume data lives here" in [e.text for e in cluster.story(after)]
    assert cluster.api.nodes()[DRAINED].draining

    cluster.api.operate("drained", "scale", {"services": {"web": COUNT + 2}})
    cluster.until(
        lambda: len(cluster.replicas("drained")) == COUNT + 2 and cluster.answering("drained"), 30.0, "scaled"
    )
    assert DRAINED not in {r.node for r in cluster.replicas("drained").values()}, "nothing new comes to a drained node"

    cluster.api.node_do(DRAINED, "resume")
    cluster.deploy("resumed", {"web": web(deploy={"placement": {"constraints": [f"node.hostname == {DRAINED}"]}})})
    assert cluster.replicas("resumed")["web/1"].node == DRAINED, "it takes work again"
