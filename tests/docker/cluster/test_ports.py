"""Fixed host ports: taken on the target of a failover, and taken everywhere (DESIGN §4, Ports)."""

import sys
import time

from protocol.api import ProjectView
from tests.docker.cluster.cluster import Cluster, answers, web
from tests.docker.cluster.conftest import Record

FIXED, WANTED = 18080, 18081
TICK_S = 0.5
"""The scheduler sees what a heartbeat said at its next tick, at the latest 0.25 s after."""
LISTEN = "import socket, time; s = socket.create_server(('', {port})); print('ready', flush=True); time.sleep(600)"


def test_a_fixed_port_taken_on_the_target_is_remapped_and_told(cluster: Cluster, record: Record) -> None:
    others = web(3, ports=[f"{FIXED}:8080"], deploy={"placement": {"constraints": ["node.hostname != node-1"]}})
    cluster.deploy("other", {"web": others})
    cluster.deploy("edge", {"web": web(ports=[f"{FIXED}:8080"])})
    before = cluster.replicas("edge")["web/1"]
    assert (before.node, before.ports[0].host) == ("node-1", FIXED), "the only node where the port is free"
    others_epochs, after, began = cluster.epochs("other"), cluster.api.last_event(), time.monotonic()
    cluster.node("node-1").host.power_off()
    cluster.until(
        lambda: cluster.replicas("edge")["web/1"].node != "node-1" and cluster.answering("edge"), 40.0, "edge answers"
    )
    record(
        "Fixed port taken on the target of a failover: remapped",
        "power off → new port answers",
        time.monotonic() - began,
    )
    moved = cluster.replicas("edge")["web/1"]
    assert moved.epoch == before.epoch + 1 and 20000 <= moved.ports[0].host <= 29999
    assert moved.ports[0].address == f"{cluster.node(moved.node).host.address}:{moved.ports[0].host}"
    assert answers([moved]) == ["web-1 version 1\n"]
    told = cluster.story(after, "replica.port_remapped")
    assert [e.text for e in told] == [
        f"edge/web/1: port {FIXED} is not free on {moved.node}, now {moved.ports[0].host}"
    ]
    suspect = next(e for e in cluster.story(after, "node.suspect"))
    assert told[0].cause == suspect.seq
    assert cluster.answering("other") and cluster.epochs("other") == others_epochs


def test_a_fixed_port_taken_everywhere_is_waited_for(cluster: Cluster, record: Record) -> None:
    holders = [
        node.host.run([sys.executable, "-c", LISTEN.format(port=WANTED)], log="listener.log") for node in cluster.nodes
    ]
    try:
        cluster.until(
            lambda: all(WANTED in view.resources.ports for view in cluster.api.nodes().values()), 15.0, "ports are seen"
        )
        time.sleep(TICK_S)
        _, answer = cluster.api.deploy("late", {"web": web(ports=[f"{WANTED}:8080"])})
        assert answer.deployment is not None

        def pending() -> ProjectView | None:
            project = cluster.api.project("late")
            return project if project.replicas and project.replicas[0].reason else None

        cluster.until(pending, 10.0, "it says why it waits")
        replica = cluster.replicas("late")["web/1"]
        assert (replica.state, replica.node) == ("pending", None)
        assert f"node-1, node-2, node-3, node-4: port {WANTED}" in replica.reason, replica.reason
        waits = cluster.story(0, "replica.pending")[-1]
        assert {c["node"] for c in waits.data["candidates"]} == {node.name for node in cluster.nodes}
    finally:
        for holder in holders:
            holder.kill()
    began = time.monotonic()
    cluster.until(lambda: cluster.answering("late"), 20.0, "it runs once the port is free")
    record("Fixed port taken everywhere: pending, tried again", "port free → answers", time.monotonic() - began)
    assert cluster.wait_ended(answer.deployment.id).state == "succeeded"
    assert cluster.replicas("late")["web/1"].ports[0].host == WANTED
