"""Steering a deployment from the command line, and reading a project's history."""

import msgspec

from protocol.api import Change, HistoryEntry
from ropeteam.fault import Exit
from tests.unit.ropeteam.conftest import Rope
from tests.unit.ropeteam.fake_api import FakeApi
from tests.unit.ropeteam.samples import project

ENTRY = HistoryEntry(
    deployment=41,
    kind="update",
    state="rolled_back",
    revision=3,
    from_revision=2,
    actor="mei",
    created_at="2026-11-22T12:00:00.000Z",
    started_at="2026-11-22T12:00:01.000Z",
    ended_at="2026-11-22T12:00:13.300Z",
    took_s=12.3,
    reason="shop/web/1 failed on node-2: exit 1",
    changes=(Change(field="services.web.image", before="web:1", after="web:2"),),
)


def test_the_history_tells_each_deployment_and_what_it_changed(rope: Rope, api: FakeApi) -> None:
    api.on("GET projects/shop/history", [ENTRY])
    lines = rope("history", "shop").out.splitlines()
    assert "rolled_back in 12.3 s  by mei: shop/web/1 failed on node-2: exit 1" in lines[0]
    assert lines[1] == "      services.web.image: web:1 -> web:2"
    assert rope("history", "shop", "-o", "name").out == "41\n"
    assert msgspec.json.decode(rope("history", "shop", "-o", "json").out, type=list[HistoryEntry]) == [ENTRY]


def test_a_deployment_is_steered_by_its_project(rope: Rope, api: FakeApi) -> None:
    api.on("GET projects/shop", msgspec.structs.replace(project(), deployment=None))
    ran = rope("deploy", "pause", "shop")
    assert ran.code == Exit.CONFLICT and "no deployment of shop runs now" in ran.err
