"""What `benchmarks.releases` says of its figures, and how it reads engines. The runs themselves need real hosts."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import releases
from benchmarks.releases import OFTEN, ByHand, compared, seen
from lab.engine import Engine
from lab.host import Host


def test_ours_is_told_with_its_ratios_to_by_hand_and_to_swarm() -> None:
    ours, hand, docker = compared("update", [12.0], [10.0], [15.0])
    assert (ours.ratio, ours.reference, ours.note) == (1.2, "by hand", "0.8 of Swarm's")
    assert (hand.ratio, docker.ratio) == (None, 1.5)
    assert [r.name for r in (ours, hand, docker)] == [
        "update, Ropeteam",
        "update, by hand: the engines' API alone",
        "update, Docker Swarm",
    ]


def test_a_missed_target_is_told() -> None:
    ours, *_ = compared("scale", [13.5], [10.0], [12.0])
    assert ours.note == "1.12 of Swarm's: SLOWER; MORE THAN the 1.3"


def test_both_forms_of_the_check_say_the_same() -> None:
    compose, engine = OFTEN.compose(), OFTEN.engine()
    assert (compose["test"], compose["retries"]) == (engine["Test"], engine["Retries"])
    assert compose["interval"] == f"{int(str(engine['Interval'])) // 10**9}s"
    assert compose["timeout"] == f"{int(str(engine['Timeout'])) // 10**9}s"


def test_only_healthy_containers_of_the_image_count_and_running_ones_of_others_are_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = [
        _container("new", "Up 2 seconds (healthy)"),
        _container("new", "Up 1 second (health: starting)"),
        _container("new", "Up 9 seconds (unhealthy)"),
        _container("old", "Up 9 seconds (healthy)"),
        _container("old", "Exited (0) 1 second ago", state="exited"),
    ]

    def containers(_: Engine, *, labels: tuple[str, ...]) -> list[dict[str, Any]]:
        assert labels == ("service=web",)
        return listed

    monkeypatch.setattr(Engine, "containers", containers)
    monkeypatch.setattr(Engine, "image_id", lambda _engine, reference: {"web:2": "new"}[reference])
    hosts = [_host(Engine(tmp_path / "none")) for _ in range(2)]
    assert seen(hosts, "service=web", "web:2") == (2, 2)


@pytest.mark.parametrize(
    ("order", "calls"),
    [
        ("start-first", ["create", "start", "healthy", "stop", "remove"]),
        ("stop-first", ["stop", "remove", "create", "start", "healthy"]),
    ],
)
def test_by_hand_each_copy_is_replaced_in_the_order_asked_for(order: releases.Order, calls: list[str]) -> None:
    engine = Recording(Path("none"))
    peer = ByHand([_host(engine)])
    peer.up(2, order, OFTEN)
    engine.done.clear()
    peer.update("web:2")
    assert engine.done == calls * 2
    engine.done.clear()
    peer.scale(3)
    assert engine.done == ["create", "start"]


class Recording(Engine):
    """An engine that is none: it says yes to all, is healthy at the third look after a start, and remembers
    what was asked of it."""

    def __init__(self, socket_path: Path) -> None:
        super().__init__(socket_path)
        self.done: list[str] = []
        self._looks = 0

    def call(self, method: str, path: str, body: object = None, **_: object) -> bytes:
        kinds = {"/containers/create": "create", "/start": "start", "/stop": "stop"}
        told = [kind for part, kind in kinds.items() if part in path]
        self.done += ["remove"] if method == "DELETE" else told
        self._looks = 0
        return json.dumps({"Id": "c" * 12}).encode()

    def inspect(self, container: str) -> dict[str, Any]:
        self._looks += 1
        if self.done[-1] != "start" or self._looks < 3:
            return {"State": {"Health": {"Status": "starting"}}}
        self.done.append("healthy")
        return {"State": {"Health": {"Status": "healthy"}}}


def _host(engine: Engine) -> Host:
    host = Host.__new__(Host)  # without a machine
    host.engine = engine
    return host


def _container(image: str, status: str, state: str = "running") -> dict[str, Any]:
    return {"ImageID": image, "Status": status, "State": state}
