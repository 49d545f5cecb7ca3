"""Agents and the Center end in every way, and come back: containers do not care, operations go on."""

import signal
import time

import pytest

from tests.docker.cluster.cluster import Cluster, moments, web
from tests.docker.cluster.conftest import Record

SETTLE_S = 5.0
"""Longer than an agent that was restarted waits for the Center's word before it acts by itself."""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_an_agent_that_comes_back_touches_nothing(cluster: Cluster, record: Record, number: signal.Signals) -> None:
    code = f"agents-{number.name.lower()}"
    cluster.deploy(code, {"web": web(4)})
    was, epochs, after = moments(cluster.containers()), cluster.epochs(code), cluster.api.last_event()
    node = cluster.nodes[0]
    node.agent.send_signal(number)
    node.agent.wait(10)
    time.sleep(2)
    assert moments(cluster.containers()) == was
    began = time.monotonic()
    node.start_agent()
    cluster.until(lambda: cluster.story(after, "node.connected"), 20.0, "the agent is connected")
    record(
        f"Agent ended by {number.name} and restarted: containers untouched",
        "start → connected",
        time.monotonic() - began,
    )
    cluster.wait_online()
    time.sleep(SETTLE_S)
    assert moments(cluster.containers()) == was
    assert cluster.epochs(code) == epochs
    kinds = {e.kind for e in cluster.story(after)}
    assert kinds.isdisjoint({"node.offline", "replica.interrupted", "replica.placed", "replica.restarted"}), kinds


def test_a_center_killed_in_the_middle_of_a_deploy_completes_it(cluster: Cluster, record: Record) -> None:
    after, began = cluster.api.last_event(), time.monotonic()
    status, answer = cluster.api.deploy("many", {"web": web(20)})
    assert status == 202 and answer.deployment is not None
    cluster.until(lambda: len(cluster.containers(everything=False)) >= 3, 20.0, "some run")
    cluster.kill_center()
    early = {seen.id for seen in cluster.containers() if seen.running}
    assert 3 <= len(early) < 20, "in the middle"
    time.sleep(1)
    cluster.start_center()
    ended = cluster.wait_ended(answer.deployment.id)
    assert ended.state == "succeeded", ended.reason
    cluster.wait_answering("many")
    took_s = time.monotonic() - began
    record(
        "Center killed with -9 in the middle of a deploy of 20 and restarted", "deploy asked → all 20 answer", took_s
    )
    replicas, seen = cluster.replicas("many"), cluster.containers()
    placed = [e.replica for e in cluster.story(after, "replica.placed")]
    assert len(replicas) == 20 and len(placed) == len(set(placed)) == 20, "each was placed once: nothing moved"
    assert len(seen) == 20 and len({s.replica for s in seen}) == 20, "nothing twice"
    assert early <= {s.id for s in seen}, "what ran was left alone"


def test_a_center_killed_in_quiet_changes_nothing(cluster: Cluster, record: Record) -> None:
    cluster.deploy("quiet", {"web": web(4)})
    was, epochs = moments(cluster.containers()), cluster.epochs("quiet")
    cluster.kill_center()
    time.sleep(1)
    began = time.monotonic()
    cluster.start_center()
    cluster.wait_online()
    record("Center killed with -9 and restarted", "start → all nodes online", time.monotonic() - began)
    time.sleep(SETTLE_S)
    assert moments(cluster.containers()) == was
    assert cluster.epochs("quiet") == epochs
