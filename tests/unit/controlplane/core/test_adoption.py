"""A Center on an old backup adopts what agents hold, starts and stops nothing before the end, and loses no service."""

from typing import Any

import msgspec
import pytest

from controlplane.core import adoption
from controlplane.core.command import (
    Deploy,
    EndAdoption,
    FailOver,
    NoteBackup,
    Readmit,
    RemoveProject,
    Scale,
)
from controlplane.core.fact import StopAsked
from controlplane.core.findings import EPOCHS_SKIPPED
from controlplane.core.record import Refused
from controlplane.core.replica import Replica, ref
from protocol.messages import ConfirmStop
from protocol.names import ReplicaId
from protocol.spec import Dependency, Mount, PortSpec, UpdateConfig
from tests.unit.controlplane.core.restored import actions, back_up, come_back, found, restore, running
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed


def test_nothing_is_different_when_nothing_happened_since_the_backup() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    before = running(world)
    restore(world, back_up(world))
    assert found(world) == []
    world.send(EndAdoption())
    world.run(60.0)
    assert running(world) == before and world.all_running()
    assert world.cluster.meta.incarnation == 2 and not world.cluster.meta.adopting


def test_what_was_deployed_updated_scaled_and_moved_since_is_adopted_and_nothing_stops() -> None:
    world = World()
    deployed(world, a_service(replicas=2))
    backup = back_up(world)
    deployed(world, a_service(replicas=3, image="web:2"), a_service("api"))
    deployed(world, a_service("page", replicas=2), code="news")
    world.send(Scale(project="shop", services={"api": 2}))
    world.run(30.0)
    before = running(world)
    assert len(before) == 7
    restore(world, backup)
    assert set(actions(world).values()) == {"adopt"} and len(found(world)) == 7
    world.run(300.0)
    assert running(world) == before
    world.send(EndAdoption())
    world.run(60.0)
    assert running(world) == before, "nothing was stopped or started by the end either"
    assert world.all_running("shop", 5) and world.all_running("news", 2)
    assert world.cluster.projects["shop"].revision == 3
    assert sum("adopted" in e.text for e in world.events) >= 7


def test_it_ends_by_itself_after_ten_minutes_and_not_before() -> None:
    world = World()
    deployed(world, a_service(replicas=2))
    backup = back_up(world)
    deployed(world, a_service(replicas=1))  # one goes, which the backup knows
    before = running(world)
    restore(world, backup)
    world.run(adoption.WINDOW_S - 5.0)
    assert running(world) == before and world.cluster.meta.adopting
    world.run(10.0)
    assert not world.cluster.meta.adopting
    world.run(10.0)
    assert len(running(world)) == 2, "what the backup knows and no node has is started at the end"


def test_until_the_end_commands_that_change_something_are_refused_with_the_way_out() -> None:
    world = World()
    deployed(world)
    restore(world, back_up(world))
    for command in (Deploy(spec=a_project("news")), FailOver(project="shop")):
        with pytest.raises(Refused) as caught:
            world.send(command)
        assert caught.value.code == "conflict" and "rope adoption --confirm" in caught.value.message
    world.send(NoteBackup(name="b", actor=""))
    world.send(EndAdoption())
    deployed(world, code="news")
    with pytest.raises(Refused):
        world.send(EndAdoption())


def test_no_node_is_told_anything_and_no_stop_is_confirmed_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    restore(world, back_up(world))
    told: list[Any] = []
    monkeypatch.setattr(world, "_act", told.append)
    for name, agent in world.agents.items():
        ask = ConfirmStop(incarnation=1, revision=9, stop=(ref(ReplicaId("shop", "web", 1), 1),))
        world.send(StopAsked(node=name, session_epoch=agent.epoch, ask=ask))
    world.run(60.0)
    assert told == []


def test_a_node_that_is_lost_meanwhile_is_left_after_the_end_only() -> None:
    world = World()
    deployed(world, a_service(replicas=3))
    restore(world, back_up(world), "node-1", "node-2")
    assert set(actions(world).values()) == {"wait"}
    world.run(60.0)
    assert world.cluster.nodes["node-3"].state == "offline"
    assert len([c for a in ("node-1", "node-2") for c in world.agents[a].running]) == 2
    world.send(EndAdoption())
    world.run(30.0)
    assert len([c for a in ("node-1", "node-2") for c in world.agents[a].running]) == 3
    (moved,) = [r for r in world.replicas() if r.wanted and r.wanted.epoch > 1]
    assert moved.wanted is not None and moved.wanted.epoch > EPOCHS_SKIPPED, "no epoch is given out twice"


def test_the_copy_of_a_node_that_comes_late_is_adopted_when_nobody_else_runs_it() -> None:
    world = World()
    backup = back_up(world)
    deployed(world, a_service(replicas=3))
    before = running(world)
    restore(world, backup, "node-1", "node-2")
    world.send(EndAdoption())
    world.run(1.0)
    come_back(world, "node-3")
    world.run(60.0)
    assert len(world.replicas()) == 3 and world.all_running()
    assert {k for k in before if "node-3" not in k} <= running(world).keys()
    assert len(running(world)) == 3, "the missing third was started elsewhere, so the late one went"


def test_a_late_node_of_a_project_that_nobody_knows_brings_it() -> None:
    world = World()
    backup = back_up(world)
    deployed(world, a_service(replicas=1))
    (node,) = [name for name, agent in world.agents.items() if agent.running]
    before = running(world)
    restore(world, backup, *(name for name in world.agents if name != node))
    world.send(EndAdoption())
    world.run(5.0)
    assert not world.cluster.projects
    come_back(world, node)
    world.run(60.0)
    assert running(world) == before and world.all_running("shop", 1)


def test_a_node_that_obeys_this_incarnation_cannot_bring_projects() -> None:
    world = World()
    deployed(world)
    restore(world, back_up(world))
    world.send(EndAdoption())
    world.run(1.0)
    (agent,) = [a for a in world.agents.values() if a.running]
    (want,) = agent.desired.values()
    agent.desired = {ref(ReplicaId("evil", "web", 1), 1): msgspec.structs.replace(want, project="evil")}
    come_back(world, agent.name, 1)
    world.run(5.0)
    assert "evil" not in world.cluster.projects


def test_the_newer_copy_wins_and_the_older_one_goes_when_it_is_ready() -> None:
    world = World()
    deployed(world, a_service(replicas=1))
    backup = back_up(world)
    (lost,) = [a for a in world.agents.values() if a.running]
    world.cut(lost.name)
    world.until(lambda: world.replicas()[0].wanted.epoch == 2 and world.all_running(), 60.0)  # type: ignore[union-attr]  # it is wanted
    assert len(running(world)) == 2, "the old one runs on, cut off"
    restore(world, backup)
    (one,) = found(world)
    assert one.action == "adopt" and [c.want.epoch for c in one.copies] == [2, 1]
    world.run(60.0)
    assert len(running(world)) == 2
    world.send(EndAdoption())
    world.run(30.0)
    assert list(world.alive(ReplicaId("shop", "web", 1))) == [(world.replicas()[0].wanted.node, 2)]  # type: ignore[union-attr]  # it is wanted


def test_a_service_that_was_taken_out_since_is_forgotten_not_started() -> None:
    world = World()
    deployed(world, a_service(replicas=2), a_service("old", replicas=2))
    backup = back_up(world)
    deployed(world, a_service(replicas=2, image="web:2"))
    world.run(10.0)
    before = running(world)
    restore(world, backup)
    assert actions(world) == {"shop/web/1": "adopt", "shop/web/2": "adopt"} | {
        "shop/old/1": "forget",
        "shop/old/2": "forget",
    }
    world.send(EndAdoption())
    world.run(60.0)
    assert running(world) == before and len(world.replicas()) == 2


def test_ports_and_volume_data_are_known_again() -> None:
    world = World()
    backup = back_up(world)
    db = a_service("db", mounts=(Mount(kind="volume", target="/data", source="d"),), ports=(PortSpec(container=5432),))
    deployed(world, db)
    before = world.replicas()[0].wanted
    assert before is not None
    restore(world, backup)
    world.send(EndAdoption())
    world.run(5.0)
    after = world.replicas()[0].wanted
    assert after is not None and (after.node, after.ports) == (before.node, before.ports)
    assert world.cluster.projects["shop"].data_nodes == {"db/1": before.node}
    world.cut(before.node)
    world.run(60.0)
    stays = world.replicas()[0].wanted
    assert stays is not None and stays.node == before.node, "it is not moved"


def test_the_same_file_after_a_restore_replaces_nothing() -> None:
    world = World()
    backup = back_up(world)
    web = a_service(replicas=2)
    deployed(world, web)
    before = running(world)
    restore(world, backup)
    world.send(EndAdoption())
    world.run(5.0)
    deployed(world, web)
    assert running(world) == before


def test_a_second_restore_of_the_same_backup_still_outranks_what_agents_obeyed() -> None:
    world = World()
    deployed(world)
    backup = back_up(world)
    restore(world, backup)
    world.send(EndAdoption())
    world.run(5.0)
    restore(world, backup)
    assert world.cluster.meta.incarnation == 3, "agents have obeyed the second"


def test_a_lie_about_the_incarnation_is_refused() -> None:
    world = World(("node-1",))
    restore(world, back_up(world))
    with pytest.raises(Refused):
        come_back(world, "node-1", 1 << 60)


def test_what_was_under_way_in_the_backup_is_superseded() -> None:
    world = World(start_s=20.0)
    world.send(Deploy(spec=a_project("shop", a_service(replicas=2))))
    world.run(2.0)
    backup = back_up(world)
    world.run(60.0)
    restore(world, backup)
    world.send(EndAdoption())
    world.run(60.0)
    states = {d.state for d in world.cluster.deployments.values()}
    assert states == {"superseded"} and world.all_running("shop", 2)


def test_a_node_that_joined_since_is_taken_in_again_while_it_adopts_only() -> None:
    world = World(("node-1",))
    restore(world, back_up(world))
    command = Readmit(agent_id="id-new", name="node-2", public_key="pk", address="10.0.0.9")
    assert world.send(command).address == "10.0.0.9"
    assert world.cluster.agent("id-new") is not None
    for wrong in ({"name": "node-1"}, {"name": "a/b"}, {"address": "nowhere"}):
        with pytest.raises(Refused):
            world.send(msgspec.structs.replace(command, **{"agent_id": "id-3", "name": "node-3", **wrong}))
    world.send(EndAdoption())
    with pytest.raises(Refused):
        world.send(msgspec.structs.replace(command, agent_id="id-4", name="node-4"))


def test_what_waited_in_the_backup_and_was_let_go_since_is_not_stopped() -> None:
    world = World(start_s=5.0)
    api = a_service("api", depends_on={"db": Dependency()}, update=UpdateConfig(monitor_s=30.0))
    world.send(Deploy(spec=a_project("shop", api, a_service("db"))))
    replica = ReplicaId("shop", "api", 1)

    def held() -> bool:
        found = world.cluster.replicas.get(replica)
        return found is not None and found.wanted is not None and found.wanted.hold

    world.run(60.0)
    meta, records = back_up(world)
    waiting = [_waiting(r) if isinstance(r, Replica) and r.id == replica else r for r in records]
    before = running(world)
    restore(world, (meta, waiting))
    assert held() and found(world) == []
    world.send(EndAdoption())
    assert not held()
    world.run(30.0)
    assert running(world) == before and world.all_running("shop", 2)


def _waiting(replica: Replica) -> Replica:
    assert replica.wanted is not None
    return msgspec.structs.replace(replica, wanted=msgspec.structs.replace(replica.wanted, hold=True, awaits=True))


def test_a_node_with_an_old_memory_brings_back_nothing_that_was_removed_before_the_backup() -> None:
    world = World()
    deployed(world, a_service(replicas=2), code="old")
    memory = {name: dict(agent.desired) for name, agent in world.agents.items()}
    world.send(RemoveProject(project="old"))
    world.run(30.0)
    deployed(world, a_service(replicas=1))
    backup = back_up(world)
    for name, agent in world.agents.items():
        agent.desired |= memory[name]
    restore(world, backup)
    assert "adopt" not in {one.action for one in found(world)}
    world.send(EndAdoption())
    world.run(30.0)
    assert set(world.cluster.projects) == {"shop"} and len(running(world)) == 1


def test_what_waited_in_the_backup_is_not_stopped_on_a_node_that_comes_late_either() -> None:
    world = World()
    deployed(world, a_service("api", depends_on={"db": Dependency()}), a_service("db"))
    replica = ReplicaId("shop", "api", 1)
    wanted = world.cluster.replicas[replica].wanted
    assert wanted is not None
    meta, records = back_up(world)
    waiting = [_waiting(r) if isinstance(r, Replica) and r.id == replica else r for r in records]
    before = running(world)
    restore(world, (meta, waiting), *(name for name in world.agents if name != wanted.node))
    world.send(EndAdoption())
    come_back(world, wanted.node)
    world.run(30.0)
    assert running(world) == before


def test_images_that_were_pinned_after_the_backup_stay_what_they_are() -> None:
    world = World()
    deployed(world, a_service(replicas=2))
    meta, records = back_up(world)
    deployed(world, a_service(replicas=2, image="web:2"))
    world.run(10.0)
    pinned = world.cluster.revisions["shop", 2]
    assert pinned.pins
    before, images = running(world), [r.image for a in world.agents.values() for r in a.desired.values()]
    restore(world, (meta, [*records, msgspec.structs.replace(pinned, pins={})]))
    world.send(EndAdoption())
    world.run(30.0)
    assert running(world) == before
    assert [r.image for a in world.agents.values() for r in a.desired.values()] == images
