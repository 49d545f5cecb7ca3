"""What was used over time, by the API."""

import pytest

from tests.unit.controlplane.web.fake_center import FakeCenter


def test_a_nodes_hour_and_week_are_told_in_equal_steps(center: FakeCenter) -> None:
    center.rings.hours["node", "node-1"] = (10.0, None, 20.0)
    center.rings.weeks["node", "node-1"] = (5.0,)
    got = center.client().get("/api/v1/nodes/node-1/usage").json()
    assert (got["range"], got["step_s"], len(got["cpu_usage"]), len(got["mem_mb"])) == ("1h", 10, 360, 360)
    assert got["cpu_usage"][-3:] == [10.0, None, 20.0] and got["mem_mb"][-1] == 200.0
    assert (got["cpus"], got["mem_total_mb"]) == (4.0, 8192.0)
    assert got["start"].endswith("Z")
    assert center.client().get("/api/v1/nodes/node-1/usage?range=1h").json() == got
    week = center.client().get("/api/v1/nodes/node-1/usage?range=7d").json()
    assert (week["range"], week["step_s"], len(week["cpu_usage"]), week["cpu_usage"][-1]) == ("7d", 300, 2016, 5.0)


def test_a_projects_figures_are_its_own(center: FakeCenter) -> None:
    center.rings.hours["project", "shop"] = (250.0,)
    got = center.client().get("/api/v1/projects/shop/usage").json()
    assert got["cpu_usage"][-1] == 250.0 and got["cpus"] is None and got["mem_total_mb"] is None


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("nodes/node-9", 404, "there is no node"),
        ("projects/other", 404, "there is no project"),
        ("nodes/node-1", 400, "range"),
    ],
)
def test_what_is_not_there_or_no_range_is_refused(center: FakeCenter, path: str, status: int, word: str) -> None:
    got = center.client().get(f"/api/v1/{path}/usage?range=2h")
    assert got.status_code == status and word in got.text
