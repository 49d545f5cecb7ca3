"""Deployments under way and histories over HTTP."""

from typing import Any

import msgspec
import pytest

from controlplane.core.command import (
    AbortRelease,
    CancelDeployment,
    Command,
    DrainNode,
    PauseDeployment,
    PlanDrain,
    PromoteCanary,
    ResumeDeployment,
)
from controlplane.core.deployment import Deployment
from controlplane.core.project import Revision
from controlplane.core.record import Refused
from protocol.api import DeploymentView, DrainPlan, HistoryEntry
from tests.unit.controlplane.core.world import a_project, a_service
from tests.unit.controlplane.sample_cluster import WALL
from tests.unit.controlplane.web.fake_center import FakeCenter

FIVE = Deployment(id=5, project="shop", kind="update", revision=2, created_at=WALL, started_at=WALL, from_revision=1)


def center_with(center: FakeCenter, *deployments: Deployment) -> None:
    center.cluster.deployments.update({d.id: d for d in deployments})


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("pause", PauseDeployment),
        ("resume", ResumeDeployment),
        ("cancel", CancelDeployment),
        ("promote", PromoteCanary),
        ("abort", AbortRelease),
    ],
)
def test_each_verb_asks_its_command_and_answers_with_the_deployment(
    verb: str, kind: type[Command], center: FakeCenter
) -> None:
    center_with(center, FIVE)
    center.reply = lambda command: FIVE
    got = center.client().post(f"/api/v1/deployments/5/{verb}")
    assert got.status_code == 200
    assert msgspec.json.decode(got.content, type=DeploymentView).id == 5
    (asked,) = center.asked
    assert type(asked) is kind and getattr(asked, "deployment", 0) == 5


def test_what_cannot_be_done_now_is_a_conflict_and_an_unknown_number_is_not_found(center: FakeCenter) -> None:
    center_with(center, FIVE)

    def refuse(command: Command) -> Any:
        raise Refused("conflict", "deployment 5: its canary is not up yet", "deployment")

    center.reply = refuse
    got = center.client().post("/api/v1/deployments/5/promote")
    assert got.status_code == 409 and "not up yet" in got.json()["error"]["message"]
    for path in ("6", "x", "9" * 30):
        assert center.client().post(f"/api/v1/deployments/{path}/promote").status_code == 404


def test_the_history_is_told_newest_first_and_without_secrets(center: FakeCenter) -> None:
    for number, environment in ((1, {"PASSWORD": "hunter2"}), (2, {"PASSWORD": "hunter3", "COLOUR": "red"})):
        spec = a_project("shop", a_service(environment=environment))
        center.cluster.revisions["shop", number] = Revision(project="shop", number=number, spec=spec, fingerprint="")
    first = Deployment(id=4, project="shop", kind="deploy", revision=1, created_at=WALL, started_at=WALL)
    center_with(center, first, msgspec.structs.replace(FIVE, state="succeeded", ended_at=WALL + 4.5, actor="mei"))
    got = center.client().get("/api/v1/projects/shop/history")
    newest, oldest = msgspec.json.decode(got.content, type=list[HistoryEntry])
    assert (newest.deployment, newest.actor, newest.took_s, newest.state) == (5, "mei", 4.5, "succeeded")
    assert {c.field for c in newest.changes} == {
        "services.web.environment.PASSWORD", "services.web.environment.COLOUR"
    }  # fmt: skip
    assert oldest.deployment == 4 and b"hunter" not in got.content
    assert len(center.client().get("/api/v1/projects/shop/history?limit=1").json()) == 1
    assert [e["deployment"] for e in center.client().get("/api/v1/projects/shop/history?before=5").json()] == [4]
    assert center.client().get("/api/v1/projects/nothing/history").status_code == 404


def test_a_drain_has_a_deadline_and_a_plan(center: FakeCenter) -> None:
    plan = DrainPlan(node="node-1", moves=(), blockers=())
    center.reply = lambda command: plan if isinstance(command, PlanDrain) else None
    assert center.client().get("/api/v1/nodes/node-1/drain-plan").json()["node"] == "node-1"
    assert center.client().post("/api/v1/nodes/node-1/drain", json={"deadline_s": 90}).status_code == 200
    asked = center.asked[-1]
    assert isinstance(asked, DrainNode) and asked.deadline_s == 90.0
    for deadline in (-1, 1e9):
        got = center.client().post("/api/v1/nodes/node-1/drain", json={"deadline_s": deadline})
        assert got.status_code == 400 and got.json()["error"]["details"][0]["field"] == "deadline_s"


def test_a_refusal_of_a_file_points_at_its_line(center: FakeCenter) -> None:
    def refuse(command: Command) -> Any:
        raise Refused("invalid", "one node only", "services.web.deploy.update_config.order", fix="stop-first")

    center.reply = refuse
    text = "services:\n  web:\n    image: web:1\n    deploy:\n      update_config:\n        order: start-first\n"
    for path, method in (("", "PUT"), ("/plan", "POST")):
        got = center.client().request(
            method, f"/api/v1/projects/shop{path}", content=text, headers={"Content-Type": "application/yaml"}
        )
        assert got.status_code == 422
        (problem,) = got.json()["error"]["details"]
        assert (problem["line"], problem["fix"]) == (6, "stop-first")
