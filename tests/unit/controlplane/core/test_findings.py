"""What agents hold beside what a backup knows: nothing impossible is believed, and thousands are looked at in time."""

import time
from typing import Any

import msgspec
import pytest

from controlplane.core.command import (
    EndAdoption,
)
from controlplane.core.replica import ref
from protocol.spec import PortLease
from tests.unit.controlplane.core.restored import back_up, found, restore
from tests.unit.controlplane.core.world import World, a_service, deployed


@pytest.mark.parametrize(
    "lie",
    [
        {"project": "../etc"},
        {"service": "other"},
        {"replica": 0},
        {"replica": 10**9},
        {"epoch": 0},
        {"epoch": 10**30},
        {"revision": -1},
        {"image": ""},
        {"spec": a_service(replicas=10**9)},
        {"spec": a_service(stop_grace_s=-1.0)},
        {"ports": (PortLease(container=80, host=99999),)},
    ],
)
def test_what_no_center_can_have_told_is_not_adopted(lie: dict[str, Any]) -> None:
    world = World(("node-1",))
    backup = back_up(world)
    deployed(world)
    agent = world.agents["node-1"]
    agent.desired = {name: msgspec.structs.replace(want, **lie) for name, want in agent.desired.items()}
    restore(world, backup)
    assert {one.action for one in found(world)} <= {"stop"}
    world.send(EndAdoption())
    assert not world.cluster.projects


def test_a_revision_with_a_number_that_is_known_for_something_else_is_not_adopted() -> None:
    world = World(("node-1",))
    deployed(world)
    backup = back_up(world)
    deployed(world, a_service(replicas=2, image="web:2"))
    agent = world.agents["node-1"]
    agent.desired = {n: msgspec.structs.replace(w, revision=1) for n, w in agent.desired.items()}
    restore(world, backup)
    assert "adopt" not in {one.action for one in found(world)}


def test_thousands_of_replicas_are_set_beside_each_other_soon_enough() -> None:
    world = World(("node-1", "node-2"))
    backup = back_up(world)
    deployed(world, a_service(replicas=1, ports=()))
    (agent,) = [a for a in world.agents.values() if a.desired]
    (want,) = agent.desired.values()
    many = [
        msgspec.structs.replace(want, replica=i, service=f"s{s}", spec=a_service(f"s{s}", replicas=500, ports=()))
        for s in range(4)
        for i in range(1, 501)
    ]
    agent.desired = {ref(w.id, 1): w for w in many}
    restore(world, backup)
    begun = time.monotonic()
    assert len(found(world)) == 2000
    assert time.monotonic() - begun < 2.0
    world.send(EndAdoption())
    assert len(world.cluster.replicas) == 2000
