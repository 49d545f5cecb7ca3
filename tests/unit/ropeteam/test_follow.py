"""Waiting for a deployment."""

from pathlib import Path

import pytest

from ropeteam.fault import Exit
from tests.unit.ropeteam.conftest import Rope
from tests.unit.ropeteam.fake_api import FakeApi
from tests.unit.ropeteam.samples import accepted, deployment, project, replica, step


@pytest.fixture
def compose(tmp_path: Path) -> str:
    """A Compose file of a project `shop`."""
    file = tmp_path / "compose.yaml"
    file.write_text("name: shop\nservices:\n  web: {image: web:1}\n")
    return str(file)


def test_each_change_is_a_line_and_the_outcome_is_data(rope: Rope, api: FakeApi, compose: str) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    api.on(
        "GET deployments/7",
        deployment("running", step("resolve web:1", "done"), step("replace web/1", "running")),
        deployment("running", step("resolve web:1", "done"), step("replace web/1", "running")),
        deployment("succeeded", step("resolve web:1", "done"), step("replace web/1", "done")),
    )
    api.on("GET projects/shop", project())
    ran = rope("deploy", "-f", compose)
    assert ran.code == 0
    assert [line.split()[1:] for line in ran.err.splitlines()] == [
        ["resolve", "web:1", "done"],
        ["replace", "web/1", "running"],
        ["replace", "web/1", "done"],
    ]
    assert ran.out.startswith("shop revision 2 running: 2 of 2 healthy on node-1 in ")
    assert ran.out.rstrip().endswith("10.0.0.1:20001->80 10.0.0.1:20002->80")


@pytest.mark.parametrize(
    ("state", "code"),
    [("failed", Exit.FAILED), ("rolled_back", Exit.ROLLED_BACK), ("superseded", Exit.CONFLICT)],
)
def test_a_deployment_that_ends_otherwise_says_where_and_why(
    state: str, code: Exit, rope: Rope, api: FakeApi, compose: str
) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    api.on("GET deployments/7", deployment(state, step("replace web/1", "failed", "exit 7")))
    ran = rope("deploy", "-f", compose)
    assert ran.code == code
    assert f"deployment 7 of shop {state.replace('_', ' ')} at replace web/1: exit 7" in ran.err
    assert ran.out == ""


def test_ctrl_c_leaves_the_deployment_running(
    rope: Rope, api: FakeApi, compose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ropeteam.states.time.sleep", interrupt)
    api.on("PUT projects/shop", accepted(), status=202)
    ran = rope("deploy", "-f", compose)
    assert ran.code == Exit.INTERRUPTED
    assert "Deployment 7 keeps running. rope deploy watch shop | rope deploy cancel shop" in ran.err
    assert [a.method for a in api.asked] == ["PUT"]


def test_after_the_timeout_it_is_124(rope: Rope, api: FakeApi, compose: str) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    api.on("GET deployments/7", deployment("running"))
    ran = rope("deploy", "-f", compose, "--timeout", "0.02s")
    assert ran.code == Exit.TIMEOUT
    assert "keeps running" in ran.err


def test_a_center_that_is_away_for_a_while_is_waited_for(rope: Rope, api: FakeApi, compose: str) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    api.cuts["GET deployments/7"] = 7  # two looks of three tries each, and one more try
    api.on("GET deployments/7", deployment("succeeded"))
    api.on("GET projects/shop", project(replicas=(replica(1),)))
    ran = rope("deploy", "-f", compose)
    assert ran.code == 0
    assert ran.err.count("trying again") == 1
    assert "the Center answers again" in ran.err


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_center_behind_a_proxy_is_waited_for_while_it_restarts(
    status: int, rope: Rope, api: FakeApi, compose: str
) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    api.on("GET deployments/7", b"<html>Bad Gateway</html>", status=status)
    api.refuse("GET deployments/7", status, "not now")
    api.on("GET deployments/7", deployment("succeeded"))
    api.on("GET projects/shop", project(replicas=(replica(1),)))
    ran = rope("deploy", "-f", compose)
    assert ran.code == 0 and "the Center answers again" in ran.err


def test_a_deployment_that_succeeded_is_a_success_though_the_center_goes_away(
    rope: Rope, api: FakeApi, compose: str
) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    api.on("GET deployments/7", deployment("succeeded"))
    api.cuts["GET projects/shop"] = 99
    ran = rope("deploy", "-f", compose)
    assert ran.code == 0 and ran.out.startswith("shop revision 2: deployment 7 succeeded in ")
    assert "cannot reach the Center" in ran.err


def test_detached_nothing_is_waited_for(rope: Rope, api: FakeApi, compose: str) -> None:
    api.on("PUT projects/shop", accepted(), status=202)
    assert rope("deploy", "-f", compose, "--detach", "-o", "name").out == "7\n"
    assert [a.method for a in api.asked] == ["PUT"]


def test_unchanged_is_said_and_not_waited_for(rope: Rope, api: FakeApi, compose: str) -> None:
    api.on("PUT projects/shop", accepted(unchanged=True, deployment=None))
    ran = rope("deploy", "-f", compose)
    assert (ran.code, ran.out) == (0, "shop revision 2 is unchanged\n")
