"""Agents replaced by another image: in turns, under a grant, stopped by the first that fails."""

from collections.abc import Iterable

import pytest

from controlplane.core.command import RemoveNode, UpgradeNodes
from controlplane.core.fact import SessionClosed, TaskReported
from controlplane.core.record import Refused
from controlplane.core.upgrade import KEPT, Upgrade
from controlplane.core.upgrading import GRANT_S
from protocol.messages import TaskUpdate
from tests.unit.controlplane.core.world import World, a_service, deployed

NEW = "agent:2"
ALL = ("node-1", "node-2", "node-3")


def a_world(names: Iterable[str] = ALL) -> World:
    """Nodes whose agents run in containers."""
    world = World(names)
    for name, agent in world.agents.items():
        agent.image = "agent:1"
        world.connect(name)
    world.run(0.5)
    return world


def begin(world: World, *nodes: str, batch: int = 1, image: str = NEW) -> int:
    upgrade: Upgrade = world.send(UpgradeNodes(nodes=nodes, image=image, batch=batch))
    return upgrade.id


def states(world: World, number: int = 1) -> dict[str, str]:
    return {turn.node: turn.state for turn in world.cluster.upgrades[number].turns}


def leave(world: World, name: str) -> None:
    """The old agent says goodbye and stops."""
    agent = world.agents[name]
    world.send(SessionClosed(node=name, session_epoch=agent.epoch, clean=True))
    agent.linked = False


def come_back(world: World, name: str, state: str = "done", reason: str = "", version: str = "2.0") -> None:
    """An agent of this version opens a session and tells what became of its order."""
    agent = world.agents[name]
    agent.version = version
    world.connect(name)
    update = TaskUpdate(task=agent.replacing, state=state, reason=reason)  # type: ignore[arg-type]  # a word of it
    world.send(TaskReported(node=name, session_epoch=agent.epoch, update=update))


def kinds(world: World) -> list[str]:
    return [event.kind for event in world.events]


def test_an_agent_is_replaced_and_nothing_moves_while_it_is_away() -> None:
    world = a_world()
    deployed(world, a_service(replicas=3))
    before, seen = world.states(), len(world.events)
    number = begin(world, "node-1")
    world.until(lambda: world.agents["node-1"].replacing)
    assert world.cluster.nodes["node-1"].upgrading_until > world.now.wall
    assert not world.cluster.nodes["node-1"].takes_work
    leave(world, "node-1")
    world.run(55.0)
    assert world.cluster.nodes["node-1"].state == "online" and world.states() == before
    come_back(world, "node-1")
    world.run(1.0)
    upgrade = world.cluster.upgrades[number]
    assert upgrade.state == "succeeded" and upgrade.pinned.startswith("agent@sha256:")
    assert (upgrade.turns[0].before, upgrade.turns[0].after) == ("1.0", "2.0")
    assert world.cluster.nodes["node-1"].takes_work
    told = [event.kind for event in world.events[seen:]]
    assert {"upgrade.started", "node.upgrading", "node.upgraded", "upgrade.succeeded"} <= set(told)
    assert not {"node.suspect", "node.offline", "alarm"} & set(told) and world.states() == before


def test_the_order_is_resolve_pull_replace_with_one_pin_for_all() -> None:
    world = a_world()
    begin(world, batch=3)
    world.until(lambda: all(world.agents[name].replacing for name in ALL))
    done = [(task.kind, task.node, task.image) for task in world.cluster.tasks.values()]
    pin = world.cluster.upgrades[1].pinned
    assert done.count(("resolve", "node-1", NEW)) == 1 and sum(kind == "resolve" for kind, _, _ in done) == 1
    for name in ALL:
        assert done.index(("pull", name, pin)) < done.index(("upgrade", name, pin))


def test_a_batch_goes_before_the_next_one() -> None:
    world = a_world(("node-1", "node-2", "node-3", "node-4"))
    begin(world, batch=2)
    world.until(lambda: all(world.agents[name].replacing for name in ("node-1", "node-2")))
    world.run(2.0)
    assert states(world) == {
        "node-1": "replacing", "node-2": "replacing", "node-3": "waiting", "node-4": "waiting",
    }  # fmt: skip
    for name in ("node-1", "node-2"):
        leave(world, name)
        come_back(world, name)
    world.until(lambda: all(world.agents[name].replacing for name in ("node-3", "node-4")))


def test_the_first_that_fails_stops_the_rest() -> None:
    world = a_world()
    begin(world)
    world.until(lambda: world.agents["node-1"].replacing)
    leave(world, "node-1")
    come_back(world, "node-1", "failed", "the new agent ended with code 1: boom", version="1.0")
    world.run(1.0)
    assert states(world) == {"node-1": "failed", "node-2": "skipped", "node-3": "skipped"}
    upgrade = world.cluster.upgrades[1]
    assert upgrade.state == "failed" and "node-1: the new agent ended with code 1: boom" in upgrade.reason
    assert "alarm" in kinds(world) and not world.agents["node-2"].replacing
    assert world.cluster.nodes["node-1"].takes_work


def test_an_image_nobody_has_is_told_and_nothing_is_replaced() -> None:
    world = a_world()
    world.agents["node-1"].unknown.add(NEW)
    begin(world, batch=3)
    world.run(2.0)
    assert states(world) == {"node-1": "failed", "node-2": "skipped", "node-3": "skipped"}
    assert f"nobody knows {NEW}" in world.cluster.upgrades[1].reason
    assert "node.upgrading" not in kinds(world)


def test_an_agent_that_never_comes_back_is_lost_when_its_time_is_over() -> None:
    world = a_world()
    deployed(world, a_service(replicas=3))
    begin(world, "node-1")
    world.until(lambda: world.agents["node-1"].replacing)
    leave(world, "node-1")
    world.run(GRANT_S - 2.0)
    assert world.cluster.nodes["node-1"].state == "online"
    world.run(4.0)
    assert states(world) == {"node-1": "failed"} and "no word of its agent" in world.cluster.upgrades[1].reason
    assert world.cluster.nodes["node-1"].lost
    world.until(lambda: world.all_running("shop", 3))
    assert all(node != "node-1" for _, _, node in world.states())


def test_another_node_that_is_lost_meanwhile_moves_as_ever() -> None:
    world = a_world(("node-1", "node-2", "node-3", "node-4"))
    deployed(world, a_service(replicas=4))
    begin(world, "node-1", "node-2", batch=2)
    world.until(lambda: all(world.agents[name].replacing for name in ("node-1", "node-2")))
    leave(world, "node-1")
    leave(world, "node-2")
    world.power_off("node-3")
    world.until(lambda: world.cluster.nodes["node-3"].lost, 20.0)
    world.until(lambda: world.all_running("shop", 4), 20.0)
    assert [node for _, _, node in world.states()].count("node-4") == 2


def test_a_center_that_starts_again_goes_on_and_moves_nothing() -> None:
    world = a_world()
    deployed(world, a_service(replicas=3))
    before = world.states()
    begin(world)
    world.until(lambda: world.agents["node-1"].replacing)
    leave(world, "node-1")
    world.run(5.0)
    world.restart_center()
    world.aborted.add("node-1")  # it has no session here yet
    world.run(40.0)
    assert world.cluster.nodes["node-1"].state == "online" and world.states() == before
    come_back(world, "node-1")
    world.until(lambda: world.agents["node-2"].replacing)
    assert states(world)["node-1"] == "done" and "node.offline" not in kinds(world)


def test_what_cannot_replace_itself_is_refused_with_the_reason() -> None:
    world = a_world()
    world.agents["node-2"].image = ""
    world.agents["node-3"].protocol = 2
    for name in ("node-2", "node-3"):
        world.connect(name)
    for name, why in (("node-2", "does not run in a container"), ("node-3", "speaks protocol 2")):
        with pytest.raises(Refused, match=why):
            begin(world, name)
    number = begin(world)
    assert states(world, number) == {"node-1": "resolving", "node-2": "skipped", "node-3": "skipped"}


def test_with_nobody_to_upgrade_all_is_refused() -> None:
    with pytest.raises(Refused, match="no node can be upgraded: node-1: its agent does not run in a container"):
        begin(World(("node-1",)))


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"batch": 0}, "batch"), ({"batch": 51}, "batch"), ({"image": ""}, "image"), ({"image": "-x"}, "image"),
     ({"image": "a b"}, "image"), ({"image": "a" * 600}, "image")],
)  # fmt: skip
def test_bad_requests_name_the_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as caught:
        begin(a_world(), **fields)  # type: ignore[arg-type]  # what people send
    assert caught.value.field == field


def test_one_upgrade_runs_at_a_time() -> None:
    world = a_world()
    begin(world, "node-1")
    with pytest.raises(Refused, match="upgrade 1 is running"):
        begin(world, "node-2")


def test_a_node_that_is_removed_meanwhile_ends_its_turn() -> None:
    world = a_world()
    begin(world, "node-1")
    world.until(lambda: world.agents["node-1"].replacing)
    world.send(RemoveNode(node="node-1", force=True))
    world.run(0.5)
    assert states(world) == {"node-1": "failed"} and "it was removed" in world.cluster.upgrades[1].reason


def test_an_order_is_not_told_to_an_agent_that_would_not_know_it() -> None:
    world = a_world()
    begin(world, "node-1")
    world.until(lambda: world.agents["node-1"].replacing)
    world.agents["node-1"].protocol = 2
    world.agents["node-1"].replacing = ""
    world.connect("node-1")
    world.run(1.0)
    assert not world.agents["node-1"].replacing
    assert "of an older release" in world.cluster.upgrades[1].reason


def test_a_lost_order_is_sent_again() -> None:
    world = a_world()
    world.agents["node-1"].linked = True
    begin(world, "node-1")
    world.until(lambda: world.agents["node-1"].replacing)
    world.agents["node-1"].replacing = ""
    world.connect("node-1")
    world.until(lambda: world.agents["node-1"].replacing, 2.0)


def test_ended_upgrades_do_not_pile_up() -> None:
    world = a_world(("node-1",))
    world.agents["node-1"].unknown.add(NEW)
    for _ in range(KEPT + 3):
        begin(world, "node-1")
        world.run(0.5)
    assert len(world.cluster.upgrades) == KEPT and min(world.cluster.upgrades) == 4
