"""One run: storms of faults while people work, each followed by a calm in which everything must come right.

`torture` is called by `__main__` (minutes, as asked) and by the test (one short storm). Raises TorturedError.
"""

import asyncio
import contextlib
import random
import time
from pathlib import Path
from typing import NamedTuple

from tests.torture import checks
from tests.torture.faults import Faults
from tests.torture.operators import NodeKeeper, Person, people
from tests.torture.story import Story
from tests.torture.team import Team, assembled

CALM_S = 240.0
"""Within which everything is as wanted once the last fault is over. The guard holds for 120 s, a freed fixed port rests
60 s, a container that fails is started again after up to 60 s, and an update or a restart takes 5 s per replica.
"""

STILL_S = 3.0
"""Settled things stay as they are: nothing is started for so long."""


class Plan(NamedTuple):
    """How a run goes. `storm_s`: of each storm. `seconds`: after which no new storm begins."""

    seed: int
    nodes: int
    seconds: float
    storm_s: float
    stop_max_s: float
    fault_pause_max_s: float
    ask_pause_max_s: float


class TorturedError(Exception):
    """It did not hold; the text is what is wrong, the story and the ends of the logs."""


class Result(NamedTuple):
    """Of a run that held. `calms`: seconds until all was well, after each storm. `peaks`: MiB by process."""

    calms: list[float]
    counts: dict[str, int]
    peaks: dict[str, int]
    acked: int
    starts: int

    def __str__(self) -> str:
        calms = ", ".join(f"{s:.0f}" for s in self.calms)
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self.counts.items()))
        peaks = ", ".join(f"{name} {mib}" for name, mib in self.peaks.items())
        return (
            f"{len(self.calms)} storms; all well again after {calms} s; {self.acked} deployments acknowledged, "
            f"{self.starts} containers started\n{counts}\nmost resident MiB: {peaks}"
        )


async def torture(folder: Path, plan: Plan) -> Result:
    """Run it. Raises TorturedError."""
    story = Story(folder / "story.txt")
    story.tell("seed", f"{plan}")
    chance = random.Random(plan.seed)
    try:
        async with assembled(folder, plan.nodes, story, random.Random(chance.random())) as team:
            return await _Run(team, plan, chance).run()
    except* TorturedError:
        raise
    except* Exception as group:  # an operator's answer that must not be, for one
        raise TorturedError(f"{_first(group)!r}\n--- the story so far; seed {plan.seed}\n{story.tail()}") from group
    finally:
        story.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


class _Run:
    def __init__(self, team: Team, plan: Plan, chance: random.Random) -> None:
        self._team = team
        self._plan = plan
        self._persons: list[Person] = people(team, chance)
        self._keeper = NodeKeeper(team, random.Random(chance.random()))
        self._faults = Faults(team, random.Random(chance.random()), plan.stop_max_s)
        self._calms: list[float] = []

    async def run(self) -> Result:
        begun = time.monotonic()
        await self._calm("the beginning")
        self._calms.clear()
        while not self._calms or time.monotonic() - begun < self._plan.seconds:
            await self._storm()
            await self._calm(f"storm {len(self._calms) + 1}")
        team = self._team
        return Result(
            calms=self._calms,
            counts=dict(team.story.counts),
            peaks={child.name: child.peak >> 20 for child in team.children},
            acked=sum(len(person.acked) for person in self._persons),
            starts=(await team.state()).starts,
        )

    async def _storm(self) -> None:
        plan = self._plan
        self._team.story.tell("storm", f"for {plan.storm_s:.0f} s")
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            rage = tasks.create_task(self._faults.rage(plan.fault_pause_max_s))
            workers: list[Person | NodeKeeper] = [*self._persons, self._keeper]
            for worker in workers:
                tasks.create_task(_until(stop, worker, plan.ask_pause_max_s))
            await asyncio.sleep(plan.storm_s)
            rage.cancel()
            stop.set()
            await self._team.restore()
        await self._team.restore()

    async def _calm(self, after: str) -> None:
        team = self._team
        begun, mended = time.monotonic(), False
        await self._keeper.resume()
        while found := await checks.unsettled(team, self._persons):
            for child in team.children:
                child.measure()
            if time.monotonic() - begun > CALM_S:
                with contextlib.suppress(*checks.SLOW):
                    found += await checks.broken(team, self._persons, self._keeper)
                await self._fail(f"{after}: not as wanted {CALM_S:.0f} s after the last fault", found)
            if not mended and (failed := await checks.failed_projects(team, self._persons)):
                mended = True
                for person in failed:
                    await person.deploy()
            await asyncio.sleep(0.5)
        took_s = time.monotonic() - begun
        starts = (await team.state()).starts
        await asyncio.sleep(STILL_S)
        if (again := (await team.state()).starts) != starts:
            await self._fail(f"{after}: not still", [f"{again - starts} containers were started in the calm"])
        if found := await checks.broken(team, self._persons, self._keeper):
            await self._fail(after, found)
        for child in team.children:
            child.excused = False
        self._calms.append(took_s)
        team.story.tell("calm", f"all is well {took_s:.1f} s after {after}")

    async def _fail(self, what: str, found: list[str]) -> None:
        team = self._team
        raise TorturedError(
            f"{what}\n" + "\n".join(f"  {line}" for line in found[:30])
            + f"\n--- the story so far; seed {self._plan.seed}\n{team.story.tail()}\n--- the Center's journal\n"
            + await _journal(team) + "".join(f"\n--- log of {child.name}\n{child.tail()}" for child in team.children)
        )  # fmt: skip


async def _until(stop: asyncio.Event, worker: Person | NodeKeeper, pause_max_s: float) -> None:
    """Work until told; what is being asked gets its answer first."""
    while not stop.is_set():
        await worker.act()
        try:
            async with asyncio.timeout(worker.pause_s(pause_max_s)):
                await stop.wait()
        except TimeoutError:
            continue


async def _journal(team: Team) -> str:
    try:
        page = await team.api.get("/api/v1/events?limit=1000")
        while len(page["events"]) == 1000:
            page = await team.api.get(f"/api/v1/events?limit=1000&after={page['next_after']}")
    except checks.SLOW as error:
        return f"not to be had: {error}"
    return "\n".join(f"{e['at']} {e['kind']} {e['text']}" for e in page["events"][-100:])
