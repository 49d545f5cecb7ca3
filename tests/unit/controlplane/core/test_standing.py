"""The word and the sentence on a project."""

from typing import Any

import msgspec
import pytest

from controlplane.core.cluster import Cluster
from controlplane.core.deployment import Deployment, Step
from controlplane.core.replica import Replica
from controlplane.core.standing import Standing, reason_of, standing
from protocol.names import ReplicaId
from protocol.spec import Dependency, Mount, ServiceSpec
from tests.unit.controlplane.sample_cluster import WALL, assignment, cluster, node, project, replica, revision, shop

DB = ServiceSpec(name="db", image="db:1", mounts=(Mount(kind="volume", source="data", target="/data"),))


def stands(found: Cluster) -> Standing:
    return standing(found, found.projects["shop"], WALL)


def test_all_healthy_is_running() -> None:
    assert stands(shop()) == Standing(state="running", message="3 of 3 healthy")


def test_one_that_failed_is_told_with_place_and_reason() -> None:
    bad = replica(3, "node-2", state="failed", health="none", reason="exit 7")
    got = stands(shop([replica(1, "node-1"), replica(2, "node-1"), bad]))
    assert got == Standing(state="degraded", message="2 of 3 healthy; web/3 on node-2 failed: exit 7")


def test_the_worst_is_told_first_and_the_rest_counted() -> None:
    waiting = Replica(id=ReplicaId("shop", "web", 1), revision=1, reason="no node fits")
    failed = replica(3, "node-2", state="failed", reason="exit 7")
    got = stands(shop([waiting, replica(2, "node-1"), failed]))
    assert got.message == "1 of 3 healthy; web/3 on node-2 failed: exit 7 (and 1 more)"


def test_volume_data_on_a_lost_node_interrupts_and_says_why() -> None:
    lost = replica(1, "node-1", service="db", state="interrupted")
    found = cluster(node("node-1", 1, state="offline"), project(), revision(DB), lost)
    assert stands(found).state == "interrupted"
    assert stands(found).message.startswith("db/1 interrupted: volume data lives on node-1")


def test_an_interrupted_replica_that_may_move_names_the_node() -> None:
    lost = replica(1, "node-1", state="interrupted")
    found = cluster(node("node-1", 1, state="offline", held=True), project(), revision(), lost)
    assert reason_of(found, lost) == "node-1 is offline, held by the guard"


def test_a_replica_placed_again_is_no_longer_interrupted() -> None:
    moved = msgspec.structs.replace(
        replica(1, "node-2", state="starting", health="starting"), outgoing=assignment("node-1", state="interrupted")
    )
    assert stands(shop([moved])).state == "degraded"


def test_a_former_copy_that_still_serves_counts() -> None:
    moving = msgspec.structs.replace(
        replica(1, "node-2", state="starting", health="starting"), outgoing=assignment("node-1")
    )
    assert stands(shop([moving])) == Standing(state="running", message="1 of 1 healthy")


def test_a_deployment_that_runs_is_told_with_its_steps() -> None:
    steps = (Step(kind="resolve", level=0, state="done"), Step(kind="start", level=1, state="running"))
    running = Deployment(id=4, project="shop", kind="update", revision=2, created_at=WALL, state="running", steps=steps)
    found = cluster(node("node-1", 1), project(deployment=4), revision(), replica(1, "node-1"), running)
    assert stands(found) == Standing(
        state="deploying", message="update to revision 2, 1 of 2 steps done; 1 of 1 healthy"
    )


def test_a_failed_deployment_is_told_though_all_is_well() -> None:
    got = stands(shop([replica(1, "node-1")], failed="image not found"))
    assert got == Standing(state="failed", message="deployment failed: image not found; 1 of 1 healthy")


def test_a_replica_given_up_makes_the_project_failed() -> None:
    given_up = Replica(id=ReplicaId("shop", "web", 1), revision=1, failed=True, reason="exit 7 on 4 nodes")
    assert stands(shop([given_up])) == Standing(
        state="failed", message="0 of 1 running; web/1 failed: exit 7 on 4 nodes"
    )


def test_no_wanted_replica_is_stopped() -> None:
    leaving = msgspec.structs.replace(replica(1, "node-1"), ending=True)
    assert stands(shop([leaving])).state == "stopped"


def test_jobs_that_ended_well_are_stopped_and_not_degraded() -> None:
    job = replica(1, "node-1", state="stopped", exit_code=0, health="none")
    assert stands(shop([job])) == Standing(state="stopped", message="every replica ended as it should")


def a_chain(*replicas: Replica) -> Cluster:
    """web needs api, which needs a healthy db and a completed job."""
    needs_db = Dependency(condition="service_healthy")
    needs_job = Dependency(condition="service_completed_successfully")
    services = (
        ServiceSpec(name="db", image="db:1"),
        ServiceSpec(name="migrate", image="app:1", restart="no", depends_on={"db": needs_db}),
        ServiceSpec(name="api", image="app:1", depends_on={"db": needs_db, "migrate": needs_job}),
        ServiceSpec(name="web", image="web:1", depends_on={"api": Dependency()}),
    )
    return cluster(node("node-1", 1), project(), revision(*services), *replicas)


def test_what_depends_on_the_one_that_is_down_is_named() -> None:
    down = replica(1, "node-1", service="db", health="unhealthy", reason="no answer")
    job = replica(1, "node-1", service="migrate", state="stopped", exit_code=0, health="none")
    others = [replica(1, "node-1", service=name) for name in ("api", "web")]
    assert stands(a_chain(down, job, *others)) == Standing(
        state="degraded",
        message="2 of 3 healthy; 1 completed; db/1 on node-1 unhealthy: no answer; api, migrate: db is not healthy",
    )


def test_what_only_waits_is_not_the_worst() -> None:
    down = replica(1, "node-1", service="db", state="starting", health="starting")
    waits = replica(1, "node-1", service="api", state="assigned", health="none", reason="waits for db/1 to be healthy")
    got = stands(a_chain(down, waits))
    assert got.message == "0 of 2 healthy; db/1 on node-1 starting (and 1 more); api, migrate: db is not healthy"


def test_a_job_that_failed_is_what_others_wait_for() -> None:
    job = replica(1, "node-1", service="migrate", state="failed", exit_code=3, health="none", reason="exit 3")
    got = stands(a_chain(replica(1, "node-1", service="db"), job))
    assert got == Standing(
        state="degraded",
        message="1 of 2 healthy; migrate/1 on node-1 failed: exit 3; api: migrate has not completed",
    )


def test_a_job_that_ended_badly_is_degraded() -> None:
    job = replica(1, "node-1", state="stopped", exit_code=3, health="none", reason="exit 3")
    assert stands(shop([job])).state == "degraded"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"state": "paused", "reason": "asked by mei"}, "update to revision 2 is paused: asked by mei"),
        ({"outcome": "rolled_back", "back_to": 1}, "goes back to revision 1, 1 of 2 steps done"),
        ({}, "the canary of revision 2 is observed"),
    ],
)
def test_a_release_that_waits_or_goes_back_says_so(fields: dict[str, Any], said: str) -> None:
    steps = (
        Step(kind="promote", level=12, service="web", state="running"),
        Step(kind="return", level=1, state="done", back=True),
        Step(kind="stop", level=3, back=True),
    )
    made = {"id": 7, "project": "shop", "kind": "update", "revision": 2, "created_at": WALL, "state": "running"}
    found = shop()
    found.projects["shop"] = msgspec.structs.replace(found.projects["shop"], deployment=7)
    found.deployments[7] = Deployment(**{**made, "steps": steps, **fields})
    assert stands(found) == Standing(state="deploying", message=f"{said}; 3 of 3 healthy")
