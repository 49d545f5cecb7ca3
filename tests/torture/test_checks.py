"""What torture looks for is seen when it is there."""

import random
from pathlib import Path
from typing import Any

import pytest

from nodeagent.core.container import DockerFault
from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica, ServiceSpec
from tests.torture import checks, knobs
from tests.torture.engines import Engines, Shown, State
from tests.torture.operators import KINDS, Acked, Person
from tests.torture.story import Story
from tests.torture.team import Team

EDGE = next(kind for kind in KINDS if kind.code == "edge")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Cares for `edge`: two copies of version 3 are wanted."""
    story = Story(tmp_path / "story.txt")
    made = Person(EDGE, Team(tmp_path, ["node-1", "node-2"], story, random.Random(1)), random.Random(1))
    story.close()
    made.there, made.version, made.count = True, 3, 2
    return made


def shown(replica: int, node: str = "node-1", *, running: bool = True, version: str = "3", epoch: int = 1) -> Shown:
    ref = ContainerRef(project="edge", service="edge", replica=replica, epoch=epoch)
    return Shown(node=node, ref=ref, running=running, image="web:1", version=version, ports=())


def said(person: Person, *containers: Shown) -> list[str]:
    return checks._engines_say(State(containers=containers, twice=(), starts=0, creates=0), [person])


def test_all_is_well_when_every_copy_runs_once(person: Person) -> None:
    assert said(person, shown(1), shown(2, "node-2")) == []


@pytest.mark.parametrize(
    ("containers", "told"),
    [
        ((shown(1),), "are wanted"),
        ((shown(1), shown(2), shown(3)), "are wanted"),
        ((shown(1), shown(2), shown(2, "node-2", epoch=2)), "edge/edge/2 runs 2 times"),
        ((shown(1), shown(2, version="2")), "runs version 2, not 3"),
        ((shown(1), shown(2), shown(2, epoch=1, running=False)), "is there and does not run"),
    ],
)
def test_what_is_wrong_on_the_engines_is_told(person: Person, containers: tuple[Shown, ...], told: str) -> None:
    assert any(told in line for line in said(person, *containers)), said(person, *containers)


@pytest.mark.parametrize(
    ("status", "view", "told"),
    [
        (200, {"project": "edge", "revision": 4, "state": "superseded"}, ""),
        (404, {}, "is lost"),
        (200, {"project": "edge", "revision": 5, "state": "succeeded"}, "is now"),
        (200, {"project": "edge", "revision": 4, "state": "running"}, "at rest"),
    ],
)
def test_an_acknowledged_deployment_must_be_known(status: int, view: Any, told: str) -> None:
    found = checks._told(Acked("edge", 7, 4), status, view)
    assert (told in found) if told else not found


async def test_the_engines_see_a_second_container_of_one_copy() -> None:
    engines = Engines(["node-1", "node-2"])
    spec = ServiceSpec(name="web", image="web:1")
    for node in ("node-1", "node-2"):
        docker = engines.docker(node, "c1", node)
        image = await docker.resolve("web:1")
        want = DesiredReplica(project="shop", service="web", replica=1, epoch=1, revision=1, image=image, spec=spec)
        await docker.start(await docker.create(want, {}))
    assert len(engines.state().twice) == 1 and "beside" in engines.state().twice[0]
    with pytest.raises(DockerFault):
        await engines.docker("node-1", "c1", "node-1").start("unknown")


def test_a_point_is_met_at_the_time_it_was_armed_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: died.append(number))
    knobs.make_folder(tmp_path)
    here = knobs.Knobs(tmp_path)
    here.hit("before-store")
    knobs.arm(tmp_path, "before-store", 2)
    here.hit("before-store")
    here.hit("after-store")
    assert not died
    here.hit("before-store")
    assert len(died) == 1 and not knobs.disarm(tmp_path)
