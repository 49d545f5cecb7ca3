"""Upgrades of agents over HTTP."""

from typing import Any

import msgspec
import pytest

from controlplane.core.command import UpgradeNodes
from controlplane.core.upgrade import Turn, Upgrade
from protocol.api import UpgradeView
from tests.unit.controlplane.web.fake_center import FakeCenter

UPGRADES = "/api/v1/upgrades"


def an_upgrade(number: int = 1, image: str = "agent:2", state: Any = "running") -> Upgrade:
    turns = (Turn(node="node-1", state="replacing", task="t3", before="1.0", started_at=100.0), Turn(node="node-2"))
    return Upgrade(id=number, image=image, batch=2, created_at=99.0, turns=turns, state=state)


def test_an_upgrade_is_asked_for_and_told_as_it_begins(center: FakeCenter) -> None:
    center.reply = lambda command: an_upgrade(image="agent:2")
    body = {"nodes": ["node-1", "node-2"], "image": "agent:2", "batch": 2}
    got = center.client().post(UPGRADES, json=body)
    assert got.status_code == 202
    view = msgspec.json.decode(got.content, type=UpgradeView)
    assert (view.id, view.state, view.nodes[0].task, view.nodes[1].started_at) == (1, "running", "t3", None)
    assert center.asked == [UpgradeNodes(nodes=("node-1", "node-2"), image="agent:2", batch=2)]


def test_without_an_image_and_with_none_of_its_own_the_field_is_named(center: FakeCenter) -> None:
    got = center.client().post(UPGRADES, json={})
    assert got.status_code == 400 and "image" in got.json()["error"]["message"] and not center.asked


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"image": "a", "batch": 0}, "batch"),
        ({"image": "a", "batch": 51}, "batch"),
        ({"image": "a" * 513}, "image"),
        ({"image": "a", "nodes": ["-x"]}, "nodes"),
        ({"image": "a", "nodes": "node-1"}, "nodes"),
        ({"image": "a", "all": True}, "all"),
    ],
)
def test_bad_requests_name_the_field_and_ask_nothing(center: FakeCenter, body: dict[str, Any], field: str) -> None:
    got = center.client().post(UPGRADES, json=body)
    assert got.status_code == 400 and got.json()["error"]["details"][0]["field"] == field
    assert not center.asked


def test_upgrades_are_listed_newest_first_and_found_by_number(center: FakeCenter) -> None:
    center.cluster.upgrades |= {1: an_upgrade(1, state="failed"), 2: an_upgrade(2)}
    client = center.client()
    assert [u["id"] for u in client.get(UPGRADES).json()] == [2, 1]
    assert client.get(f"{UPGRADES}/1").json()["state"] == "failed"
    for nothing in ("3", "x", "-1", "9" * 30):
        assert client.get(f"{UPGRADES}/{nothing}").status_code == 404
