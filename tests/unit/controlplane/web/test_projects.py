"""Projects over HTTP."""

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from controlplane.core.command import Accepted, Command, Deploy, FailOver, Plan, RemoveProject, Restart, Rollback, Scale
from controlplane.core.deployment import Deployment
from protocol.api import DeployAnswer, FailoverAnswer, PlanAnswer, ProjectView
from tests.unit.controlplane.sample_cluster import WALL
from tests.unit.controlplane.web.fake_center import FakeCenter

SHOP = "/api/v1/projects/shop"
YAML = {"Content-Type": "application/yaml"}
GOOD = "services:\n  web:\n    image: web:1\n"


def accept(center: FakeCenter, *, unchanged: bool = False) -> None:
    """Answer every operation with deployment 5, or with unchanged."""
    deployment = Deployment(id=5, project="shop", kind="update", revision=2, created_at=WALL)

    def reply(command: Command) -> Accepted:
        if unchanged:
            return Accepted(project="shop", revision=1, unchanged=True)
        center.cluster.deployments[5] = deployment
        return Accepted(project="shop", revision=2, deployment=5, warnings=("db is on another node",))

    center.reply = reply


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml; charset=utf-8"])
def test_a_compose_file_makes_a_deployment(kind: str, center: FakeCenter) -> None:
    accept(center)
    got = center.client().put(SHOP + "?strategy=affinity", content=GOOD, headers={"Content-Type": kind})
    assert got.status_code == 202
    answer = msgspec.json.decode(got.content, type=DeployAnswer)
    assert answer.deployment is not None and answer.deployment.id == 5
    assert [w.message for w in answer.warnings] == ["db is on another node"]
    (asked,) = center.asked
    assert isinstance(asked, Deploy)
    assert (asked.spec.code, asked.source, asked.strategy) == ("shop", GOOD, "affinity")
    assert asked.spec.services["web"].image == "web:1"


def test_the_same_as_json(center: FakeCenter) -> None:
    accept(center)
    got = center.client().put(SHOP, json={"compose": GOOD, "strategy": "labels"})
    assert got.status_code == 202
    asked = center.asked[0]
    assert isinstance(asked, Deploy) and asked.strategy == "labels"


def test_a_compose_file_may_be_written_as_json(center: FakeCenter) -> None:
    accept(center)
    assert center.client().put(SHOP, json={"services": {"web": {"image": "web:7"}}}).status_code == 202
    asked = center.asked[0]
    assert isinstance(asked, Deploy) and asked.spec.services["web"].image == "web:7"


def test_unchanged_is_200_without_a_deployment(center: FakeCenter) -> None:
    accept(center, unchanged=True)
    got = center.client().put(SHOP, content=GOOD, headers=YAML)
    assert got.status_code == 200
    assert got.json()["unchanged"] is True
    assert got.json()["deployment"] is None


def test_every_error_of_the_file_comes_at_once_with_its_place(center: FakeCenter) -> None:
    text = "services:\n  web:\n    image: web:1\n    links: [db]\n    imagee: x\n"
    got = center.client().put(SHOP, content=text, headers=YAML)
    assert got.status_code == 422
    details = got.json()["error"]["details"]
    assert [(d["line"], d["field"]) for d in details] == [(4, "services.web.links"), (5, "services.web.imagee")]
    assert all(d["message"] and d["column"] for d in details)
    assert not center.asked


def test_errors_and_warnings_name_the_files_of_a_source_map(center: FakeCenter) -> None:
    sources = {"files": ["a.yaml", "b/base.yaml"], "places": [[4, 5, 1, 40, 7], [5, 5, 0, 9, 3]]}
    wrong = GOOD + "    links: [db]\n    build: .\n"
    got = center.client().put(SHOP, json={"compose": wrong, "sources": sources})
    (detail,) = got.json()["error"]["details"]
    assert (detail["file"], detail["line"], detail["column"]) == ("b/base.yaml", 40, 7)
    accept(center)
    warned = center.client().put(SHOP, json={"compose": GOOD + "\n    build: .\n", "sources": sources}).json()
    assert (warned["warnings"][0]["file"], warned["warnings"][0]["line"]) == ("a.yaml", 9)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (GOOD, {"Content-Type": "text/plain"}, 415),
        (GOOD, {}, 415),
        (b"\xff\xfe", YAML, 400),
        ('{"compose": "x", "more": 1}', {"Content-Type": "application/json"}, 400),
        ("{", {"Content-Type": "application/json"}, 400),
        ('{"compose": "", "strategy": "luck"}', {"Content-Type": "application/json"}, 400),
        ("", YAML, 422),
    ],
)
def test_what_is_no_compose_file_is_refused(content: Any, headers: Any, status: int, center: FakeCenter) -> None:
    assert center.client().put(SHOP, content=content, headers=headers).status_code == status
    assert not center.asked


def test_an_illegal_project_code_is_400(client: TestClient) -> None:
    got = client.put("/api/v1/projects/Shop_1", content=GOOD, headers=YAML)
    assert got.status_code == 400
    assert got.json()["error"]["details"][0]["field"] == "code"


@pytest.mark.parametrize("services", [(), ("web",)])
def test_a_persons_word_for_a_failover_reaches_the_controller(services: tuple[str, ...], center: FakeCenter) -> None:
    told = FailoverAnswer(project="shop", moving=("shop/web/1",), stays={"shop/db/1": "volume data lives on a"})
    center.reply = lambda command: told
    got = center.client().post(SHOP + "/failover", json={"services": list(services)} if services else None)
    assert (got.status_code, got.json()["moving"], got.json()["stays"]) == (202, ["shop/web/1"], told.stays)
    assert center.asked == [FailOver(project="shop", services=services)]


def test_a_plan_is_asked_and_changes_nothing(center: FakeCenter) -> None:
    center.reply = lambda command: PlanAnswer(project="shop", unchanged=True, steps=(), warnings=())
    text = GOOD + "    container_name: mine\n"
    got = center.client().post(SHOP + "/plan", content=text, headers=YAML)
    assert got.status_code == 200
    assert isinstance(center.asked[0], Plan)
    assert got.json()["warnings"], "the file's own warnings are in the plan"


@pytest.mark.parametrize(
    ("method", "path", "body", "command"),
    [
        ("POST", "/restart", None, Restart(project="shop")),
        ("POST", "/restart", {"services": ["web"]}, Restart(project="shop", services=("web",))),
        ("POST", "/scale", {"services": {"web": 5}}, Scale(project="shop", services={"web": 5})),
        ("POST", "/rollback", None, Rollback(project="shop")),
        ("POST", "/rollback", {"revision": 3}, Rollback(project="shop", revision=3)),
        ("DELETE", "", None, RemoveProject(project="shop")),
    ],
)
def test_operations_reach_the_controller(
    method: str, path: str, body: Any, command: Command, center: FakeCenter
) -> None:
    accept(center)
    got = center.client().request(method, SHOP + path, json=body)
    assert got.status_code == 202
    assert center.asked == [command]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/scale", {}),
        ("/scale", {"services": {}}),
        ("/scale", {"services": {"web": -1}}),
        ("/scale", {"services": {"web": 1001}}),
        ("/scale", {"services": {"web": 1.5}}),
        ("/scale", {"services": {"../x": 1}}),
        ("/restart", {"services": ["a b"]}),
        ("/restart", {"services": "web"}),
        ("/rollback", {"revision": -1}),
        ("/rollback", {"to": 1}),
    ],
)
def test_a_bad_operation_is_refused_with_its_field(path: str, body: Any, center: FakeCenter) -> None:
    got = center.client().post(SHOP + path, json=body)
    assert got.status_code == 400
    assert got.json()["error"]["details"][0]["field"]
    assert not center.asked


def test_operations_on_an_unknown_project_are_404(center: FakeCenter) -> None:
    assert center.client().post("/api/v1/projects/nothing/restart").status_code == 404
    assert center.client().delete("/api/v1/projects/nothing").status_code == 404
    assert not center.asked


def test_projects_are_shown(client: TestClient) -> None:
    one = msgspec.json.decode(client.get(SHOP).content, type=ProjectView)
    assert (one.code, one.state, len(one.replicas)) == ("shop", "running", 3)
    assert [p["code"] for p in client.get("/api/v1/projects").json()] == ["shop"]


def test_addresses_are_polled_cheaply(center: FakeCenter) -> None:
    client = center.client()
    first = client.get(f"{SHOP}/addresses")
    assert [a["address"] for a in first.json()["services"]["web"]][:1] == ["10.0.0.1:20001"]
    same = client.get(f"{SHOP}/addresses", headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    center.cluster.nodes["node-1"] = msgspec.structs.replace(center.cluster.nodes["node-1"], state="offline")
    changed = client.get(f"{SHOP}/addresses", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.json()["version"] != first.json()["version"]
    assert client.get("/api/v1/projects/ghost/addresses").status_code == 404
