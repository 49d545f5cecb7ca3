"""What goes wrong, by chance from a seed. Each fault is one coroutine that begins it, waits and ends it.

Many run at once. Whatever is left when the calm begins is ended by `Team.restore`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.torture import knobs
from tests.torture.process import Child
from tests.torture.team import Team

POINT_WAIT_S = 12.0
HEADROOM = 4096 * 8
"""Bytes that the longest file may still grow under a limit of file sizes."""


class Faults:
    """`stop_max_s`: the longest SIGSTOP and the longest wrong clock."""

    def __init__(self, team: Team, chance: random.Random, stop_max_s: float) -> None:
        self._team = team
        self._chance = chance
        self._stop_max_s = stop_max_s
        self._busy: set[tuple[str, str]] = set()
        self._kinds: tuple[tuple[int, Callable[[], Awaitable[None]]], ...] = (
            (10, self._kill_agent),
            (8, self._kill_center),
            (18, self._point_agent),
            (18, self._point_center),
            (8, self._stop_agent),
            (5, self._stop_center),
            (3, self._restart_center),
            (3, self._restart_agent),
            (4, self._fill_center),
            (4, self._fill_agent),
            (4, self._limit_center),
            (3, self._limit_agent),
            (6, self._step_clock),
            (5, self._engine),
            (6, self._container),
            (3, self._power_loss),
        )

    async def rage(self, pause_max_s: float) -> None:
        """For ever: begin another one after a pause. Cancelled, those that run are left as they are."""
        weights = [weight for weight, _ in self._kinds]
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(self._chance.uniform(0.0, pause_max_s))
                _, begin = self._chance.choices(self._kinds, weights)[0]
                tasks.create_task(self._carry_out(begin))

    async def _carry_out(self, begin: Callable[[], Awaitable[None]]) -> None:
        await begin()

    def _tell(self, kind: str, text: str) -> None:
        self._team.story.tell(kind, text)

    def _agent(self) -> Child:
        return self._team.agents[self._chance.choice(self._team.names)]

    async def _kill_agent(self) -> None:
        child = self._agent()
        self._tell("kill", child.name)
        child.kill()

    async def _kill_center(self) -> None:
        self._tell("kill", "center")
        self._team.center.kill()

    async def _point_agent(self) -> None:
        await self._point(self._agent(), self._named(knobs.AGENT_POINTS), self._chance.randint(1, 4))

    async def _point_center(self) -> None:
        await self._point(self._team.center, self._named(knobs.CENTER_POINTS), self._chance.randint(1, 12))

    def _named(self, points: tuple[str, ...]) -> str:
        return f"{self._chance.choice(('before', 'after'))}-{self._chance.choice(points)}"

    async def _point(self, child: Child, name: str, count: int) -> None:
        if ("point", child.name) in self._busy:
            return
        self._busy.add(("point", child.name))
        try:
            knobs.arm(child.knobs, name, count)
            await asyncio.sleep(POINT_WAIT_S)
            if knobs.disarm(child.knobs):
                self._tell("unmet", f"{child.name} did not pass {name} {count} times")
            else:
                self._tell("point", f"{child.name} died at {name}, time {count}")
        finally:
            self._busy.discard(("point", child.name))

    async def _stop_agent(self) -> None:
        await self._stop(self._agent(), self._chance.uniform(1.0, self._stop_max_s))

    async def _stop_center(self) -> None:
        await self._stop(self._team.center, self._chance.uniform(1.0, self._stop_max_s / 2))

    async def _stop(self, child: Child, seconds: float) -> None:
        if child.stopped or not child.pid:
            return
        self._tell("stop", f"{child.name} for {seconds:.1f} s")
        child.stop()
        await asyncio.sleep(seconds)
        child.go_on()

    async def _restart_center(self) -> None:
        self._tell("restart", "center with SIGTERM")
        self._team.center.terminate()

    async def _restart_agent(self) -> None:
        child = self._agent()
        self._tell("restart", f"{child.name} with SIGTERM")
        child.terminate()

    async def _fill_center(self) -> None:
        await self._fill(self._team.center)

    async def _fill_agent(self) -> None:
        await self._fill(self._agent())

    async def _fill(self, child: Child) -> None:
        if child.name not in self._team.disks or ("disk", child.name) in self._busy:
            return
        self._busy.add(("disk", child.name))
        seconds = self._chance.uniform(2.0, 15.0)
        self._tell("full", f"disk of {child.name} for {seconds:.1f} s")
        child.excused = True
        try:
            self._team.fill(child.name)
            await asyncio.sleep(seconds)
            self._team.unfill(child.name)
        finally:
            self._busy.discard(("disk", child.name))

    async def _limit_center(self) -> None:
        await self._limit(self._team.center)

    async def _limit_agent(self) -> None:
        await self._limit(self._agent())

    async def _limit(self, child: Child) -> None:
        data = self._team.data(child.name)
        if not child.pid or not data.exists():
            return
        longest = max((f.stat().st_size for f in data.iterdir() if f.is_file()), default=0)
        shortest = HEADROOM if child is self._team.center else 0
        room = self._chance.choice((0, shortest, shortest // 2))
        seconds = self._chance.uniform(2.0, 15.0)
        child.excused = True
        self._tell("io-error", f"writes of {child.name} beyond {longest + room} bytes fail for {seconds:.1f} s")
        child.limit_files(longest + room if child is self._team.center else room)
        await asyncio.sleep(seconds)
        child.free_files()

    async def _step_clock(self) -> None:
        child = self._chance.choice(self._team.children)
        offset_s = self._chance.choice((-3600.0, -90.0, -5.0, 5.0, 90.0, 3600.0))
        seconds = self._chance.uniform(2.0, self._stop_max_s)
        self._tell("clock", f"of {child.name} is {offset_s:+.0f} s for {seconds:.1f} s")
        knobs.set_offset(child.knobs, offset_s)
        await asyncio.sleep(seconds)
        knobs.set_offset(child.knobs, 0.0)

    async def _engine(self) -> None:
        name = self._chance.choice(self._team.names)
        if ("engine", name) in self._busy:
            return
        self._busy.add(("engine", name))
        do, value = self._chance.choice((("down", 1.0), ("hung", 1.0), ("slow", self._chance.uniform(0.2, 3.0))))
        seconds = self._chance.uniform(1.0, 20.0)
        self._tell("engine", f"of {name} is {do} for {seconds:.1f} s")
        try:
            await self._team.order(do, name, value)
            await asyncio.sleep(seconds)
            await self._team.order(do, name)
        finally:
            self._busy.discard(("engine", name))

    async def _container(self) -> None:
        name, do = self._chance.choice(self._team.names), self._chance.choice(("exit", "lose", "fail"))
        call = self._chance.choice(("create", "start", "stop", "remove", "inspect"))
        self._tell("container", f"on {name}: {do} {call if do == 'fail' else ''}")
        await self._team.order(do, name, float(self._chance.randint(0, 20)), call)

    async def _power_loss(self) -> None:
        child = self._agent()
        seconds = self._chance.uniform(0.0, self._stop_max_s / 2)
        child.kept_down = True
        child.kill()
        count = await self._team.order("reboot", child.name)
        knobs.set_boot(child.knobs, f"boot-{self._chance.randrange(1 << 30)}")
        self._tell("power", f"{child.name} is without power for {seconds:.1f} s; {count} containers died")
        await asyncio.sleep(seconds)
        child.kept_down = False
