"""What can never be released here is refused when it is planned, with a way out."""

import pytest

from controlplane.core.command import Deploy, PatchNode, Plan
from controlplane.core.record import Refused
from protocol.spec import Canary, Constraint, Placement, UpdateConfig
from tests.unit.controlplane.core.world import CHECK, PortSpec, World, a_project, a_service, deployed

FIXED = (PortSpec(container=80, host_from=8080, host_to=8080),)
START_FIRST = UpdateConfig(order="start-first")


def test_start_first_with_a_fixed_port_needs_a_node_to_spare() -> None:
    world = World(("node-1",))
    deployed(world, a_service(ports=FIXED))
    wanted = a_project("shop", a_service(ports=FIXED, image="web:2", update=START_FIRST))
    for ask in (Plan(spec=wanted), Deploy(spec=wanted)):
        with pytest.raises(Refused, match="only one node, node-1,") as refused:
            world.send(ask)
        assert refused.value.field == "services.web.deploy.update_config.order"
        assert "stop-first" in refused.value.fix
    assert world.cluster.projects["shop"].last_revision == 1, "nothing was stored"
    world.add("node-2")
    world.run(1)
    assert world.send(Deploy(spec=wanted)).deployment


def test_only_nodes_that_may_run_it_count() -> None:
    world = World(("node-1", "node-2"))
    world.send(PatchNode(node="node-1", labels={"zone": "a"}))
    there = Placement(constraints=(Constraint(key="labels.zone", value="a"),))
    deployed(world, a_service(ports=FIXED, placement=there))
    with pytest.raises(Refused, match="node-1"):
        world.send(Deploy(spec=a_project("shop", a_service(ports=FIXED, placement=there, update=START_FIRST))))


@pytest.mark.parametrize("release", ["canary", "blue_green"])
def test_a_canary_or_a_second_set_needs_a_node_to_spare_too(release: str) -> None:
    world = World(("node-1",))
    deployed(world, a_service(ports=FIXED))
    more = {"canary": Canary(replicas=1)} if release == "canary" else {"release": "blue_green"}
    with pytest.raises(Refused, match=release):
        world.send(Deploy(spec=a_project("shop", a_service(ports=FIXED, image="web:2", **more))))


def test_the_plan_says_how_each_service_is_released_and_why() -> None:
    world = World()
    deployed(world, a_service(replicas=4, health=CHECK), a_service("edge", image="edge:1", ports=FIXED))
    canary = a_service(
        replicas=4, health=CHECK, image="web:2", canary=Canary(percent=25), update=UpdateConfig(parallelism=2)
    )
    planned = world.send(Plan(spec=a_project("shop", canary, a_service("edge", image="edge:2", ports=FIXED))))
    edge, web = planned.releases
    assert (edge.service, edge.release, edge.order, edge.replaced) == ("edge", "rolling", "stop-first", 1)
    assert "8080" in edge.order_why
    assert (web.service, web.release, web.order, web.canaries, web.parallelism) == (
        "web",
        "canary",
        "start-first",
        1,
        2,
    )
    assert [s.action for s in planned.steps] == ["replace"] * 5
