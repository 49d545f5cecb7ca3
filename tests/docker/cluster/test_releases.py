"""Releases on real engines under a client that asks all the time and never tries twice: nothing may fail.

One project goes through all tests, in any order; the drain has one of its own.
"""

import time
from collections.abc import Mapping

import pytest

from protocol.api import DeploymentView
from tests.docker.cluster.client import Asking
from tests.docker.cluster.cluster import Cluster, checked
from tests.docker.cluster.conftest import Record
from tests.docker.cluster.test_operations import BAD, V1, V2, healthy
from tests.docker.cluster.watch import Watching

CODE, COUNT = "operated", 10


@pytest.fixture(scope="module")
def shop(standing: Cluster) -> Cluster:
    """Ten replicas of version 1 with a health check."""
    standing.heal()
    standing.deploy(CODE, {"web": service(COUNT, V1)})
    standing.wait_answering(CODE)
    return standing


def service(replicas: int, image: str, **rope: object) -> dict[str, object]:
    update = {"parallelism": 2, "monitor": "1s"}
    more = {"x-rope": rope} if rope else {}
    return checked(replicas, image, deploy={"update_config": update}, **more)


def begun(cluster: Cluster, services: Mapping[str, dict[str, object]], code: str = CODE) -> int:
    status, answer = cluster.api.deploy(code, services)
    assert status == 202 and answer.deployment is not None, answer
    return answer.deployment.id


def at(cluster: Cluster, replicas: int, image: str) -> None:
    """Begin a test with so many replicas of this version."""
    answer = cluster.api.deploy(CODE, {"web": service(replicas, image)})[1]
    if answer.deployment is not None:
        ended(cluster, answer.deployment.id)


def ended(cluster: Cluster, number: int, state: str = "succeeded") -> DeploymentView:
    view = cluster.wait_ended(number)
    assert view.state == state, f"{view.reason}\n{cluster.told()}"
    return view


def steer(cluster: Cluster, number: int, verb: str) -> None:
    answer = cluster.api.ask("POST", f"/api/v1/deployments/{number}/{verb}")
    assert answer.status == 200, answer.body


def observed(cluster: Cluster, number: int) -> bool:
    return any(s.name == "promote web" and s.state == "running" for s in cluster.api.deployment(number).steps)


def test_a_start_first_update_of_ten_fails_no_request(shop: Cluster, record: Record) -> None:
    at(shop, COUNT, V1)
    with Asking(shop, CODE, "web") as client, Watching(lambda: healthy(shop)[0], 0.2) as seen:
        began = time.monotonic()
        ended(shop, begun(shop, {"web": service(COUNT, V2)}))
        record("Update of 10, two at a time, under requests", "asked → succeeded", time.monotonic() - began)
        assert set(client.recent(4.0)) == {"2"}
    assert client.failed == [], f"{len(client.failed)} of {client.asked}: {client.failed[:5]}\n{shop.told()}"
    assert client.answers["1"] and client.answers["2"] and client.asked > 200
    assert min(seen.values) >= COUNT


def test_a_broken_version_goes_back_by_itself_and_the_old_one_is_never_fewer(shop: Cluster, record: Record) -> None:
    at(shop, COUNT, V2)
    was = shop.epochs(CODE)
    with Asking(shop, CODE, "web") as client, Watching(lambda: healthy(shop)[0], 0.2) as seen:
        began = time.monotonic()
        view = ended(shop, begun(shop, {"web": service(COUNT, BAD)}), "rolled_back")
        record("A version that cannot start, of 10", "asked → rolled back", time.monotonic() - began)
    assert "failed on node-" in view.reason and "code 1" in view.reason
    assert client.failed == [] and len(client.answers) == 1, (client.failed[:5], client.answers)
    assert min(seen.values) >= COUNT
    assert shop.epochs(CODE) == was, "the copies that served before serve on"
    shop.until(lambda: len(shop.containers()) == COUNT, 20.0, "nothing of the failed version is left")
    assert shop.api.project(CODE).state == "running"


def test_a_canary_is_aborted_and_another_promoted(shop: Cluster, record: Record) -> None:
    at(shop, COUNT, V2)
    wanted = {"web": service(COUNT, V1, canary={"percent": 20})}
    with Asking(shop, CODE, "web") as client:
        first = begun(shop, wanted)
        shop.until(lambda: observed(shop, first), 30.0, "the canary is observed")
        both = client.recent()
        assert set(both) == {"1", "2"} and both["1"] < both["2"], both
        steer(shop, first, "abort")
        ended(shop, first, "rolled_back")
        assert set(client.recent(2.0)) <= {"1", "2"}
        assert set(client.recent()) == {"2"}

        began, second = time.monotonic(), begun(shop, wanted)
        shop.until(lambda: observed(shop, second), 30.0, "the canary is observed")
        steer(shop, second, "promote")
        ended(shop, second)
        record("Canary of 2 and the other 8, promoted at once", "asked → succeeded", time.monotonic() - began)
        client.recent(2.0)
        assert set(client.recent()) == {"1"}
    assert client.failed == [], f"{len(client.failed)} of {client.asked}: {client.failed[:5]}\n{shop.told()}"


def test_a_second_set_is_switched_to_and_back(shop: Cluster, record: Record) -> None:
    at(shop, 4, V1)
    with Asking(shop, CODE, "web") as client:
        began = time.monotonic()
        ended(shop, begun(shop, {"web": service(4, V2, release="blue_green")}))
        record("Blue-green of 4", "asked → switched, watched for 1 s", time.monotonic() - began)
        client.recent(1.5)
        assert set(client.recent(2.0)) == {"2"}
        assert healthy(shop)[0] == 8, "the old set is kept"
        began = time.monotonic()
        back = shop.api.operate(CODE, "rollback").deployment
        assert back is not None
        ended(shop, back.id)
        record("Return to the set that was kept", "asked → succeeded", time.monotonic() - began)
        client.recent(1.5)
        assert set(client.recent(2.0)) == {"1"}
    assert client.failed == [], f"{len(client.failed)} of {client.asked}: {client.failed[:5]}\n{shop.told()}"
    history = shop.api.ask("GET", f"/api/v1/projects/{CODE}/history").body.decode()
    assert '"rollback"' in history and '"rolled_back"' in history


def test_a_drain_of_services_with_one_replica_fails_no_request(shop: Cluster, record: Record) -> None:
    shop.heal()
    names = tuple("abcdefgh")
    shop.deploy("single", {name: checked(1, V1) for name in names})
    node = shop.replicas("single")["a/1"].node
    assert node is not None
    here = [r for r in shop.replicas("single").values() if r.node == node]
    with Asking(shop, "single", *names) as client:
        client.recent(1.0)
        plan = shop.api.ask("GET", f"/api/v1/nodes/{node}/drain-plan")
        assert plan.status == 200 and plan.body.count(b'"to":"node-') == len(here)
        began = time.monotonic()
        shop.api.node_do(node, "drain")
        shop.until(lambda: _drained(shop, node), 60.0, "the node is drained")
        record(
            f"Drain of a node with {len(here)} single-replica services, under requests",
            "asked → drained",
            time.monotonic() - began,
        )
        client.recent(4.0)
    assert client.failed == [], f"{len(client.failed)} of {client.asked}: {client.failed[:5]}\n{shop.told()}"
    shop.until(lambda: not shop.node(node).containers(), 20.0, "it is empty")
    assert all(r.node != node and r.state == "running" for r in shop.replicas("single").values())


def _drained(cluster: Cluster, node: str) -> bool:
    drain = cluster.api.nodes()[node].drain
    return drain is not None and drain.state == "done" and not drain.left
