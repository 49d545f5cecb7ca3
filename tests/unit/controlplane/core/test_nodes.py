"""Addresses of nodes as people read them, in the journal, the plan and the API; registration."""

from typing import Any, cast

import pytest

from controlplane.core.command import CreateTicket, Deploy, PatchNode, Plan, Register
from controlplane.core.node import Node
from controlplane.core.record import Refused
from controlplane.core.views import ports_view
from tests.unit.controlplane.core.world import PortSpec, World, a_project, a_service, deployed

FIXED = a_service(ports=(PortSpec(container=80, host_from=8080, host_to=8080),))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2001:db8::1", "[2001:db8::1]:8080"),
        ("::ffff:10.0.0.9", "10.0.0.9:8080"),
        ("10.0.0.9", "10.0.0.9:8080"),
    ],
)
def test_an_address_is_written_the_same_way_everywhere(given: str, shown: str) -> None:
    world = World(("node-1",))
    world.send(PatchNode(node="node-1", address=given))
    (step,) = world.send(Plan(spec=a_project("shop", FIXED))).steps
    assert [p.address for p in step.ports] == [shown]
    deployed(world, FIXED)
    assert any(e.text.endswith(f"placed on node-1 at {shown}") for e in world.events)
    wanted = world.replicas()[0].wanted
    assert wanted is not None and ports_view(world.cluster, "node-1", wanted.ports)[0].address == shown


def test_a_port_bound_to_one_address_is_shown_with_it() -> None:
    world = World(("node-1",))
    local = a_service(ports=(PortSpec(container=80, host_from=8080, host_to=8080, host_ip="127.0.0.1"),))
    world.send(Deploy(spec=a_project("shop", local)))
    world.run(3.0)
    assert any("at 127.0.0.1:8080" in e.text for e in world.events)


def _register(world: World, ticket: str, **fields: Any) -> Node:
    world.send(CreateTicket(id=ticket, secret_hash="h", ttl_s=900))
    asked = {"name": "node-1", "agent_id": "fresh", "public_key": "pk-node-1", "address": "10.0.0.11", **fields}
    return cast(Node, world.send(Register(ticket=ticket, secret_hash="h", **asked)))


def test_registration_is_idempotent_for_a_key_also_with_another_token() -> None:
    """An agent that died before it could write the answer down is given another token by its owner."""
    world = World(("node-1",))
    assert _register(world, "k2").agent_id == "id-node-1"


@pytest.mark.parametrize("fields", [{"name": "node-9"}, {"public_key": "other"}])
def test_neither_a_name_nor_a_key_is_taken_from_its_owner(fields: dict[str, str]) -> None:
    with pytest.raises(Refused, match=r"already|belongs"):
        _register(World(("node-1",)), "k2", **fields)
