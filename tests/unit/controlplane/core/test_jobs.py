"""One-shot services: when they run, that they run once, and what their failure means."""

import msgspec
import pytest

from controlplane.core import jobs
from controlplane.core.command import Deploy, DrainNode, Plan, RemoveNode, Restart, Rollback, Scale
from controlplane.core.deployment import ENDED, Deployment
from controlplane.core.fact import Listed
from controlplane.core.replica import Assignment, Replica
from controlplane.core.standing import standing
from protocol.spec import Dependency, ServiceSpec
from tests.unit.controlplane.core.world import CHECK, World, a_project, a_service, deployed

HEALTHY = Dependency(condition="service_healthy")
COMPLETED = Dependency(condition="service_completed_successfully")
NODES = ("node-1", "node-2", "node-3")


def shop(version: int = 1, **job: object) -> tuple[ServiceSpec, ...]:
    """db, then migrate (a job), then api, then web; `version` is that of migrate and api."""
    db = a_service("db", health=CHECK, ports=())
    migrate = a_service("migrate", image=f"migrate:{version}", restart="no", ports=(), depends_on={"db": HEALTHY})
    api = a_service(
        "api", image=f"api:{version}", health=CHECK, ports=(), depends_on={"db": HEALTHY, "migrate": COMPLETED}
    )
    web = a_service("web", health=CHECK, depends_on={"api": HEALTHY})
    return db, msgspec.structs.replace(migrate, **job), api, web


def a_world(code: int = 0, **codes: int) -> World:
    """All versions of migrate end with `code`, but for `v2=3` and so on."""
    world = World(NODES)
    for agent in world.agents.values():
        agent.ends = {f"migrate:{n}": codes.get(f"v{n}", code) for n in range(1, 6)}
    return world


def the(world: World, service: str) -> Replica:
    return next(r for r in world.replicas() if r.id.service == service)


def placed_on(world: World, service: str) -> str:
    wanted = the(world, service).wanted
    assert wanted is not None
    return wanted.node


def epoch(world: World, service: str = "migrate") -> int:
    return the(world, service).epoch


def run_to_end(world: World, command: Deploy | Restart | Rollback | Scale, limit_s: float = 120.0) -> Deployment:
    number = world.send(command).deployment
    world.until(lambda: world.deployment(number).state in ENDED, limit_s)
    ended: Deployment = world.deployment(number)
    return ended


def states(world: World) -> dict[str, str]:
    return {r.id.service: r.state for r in world.replicas()}


def test_a_chain_with_a_job_is_deployed_in_order() -> None:
    world = a_world()
    assert world.deployment(deployed(world, *shop())).state == "succeeded"
    assert states(world) == {"db": "running", "migrate": "stopped", "api": "running", "web": "running"}
    assert len({r.wanted.node for r in world.replicas() if r.wanted}) == 1
    ran = next(e.at for e in world.events if e.kind == "replica.stopped")
    api, web = the(world, "api").wanted, the(world, "web").wanted
    assert api is not None and web is not None and ran < api.running_since < web.running_since
    stands = standing(world.cluster, world.cluster.projects["shop"], world.now.wall)
    assert (stands.state, stands.message) == ("running", "3 of 3 healthy; 1 completed")


def test_a_job_that_fails_fails_the_deployment_with_code_and_last_words() -> None:
    world = a_world(code=3)
    ended = world.deployment(deployed(world, *shop()))
    assert ended.state == "failed"
    assert ended.reason.startswith("shop/migrate/1 failed on node-")
    assert ended.reason.endswith("exited with code 3: last words")
    assert states(world).keys() == {"db", "migrate"}, "what waits for it was not begun"
    failed = next(e for e in world.events if e.kind == "replica.failed")
    assert failed.data["log_tail"] == ["last words"]
    stands = standing(world.cluster, world.cluster.projects["shop"], world.now.wall)
    assert "api: migrate has not completed" in stands.message


def test_a_long_job_is_waited_for() -> None:
    world = a_world()
    world.job_s = 1500.0
    assert world.deployment(deployed(world, *shop(), limit_s=2000)).state == "succeeded"


def test_the_same_file_does_not_run_it_again() -> None:
    world = a_world()
    deployed(world, *shop())
    assert world.send(Deploy(spec=a_project("shop", *shop()))).unchanged
    world.run(60)
    assert epoch(world) == 1


def test_a_change_elsewhere_does_not_run_it_again_and_its_own_does() -> None:
    world = a_world()
    deployed(world, *shop())
    *others, web = shop()
    changed = msgspec.structs.replace(web, environment={"A": "1"})
    assert run_to_end(world, Deploy(spec=a_project("shop", *others, changed))).state == "succeeded"
    assert (epoch(world, "web"), epoch(world)) == (2, 1)
    assert run_to_end(world, Deploy(spec=a_project("shop", *shop(2)))).state == "succeeded"
    assert (epoch(world, "api"), epoch(world), states(world)["migrate"]) == (2, 2, "stopped")


def test_its_update_comes_before_that_of_what_waits_for_it() -> None:
    world = a_world()
    deployed(world, *shop())
    world.send(Deploy(spec=a_project("shop", *shop(2))))
    world.until(lambda: epoch(world) == 2)
    world.run(2)
    assert epoch(world, "api") == 1, "the old api serves while the new migration runs"
    world.until(lambda: epoch(world, "api") == 2)
    assert states(world)["migrate"] == "stopped"


def test_a_failed_migration_leaves_the_old_api_and_comes_back_completed() -> None:
    world = a_world(v2=1)
    deployed(world, *shop())
    world.run(10)
    ended = run_to_end(world, Deploy(spec=a_project("shop", *shop(2))))
    assert (ended.state, epoch(world, "api")) == ("rolled_back", 1)
    job = the(world, "migrate")
    assert job.wanted is not None and (job.wanted.epoch, job.state) == (1, "stopped"), "it was not run again"
    world.run(5)
    assert standing(world.cluster, world.cluster.projects["shop"], world.now.wall).state == "running"


def test_a_rollback_does_not_run_a_completed_job_again() -> None:
    world = a_world()
    deployed(world, *shop())
    run_to_end(world, Deploy(spec=a_project("shop", *shop(2))))
    ended = run_to_end(world, Rollback(project="shop"))
    assert (ended.state, ended.revision) == ("succeeded", 1)
    assert (epoch(world, "api"), epoch(world)) == (3, 2)
    assert world.send(Deploy(spec=a_project("shop", *shop(1)))).unchanged
    run_to_end(world, Deploy(spec=a_project("shop", *shop(3))))
    assert (epoch(world, "api"), epoch(world)) == (4, 3)


def test_a_completed_job_is_not_moved_when_its_node_is_lost() -> None:
    world = a_world()
    deployed(world, *shop())
    lost = the(world, "migrate").wanted
    assert lost is not None
    world.power_off(lost.node)
    world.until(lambda: the(world, "web").state == "running" and epoch(world, "web") == 2)
    assert the(world, "migrate").wanted == lost
    assert len({r.wanted.node for r in world.replicas() if r.wanted and r.id.service != "migrate"}) == 1
    world.connect(lost.node)
    world.run(10)
    assert (epoch(world), states(world)["migrate"]) == (1, "stopped")


def test_a_job_cut_off_in_the_middle_is_run_elsewhere_and_waited_for() -> None:
    world = a_world()
    world.job_s = 40.0
    number = world.send(Deploy(spec=a_project("shop", *shop()))).deployment
    world.until(lambda: states(world).get("migrate") == "running")
    lost = the(world, "migrate").wanted
    assert lost is not None
    world.power_off(lost.node)
    world.until(lambda: world.deployment(number).state in ENDED, 200)
    assert world.deployment(number).state == "succeeded"
    assert states(world) == {"db": "running", "migrate": "stopped", "api": "running", "web": "running"}
    assert lost.node not in {r.wanted.node for r in world.replicas() if r.wanted}
    api, job = the(world, "api").wanted, the(world, "migrate").wanted
    assert api is not None and job is not None and job.since <= api.running_since


@pytest.mark.parametrize("moment", range(1, 14))
def test_a_restart_of_the_center_at_any_moment_changes_nothing(moment: int) -> None:
    world = a_world()
    world.start_s = 1.0
    number = world.send(Deploy(spec=a_project("shop", *shop()))).deployment
    world.run(moment)
    world.restart_center()
    world.until(lambda: world.deployment(number).state in ENDED, 120)
    assert world.deployment(number).state == "succeeded"
    assert [r.epoch for r in world.replicas()] == [1, 1, 1, 1]


def test_a_restart_of_all_leaves_it_alone_and_one_by_name_runs_it_again() -> None:
    world = a_world()
    deployed(world, *shop())
    assert run_to_end(world, Restart(project="shop")).state == "succeeded"
    assert epoch(world) == 1
    assert run_to_end(world, Restart(project="shop", services=("migrate",))).state == "succeeded"
    assert (epoch(world), states(world)["migrate"]) == (2, "stopped")


def test_it_hinders_neither_drain_nor_removal_of_its_node() -> None:
    world = a_world()
    deployed(world, *shop())
    node = placed_on(world, "migrate")
    world.send(DrainNode(node=node))
    world.until(lambda: all(n != node for name, _, n in world.states() if name != "migrate/1"), 120)
    world.run(10)
    assert not any(e.kind == "replica.stays" for e in world.events)
    world.send(RemoveNode(node=node))
    del world.agents[node]
    world.run(30)
    assert (epoch(world), states(world)["migrate"]) == (1, "stopped")
    again = world.add(node)
    world.run(30)
    assert (epoch(world), states(world)["migrate"]) == (1, "stopped")
    assert not any(key.service == "migrate" for key in again.running)
    again.ends = {"migrate:2": 0}
    assert run_to_end(world, Deploy(spec=a_project("shop", *shop(2)))).state == "succeeded"
    world.run(30)
    assert (epoch(world), the(world, "migrate").outgoing) == (2, None)


def test_a_job_whose_container_was_pruned_stays_completed() -> None:
    world = a_world()
    deployed(world, *shop())
    job = the(world, "migrate").wanted
    assert job is not None
    agent = world.agents[job.node]
    left = tuple(r for r in world.reports(job.node) if r.service != "migrate")
    world.send(Listed(node=job.node, session_epoch=agent.epoch, containers=left))
    assert the(world, "migrate").wanted == job


def test_a_plan_names_restarts() -> None:
    world = World(NODES)
    db = a_service("db", health=CHECK, ports=())
    api = a_service("api", health=CHECK, depends_on={"db": Dependency(restart=True)})
    deployed(world, db, api)
    plan = world.send(Plan(spec=a_project("shop", msgspec.structs.replace(db, image="db:2"), api)))
    assert [(s.service, s.action) for s in plan.steps] == [("api", "restart"), ("db", "replace")]


def test_a_job_goes_where_what_it_works_on_is() -> None:
    world = a_world()
    deployed(world, *shop())
    first = placed_on(world, "migrate")
    world.power_off(first)
    world.until(lambda: the(world, "web").state == "running" and epoch(world, "web") == 2)
    world.connect(first)
    world.run(20)
    run_to_end(world, Deploy(spec=a_project("shop", *shop(2))))
    job, db = the(world, "migrate").wanted, the(world, "db").wanted
    assert job is not None and db is not None and job.node == db.node != first


@pytest.mark.parametrize(
    ("restart", "restart_max", "fields", "good", "bad"),
    [
        ("no", 0, {"state": "stopped", "exit_code": 0}, True, False),
        ("no", 0, {"state": "stopped", "exit_code": None}, True, False),
        ("no", 0, {"state": "failed", "exit_code": 2}, False, True),
        ("no", 0, {"state": "running"}, False, False),
        ("on-failure", 0, {"state": "failed", "exit_code": 2}, False, False),
        ("on-failure", 3, {"state": "failed", "exit_code": 2, "restarts": 2}, False, False),
        ("on-failure", 3, {"state": "failed", "exit_code": 2, "restarts": 3}, False, True),
        ("always", 0, {"state": "failed", "exit_code": 2}, False, False),
    ],
)
def test_when_a_run_is_over(restart: str, restart_max: int, fields: dict[str, object], good: bool, bad: bool) -> None:
    spec = a_service(restart=restart, restart_max=restart_max)
    made = msgspec.structs.replace(Assignment(node="a", epoch=1, revision=1), **fields)
    assert (jobs.completed(made), jobs.failed_for_good(spec, made)) == (good, bad)
    assert jobs.at_rest(spec, made) is (good or bad)
