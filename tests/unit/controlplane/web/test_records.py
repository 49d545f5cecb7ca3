"""Deployments, tasks and events over HTTP."""

import pytest

from controlplane.core.deployment import Deployment
from controlplane.core.journal import Event
from controlplane.core.task import Task
from tests.unit.controlplane.sample_cluster import WALL
from tests.unit.controlplane.web.fake_center import FakeCenter


@pytest.fixture
def busy(center: FakeCenter) -> FakeCenter:
    """Three deployments, three tasks."""
    for number, project in ((1, "shop"), (2, "blog"), (3, "shop")):
        center.cluster.deployments[number] = Deployment(
            id=number, project=project, kind="deploy", revision=1, created_at=WALL
        )
    for number, node in ((1, "node-1"), (2, "node-2"), (10, "node-1")):
        center.cluster.tasks[f"t{number}"] = Task(
            id=f"t{number}", kind="pull", node=node, project="shop", created_at=WALL, deadline_at=WALL
        )
    return center


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [3, 2, 1]),
        ("?project=shop", [3, 1]),
        ("?limit=1", [3]),
        ("?before=3&limit=1", [2]),
        ("?before=1", []),
        ("?state=failed", []),
        ("?state=waiting&before=2", [1]),
    ],
)
def test_deployments_come_newest_first(query: str, ids: list[int], busy: FakeCenter) -> None:
    assert [d["id"] for d in busy.client().get("/api/v1/deployments" + query).json()] == ids


@pytest.mark.parametrize(("id_", "status"), [("2", 200), ("9", 404), ("x", 404), ("9" * 5000, 404), ("٣", 404)])
def test_one_deployment(id_: str, status: int, busy: FakeCenter) -> None:
    assert busy.client().get(f"/api/v1/deployments/{id_}").status_code == status


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["t10", "t2", "t1"]),
        ("?node=node-1", ["t10", "t1"]),
        ("?state=done", []),
        ("?project=shop&limit=1", ["t10"]),
        ("?before=t10", ["t2", "t1"]),
        ("?before=t10&node=node-1", ["t1"]),
        ("?before=t99", []),
    ],
)
def test_tasks_are_filtered(query: str, ids: list[str], busy: FakeCenter) -> None:
    assert [t["id"] for t in busy.client().get("/api/v1/tasks" + query).json()] == ids


@pytest.fixture
def told(center: FakeCenter) -> FakeCenter:
    """A journal of 50 lines, every tenth about node-1, every fifth in story 5."""
    center.journal = [
        Event(seq=n, at=WALL, kind="k", text=str(n), cause=5 if n % 5 == 0 else n, node="node-1" if n % 10 == 0 else "")
        for n in range(1, 51)
    ]
    center.cluster.meta = type(center.cluster.meta)(cluster="c1", event_seq=50)
    return center


@pytest.mark.parametrize(
    ("query", "seqs", "next_after"),
    [
        ("?after=0&limit=2", [1, 2], 2),
        ("?after=48", [49, 50], 50),
        ("?after=50", [], 50),
        ("?limit=3", [48, 49, 50], 50),
        ("?node=node-1&limit=2", [40, 50], 50),
        ("?node=node-1&after=30", [40, 50], 50),
        ("?cause=5&after=40", [45, 50], 50),
        ("?node=node-7", [], 50),
    ],
)
def test_events_are_read_forward_or_the_newest(query: str, seqs: list[int], next_after: int, told: FakeCenter) -> None:
    got = told.client().get("/api/v1/events" + query).json()
    assert [e["seq"] for e in got["events"]] == seqs
    assert got["next_after"] == next_after


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1e3", "limit=0", "limit=1001", "project=A_B", "node=a/b", "cause=x"]
)
def test_a_bad_query_names_its_field(query: str, told: FakeCenter) -> None:
    got = told.client().get("/api/v1/events?" + query)
    assert got.status_code == 400
    assert got.json()["error"]["details"][0]["field"] == query.partition("=")[0]


def test_the_audit_is_what_people_asked_for(center: FakeCenter) -> None:
    center.journal = [
        Event(seq=n, at=WALL, kind="k", text=str(n), cause=n, actor="admin" if n % 2 else "", node=f"node-{n}")
        for n in range(1, 6)
    ]
    center.cluster.meta = type(center.cluster.meta)(cluster="c1", event_seq=5)
    found = center.client().get("/api/v1/audit").json()
    assert [(e["seq"], e["actor"]) for e in found["events"]] == [(1, "admin"), (3, "admin"), (5, "admin")]
    assert [e["seq"] for e in center.client().get("/api/v1/audit?node=node-3").json()["events"]] == [3]
