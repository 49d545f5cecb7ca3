"""The agent's part in its own replacement: makes the new container and the one that replaces it, then waits to be
stopped; the agent that is there afterwards, new or old, tells how it went.

May be called again at any moment, by any of the two agents: it goes on from what is there. Called by the executor.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.core.events import Event, Received
from nodeagent.core.replacing import FORMER, HELPER, NEXT, Boxes
from nodeagent.docker.agents import Agents, Raw
from nodeagent.docker.successor import REPLACES, obstacle, other_networks, replacer, successor
from nodeagent.replaced import Job, note_session, outcome_of
from protocol.messages import Welcome

PAUSE_S = 0.25
FAULT_PAUSE_S = 2.0
FAULTS_MAX = 20
"""Times an engine that is away, as in its own restart, is asked again: what was decided is not to be told wrongly."""
NO_CONTAINER = (
    "the agent does not run in a container of the engine it drives: upgrade it the way it was installed"
    " (package or virtual environment, then restart its service)"
)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Upgrading:
    """`url`: the engine. `container`: the agent's own, "" = it lives in none. `folder`: its data."""

    def __init__(self, url: str, container: str, folder: Path, connect: Callable[[str], Boxes] = Agents) -> None:
        self._url = url
        self._connect = connect
        self._container = container
        self._folder = folder

    async def replace(self, task: str, image: str) -> str:
        """Have this agent replaced by one of `image`, which is on the node; answers in a sentence when that is done.
        Raises DockerFault: `refused` when it cannot be, `error` when the old one was put back, with the reason.
        """
        if not self._container:
            raise DockerFault("refused", NO_CONTAINER)
        agents = self._connect(self._url)
        try:
            return await self._replaced(agents, task, image)
        finally:
            await agents.close()

    async def own_image(self) -> str:
        """The image of the agent's container as it was asked for; "" when it lives in none, or Docker does not say."""
        if not self._container:
            return ""
        agents = self._connect(self._url)
        try:
            own = await agents.inspect(self._container)
        except DockerFault:
            return ""
        finally:
            await agents.close()
        return str(own["Config"]["Image"]) if own is not None else ""

    def overhearing(self, post: Callable[[Event], Awaitable[None]]) -> Callable[[Event], Awaitable[None]]:
        """As `post`, and whoever replaces us learns that we have a session."""

        async def heard(event: Event) -> None:
            await post(event)
            if self._container and isinstance(event, Received) and isinstance(event.message, Welcome):
                try:
                    await asyncio.to_thread(note_session, self._folder, self._container)
                except OSError as error:
                    log.error("cannot note that there is a session: %s", error)

        return heard

    async def _replaced(self, agents: Boxes, task: str, image: str) -> str:
        own = await _patiently(lambda: agents.inspect(self._container))
        if own is None:
            raise DockerFault("refused", NO_CONTAINER)
        name = own["Name"].lstrip("/")
        if outcome_of(self._folder, task) is None and not await self._under_way(agents, name, task):
            if (await agents.image(image))["Id"] == own["Image"]:
                return "it runs that image already"
            await self._begin(agents, own, task, image)
        return await self._wait(agents, name, task)

    async def _under_way(self, agents: Boxes, name: str, task: str) -> bool:
        helper = await _patiently(lambda: agents.inspect(name + HELPER))
        return helper is not None and helper["Config"]["Labels"].get(REPLACES) == task

    async def _begin(self, agents: Boxes, own: Raw, task: str, image: str) -> None:
        """Make both containers; start the one that does the rest."""
        if why := obstacle(own, str(self._folder)):
            raise DockerFault("refused", why)
        name = own["Name"].lstrip("/")
        former = await agents.look(name + FORMER)
        if former is not None and not former.alive:
            await agents.remove(former.id)
        old_image = (await agents.image(own["Image"])).get("Config") or {}
        new = await agents.make(name + NEXT, successor(own, old_image, image), other_networks(own))
        job = Job(task=task, docker=self._url, data=str(self._folder), name=name, old=own["Id"], new=new)
        command = [sys.executable, "-m", "nodeagent.replacing", msgspec.json.encode(job).decode()]
        body = replacer(own, command, task, local=self._url.startswith("unix:"))
        helper = await agents.make(name + HELPER, body, {})
        await agents.start(helper)

    async def _wait(self, agents: Boxes, name: str, task: str) -> str:
        """Until it is decided and the one that decided has gone; it usually stops us meanwhile."""
        while True:
            helper = await _patiently(lambda: agents.look(name + HELPER))
            decided = await asyncio.to_thread(outcome_of, self._folder, task)
            if helper is None or not helper.alive:
                break
            await asyncio.sleep(PAUSE_S)
        words = await agents.last_words(helper.id) if helper is not None and decided is None else ""
        if helper is not None:
            await agents.remove(helper.id)
        if decided is None:
            raise DockerFault(
                "error", f"the container that replaces the agent ended without a word: {words}".rstrip(": ")
            )
        if decided.verdict == "failed":
            raise DockerFault("error", f"the old agent was put back: {decided.reason}")
        return "the new agent has a session"


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer. Raises DockerFault when the engine is away for long."""
    for _ in range(FAULTS_MAX):
        try:
            return await ask()
        except DockerFault as fault:
            if fault.kind not in ("engine_down", "timeout"):
                raise
            log.warning("asking again: %s", fault)
            await asyncio.sleep(FAULT_PAUSE_S)
    return await ask()
