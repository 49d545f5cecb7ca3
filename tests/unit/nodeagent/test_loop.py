"""The one writer: order of actions, timers, a disk that fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodeagent import loop as loop_module
from nodeagent.core.events import Listed, Memory, Received, Send, SessionOpened, StepDone
from nodeagent.core.node import NodeState
from nodeagent.core.steps import Step
from nodeagent.journal import Journal
from nodeagent.loop import Loop, clock
from protocol.messages import Desired, Welcome
from tests.unit.nodeagent.core.made import a_container, a_want


class Bench:
    """A loop whose actions are noted in the order they happened."""

    def __init__(self, folder: Path) -> None:
        self.happened: list[str] = []
        self.steps: list[Step] = []
        self.journal = Journal(folder)
        state = NodeState(boot_id="b", memory=Memory(), tasks=(), now=clock())
        self.loop = Loop(
            state,
            self.journal,
            begin=self._begin,
            send=self._send,
            relook=lambda: self.happened.append("relook"),
            probe=lambda _: self.happened.append("probe"),
        )
        save = self.journal.save_memory

        async def note(memory: Memory) -> None:
            await save(memory)
            self.happened.append("saved")

        self.journal.save_memory = note  # type: ignore[method-assign]  # a journal that notes or fails

    def _begin(self, step: Step) -> None:
        self.happened.append(type(step).__name__)
        self.steps.append(step)

    def _send(self, action: Send) -> None:
        self.happened.append(type(action.message).__name__)

    async def until(self, what: str) -> None:
        async with asyncio.timeout(5):
            while what not in self.happened:  # noqa: ASYNC110  whatever happens first
                await asyncio.sleep(0.005)

    async def begin(self) -> None:
        await self.loop.post(Listed(containers=(), asked_at=clock().mono))
        await self.loop.post(SessionOpened(session=1))
        await self.loop.post(Received(session=1, message=Welcome(node="n", session_epoch=1, incarnation=1)))
        await self.loop.post(
            Received(session=1, message=Desired(seq=0, incarnation=1, revision=3, replicas=(a_want(),)))
        )


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.loop.run())
        yield bench
        task.cancel()


async def test_the_word_is_on_disk_before_a_step_begins(tmp_path: Path) -> None:
    async with running(Bench(tmp_path)) as bench:
        assert bench.loop.kept.desired is None
        await bench.begin()
        await bench.until("Create")
        assert bench.happened.index("saved") < bench.happened.index("Create")
        assert bench.loop.kept.desired is not None and bench.loop.kept.desired.revision == 3
    assert Journal(tmp_path).load().memory.desired is not None


async def test_it_wakes_by_itself(tmp_path: Path) -> None:
    async with running(Bench(tmp_path)) as bench:
        await bench.begin()
        await bench.until("Create")
        dead = a_container(a_want(), status="exited", exit_code=1)
        await bench.loop.post(StepDone(step=bench.steps[0], asked_at=clock().mono, container=dead, looked=True))
        await bench.until("Start")


async def test_a_disk_that_fails_does_not_stop_the_healing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop_module, "SAVE_AGAIN_S", 0.05)
    bench = Bench(tmp_path)
    save, failures = bench.journal.save_memory, 1

    async def full_once(memory: Memory) -> None:
        nonlocal failures
        if failures and memory.desired is not None:
            failures -= 1
            raise OSError(28, "No space left on device")
        await save(memory)

    bench.journal.save_memory = full_once  # type: ignore[method-assign]  # a journal that notes or fails
    async with running(bench):
        await bench.begin()
        await bench.until("Create")
        assert bench.loop.kept.desired is None, "nothing is acknowledged that is not on disk"
        bench.happened.remove("saved")  # where the numbers of this life begin
        await bench.until("saved")
        await asyncio.sleep(0)
        assert bench.loop.kept.desired is not None
    assert "No space left" in caplog.text
