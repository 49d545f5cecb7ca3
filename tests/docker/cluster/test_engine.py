"""An engine that is restarted, and one that hangs (DESIGN §4, Engine down)."""

import time

from tests.docker.cluster.cluster import Cluster, moments, web
from tests.docker.cluster.conftest import Record

HUNG = "node-3"
MOVE_S = 60.0


def test_the_agent_heals_what_a_restart_of_the_engine_stopped(cluster: Cluster, record: Record) -> None:
    cluster.deploy("restarted", {"web": web(8)})
    node = cluster.nodes[1]
    others, here = moments(cluster.containers(node.name)), {seen.id for seen in node.containers()}
    epochs = cluster.epochs("restarted")
    assert here, cluster.told()
    node.host.restart_engine()
    began = time.monotonic()
    cluster.until(lambda: sum(seen.running for seen in node.containers()) == len(here), 30.0, "containers run again")
    took_s = time.monotonic() - began
    record("Engine restarted: containers healed by the agent", "engine answers → containers run", took_s)
    cluster.wait_answering("restarted")
    assert {seen.id for seen in node.containers()} == here, "the same containers"
    assert cluster.epochs("restarted") == epochs
    assert moments(cluster.containers(node.name)) == others


def test_a_hung_engine_takes_nothing_new_and_its_replicas_move_after_a_minute(cluster: Cluster, record: Record) -> None:
    cluster.deploy("hung", {"web": web(8)})
    cluster.deploy(
        "hung-data",
        {"db": web(1, volumes=["data:/data"], deploy={"placement": {"constraints": [f"node.hostname == {HUNG}"]}})},
        volumes={"data": {}},
    )
    node, after, data = cluster.node(HUNG), cluster.api.last_event(), cluster.epochs("hung-data")
    stale = {seen.id for seen in node.containers() if seen.replica.project == "hung"}
    assert stale, cluster.told()
    node.host.pause_engine()
    took_s = cluster.until(lambda: cluster.api.nodes()[HUNG].unschedulable, 40.0, "the node takes nothing new")
    since = time.monotonic()
    record("Engine hung (SIGSTOP)", "hung → node unschedulable", took_s)
    view = cluster.api.nodes()[HUNG]
    assert (view.state, view.unschedulable, view.engine_ok) == ("online", "Docker does not answer", False)
    assert [e.text for e in cluster.story(after, "alarm")] == [f"{HUNG}: Docker does not answer"]
    assert cluster.answering("hung"), "the containers run on"

    _, answer = cluster.api.deploy("hung-late", {"web": web(4)})
    assert answer.deployment is not None
    assert cluster.wait_ended(answer.deployment.id).state == "succeeded"
    assert HUNG not in {r.node for r in cluster.replicas("hung-late").values()}

    cluster.until(
        lambda: HUNG not in {r.node for r in cluster.replicas("hung").values()} and cluster.answering("hung"),
        MOVE_S + 20, "replicas moved",
    )  # fmt: skip
    took_s = time.monotonic() - since
    record("Engine hung (SIGSTOP)", "node unschedulable → replicas answer elsewhere", took_s)
    assert took_s >= MOVE_S - 1
    stays = cluster.replicas("hung-data")["db/1"]
    assert (stays.node, stays.reason) == (HUNG, f"volume data lives on {HUNG}")

    moved = {name: (r.node, r.epoch) for name, r in cluster.replicas("hung").items()}
    node.host.resume_engine()
    began = time.monotonic()
    cluster.until(lambda: not stale & {seen.id for seen in node.containers()}, 40.0, "stale containers are gone")
    record("Engine goes on (SIGCONT)", "answers → stale containers removed", time.monotonic() - began)
    cluster.until(lambda: cluster.api.nodes()[HUNG].unschedulable is None, 20.0, "the node takes work again")
    cluster.wait_answering("hung", "hung-data")
    cluster.assert_nothing_twice()
    assert {name: (r.node, r.epoch) for name, r in cluster.replicas("hung").items()} == moved
    assert cluster.epochs("hung-data") == data
