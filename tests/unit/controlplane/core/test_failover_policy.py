"""`x-rope.failover` and `x-rope.port: strict`: who moves after how long, and who only when a person says so."""

import pytest

from controlplane.core.command import ConfirmDown, Deploy, FailOver
from controlplane.core.record import Refused
from protocol.api import FailoverAnswer
from protocol.spec import FailoverPolicy, Mount, PortSpec, ServiceSpec
from tests.unit.controlplane.core.world import World, a_project, a_service, deployed

NODES = ("node-1", "node-2", "node-3")


def lost(*services: ServiceSpec) -> tuple[World, str]:
    """The services run on one node, which loses its power."""
    world = World(NODES)
    deployed(world, *services)
    (node,) = {node for _, _, node in world.states()}
    world.power_off(node)
    return world, node


def test_after_counts_from_the_silence_and_the_replica_is_interrupted_meanwhile() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(after_s=60.0)))
    interrupted = world.until(lambda: world.states()[0][1] == "interrupted")
    assert 15.0 <= interrupted <= 15.5
    world.run(1)
    wanted = world.replicas()[0].wanted
    assert wanted is not None and wanted.reason == "moves after 60 s of silence"
    took = interrupted + 1 + world.until(lambda: world.states()[0][2] != node)
    assert 60.0 <= took <= 60.75


def test_a_restart_of_the_center_does_not_begin_the_count_anew() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(after_s=60.0)))
    world.run(40)
    world.restart_center()
    took = 40 + world.until(lambda: world.states()[0][2] != node)
    assert 60.0 <= took <= 62.0


def test_manual_waits_for_a_person() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(mode="manual")))
    world.run(300)
    assert world.states() == [("web/1", "interrupted", node)]
    wanted = world.replicas()[0].wanted
    assert wanted is not None and wanted.reason == "x-rope.failover is manual: rope failover shop/web"
    assert not world.cluster.preparations
    answer = world.send(FailOver(project="shop", actor="ann"))
    assert answer == FailoverAnswer(project="shop", moving=("shop/web/1",), stays={})
    assert world.until(lambda: world.all_running() and world.states()[0][2] != node) < 3
    assert any(e.text == "failover of shop asked by ann: shop/web/1" for e in world.events)


def test_confirming_that_the_node_is_down_is_a_persons_word_too() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(mode="manual")))
    world.run(30)
    world.send(ConfirmDown(node=node))
    world.until(lambda: world.all_running() and world.states()[0][2] != node)


def test_a_persons_word_is_for_this_loss_only() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(mode="manual")))
    world.run(30)
    world.send(FailOver(project="shop"))
    world.until(lambda: world.all_running() and world.states()[0][2] != node)
    second = world.states()[0][2]
    world.run(30)
    world.power_off(second)
    world.run(60)
    assert world.states() == [("web/1", "interrupted", second)]


def test_a_word_that_was_not_needed_is_forgotten_when_the_node_returns() -> None:
    world = World(("node-1",))
    deployed(world, a_service(failover=FailoverPolicy(mode="manual")))
    world.add("node-2")
    world.cut("node-1")
    world.cut("node-2")
    world.run(40)
    for name in ("node-1", "node-2"):
        world.connect(name)
    world.run(5)
    world.cut("node-1")
    world.until(lambda: world.states()[0][1] == "interrupted")
    world.agents["node-2"].linked = False
    world.run(2)
    world.send(FailOver(project="shop"))
    world.connect("node-1")
    world.connect("node-2")
    world.run(30)
    epoch = world.replicas()[0].epoch
    world.cut(world.states()[0][2])
    world.run(60)
    assert (world.states()[0][1], world.replicas()[0].epoch) == ("interrupted", epoch)


def test_a_persons_word_hurries_one_that_would_wait() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(after_s=3600.0)))
    world.run(30)
    world.send(FailOver(project="shop", services=("web",)))
    assert world.until(lambda: world.all_running() and world.states()[0][2] != node) < 3


def test_never_and_volumes_stay_whatever_is_said() -> None:
    data = (Mount(kind="volume", source="data", target="/data"),)
    world, node = lost(
        a_service("a", failover=FailoverPolicy(mode="never")), a_service("b", mounts=data), a_service("c")
    )
    world.run(30)
    with pytest.raises(Refused) as refused:
        world.send(FailOver(project="shop"))
    never = f"shop/a/1: x-rope.failover is never: it waits for {node}"
    assert refused.value.message == f"{never}; shop/b/1: volume data lives on {node}"
    world.connect(node)
    world.until(lambda: world.all_running())
    assert [n == node for _, _, n in world.states()] == [True, True, False]


@pytest.mark.parametrize(("services", "code"), [((), "conflict"), (("nope",), "invalid")])
def test_a_word_with_no_meaning_is_refused(services: tuple[str, ...], code: str) -> None:
    world = World(NODES)
    deployed(world)
    with pytest.raises(Refused) as refused:
        world.send(FailOver(project="shop", services=services))
    assert refused.value.code == code


def test_what_the_guard_holds_is_for_confirm_down() -> None:
    world = World(("node-1", "node-2", "node-3", "node-4"))
    deployed(world, a_service(replicas=4, failover=FailoverPolicy(mode="manual")))
    for name in ("node-1", "node-2", "node-3"):
        world.power_off(name)
    world.run(40)
    with pytest.raises(Refused, match="the guard holds node-1: rope node confirm-down node-1"):
        world.send(FailOver(project="shop"))


def test_a_strict_port_is_never_remapped() -> None:
    fixed = (PortSpec(container=80, host_from=8080, host_to=8080),)
    world = World(("node-1", "node-2"))
    deployed(world, a_service(ports=fixed, replicas=2, port_strict=True))
    world.power_off("node-1")
    world.run(40)
    (lost_one,) = [r for r in world.replicas() if r.state == "interrupted"]
    assert lost_one.wanted is not None
    assert lost_one.wanted.reason == "node-1: offline; node-2: port 8080 is taken by shop/web"
    world.add("node-3")
    world.until(lambda: world.all_running())
    assert {r.wanted.ports[0].host for r in world.replicas() if r.wanted} == {8080}


def test_a_new_deploy_moves_what_a_person_would_have_to_move() -> None:
    world, node = lost(a_service(failover=FailoverPolicy(mode="manual")))
    world.run(30)
    world.send(Deploy(spec=a_project("shop", a_service())))
    world.until(lambda: world.all_running() and world.states()[0][2] != node, 120)
