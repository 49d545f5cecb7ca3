"""The commands as a person or a script runs them."""

import io
import json
import sys
from pathlib import Path

import msgspec
import pytest

from protocol.api import (
    Candidate,
    DeployRequest,
    DrainBlocker,
    DrainMove,
    DrainPlan,
    DrainView,
    FailoverAnswer,
    JoinTokenAnswer,
    NodeTask,
    Page,
    PlanAnswer,
    PlanStep,
    Problem,
)
from ropeteam.fault import Exit
from tests.unit.ropeteam.conftest import Rope
from tests.unit.ropeteam.fake_api import FakeApi
from tests.unit.ropeteam.samples import accepted, event, node, project, replica


def test_nodes_for_people_scripts_and_shells(rope: Rope, api: FakeApi) -> None:
    api.on("GET nodes", [node(), node("node-2", state="offline", held=True, last_seen_s=None)])
    lines = rope("nodes").out.splitlines()
    assert lines[0].split()[:3] == ["NODE", "STATE", "ADDRESS"]
    assert lines[1].split()[:3] == ["node-1", "online", "10.0.0.1"]
    assert "region=北京" in lines[1]
    assert "offline (held)" in lines[2]
    assert rope("nodes", "-o", "name").out == "node-1\nnode-2\n"
    assert [n["state"] for n in json.loads(rope("nodes", "-o", "json").out)] == ["online", "offline"]


def test_no_nodes_says_what_to_do_and_prints_no_data(rope: Rope, api: FakeApi) -> None:
    api.on("GET nodes", [])
    ran = rope("nodes")
    assert ran.out == ""
    assert "rope token create" in ran.err


def test_a_node_is_shown_with_what_it_runs(rope: Rope, api: FakeApi) -> None:
    api.on("GET nodes/node-1", node(tasks=(a_task("web"),)))
    out = rope("node", "show", "node-1").out
    assert "shop/web/1" in out and "3h25m" in out


def a_task(service: str) -> NodeTask:
    return NodeTask(
        project_code="shop", service=service, replica=1, epoch=3, status="running", health="healthy", uptime="3h25m",
        cpu_usage=1.5, mem_mb=40, outgoing=False,
    )  # fmt: skip


def a_drain(**fields: object) -> DrainView:
    blocker = DrainBlocker(replica="shop/db/1", reason="volume data lives here")
    made = {"state": "moving", "moved": 0, "total": 2, "left": ("shop/web/1", "shop/api/1"), "blockers": (blocker,)}
    return DrainView(**{**made, "deadline": None, **fields})  # type: ignore[arg-type]  # fields by name


def test_a_drain_says_that_it_begins_and_what_stays(rope: Rope, api: FakeApi) -> None:
    api.on("POST nodes/node-1/drain", node(draining=True, drain=a_drain(deadline="2026-11-22T12:00:00.000Z")))
    ran = rope("node", "drain", "node-1", "--deadline", "10m")
    assert ran.code == 0 and ran.out == ""
    assert ran.err.splitlines() == [
        "node-1 is being drained: 2 replicas move, 1 stays, until 2026-11-22T12:00:00.000Z",
        "  shop/db/1 stays on node-1: volume data lives here",
        "Watch it: rope node show node-1, rope events -f --node node-1",
    ]
    assert json.loads(api.asked[-1].body) == {"deadline_s": 600.0}


def test_a_drain_can_be_tried_out(rope: Rope, api: FakeApi) -> None:
    moves = (
        DrainMove(replica="shop/web/1", to="node-2", reason=""),
        DrainMove(replica="shop/api/1", to=None, reason="node-2: 300 MB short"),
    )
    stays = (DrainBlocker(replica="shop/db/1", reason="volume data lives here"),)
    api.on("GET nodes/node-1/drain-plan", DrainPlan(node="node-1", moves=moves, blockers=stays))
    assert rope("node", "drain", "node-1", "--dry-run").out.splitlines() == [
        "shop/web/1  node-1 -> node-2",
        "shop/api/1  node-1 -> -  node-2: 300 MB short",
        "shop/db/1  stays: volume data lives here",
    ]
    assert all(asked.method == "GET" for asked in api.asked)


def test_a_drain_of_an_empty_node_says_so(rope: Rope, api: FakeApi) -> None:
    empty = a_drain(state="done", total=0, left=(), blockers=())
    api.on("POST nodes/node-1/drain", node(draining=True, drain=empty))
    assert rope("node", "drain", "node-1").err == "node-1 takes no new work; it has no replicas\n"


@pytest.mark.parametrize("order", ["resume", "confirm-down"])
def test_orders_to_a_node(order: str, rope: Rope, api: FakeApi) -> None:
    api.on(f"POST nodes/node-1/{order}", node())
    assert rope("node", order, "node-1").code == 0
    assert [(a.method, a.path) for a in api.asked] == [("POST", f"nodes/node-1/{order}")]


def test_labels_are_set_and_removed(rope: Rope, api: FakeApi) -> None:
    api.on("PATCH nodes/node-1", node())
    assert rope("node", "label", "node-1", "region=eu", "old-", "empty=").code == 0
    assert json.loads(api.asked[0].body) == {"labels": {"region": "eu", "old": None, "empty": ""}}
    assert rope("node", "label", "node-1", "what").code == Exit.USAGE


def test_without_a_terminal_nobody_is_asked(rope: Rope, api: FakeApi) -> None:
    for command in (("rm", "shop"), ("node", "rm", "node-1")):
        ran = rope(*command)
        assert ran.code == Exit.USAGE
        assert "-y" in ran.err
    assert not api.asked


def test_a_node_is_removed(rope: Rope, api: FakeApi) -> None:
    api.on("DELETE nodes/node-1", b"", status=204)
    assert rope("node", "rm", "-y", "-f", "node-1").code == 0
    assert api.asked[0].query == "force=true"


def test_a_token_prints_the_command_that_uses_it(rope: Rope, api: FakeApi) -> None:
    api.on("POST join-tokens", JoinTokenAnswer(id="1", token="rope1.x", expires_at="soon", join_command="rope agent x"))
    assert rope("token", "create", "--ttl", "1h30m").out == "rope agent x\n"
    assert json.loads(api.asked[0].body) == {"ttl_s": 5400.0, "name": ""}
    assert rope("token", "create", "--process").out == "rope agent x\n", "of an older Center"
    assert rope("token", "create", "--ttl", "soon").code == Exit.USAGE


def test_a_token_prints_the_command_for_a_container_or_a_process(rope: Rope, api: FakeApi) -> None:
    made = JoinTokenAnswer(
        id="1", token="rope1.x", expires_at="soon", join_command="docker run x", process_command="rope agent x"
    )
    api.on("POST join-tokens", made)
    assert rope("token", "create").out == "docker run x\n"
    assert rope("token", "create", "--process").out == "rope agent x\n"


def test_ps_shows_where_replicas_are_reached(rope: Rope, api: FakeApi) -> None:
    bad = replica(2, state="failed", reason="exit 7\x1b[31m", health="none", node=None, ports=())
    told = replica(1, announced=True, address="10.0.0.1:20001")
    api.on("GET projects/shop", project(replicas=(told, bad), state="degraded", message="1 of 2 healthy"))
    ran = rope("ps", "shop")
    lines = [line.split() for line in ran.out.splitlines()]
    assert [line[lines[0].index("ANNOUNCED")] for line in lines[1:2]] == ["yes"] and "no" in lines[2]
    assert "10.0.0.1:20001->80" in ran.out
    assert "\\x1b[31m" in ran.out and "\x1b" not in ran.out, "text from containers never reaches the terminal raw"
    assert "shop degraded: 1 of 2 healthy" in ran.err
    assert rope("ps", "shop", "-o", "name").out == "shop/web/1\nshop/web/2\n"


def test_ls_and_status(rope: Rope, api: FakeApi) -> None:
    api.on("GET nodes", [node(), node("node-2", state="offline")])
    api.on("GET projects", [project(), project(code="blog", state="interrupted", message="db/1 interrupted")])
    assert rope("ls", "-o", "name").out == "shop\nblog\n"
    assert "2/2" in rope("ls").out
    ran = rope("status", "--check")
    assert ran.code == 1
    assert "nodes     2: 1 online, 1 offline" in ran.out
    assert "blog interrupted: db/1 interrupted" in ran.out


def test_events_are_lines_or_json_lines(rope: Rope, api: FakeApi) -> None:
    api.on("GET events", Page(events=(event(1, "node-1 silent 15.2 s"), event(2)), next_after=2))
    assert rope("events", "--project", "shop", "-n", "2").out.splitlines()[0].endswith("  node-1 silent 15.2 s")
    assert api.asked[0].query == "limit=2&project=shop"
    lines = rope("events", "-o", "json").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2]


def test_scale_reads_service_equals_number(rope: Rope, api: FakeApi) -> None:
    api.on("POST projects/shop/scale", accepted(), status=202)
    assert rope("scale", "shop", "web=5", "db=0", "--detach").code == 0
    assert json.loads(api.asked[0].body) == {"services": {"web": 5, "db": 0}}
    for bad in ("web", "web=", "=3", "web=-1", "web=x"):
        assert rope("scale", "shop", bad).code == Exit.USAGE


def test_restart_rollback_and_rm_ask_for_what_was_said(rope: Rope, api: FakeApi) -> None:
    for what in ("POST projects/shop/restart", "POST projects/shop/rollback", "DELETE projects/shop"):
        api.on(what, accepted(), status=202)
    assert rope("restart", "shop", "web", "-d").code == 0
    assert rope("rollback", "shop", "--to", "3", "-y", "-d").code == 0
    assert rope("rm", "shop", "-y", "-d").code == 0
    assert [json.loads(a.body or b"{}") for a in api.asked] == [{"services": ["web"]}, {"revision": 3}, {}]


def test_failover_says_what_moves_and_what_stays(rope: Rope, api: FakeApi) -> None:
    told = FailoverAnswer(project="shop", moving=("shop/web/1",), stays={"shop/db/1": "volume data lives on node-1"})
    api.on("POST projects/shop/failover", told, status=202)
    ran = rope("failover", "shop/web")
    assert (ran.code, ran.out) == (0, "shop/web/1 is started elsewhere\n")
    assert ran.err == "shop/db/1 stays: volume data lives on node-1\n"
    assert rope("failover", "shop", "-o", "name").out == "shop/web/1\n"
    assert [json.loads(a.body) for a in api.asked] == [{"services": ["web"]}, {"services": []}]


FILE = "name: shop\nservices: {web: {image: 'nginx:1'}}\n"

PLAN = PlanAnswer(
    project="shop",
    unchanged=False,
    steps=(
        PlanStep(
            service="web", replica=1, action="start", node="node-1", from_node=None, ports=(), reason="",
            candidates=(
                Candidate(node="node-1", score=0.8, reason=""),
                Candidate(node="n2", score=None, reason="full"),
            ),
        ),
    ),
    warnings=(Problem(message="db is elsewhere"),),
)  # fmt: skip


def test_plan_shows_the_ranking_and_exits_with_3_when_asked(rope: Rope, api: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    api.on("POST projects/shop/plan", PLAN)
    ran = rope("plan", "-f", str(file), "-p", "shop")
    assert ran.code == 0
    assert "node-1  0.800" in ran.out and "n2  refused  full" in ran.out
    assert "warning: db is elsewhere" in ran.err
    assert rope("plan", "-f", str(file), "-p", "shop", "--exit-code").code == Exit.CHANGES


def test_every_option_is_a_variable_too(
    rope: Rope, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    api.on("POST projects/shop/plan", PLAN)
    for name, value in {"FILE": str(file), "PROJECT": "shop", "EXIT_CODE": "1"}.items():
        monkeypatch.setenv(f"ROPE_PLAN_{name}", value)
    assert rope("plan").code == Exit.CHANGES


def test_on_a_terminal_a_deploy_asks_about_stops_and_warns_once(
    rope: Rope, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    asked: list[str] = []

    def agree(question: str, **_: object) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.confirm", agree)
    stop = msgspec.structs.replace(PLAN.steps[0], action="stop", service="we\x1bb")
    api.on("POST projects/shop/plan", msgspec.structs.replace(PLAN, steps=(stop,)))
    api.on("PUT projects/shop", accepted(warnings=PLAN.warnings), status=202)
    ran = rope("deploy", "-f", str(file), "-p", "shop", "-d")
    assert ran.code == 0 and ran.err.count("warning: db is elsewhere") == 1
    assert asked == ["This stops we\\x1bb/1 of shop. Go on?"]


def test_a_compose_file_with_errors_is_told_line_by_line(rope: Rope, api: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    problem = Problem(message="not supported", field="services.web.links", line=4, column=5, fix="Remove it.")
    api.refuse("PUT projects/shop", 422, "the Compose file has 1 error; nothing was changed", problem)
    ran = rope("deploy", "-f", str(file), "-p", "shop")
    assert ran.code == 1
    assert f"{file}:4:5  services.web.links  not supported. Remove it." in ran.err


def test_deploy_reads_stdin(rope: Rope, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FILE.encode())))
    api.on("PUT projects/shop", accepted(), status=202)
    assert rope("deploy", "-f", "-", "--strategy", "affinity", "-d").code == 0
    sent = msgspec.json.decode(api.asked[0].body, type=DeployRequest)
    assert sent.compose == "name: shop\nservices:\n  web:\n    image: nginx:1\n"
    assert sent.sources is not None and sent.sources.files == ("stdin",)
    assert api.asked[0].query == "strategy=affinity"


def test_not_signed_in_says_what_to_set(rope: Rope, api: FakeApi) -> None:
    api.refuse("GET nodes", 401, "a token is needed")
    ran = rope("nodes")
    assert ran.code == Exit.SIGNED_OUT
    assert "ROPE_TOKEN" in ran.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_option_wins_over_the_variable(place: str, rope: Rope, api: FakeApi) -> None:
    api.on("GET nodes", [])
    option = ("--token", "other")
    rope(*(("nodes", *option) if place == "after" else (*option, "nodes")))
    assert api.asked[0].headers["authorization"] == "Bearer other"


@pytest.mark.parametrize(
    "arguments", [("nope",), ("nodes", "--nope"), ("scale", "shop"), ("rollback", "x", "--to", "0")]
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], rope: Rope) -> None:
    assert rope(*arguments).code == Exit.USAGE


def test_an_alarm_shows_the_last_lines_it_came_with(rope: Rope, api: FakeApi) -> None:
    tail = {"log_tail": ["no database\x1b[31m", "bye"]}
    told = event(3, "shop/web/1 is given up on node-1: exited with code 1", kind="alarm", data=tail)
    api.on("GET events", Page(events=(event(2, data=tail), told), next_after=3))
    lines = rope("events").out.splitlines()
    assert [line.strip() for line in lines[2:]] == ["| no database\\x1b[31m", "| bye"]
    assert len(lines) == 4 and "\x1b" not in "".join(lines)


def test_inspect_shows_a_replica_with_what_the_journal_says_of_it(rope: Rope, api: FakeApi) -> None:
    api.on("GET projects/shop", project())
    alarm = event(3, "shop/web/1 is given up", kind="alarm", replica="shop/web/1", data={"log_tail": ["bye"]})
    api.on("GET events", Page(events=(event(2, replica="shop/web/2"), alarm), next_after=3))
    ran = rope("inspect", "replica/shop/web/1")
    shown = json.loads(ran.out)
    assert shown["replica"]["replica"] == 1
    assert [(e["seq"], e["data"]["log_tail"]) for e in shown["events"]] == [(3, ["bye"])]
    assert rope("inspect", "replica/shop/web/9").code == Exit.NOT_FOUND
    assert rope("inspect", "replica/shop").code == Exit.USAGE
