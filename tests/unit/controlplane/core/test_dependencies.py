"""Chains of services on failover: who waits for whom, where they come up, and what happens when nothing helps."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.core import chains
from controlplane.core.command import Command, Deploy, DrainNode, PatchNode, RemoveProject, Restart, Scale
from controlplane.core.dependencies import ORDER_WAIT_S
from controlplane.core.deployment import ENDED
from controlplane.core.replica import Replica
from protocol.spec import Constraint, Dependency, Mount, Placement, Resources, ServiceSpec
from tests.unit.controlplane.core.world import CHECK, World, a_project, a_service, deployed

STARTED = Dependency()
HEALTHY = Dependency(condition="service_healthy")
COMPLETED = Dependency(condition="service_completed_successfully")
NODES = ("node-1", "node-2", "node-3", "node-4")
DATA = (Mount(kind="volume", source="data", target="/data"),)


def chain(**fields: object) -> tuple[ServiceSpec, ...]:
    """web needs api, api needs db; all have health checks. `fields` are db's."""
    db = msgspec.structs.replace(a_service("db", health=CHECK, ports=()), **fields)
    api = a_service("api", health=CHECK, ports=(), depends_on={"db": HEALTHY})
    return db, api, a_service("web", health=CHECK, depends_on={"api": HEALTHY})


def by_service(world: World) -> dict[str, Replica]:
    return {r.id.service: r for r in world.replicas()}


def at(world: World, service: str) -> str:
    """The node of a service's replica, which must have one."""
    wanted = by_service(world)[service].wanted
    assert wanted is not None
    return wanted.node


def nodes(world: World) -> set[str]:
    return {r.wanted.node for r in world.replicas() if r.wanted}


def began(world: World) -> dict[str, float]:
    """When each service's wanted copy began to run."""
    return {name: r.wanted.running_since for name, r in by_service(world).items() if r.wanted}


def test_a_chain_is_deployed_on_one_node() -> None:
    world = World(NODES)
    deployed(world, *chain(), a_service("other", replicas=3))
    assert len({at(world, name) for name in ("db", "api", "web")}) == 1


def test_a_chain_that_loses_its_node_comes_up_on_one_other_node_in_order() -> None:
    world = World(NODES)
    deployed(world, *chain())
    (lost,) = nodes(world)
    world.run(30)
    world.power_off(lost)
    world.run(1)
    took = world.until(lambda: lost not in nodes(world) and world.all_running())
    assert took < 20
    assert len(nodes(world)) == 1
    when = began(world)
    assert when["db"] < when["api"] < when["web"]
    texts = [e.text for e in world.events if e.kind == "replica.released"]
    (to,) = nodes(world)
    assert texts == [f"shop/{name}/1 starts on {to}: what it depends on is ready" for name in ("api", "web")]


def test_what_waits_says_for_what() -> None:
    world = World(NODES)
    deployed(world, *chain())
    (lost,) = nodes(world)
    world.start_s = 5.0
    world.power_off(lost)
    world.until(lambda: lost not in nodes(world))
    world.run(1)
    found = by_service(world)
    assert found["api"].wanted is not None and found["web"].wanted is not None
    assert (found["api"].state, found["api"].wanted.reason) == ("assigned", "waits for db/1 to be healthy")
    assert (found["web"].state, found["web"].wanted.reason) == ("assigned", "waits for api/1 to be healthy")
    assert [c.service for c in world.agents[found["api"].wanted.node].running] == ["db"]


def test_a_restart_of_the_center_in_the_middle_changes_nothing() -> None:
    world = World(NODES)
    deployed(world, *chain())
    (lost,) = nodes(world)
    world.start_s = 3.0
    world.power_off(lost)
    world.until(lambda: lost not in nodes(world))
    world.restart_center()
    world.until(lambda: world.all_running())
    when = began(world)
    assert when["db"] < when["api"] < when["web"] and len(nodes(world)) == 1


def test_what_it_depends_on_may_be_away_for_two_minutes() -> None:
    world = World(NODES)
    deployed(world, *chain(mounts=DATA))
    (lost,) = nodes(world)
    world.power_off(lost)
    world.until(lambda: at(world, "api") != lost)
    waited = world.until(lambda: by_service(world)["api"].state == "running", ORDER_WAIT_S + 10)
    assert ORDER_WAIT_S - 1 < waited < ORDER_WAIT_S + 3
    assert by_service(world)["db"].state == "interrupted"
    (line,) = [e.text for e in world.events if e.kind == "replica.unordered" and e.replica == "shop/api/1"]
    assert line.endswith("all the same after 120 s: waits for db/1 to be healthy")


def test_one_of_several_copies_elsewhere_is_enough() -> None:
    world = World(NODES)
    db, api, _ = chain()
    deployed(world, msgspec.structs.replace(db, replicas=2), api)
    here = by_service(world)["api"].wanted
    assert here is not None
    world.start_s = 30.0
    world.power_off(here.node)
    world.until(lambda: at(world, "api") != here.node)
    moved = by_service(world)["api"].wanted
    assert moved is not None
    beside = [r for r in world.replicas() if r.id.service == "db" and r.wanted and r.wanted.node == moved.node]
    ready_beside = any(r.wanted and r.wanted.state == "running" for r in beside)
    assert moved.awaits is not ready_beside


def test_a_service_with_restart_true_is_restarted_after_the_other_moved() -> None:
    world = World(NODES)
    db = a_service("db", health=CHECK)
    api = a_service("api", replicas=3, health=CHECK, depends_on={"db": Dependency(restart=True)})
    deployed(world, db, api)
    world.run(30)
    lost = next(r.wanted.node for r in world.replicas() if r.id.service == "db" and r.wanted)
    here = [r for r in world.replicas() if r.id.service == "api" and r.wanted and r.wanted.node != lost]
    stayed = {r.id: r.wanted.epoch for r in here if r.wanted}
    world.power_off(lost)
    world.until(lambda: lost not in nodes(world) and world.all_running())
    world.run(10)
    told = {e.replica for e in world.events if e.kind == "replica.restarting"}
    assert told == {str(key) for key in stayed}
    for replica in world.replicas():
        if replica.id in stayed:
            assert replica.wanted is not None
            assert (replica.wanted.epoch, replica.wanted.restarts) == (stayed[replica.id], 1)
    assert not any(r.restarts_due for r in world.replicas())


def test_a_chain_goes_where_all_of_it_fits() -> None:
    world = World(("node-1", "node-2", "node-3"))
    gib = 1024**3
    world.mem_free = 8 * gib
    big = msgspec.structs.replace
    filler = a_service("filler", replicas=1)
    reserve = big(filler.resources, memory_reserved=5 * gib)
    deployed(world, big(filler, resources=reserve), code="other")
    (full,) = {r.wanted.node for r in world.replicas("other") if r.wanted}
    services = [big(s, resources=big(s.resources, memory_reserved=gib)) for s in chain()]
    deployed(world, *services)
    (home,) = nodes(world)
    assert home != full
    world.power_off(home)
    world.until(lambda: home not in nodes(world) and world.all_running())
    assert len(nodes(world)) == 1


def test_what_crashes_while_its_dependency_is_away_waits_for_it_and_is_not_given_up() -> None:
    world = World(NODES)
    db = a_service("db", image="db:1", health=CHECK, ports=())
    api = a_service("api", image="api:1", health=CHECK, depends_on={"db": HEALTHY})
    deployed(world, db, api)
    world.run(10)
    for agent in world.agents.values():
        agent.fails["api:1"] = "no database"
        for container in agent.running.values():
            if container.want.service == "db":
                container.health = "unhealthy"
            else:
                container.state = "failed"
    world.until(lambda: any(e.kind == "replica.held" for e in world.events))
    world.run(ORDER_WAIT_S + 60)
    replica = by_service(world)["api"]
    assert not replica.failed and replica.moves == 0 and replica.wanted is not None
    assert sum(e.kind == "replica.held" for e in world.events) == 2, "after two minutes it was tried once more"
    for agent in world.agents.values():
        agent.fails.clear()
        for container in agent.running.values():
            container.health = "healthy"
    world.until(lambda: by_service(world)["api"].state == "running", 5)
    (node,) = nodes(world)
    assert at(world, "api") == node


def test_what_can_neither_wait_nor_move_leaves_no_open_task() -> None:
    """The simulation's seed 12: a stop was ordered before it showed that the replica may not stay where it is."""
    world = World(NODES)
    db = a_service("db", image="db:1", health=CHECK, ports=())
    here = Placement(constraints=(Constraint(key="labels.zone", value="b", equal=False),))
    deployed(world, db, a_service("api", image="api:1", health=CHECK, depends_on={"db": HEALTHY}, placement=here))
    world.run(10)
    for name in NODES:
        world.send(PatchNode(node=name, labels={"zone": "b"}))
    for agent in world.agents.values():
        agent.fails["api:1"] = "no database"
        for container in agent.running.values():
            if container.want.service == "db":
                container.health = "unhealthy"
            else:
                container.state = "failed"
    world.until(lambda: by_service(world)["api"].failed)
    assert world.cluster.open_tasks == set()


def test_a_drained_chain_moves_in_order_to_where_all_of_it_fits() -> None:
    world = World(("node-1", "node-2", "node-3"))
    gib = 1024**3
    world.mem_free = 8 * gib
    big = a_service("filler")
    deployed(world, msgspec.structs.replace(big, resources=Resources(memory_reserved=5 * gib)), code="other")
    (full,) = {r.wanted.node for r in world.replicas("other") if r.wanted}
    deployed(world, *(msgspec.structs.replace(s, resources=Resources(memory_reserved=gib)) for s in chain()))
    (home,) = nodes(world)
    world.send(DrainNode(node=home))
    while home in nodes(world) or any(r.outgoing is not None for r in world.replicas()):
        world.run(0.25)
        for agent in world.agents.values():
            here = {key.service for key, c in agent.running.items() if c.state == "running"}
            assert "web" not in here or here >= {"api", "db"}, "who serves reaches by name what it needs"
        assert world.mono < 1200
    when = began(world)
    assert when["db"] < when["api"] < when["web"]
    assert len(nodes(world)) == 1 and full not in nodes(world)


graphs = st.fixed_dictionaries(
    {
        name: st.dictionaries(
            st.sampled_from("abcd"), st.sampled_from([STARTED, HEALTHY, Dependency(required=False)]), max_size=2
        )
        for name in "abcd"
    }
)


@settings(max_examples=30, deadline=None)
@given(graphs, st.lists(st.integers(1, 3), min_size=4, max_size=4), st.sampled_from([0.5, 2.0]), st.booleans())
def test_whatever_depends_on_what_nothing_starts_elsewhere_before_what_it_needs(
    graph: dict[str, dict[str, Dependency]], counts: list[int], start_s: float, restarted: bool
) -> None:
    world = World(NODES)
    services = {
        name: a_service(name, health=CHECK, replicas=count, depends_on=needs)
        for (name, needs), count in zip(graph.items(), counts, strict=True)
    }
    assert world.deployment(deployed(world, *services.values())).state == "succeeded"
    world.start_s = start_s
    world.power_off("node-1")
    known = {key for agent in world.agents.values() for key in agent.running}
    while "node-1" in nodes(world) or not world.all_running():
        up = {key.service for a in world.agents.values() for key, c in a.running.items() if c.state == "running"}
        world.run(0.25)
        if restarted and "node-1" not in nodes(world):
            world.restart_center()
            restarted = False
        for key in {key for agent in world.agents.values() for key in agent.running} - known:
            known.add(key)
            assert chains.needs(services, key.service).keys() <= up, (key, up)
        assert world.mono < 1300, world.states()


# -- deployments ----------------------------------------------------------------------------------------------------


def test_who_asks_for_started_only_does_not_wait_for_health() -> None:
    world = World(NODES)
    proxy = a_service("proxy", image="proxy:1", health=CHECK)
    app = a_service("app", health=CHECK, depends_on={"proxy": STARTED})
    for agent in world.agents.values():
        agent.sick.add("proxy:1")  # healthy only when the app is there
    number = world.send(Deploy(spec=a_project("shop", proxy, app))).deployment
    world.until(lambda: by_service(world).get("app") is not None and by_service(world)["app"].state == "running")
    for agent in world.agents.values():
        agent.sick.clear()
        for container in agent.running.values():
            container.health = "healthy"
    world.until(lambda: world.deployment(number).state in ENDED)
    assert world.deployment(number).state == "succeeded"
    assert began(world)["proxy"] < began(world)["app"]


def test_what_nobody_requires_may_fail_with_a_warning() -> None:
    world = World(NODES)
    cache = a_service("cache", image="cache:1", ports=())
    web = a_service("web", depends_on={"cache": Dependency(required=False)})
    for agent in world.agents.values():
        agent.fails["cache:1"] = "no memory"
    ended = world.deployment(deployed(world, cache, web))
    assert ended.state == "succeeded" and by_service(world)["web"].state == "running"
    assert "shop/cache/1 failed on" in ended.reason and ended.reason.startswith("nothing requires it: ")
    assert ended.warnings and "no memory" in ended.warnings[0]


def test_what_somebody_requires_may_not_fail() -> None:
    world = World(NODES)
    cache = a_service("cache", image="cache:1", ports=())
    web = a_service("web", depends_on={"cache": Dependency(required=False)})
    api = a_service("api", depends_on={"cache": Dependency()})
    for agent in world.agents.values():
        agent.fails["cache:1"] = "no memory"
    assert world.deployment(deployed(world, cache, web, api)).state == "failed"


def test_a_cycle_that_reaches_the_core_is_cut_and_deployed() -> None:
    world = World(NODES)
    like = Dependency(condition="service_healthy", required=False)
    services = (
        a_service("a", health=CHECK, depends_on={"b": like}),
        a_service("b", health=CHECK, depends_on={"c": like}),
        a_service("c", health=CHECK, depends_on={"a": like}),
    )
    assert world.deployment(deployed(world, *services)).state == "succeeded"
    (lost,) = nodes(world)
    world.power_off(lost)
    world.until(lambda: lost not in nodes(world) and world.all_running())


@pytest.mark.parametrize("lost_s", range(1, 14, 2))
def test_a_node_lost_in_the_middle_of_a_deployment_keeps_the_order(lost_s: int) -> None:
    world = World(NODES, start_s=3.0)
    number = world.send(Deploy(spec=a_project("shop", *chain()))).deployment
    world.run(lost_s)
    world.power_off(at(world, "db"))
    world.until(lambda: world.deployment(number).state in ENDED, 200)
    assert world.deployment(number).state == "succeeded", world.deployment(number).reason
    when = began(world)
    assert when["db"] < when["api"] < when["web"] and len(nodes(world)) == 1


def test_an_update_of_the_other_restarts_who_asks_for_it() -> None:
    world = World(NODES)
    db = a_service("db", health=CHECK, ports=())
    api = a_service("api", health=CHECK, depends_on={"db": Dependency(restart=True)})
    web = a_service("web", health=CHECK, depends_on={"api": STARTED})
    deployed(world, db, api, web)
    newer = msgspec.structs.replace(db, image="db:2")
    assert world.deployment(deployed(world, newer, api, web)).state == "succeeded"
    found = by_service(world)
    assert {n: (r.epoch, r.wanted.restarts) for n, r in found.items() if r.wanted} == {
        "db": (2, 0),
        "api": (1, 1),
        "web": (1, 0),
    }
    assert began(world)["api"] > began(world)["db"]
    number = world.send(Restart(project="shop", services=("db",))).deployment
    world.until(lambda: world.deployment(number).state in ENDED)
    assert [s.replica.service for s in world.deployment(number).steps] == ["db", "api"]


def stopped_in_turn(world: World) -> list[str]:
    """The services of the chain in the order in which their containers end."""
    gone: list[str] = []
    while len(gone) < 3:
        world.run(0.25)
        alive = {key.service for agent in world.agents.values() for key in agent.running}
        gone += [name for name in ("web", "api", "db") if name not in alive and name not in gone]
        assert world.mono < 1200
    return gone


NOTHING = {"db": 0, "api": 0, "web": 0}


@pytest.mark.parametrize("command", [RemoveProject(project="shop"), Scale(project="shop", services=NOTHING)])
def test_a_chain_stops_in_reverse_order(command: Command) -> None:
    world = World(NODES)
    deployed(world, *chain())
    world.send(command)
    assert stopped_in_turn(world) == ["web", "api", "db"]


def test_services_taken_out_of_the_file_stop_in_reverse_order() -> None:
    world = World(NODES)
    deployed(world, *chain(), a_service("other"))
    world.send(Deploy(spec=a_project("shop", a_service("other"))))
    assert stopped_in_turn(world) == ["web", "api", "db"]
