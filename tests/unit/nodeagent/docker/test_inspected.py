"""Docker's `inspect` read into what the agent knows."""

from typing import Any

import msgspec
import pytest

from nodeagent.core.container import Container
from nodeagent.docker.inspected import Inspected, read_container, wall_seconds
from protocol.messages import ContainerRef
from protocol.spec import PortLease

LABELS = {
    "ropeteam.cluster": "c",
    "ropeteam.node": "n",
    "ropeteam.project": "shop",
    "ropeteam.service": "web",
    "ropeteam.replica": "2",
    "ropeteam.epoch": "3",
    "ropeteam.spec": "abc",
}


def answer(state: dict[str, Any] | None = None, labels: dict[str, str] | None = None, **more: Any) -> Container | None:
    """An answer as an engine gives it, read."""
    raw = {
        "Id": "id1",
        "Name": "/rope-shop-web-2-3-abcdef",
        "State": {
            "Status": "running",
            "ExitCode": 0,
            "Error": "",
            "OOMKilled": False,
            "StartedAt": "2026-01-02T03:04:05.123456789Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        }
        | (state or {}),
        "Config": {"Labels": LABELS if labels is None else labels},
        "HostConfig": {"PortBindings": {}},
        "NetworkSettings": {"Networks": {"b": {"IPAddress": ""}, "a": None}},
        "Mounts": [{"anything": "else"}],
    } | more
    return read_container(msgspec.json.decode(msgspec.json.encode(raw), type=Inspected), "c", "n")


def test_a_running_container() -> None:
    assert answer() == Container(
        id="id1",
        name="rope-shop-web-2-3-abcdef",
        ref=ContainerRef(project="shop", service="web", replica=2, epoch=3),
        spec="abc",
        status="running",
        started_at=1767323045.123456,
        networks=("a", "b"),
    )


def test_an_ended_one_shows_how() -> None:
    state = {"Status": "exited", "ExitCode": 137, "OOMKilled": True, "FinishedAt": "2026-01-02T03:05:05Z"}
    seen = answer(state)
    assert seen is not None
    assert (seen.status, seen.exit_code, seen.oom_killed, seen.finished_at) == ("exited", 137, True, 1767323105.0)


@pytest.mark.parametrize(
    "change",
    [
        {"ropeteam.cluster": "other"},
        {"ropeteam.node": "other"},
        {"ropeteam.replica": "two"},
        {"ropeteam.replica": "-1"},
        {"ropeteam.replica": "²"},
        {"ropeteam.epoch": "0"},
        {"ropeteam.epoch": "9" * 5000},
        {"ropeteam.project": "../x"},
        {"ropeteam.service": ""},
    ],
)
def test_what_is_not_wholly_ours_is_not_ours(change: dict[str, str]) -> None:
    assert answer(labels=LABELS | change) is None


def test_one_without_labels_is_not_ours() -> None:
    assert answer(Config={"Labels": None}) is None


def test_the_last_failed_check_speaks() -> None:
    log = [
        {"ExitCode": 1, "Output": "first"},
        {"ExitCode": 1, "Output": "\x1b[31m" + "x" * 900 + "\n"},
        {"ExitCode": 0, "Output": "fine"},
    ]
    seen = answer({"Health": {"Status": "unhealthy", "Log": log}})
    assert seen is not None
    assert (seen.health, seen.health_output) == ("unhealthy", "x" * 500)


@pytest.mark.parametrize("health", [None, {"Status": "", "Log": None}, {"Status": "weird"}])
def test_no_check_is_no_health(health: Any) -> None:
    seen = answer({"Health": health})
    assert seen is not None and seen.health == "none"


def test_a_status_of_the_future_is_dead_to_us() -> None:
    seen = answer({"Status": "hibernating"})
    assert seen is not None and seen.status == "dead"


def test_ports_are_those_it_was_made_with() -> None:
    bindings = {
        "80/tcp": [{"HostIp": "", "HostPort": "20001"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "20002"}],
        "99/tcp": None,
        "98/tcp": [{"HostIp": "", "HostPort": ""}],
        "97/sctp": [{"HostIp": "", "HostPort": "20003"}],
    }
    seen = answer(HostConfig={"PortBindings": bindings})
    assert seen is not None
    assert seen.ports == (
        PortLease(container=53, host=20002, protocol="udp", host_ip="127.0.0.1"),
        PortLease(container=80, host=20001),
    )


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "yesterday", "9999-99-99T00:00:00Z"])
def test_never_is_zero(text: str) -> None:
    assert wall_seconds(text) == 0.0
