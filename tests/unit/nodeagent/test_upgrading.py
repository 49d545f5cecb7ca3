"""An agent that has itself replaced, from the order to the word of whoever is there afterwards; engine in memory."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodeagent import replacing
from nodeagent.core.container import DockerFault
from nodeagent.core.events import Event, Received, Woke
from nodeagent.docker.successor import REPLACES
from nodeagent.replaced import Job, Outcome, had_session, note_outcome, note_session, outcome_of
from nodeagent.replacing import Replacing
from nodeagent.upgrading import Upgrading
from protocol.messages import Beat, Welcome
from tests.fakes.agents import FakeAgents

OLD, NEW = "agent:1", "agent:2"


class Machine:
    """An engine with an agent in a container. What replaces it runs as a task here."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.folder = folder
        self.tasks = tasks
        self.agents = FakeAgents()
        for image in (OLD, NEW):
            self.agents.add_image(image)
        self.agents.lives[OLD] = self._run
        self.agents.lives[self.agents.images[OLD]["Id"]] = self._run
        self.old = ""

    async def begin(self, **host: Any) -> Upgrading:
        self.old = await self.agents.make("agent", {"Image": OLD, "HostConfig": host}, {})
        self.agents.boxes[self.old]["Mounts"] = [
            {"Type": "volume", "Name": "agent", "Destination": str(self.folder), "RW": True}
        ]
        await self.agents.start(self.old)
        return self.upgrading(self.old)

    def upgrading(self, container: str) -> Upgrading:
        """The agent that lives in this container."""
        return Upgrading("unix:///docker.sock", container, self.folder, lambda url: self.agents)

    def good(self) -> None:
        """The new agent finds its Center."""
        self.agents.lives[NEW] = lambda number: note_session(self.folder, number)

    def bad(self) -> None:
        """The new agent ends at once."""
        self.agents.lives[NEW] = lambda number: self.agents.end(number, 3, "boom")

    def new(self) -> str:
        return next(n for n, box in self.agents.boxes.items() if box["Config"]["Image"] == NEW)

    def _run(self, number: str) -> None:
        box = self.agents.boxes[number]
        if REPLACES in box["Config"]["Labels"]:
            job = msgspec.json.decode(box["Config"]["Cmd"][-1], type=Job)
            self.tasks.create_task(self._replace(job, number))

    async def _replace(self, job: Job, number: str) -> None:
        await Replacing(job, self.agents).run()
        self.agents.end(number, 0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "PAUSE_S", 0.001)
    monkeypatch.setattr(replacing, "FAULT_PAUSE_S", 0.001)
    monkeypatch.setattr("nodeagent.upgrading.PAUSE_S", 0.001)
    monkeypatch.setattr("nodeagent.upgrading.FAULT_PAUSE_S", 0.001)


async def test_a_good_one_takes_over_and_all_else_is_gone(tmp_path: Path) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        machine.good()
        upgrading = await machine.begin()
        assert await upgrading.replace("t1", NEW) == "the new agent has a session"
        assert machine.agents.names() == {"agent"} and machine.agents.most_alive == 1
        assert await machine.upgrading(machine.new()).replace("t1", NEW) == "the new agent has a session", "asked again"
        assert await machine.upgrading(machine.new()).own_image() == NEW


async def test_a_bad_one_is_taken_back_and_the_reason_has_its_last_words(tmp_path: Path) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        machine.bad()
        upgrading = await machine.begin()
        with pytest.raises(DockerFault, match="the old agent was put back: the new agent ended with code 3: boom"):
            await upgrading.replace("t1", NEW)
        assert machine.agents.names() == {"agent"} and machine.agents.most_alive == 1
        assert machine.agents.boxes[machine.old]["State"]["Status"] == "running"
        machine.good()
        assert await upgrading.replace("t2", NEW) == "the new agent has a session", "a later order has its own word"


async def test_one_that_cannot_be_started_is_taken_back(tmp_path: Path) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        upgrading = await machine.begin()
        machine.agents.boxes[machine.old]["Config"]["Cmd"] = ["no-such-command"]
        machine.agents.boxes[machine.old]["State"]["Status"] = "exited"  # it is put back by hand below
        with pytest.raises(DockerFault, match="cannot be started"):
            machine.tasks.create_task(_mend(machine))
            await upgrading.replace("t1", NEW)


async def _mend(machine: Machine) -> None:
    while outcome_of(machine.folder, "t1") is None:  # noqa: ASYNC110  a file has no events
        await asyncio.sleep(0.001)
    machine.agents.boxes[machine.old]["Config"]["Cmd"] = ["agent"]


async def test_an_engine_that_fails_now_and_then_changes_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        upgrading = await machine.begin()

        def live(number: str) -> None:
            machine.agents.faults += [DockerFault("engine_down", "away"), DockerFault("timeout", "late")]
            note_session(tmp_path, number)

        machine.agents.lives[NEW] = live
        assert await upgrading.replace("t1", NEW) == "the new agent has a session"
        assert machine.agents.names() == {"agent"}


async def test_the_same_image_needs_no_replacement(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        upgrading = await machine.begin()
        machine.agents.images["agent:newest"] = machine.agents.images[OLD]
        assert await upgrading.replace("t1", "agent:newest") == "it runs that image already"
        assert machine.agents.names() == {"agent"}


async def test_what_cannot_be_put_back_is_not_begun(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        with pytest.raises(DockerFault, match="does not run in a container"):
            await machine.upgrading("").replace("t1", NEW)
        with pytest.raises(DockerFault, match="does not run in a container"):
            await machine.upgrading("gone").replace("t1", NEW)
        upgrading = await machine.begin(AutoRemove=True)
        with pytest.raises(DockerFault, match="--rm"):
            await upgrading.replace("t1", NEW)
        machine.agents.boxes[machine.old]["HostConfig"] = {}
        machine.agents.boxes[machine.old]["Mounts"] = []
        with pytest.raises(DockerFault, match="is in no volume"):
            await upgrading.replace("t1", NEW)
        with pytest.raises(DockerFault, match="is not on this node"):
            await upgrading.replace("t1", "agent:9")
        assert machine.agents.names() == {"agent"}


async def test_one_that_ended_without_a_word_is_told_with_its_last_lines(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        machine = Machine(tmp_path, tasks)
        upgrading = await machine.begin()
        machine.agents.lives.clear()
        machine.agents.lives[machine.agents.images[OLD]["Id"]] = lambda number: machine.agents.end(number, 1, "no disk")
        with pytest.raises(DockerFault, match="ended without a word: no disk"):
            await upgrading.replace("t1", NEW)


async def test_who_replaces_us_learns_of_our_session(tmp_path: Path) -> None:
    heard: list[Event] = []

    async def post(event: Event) -> None:
        heard.append(event)

    lone, housed = (Upgrading("unix:///d", own, tmp_path).overhearing(post) for own in ("", "c1"))
    welcome = Received(session=1, message=Welcome(node="n", session_epoch=1, incarnation=1))
    await lone(welcome)
    assert had_session(tmp_path) == ""
    for event in (Woke(), Received(session=1, message=Beat(seq=1))):
        await housed(event)
    assert had_session(tmp_path) == ""
    await housed(welcome)
    assert had_session(tmp_path) == "c1" and len(heard) == 4


def test_an_outcome_is_of_its_task_and_damage_is_none(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, "t1") is None and had_session(tmp_path) == ""
    note_outcome(tmp_path, Outcome(task="t1", verdict="done"))
    assert outcome_of(tmp_path, "t1") == Outcome(task="t1", verdict="done") and outcome_of(tmp_path, "t2") is None
    (tmp_path / "replaced.json").write_text("{")
    assert outcome_of(tmp_path, "t1") is None


@pytest.mark.parametrize("arguments", [[], ["{"], ["{}"]])
def test_a_job_that_is_none_ends_with_1(arguments: list[str]) -> None:
    assert replacing.main(arguments) == 1
