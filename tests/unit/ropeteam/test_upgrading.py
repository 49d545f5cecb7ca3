"""`rope node upgrade`: what is asked, what is told, how it ends."""

from typing import Any

import msgspec

from protocol.api import UpgradeRequest, UpgradeTurn, UpgradeView
from tests.unit.ropeteam.conftest import Rope
from tests.unit.ropeteam.fake_api import FakeApi

AT = "2026-11-22T12:00:00.000Z"


def a_turn(node: str = "node-1", state: str = "waiting", **more: Any) -> UpgradeTurn:
    given: dict[str, Any] = {"reason": "", "before": "1.0", "after": "", "task": None, "started_at": None}
    return UpgradeTurn(node=node, state=state, ended_at=None, **(given | more))


def an_upgrade(*turns: UpgradeTurn, state: str = "running", reason: str = "") -> UpgradeView:
    return UpgradeView(
        id=3, image="agent:2", pinned="", batch=1, state=state, reason=reason, nodes=turns or (a_turn(),),
        actor="admin", created_at=AT, ended_at=None,
    )  # fmt: skip


def test_it_is_followed_to_its_end_each_step_told_once(rope: Rope, api: FakeApi) -> None:
    api.on("POST upgrades", an_upgrade(), status=202)
    api.on(
        "GET upgrades/3",
        an_upgrade(a_turn(state="pulling")),
        an_upgrade(a_turn(state="pulling")),
        an_upgrade(a_turn(state="replacing")),
        an_upgrade(a_turn(state="done", after="2.0", reason="the new agent has a session"), state="succeeded"),
    )
    ran = rope("node", "upgrade", "--all", "--batch", "2", "--image", "agent:2")
    assert (ran.code, ran.out) == (0, "upgrade 3 succeeded: 1 of 1 agents run agent:2\n")
    assert [line.split()[1].rstrip(":") for line in ran.err.splitlines()] == ["pulling", "replacing", "done"]
    assert "agent 1.0 -> 2.0" in ran.err
    asked = msgspec.json.decode(api.asked[0].body, type=UpgradeRequest)
    assert asked == UpgradeRequest(nodes=(), image="agent:2", batch=2)


def test_one_that_fails_says_why_and_ends_with_8(rope: Rope, api: FakeApi) -> None:
    failed = an_upgrade(a_turn(state="failed", reason="boom"), state="failed", reason="node-1: boom")
    api.on("POST upgrades", failed, status=202)
    ran = rope("node", "upgrade", "node-1")
    assert ran.code == 8 and "upgrade 3 failed: node-1: boom" in ran.err and not ran.out


def test_detached_it_says_how_to_watch(rope: Rope, api: FakeApi) -> None:
    api.on("POST upgrades", an_upgrade(), status=202)
    ran = rope("node", "upgrade", "node-1", "--detach")
    assert (ran.code, ran.out) == (0, "upgrade 3\n") and "--watch" in ran.err


def test_the_last_one_is_watched(rope: Rope, api: FakeApi) -> None:
    api.on("GET upgrades", [an_upgrade(a_turn(state="done", after="2.0"), state="succeeded")])
    ran = rope("node", "upgrade", "--watch")
    assert ran.code == 0 and ran.out.startswith("upgrade 3 succeeded")


def test_names_or_all_but_not_both_nor_none(rope: Rope) -> None:
    assert rope("node", "upgrade").code == rope("node", "upgrade", "node-1", "--all").code == 2


def test_a_refusal_is_told(rope: Rope, api: FakeApi) -> None:
    api.refuse("POST upgrades", 409, "node-1: its agent does not run in a container")
    ran = rope("node", "upgrade", "node-1")
    assert ran.code == 6 and "does not run in a container" in ran.err
