"""What people do with a project, on real engines. One project goes through all tests, in their order."""

import time

import pytest

from protocol.api import DeployAnswer
from tests.docker.cluster.cluster import Cluster, answers, checked, moments
from tests.docker.cluster.conftest import Record
from tests.docker.cluster.watch import Watching

CODE, COUNT = "operated", 4
V1, V2, BAD = "rope-demo/web:1", "rope-demo/web:2", "rope-demo/web:bad"


@pytest.fixture(scope="module")
def shop(standing: Cluster, record: Record) -> Cluster:
    """The project with four replicas of version 1 and a health check."""
    standing.heal()
    began = time.monotonic()
    standing.deploy(CODE, {"web": checked(COUNT, V1)})
    standing.wait_answering(CODE)
    record("Deploy of 4 replicas with a health check", "asked → all healthy and answer", time.monotonic() - began)
    return standing


def ids(cluster: Cluster) -> set[str]:
    return {seen.id for seen in cluster.containers() if seen.running}


def versions(cluster: Cluster) -> set[str]:
    return {(text or "silent").split("version ")[-1].strip() for text in answers(cluster.replicas(CODE).values())}


def healthy(cluster: Cluster) -> tuple[int, int]:
    """(healthy containers as the engines say, all that run)."""
    found = [c for node in cluster.nodes for c in node.host.engine.containers(labels=(f"ropeteam.project={CODE}",))]
    return sum("(healthy)" in c["Status"] for c in found), len(found)


def finished(cluster: Cluster, answer: DeployAnswer, state: str = "succeeded") -> str:
    assert answer.deployment is not None
    ended = cluster.wait_ended(answer.deployment.id)
    assert ended.state == state, f"{ended.reason}\n{cluster.told()}"
    return ended.reason


def test_the_same_file_again_is_unchanged(shop: Cluster) -> None:
    was, after = moments(shop.containers()), shop.api.last_event()
    status, answer = shop.api.deploy(CODE, {"web": checked(COUNT, V1)})
    assert (status, answer.unchanged, answer.revision, answer.deployment) == (200, True, 1, None)
    assert moments(shop.containers()) == was and not shop.story(after)


def test_an_update_replaces_one_by_one_and_never_has_fewer_healthy(shop: Cluster, record: Record) -> None:
    old, began = ids(shop), time.monotonic()
    with Watching(lambda: healthy(shop)) as seen:
        finished(shop, shop.api.deploy(CODE, {"web": checked(COUNT, V2)})[1])
        took_s = time.monotonic() - began
        shop.until(lambda: len(shop.containers()) == COUNT, 20.0, "the old ones are gone")
    record("Update of 4 one by one, start-first, with a health check", "asked → succeeded", took_s)
    assert len(seen.values) > 10
    assert min(good for good, _ in seen.values) >= COUNT, seen.values
    assert max(running for _, running in seen.values) <= COUNT + 3, (
        "one at a time; two that leave wait for their clients"
    )
    assert not old & ids(shop) and versions(shop) == {"2"}
    assert {r.revision for r in shop.replicas(CODE).values()} == {2}


def test_a_failing_version_goes_back_at_the_first_and_says_why(shop: Cluster) -> None:
    was = moments(shop.containers())
    with Watching(lambda: healthy(shop)[0]) as seen:
        reason = finished(shop, shop.api.deploy(CODE, {"web": checked(COUNT, BAD)})[1], "rolled_back")
    assert f"{CODE}/web/1 failed on node-" in reason and "code 1" in reason
    assert min(seen.values) >= COUNT
    shop.until(lambda: len(shop.containers()) == COUNT, 20.0, "nothing of the failed version is left")
    assert moments(shop.containers()) == was, "all that served before serves on, untouched"
    project = shop.api.project(CODE)
    assert (project.state, project.revision) == ("running", 2)


def test_a_rollback_brings_any_kept_revision_back(shop: Cluster, record: Record) -> None:
    began = time.monotonic()
    finished(shop, shop.api.operate(CODE, "rollback"))
    record("Rollback of 4 to the version before", "asked → succeeded", time.monotonic() - began)
    shop.wait_answering(CODE)
    assert versions(shop) == {"1"}
    finished(shop, shop.api.operate(CODE, "rollback", {"revision": 2}))
    shop.wait_answering(CODE)
    shop.until(lambda: len(shop.containers()) == COUNT, 20.0, "only one version is left")
    assert versions(shop) == {"2"} and shop.api.project(CODE).state == "running"


def test_a_restart_takes_one_after_the_other(shop: Cluster, record: Record) -> None:
    was, began = moments(shop.containers()), time.monotonic()
    with Watching(lambda: healthy(shop)[0]) as seen:
        finished(shop, shop.api.operate(CODE, "restart"))
    record("Rolling restart of 4", "asked → succeeded", time.monotonic() - began)
    now = moments(shop.containers())
    assert {key: at[0] for key, at in now.items()} == {key: at[0] for key, at in was.items()}, "the same containers"
    assert all(now[key][2] > was[key][2] for key in was), "each was started anew"
    assert min(seen.values) >= COUNT - 1


def test_scaling_touches_only_the_difference(shop: Cluster, record: Record) -> None:
    was, began = moments(shop.containers()), time.monotonic()
    finished(shop, shop.api.operate(CODE, "scale", {"services": {"web": COUNT + 2}}))
    record("Scale from 4 to 6 with a health check", "asked → succeeded", time.monotonic() - began)
    now = moments(shop.containers())
    assert len(now) == COUNT + 2 and now.items() >= was.items()
    finished(shop, shop.api.operate(CODE, "scale", {"services": {"web": COUNT}}))
    assert moments(shop.containers()) == was


def test_a_container_removed_by_hand_comes_back(shop: Cluster, record: Record) -> None:
    victim = shop.containers()[0]
    node, began = shop.node(victim.node), time.monotonic()
    node.host.engine.remove(victim.id)
    shop.until(lambda: any(s.replica == victim.replica and s.running for s in node.containers()), 20.0, "it is back")
    record("Container removed by hand", "docker rm -f → runs again", time.monotonic() - began)
    shop.wait_answering(CODE)
    back = next(s for s in node.containers() if s.replica == victim.replica)
    assert (back.epoch, back.id != victim.id) == (victim.epoch, True)
    shop.until(lambda: healthy(shop)[0] == COUNT, 20.0, "healthy")


def test_a_newer_deploy_supersedes_a_running_one(shop: Cluster) -> None:
    _, first = shop.api.deploy(CODE, {"web": checked(COUNT, V1)})
    assert first.deployment is not None
    shop.until(lambda: len(shop.containers()) > COUNT, 20.0, "the first one has begun")
    newest = checked(COUNT, V1, environment={"COLOUR": "green"})
    _, second = shop.api.deploy(CODE, {"web": newest})
    finished(shop, second)
    ended = shop.api.deployment(first.deployment.id)
    assert ended.state == "superseded" and second.deployment is not None
    assert ended.reason == f"deployment {second.deployment.id} is newer"
    shop.until(lambda: len(shop.containers()) == COUNT, 20.0, "only the newest is left")
    shop.wait_answering(CODE)
    colours = [node.host.engine.inspect(seen.id)["Config"]["Env"] for node in shop.nodes for seen in node.containers()]
    assert all("COLOUR=green" in env for env in colours) and len(colours) == COUNT


def test_a_removal_leaves_no_container_and_no_network(shop: Cluster, record: Record) -> None:
    began = time.monotonic()
    finished(shop, shop.api.remove(CODE))
    record("Remove a project of 4", "asked → succeeded", time.monotonic() - began)
    assert shop.containers() == []
    shop.until(lambda: not networks(shop), 5.0, "networks are gone")
    assert shop.api.ask("GET", f"/api/v1/projects/{CODE}").status == 404


def networks(cluster: Cluster) -> list[str]:
    found = [n["Name"] for node in cluster.nodes for n in node.host.engine.get("/networks")]
    return [name for name in found if name.startswith(f"rope-{CODE}-")]
