"""Probes on real containers: whoever fails is withdrawn and restarted; a crash loop ends in an alarm that says why."""

import json
import time

import msgspec

from protocol.api import AddressesView, ReplicaView
from tests.docker.cluster.cluster import WEB, Cluster, moments
from tests.docker.cluster.conftest import Record

SERVE = "mkdir -p /tmp/w; echo fine >/tmp/w/ok; exec httpd -f -p 8080 -h /tmp/w"
"""Answers for /ok until somebody takes it away; a restart puts it back."""
LATE = "rm -f /tmp/ready; sleep 2; touch /tmp/ready; exec sleep 1000"
FRAIL = "if test -e /tmp/broken; then echo no database; echo bye; exit 3; fi; exec sleep 1000"
"""Runs until its container is broken; then it cannot start any more."""


def service(script: str, probe: dict[str, object] | None = None, **more: object) -> dict[str, object]:
    made: dict[str, object] = {"image": WEB, "command": ["sh", "-c", script], "init": True, **more}
    return made | ({"x-rope": {"probe": probe}} if probe else {})


def probed(interval: str = "500ms") -> dict[str, dict[str, object]]:
    quick = {"interval": interval, "timeout": "1s", "retries": 2}
    http = {"http": {"port": 8080, "path": "/ok"}, **quick}
    return {
        "web": service(SERVE, http, ports=["8080"], deploy={"replicas": 2}),
        "db": service("exec httpd -f -p 5432 -h /tmp", {"tcp": {"port": 5432}, **quick}),
        "late": service(LATE, {"exec": ["test", "-e", "/tmp/ready"], **quick, "start_period": "10s"}),
    }


def addresses(cluster: Cluster, code: str, name: str) -> set[str]:
    answer = cluster.api.ask("GET", f"/api/v1/projects/{code}/addresses")
    return {a.address for a in msgspec.json.decode(answer.body, type=AddressesView).services[name]}


def run_in(cluster: Cluster, replica: ReplicaView, *command: str) -> None:
    """Run a command in the replica's container, by its engine."""
    node = cluster.node(replica.node)
    (seen,) = [
        s for s in node.containers() if (s.replica.service, s.replica.index) == (replica.service, replica.replica)
    ]
    made = node.host.engine.call("POST", f"/containers/{seen.id}/exec", {"Cmd": list(command)})
    node.host.engine.call("POST", f"/exec/{json.loads(made)['Id']}/start", {"Detach": True})


def test_who_fails_its_probe_is_withdrawn_and_restarted(cluster: Cluster, record: Record) -> None:
    cluster.deploy("probed", probed())
    first = cluster.replicas("probed")
    assert {name: (r.health, r.announced) for name, r in first.items()} == dict.fromkeys(first, ("healthy", True))
    both = addresses(cluster, "probed", "web")
    assert both == {first["web/1"].address, first["web/2"].address} and len(both) == 2
    after, began = cluster.api.last_event(), time.monotonic()

    run_in(cluster, first["web/1"], "rm", "/tmp/w/ok")
    cluster.until(lambda: addresses(cluster, "probed", "web") == {first["web/2"].address}, 10.0, "web/1 is withdrawn")
    record(
        "A replica that fails its HTTP probe (every 0.5 s, 2 retries)", "broken → withdrawn", time.monotonic() - began
    )
    cluster.until(lambda: addresses(cluster, "probed", "web") == both, 20.0, "web/1 is announced again")
    record("A replica that fails its HTTP probe (every 0.5 s, 2 retries)", "broken → back", time.monotonic() - began)
    mended = cluster.replicas("probed")["web/1"]
    assert (mended.restarts, mended.node, mended.epoch) == (1, first["web/1"].node, first["web/1"].epoch)
    ill = [e.text for e in cluster.story(after, "replica.unhealthy")]
    assert len(ill) == 1 and ill[0].endswith("probe http :8080/ok: 404"), ill

    before = moments(cluster.containers())
    cluster.deploy("probed", probed("1s"))
    assert moments(cluster.containers()) == before, "another probe touches no container"
    assert {r.health for r in cluster.replicas("probed").values()} == {"healthy"}


def test_a_crash_loop_ends_in_an_alarm_with_its_last_words(cluster: Cluster, record: Record) -> None:
    cluster.deploy("frail", {"app": service(FRAIL)})
    (app,) = cluster.replicas("frail").values()
    after, began = cluster.api.last_event(), time.monotonic()
    run_in(cluster, app, "sh", "-c", "touch /tmp/broken; kill $(pidof sleep)")
    cluster.until(lambda: cluster.story(after, "alarm"), 60.0, "the alarm")
    record("A crash loop: 5 failures", "first failure → alarm", time.monotonic() - began)
    (alarm,) = cluster.story(after, "alarm")
    assert alarm.text == f"frail/app/1 is given up on {app.node}: exited with code 3"
    assert alarm.data["log_tail"][-2:] == ["no database", "bye"] and len(alarm.data["log_tail"]) <= 50
    cluster.until(lambda: cluster.replicas("frail")["app/1"].state == "running", 30.0, "it runs elsewhere")
    moved = cluster.replicas("frail")["app/1"]
    assert moved.node != app.node and moved.epoch == app.epoch + 1
