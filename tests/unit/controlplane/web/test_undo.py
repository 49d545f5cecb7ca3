"""What undoes a deployment: the opposite while it is the last thing asked, an end while it runs, nothing otherwise."""

import msgspec
import pytest

from controlplane.core.cluster import Changes, Cluster
from controlplane.core.command import AbortRelease, CancelDeployment, Command, Rollback, Scale, StopProject
from controlplane.core.deployment import Deployment, DeploymentKind, DeploymentState
from controlplane.core.project import Revision
from controlplane.web.undo import Undo, command_of, undo_of
from protocol.spec import ServiceSpec
from tests.unit.controlplane.sample_cluster import WALL, project, revision, shop


def numbered(number: int, **replicas: int) -> Revision:
    specs = [ServiceSpec(name=name, image=f"{name}:1", replicas=count) for name, count in replicas.items()]
    return msgspec.structs.replace(revision(*specs), number=number)


def deployed(kind: DeploymentKind, state: DeploymentState, *, came_from: int = 1, **fields: object) -> Cluster:
    """`shop` with revisions 1 (web 3, db 1) to 3 (all stopped), and a deployment to 2 (web 5, db 1)."""
    made = Deployment(
        id=7, project="shop", kind=kind, revision=2, created_at=WALL, state=state, from_revision=came_from
    )
    found = shop()
    found.apply(
        Changes(
            puts=[
                project(revision=2, last_revision=3),
                numbered(1, web=3, db=1),
                numbered(2, web=5, db=1),
                numbered(3, web=0, db=0),
                msgspec.structs.replace(made, **fields),
            ]
        )
    )
    return found


def done(found: Cluster) -> Command | None:
    undo = undo_of(found, 7)
    return command_of(undo, found.deployments[7], "eve") if undo else None


@pytest.mark.parametrize("kind", ["deploy", "update", "rollback"])
def test_a_release_goes_back_to_the_revision_before(kind: DeploymentKind) -> None:
    assert done(deployed(kind, "succeeded")) == Rollback(project="shop", revision=1, actor="eve")


def test_what_was_deployed_first_is_stopped() -> None:
    assert done(deployed("deploy", "succeeded", came_from=0)) == StopProject(project="shop", actor="eve")


def test_a_scale_goes_back_to_the_former_numbers_of_what_it_changed() -> None:
    assert done(deployed("scale", "succeeded")) == Scale(project="shop", services={"web": 3}, actor="eve")


def test_a_stop_is_undone_by_a_start_with_the_former_numbers() -> None:
    found = deployed("scale", "succeeded", came_from=2, revision=3)
    undo = undo_of(found, 7)
    assert undo == Undo(deployment=7, kind="scale", way="start", counts=(("web", 5), ("db", 1)))
    assert done(found) == Scale(project="shop", services={"web": 5, "db": 1}, actor="eve")


def test_a_service_that_is_not_there_any_more_is_left_out() -> None:
    found = deployed("scale", "succeeded")
    found.apply(Changes(puts=[numbered(2, web=5)]))
    assert done(found) == Scale(project="shop", services={"web": 3}, actor="eve")


@pytest.mark.parametrize(
    ("kind", "state", "command"),
    [
        ("update", "running", AbortRelease(deployment=7, actor="eve")),
        ("update", "paused", AbortRelease(deployment=7, actor="eve")),
        ("update", "waiting", CancelDeployment(deployment=7, actor="eve")),
        ("scale", "running", CancelDeployment(deployment=7, actor="eve")),
    ],
)
def test_what_is_under_way_is_ended(kind: DeploymentKind, state: DeploymentState, command: Command) -> None:
    assert done(deployed(kind, state)) == command


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("update", "rolled_back"),
        ("update", "failed"),
        ("scale", "cancelled"),
        ("restart", "succeeded"),
        ("remove", "running"),
        ("migrate", "succeeded"),
    ],
)
def test_of_others_nothing_is_left_to_undo(kind: DeploymentKind, state: DeploymentState) -> None:
    assert undo_of(deployed(kind, state), 7) is None


def test_nothing_is_undone_that_something_else_came_after() -> None:
    found = deployed("update", "succeeded")
    later = msgspec.structs.replace(found.deployments[7], id=8, kind="migrate")
    found.apply(Changes(puts=[later]))
    assert undo_of(found, 7), "a drain is not about the project"
    found.apply(Changes(puts=[msgspec.structs.replace(later, kind="restart")]))
    assert undo_of(found, 7) is None and undo_of(found, 9) is None


def test_a_release_that_goes_back_already_is_left_alone() -> None:
    assert undo_of(deployed("update", "running", outcome="rolled_back"), 7) is None


def test_a_forgotten_revision_cannot_be_gone_back_to() -> None:
    found = deployed("update", "succeeded", came_from=9)
    assert undo_of(found, 7) is None
