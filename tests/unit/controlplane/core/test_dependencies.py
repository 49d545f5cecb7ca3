"""Chains of services on failover: who waits for whom, where they come up, and what happens when nothing helps."""

import msgspec

from controlplane.core.dependencies import ORDER_WAIT_S
from controlplane.core.replica import Replica
from protocol.spec import Dependency, Mount, ServiceSpec
from tests.unit.controlplane.core.world import CHECK, World, a_service, deployed

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


def nodes(world: World) -> set[str]:
    return {r.wanted.node for r in world.replicas() if r.wanted}


def began(world: World) -> dict[str, float]:
    """When each service's wanted copy began to run."""
    return {name: r.wanted.running_since for name, r in by_service(world).items() if r.wanted}


def test_a_chain_is_deployed_on_one_node() -> None:
    world = World(NODES)
    deployed(world, *chain(), a_service("other", replicas=3))
    assert len({by_service(world)[name].wanted.node for name in ("db", "api", "web")}) == 1  # type: ignore[union-attr]


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
    world.until(lambda: by_service(world)["api"].wanted.node != lost)  # type: ignore[union-attr]
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
    world.until(lambda: by_service(world)["api"].wanted.node != here.node)  # type: ignore[union-attr]
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
    stayed = {r.id: r.wanted.epoch for r in world.replicas() if r.id.service == "api" and r.wanted.node != lost}  # type: ignore[union-attr]
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
