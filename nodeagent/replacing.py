"""`python -m nodeagent.replacing JOB`: puts one agent's container in the place of another's, and back if need be.

Runs in a container of its own, of the old agent's image, which that agent made (`upgrading`). What to do next is
`core.replacing`'s word; this looks, does, and writes the verdict down. Killed at any moment it is started again by
Docker and goes on. Exit code 0: all is as decided; 1: Docker did not obey for long.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.core.replacing import Boxes, Decide, Deed, End, NameIt, RemoveIt, Seen, StartIt, StopIt, Wait, next_deed
from nodeagent.docker.agents import Agents
from nodeagent.replaced import Job, Outcome, had_session, note_outcome, outcome_of

PAUSE_S = 0.25
FAULT_PAUSE_S = 2.0
FAULTS_MAX = 30
"""Faults in a row after which this process gives up; Docker starts it again."""
REASON_MAX = 400

log = logging.getLogger(__name__)


class Replacing:
    """One job."""

    def __init__(self, job: Job, agents: Boxes) -> None:
        self._job = job
        self._agents = agents
        self._folder = Path(job.data)
        self._started_at: float | None = None

    async def run(self) -> None:
        """Until it is done. Raises DockerFault when Docker does not obey for long."""
        faults = 0
        while True:
            try:
                deed = next_deed(await self._look())
                if isinstance(deed, End):
                    return
                await self._do(deed)
                faults = 0
            except DockerFault as fault:
                faults += 1
                log.warning("%s", fault)
                if faults >= FAULTS_MAX:
                    raise
                await asyncio.sleep(FAULT_PAUSE_S)

    async def _look(self) -> Seen:
        job = self._job
        decided = await asyncio.to_thread(outcome_of, self._folder, job.task)
        new = await self._agents.look(job.new)
        if self._started_at is None and new is not None and new.alive:
            self._started_at = _now()
        return Seen(
            name=job.name,
            old=await self._agents.look(job.old),
            new=new,
            online=await asyncio.to_thread(had_session, self._folder) == job.new,
            waited_s=_now() - self._started_at if self._started_at is not None else 0.0,
            verdict=decided.verdict if decided is not None else "",
        )

    async def _do(self, deed: Deed) -> None:
        match deed:
            case StopIt(id=found):
                log.info("stopping %s", found[:12])
                await self._agents.stop(found)
            case StartIt(id=found):
                log.info("starting %s", found[:12])
                await self._start(found)
            case NameIt(id=found, name=name):
                await self._agents.name(found, name)
            case RemoveIt(id=found):
                await self._agents.remove(found)
            case Decide():
                await self._decide(deed)
            case Wait():
                await asyncio.sleep(PAUSE_S)
            case End():
                pass
            case _:
                assert_never(deed)

    async def _start(self, found: str) -> None:
        """A new agent that cannot be started is no reason to try for long; the old one is."""
        self._started_at = _now()
        try:
            await self._agents.start(found)
        except DockerFault as fault:
            if found != self._job.new or fault.kind in ("engine_down", "timeout"):
                raise
            await self._decide(Decide(verdict="failed", reason=f"the new agent cannot be started: {fault}"))

    async def _decide(self, deed: Decide) -> None:
        words = await self._agents.last_words(self._job.new) if deed.verdict == "failed" else ""
        reason = deed.reason + (f": {words}" if words else "")
        log.info("%s %s", deed.verdict, reason)
        outcome = Outcome(task=self._job.task, verdict=deed.verdict, reason=reason[:REASON_MAX])
        await asyncio.to_thread(note_outcome, self._folder, outcome)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def replace(job: Job) -> None:
    """Do this job. Raises DockerFault, OSError."""
    agents = Agents(job.docker)
    try:
        await Replacing(job, agents).run()
    finally:
        await agents.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the job of the first argument; gives the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        asyncio.run(replace(msgspec.json.decode(given[0], type=Job)))
    except (DockerFault, OSError, IndexError, ValueError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
