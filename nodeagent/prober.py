"""Makes the checks that the probe table calls for, each under its deadline, and posts what they say (docs/health.md).

Decides nothing: what is due, how many at once and what an answer means is for `core.probes`. Told by `loop` what to
probe; started by `app`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from nodeagent import checks
from nodeagent.core.container import Docker, DockerFault, Exec, FaultKind
from nodeagent.core.events import Event, Now, Probe
from nodeagent.core.probes import Check, ProbeTable, Result

VOID: frozenset[FaultKind] = frozenset({"engine_down", "timeout", "not_found"})
"""What keeps the engine from running a command and is no fault of the container's."""
LEFT_MAX = 256
"""Commands remembered that outlived their deadline."""

log = logging.getLogger(__name__)


class Prober:
    """`post`: takes what changed. `now`: the clocks."""

    def __init__(self, docker: Docker, post: Callable[[Event], Awaitable[None]], *, now: Callable[[], Now]) -> None:
        self._docker = docker
        self._post = post
        self._now = now
        self._table = ProbeTable()
        self._woken = asyncio.Event()
        self._left: dict[str, Exec] = {}

    def aim(self, word: Probe) -> None:
        """Probe these from now on, and no others."""
        self._table.follow(word.targets, self._now())
        self._woken.set()

    async def run(self) -> None:
        """Make checks for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                for check in self._table.due(self._now().mono):
                    group.create_task(self._check(check), name=f"probe {check.target.ref.id}")
                await self._wait()

    async def _wait(self) -> None:
        wake_at = self._table.wake_at()
        try:
            async with asyncio.timeout(max(0.0, wake_at - self._now().mono) if wake_at < float("inf") else None):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    async def _check(self, check: Check) -> None:
        result = await self._result(check)
        event = self._table.done(check, result, self._now().mono)
        self._woken.set()
        if event is not None:
            await self._post(event)

    async def _result(self, check: Check) -> Result:
        while len(self._left) > LEFT_MAX:
            del self._left[next(iter(self._left))]
        try:
            async with asyncio.timeout(check.timeout_s):
                return await checks.make(check, self._docker, self._left)
        except TimeoutError:
            return Result(ok=False, output=f"no answer within {check.timeout_s:g} s")
        except DockerFault as fault:
            return Result(ok=False, output=str(fault), void=fault.kind in VOID)
        except Exception as error:
            # One replica's odd probe must not end the agent.
            log.exception("a probe of %s failed in an unforeseen way", check.target.ref.id)
            return Result(ok=False, output=f"{type(error).__name__}: {error}"[: checks.OUTPUT_MAX])
