"""A chain db → migrate (a job) → api → web on real engines: deployed, cut off, without power, a migration that fails.

The services call each other by name: web answers with what api says, which answers with what db says. One project goes
through all tests, in their order.
"""

import time
from datetime import datetime

import pytest

from protocol.api import ReplicaView
from tests.docker.cluster.cluster import WEB, Cluster, answers, web
from tests.docker.cluster.conftest import Record

CODE = "chain"
LIMIT_S = 30.0
ORDER = ("db", "api", "web")
RELAY = r"""mkdir -p /tmp/w/cgi-bin
cat > /tmp/w/cgi-bin/index.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\nNAME of '
exec wget -q -O - http://UPSTREAM:8080/
END
chmod +x /tmp/w/cgi-bin/index.cgi
exec httpd -f -p 8080 -h /tmp/w
"""
ASK = "wget -q -O /dev/null http://127.0.0.1:8080/"


def relay(name: str, upstream: str) -> dict[str, object]:
    """Answers `<name> of <what upstream answers>`; healthy while upstream answers it."""
    script = RELAY.replace("NAME", name).replace("UPSTREAM", upstream)
    return {
        "command": ["sh", "-c", script],
        "healthcheck": check(f"{ASK} && wget -q -O - http://{upstream}:8080/"),
    }


def check(line: str) -> dict[str, object]:
    return {"test": ["CMD-SHELL", line], "interval": "1s", "timeout": "4s", "retries": 3}


def chain(*, migration: str = "echo migrated") -> dict[str, dict[str, object]]:
    """The services. The migration needs a db that answers, or it fails."""
    healthy, completed = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
    common = {"image": WEB, "init": True, "stop_grace_period": "2s"}
    work = f"wget -q -O - http://db:8080/ && {migration}"
    return {
        "db": {**common, "healthcheck": check(ASK)},
        "migrate": {**common, "command": ["sh", "-c", work], "restart": "no", "depends_on": {"db": healthy}},
        "api": {**common, **relay("api", "db"), "depends_on": {"db": healthy, "migrate": completed}},
        "web": {**common, **relay("web", "api"), "ports": ["8080"], "depends_on": {"api": healthy}},
    }


def serving(cluster: Cluster) -> dict[str, ReplicaView]:
    """db, api and web."""
    return {r.service: r for r in cluster.replicas(CODE).values() if r.service in ORDER}


def through(cluster: Cluster) -> bool:
    """web answers through api and db at its announced address, and all are healthy."""
    found = serving(cluster)
    if len(found) != len(ORDER) or any((r.state, r.health) != ("running", "healthy") for r in found.values()):
        return False
    (text,) = answers([found["web"]], timeout_s=3.0)
    return text is not None and text.startswith("web of api of ")


def started(cluster: Cluster, *without: str) -> list[str]:
    """The services in the order in which their engines started the containers that run now."""
    found = [s for s in cluster.containers(*without) if s.replica.project == CODE and s.running and s.started_at]
    return [s.replica.service for s in sorted(found, key=lambda s: datetime.fromisoformat(_short(s.started_at)))]


def _short(docker_time: str) -> str:
    """Docker gives nanoseconds; Python reads microseconds."""
    return docker_time[:26].rstrip("Z")


@pytest.fixture(scope="module")
def shop(standing: Cluster, record: Record) -> Cluster:
    standing.heal()
    began = time.monotonic()
    standing.deploy(CODE, chain())
    standing.until(lambda: through(standing), 20.0, "web answers through db")
    record("Chain db → migrate → api → web", "deploy asked → web answers through db", time.monotonic() - began)
    return standing


def test_a_chain_is_deployed_in_order_on_one_node(shop: Cluster) -> None:
    assert started(shop) == list(ORDER)
    assert len({r.node for r in shop.replicas(CODE).values()}) == 1
    job = shop.replicas(CODE)["migrate/1"]
    assert (job.state, job.exit_code, job.reason) == ("stopped", 0, "exited with code 0")
    project = shop.api.project(CODE)
    assert (project.state, project.message) == ("running", "3 of 3 healthy; 1 completed")


def only_here(cluster: Cluster, node: str | None, code: str, service: dict[str, object]) -> None:
    """Deploy `service` as `web` on this node: the others take nothing meanwhile."""
    others = [n.name for n in cluster.nodes if n.name != node]
    for name in others:
        cluster.api.node_do(name, "drain")
    cluster.deploy(code, {"web": service})
    for name in others:
        cluster.api.node_do(name, "resume")


def lose(cluster: Cluster, record: Record, how: str) -> None:
    """Everything of the chain's node is away: all of it comes up on one other node, in order, by itself."""
    before, after = serving(cluster), cluster.api.last_event()
    (lost,) = {r.node for r in before.values()}
    assert lost is not None
    host = cluster.node(lost).host
    began = time.monotonic()
    host.cut() if how == "cable pulled" else host.power_off()
    cluster.until(
        lambda: lost not in {r.node for r in serving(cluster).values()} and through(cluster),
        60.0, "web answers through db elsewhere",
    )  # fmt: skip
    took_s = time.monotonic() - began
    record(f"{how.capitalize()}: web, api and db on one node", "loss → web answers through db elsewhere", took_s)
    now = serving(cluster)
    assert len({r.node for r in now.values()}) == 1, cluster.told()
    assert {name: r.epoch for name, r in now.items()} == {name: r.epoch + 1 for name, r in before.items()}
    assert started(cluster, lost) == list(ORDER)
    ran = [e.replica for e in cluster.story(after) if e.kind == "replica.placed" and e.project == CODE]
    assert ran == [f"{CODE}/{name}/1" for name in ORDER], "the job is not run again"
    released = [e.replica for e in cluster.story(after) if e.kind == "replica.released"]
    assert released == [f"{CODE}/api/1", f"{CODE}/web/1"]
    assert took_s <= LIMIT_S, cluster.told()


def test_a_chain_that_is_cut_off_comes_up_elsewhere_in_order(shop: Cluster, record: Record) -> None:
    cut, ran = serving(shop)["db"].node, shop.replicas(CODE)["migrate/1"].epoch
    lose(shop, record, "cable pulled")
    shop.node(cut).host.mend()
    shop.wait_online()
    shop.until(lambda: started(shop) == list(ORDER), 20.0, "the stale copies are gone")
    job = shop.replicas(CODE)["migrate/1"]
    assert (job.state, job.node, job.epoch) == ("stopped", cut, ran)
    assert through(shop)


def test_a_chain_whose_node_loses_power_comes_up_elsewhere_in_order(shop: Cluster, record: Record) -> None:
    node = serving(shop)["db"].node
    only_here(shop, node, "hand", {**web(), "x-rope": {"failover": {"mode": "manual"}}})
    only_here(shop, node, "fixed", {**web(), "ports": ["9000:8080"], "x-rope": {"port": "strict"}})
    lose(shop, record, "power loss")


def test_what_waits_for_a_person_moves_when_one_says_so(shop: Cluster) -> None:
    waits = shop.replicas("hand")["web/1"]
    assert (waits.state, waits.reason) == ("interrupted", "x-rope.failover is manual: rope failover hand/web")
    fixed = shop.replicas("fixed")["web/1"]
    assert [p.host for p in fixed.ports] == [9000] and fixed.node != waits.node, "the port was free there"
    assert shop.api.ask("POST", "/api/v1/projects/hand/failover").status == 202
    shop.wait_answering("hand", limit_s=15.0)
    assert shop.replicas("hand")["web/1"].node != waits.node


def test_a_migration_that_fails_leaves_the_old_ones_serving(shop: Cluster) -> None:
    epochs = {name: r.epoch for name, r in serving(shop).items()}
    services = chain(migration="{ echo column exists already; exit 3; }")
    services["api"]["environment"] = {"VERSION": "2"}
    _, answer = shop.api.deploy(CODE, services)
    assert answer.deployment is not None
    ended = shop.wait_ended(answer.deployment.id)
    assert ended.state == "rolled_back", shop.told()
    assert "exited with code 3" in ended.reason and "column exists already" in ended.reason
    assert {name: r.epoch for name, r in serving(shop).items()} == epochs
    assert through(shop)
    job = shop.replicas(CODE)["migrate/1"]
    assert (job.state, job.exit_code) == ("stopped", 0)
    assert shop.api.project(CODE).state == "running"
