"""Carries out the core's steps with the Docker port and tells how each ended. Decides nothing, retries nothing.

Every step ends in exactly one event: StepDone, StepFailed or, for nothing but a cancelled agent, none. How many run at
once is the plan's business. Called by `loop`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, assert_never

from nodeagent.core.container import Container, Docker, DockerFault
from nodeagent.core.events import Event, PullMoved, StepDone, StepFailed
from nodeagent.core.steps import (
    Create,
    Pull,
    ReadTail,
    Remove,
    Replace,
    ReplicaStep,
    Resolve,
    Restart,
    Start,
    Step,
    Stop,
)
from nodeagent.hostports import taken_port
from nodeagent.subnets import host_routes
from protocol.spec import DesiredReplica, PortLease

PROGRESS_S = 0.5
"""The least time between two reports of a pull."""
PULL_MAX_S = 3600.0
"""The most one pull may take: a registry that sends a byte now and then would keep one of the few places for ever. What
is there of it stays, so the next try goes on from there.
"""
SWEEP_S = 60.0
"""How often networks nobody needs are looked for."""

log = logging.getLogger(__name__)

PortTest = Callable[[tuple[PortLease, ...]], PortLease | None]


class Pulls(Protocol):
    """Who notes which images were pulled."""

    def coming(self, image: str) -> None:
        """A pull begins."""

    def missed(self, image: str) -> None:
        """It failed."""

    async def came(self, image: str) -> None:
        """It was not here before and is now."""


class _Unnoted:
    def coming(self, image: str) -> None:
        return

    def missed(self, image: str) -> None:
        return

    async def came(self, image: str) -> None:
        return


class Executor:
    """Steps on one engine. `group`: where the steps run. `post`: takes the events. `images`: notes what was pulled.
    `before_remove`: waited for; it
    keeps the last lines of what is removed. `port_test`: a lease whose host port is taken, or None; where the engine is
    another machine's there is nothing to try. `routes`: CIDRs to keep networks clear of.
    """

    def __init__(
        self,
        docker: Docker,
        group: asyncio.TaskGroup,
        post: Callable[[Event], Awaitable[None]],
        *,
        images: Pulls | None = None,
        before_remove: Callable[[Remove], Awaitable[None]] | None = None,
        port_test: PortTest = taken_port,
        routes: Callable[[], tuple[str, ...]] = host_routes,
        replace: Callable[[str, str], Awaitable[str]] | None = None,
    ) -> None:
        self._docker = docker
        self._group = group
        self._post = post
        self._images: Pulls = images or _Unnoted()
        self._before_remove = before_remove
        self._port_test = port_test
        self._routes = routes
        self._replace = replace

    def begin(self, step: Step) -> None:
        """Start a step; its end is posted."""
        self._group.create_task(self._carry_out(step), name=f"step {type(step).__name__}")

    async def sweep(self) -> None:
        """Remove networks that lost their last container, now and then, for ever."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self._drop_networks()

    async def _carry_out(self, step: Step) -> None:
        try:
            event = await self._do(step)
        except DockerFault as fault:
            event = await self._failed(step, fault)
        except Exception as error:
            # One replica's odd specification must not end the agent.
            log.exception("step %s failed in an unforeseen way", type(step).__name__)
            event = await self._failed(step, DockerFault("error", f"{type(error).__name__}: {error}"))
        await self._post(event)
        if isinstance(step, Remove):
            await self._drop_networks()

    async def _do(self, step: Step) -> Event:
        match step:
            case Resolve() | Replace():
                return StepDone(step=step, asked_at=_now(), result=await self._answer(step))
            case Pull(image=image):
                await self._pull(image)
                return StepDone(step=step, asked_at=_now())
            case Create(want=want, free=free):
                if free:
                    self._test_ports(want)
                return await self._done(step, await self._create(want))
            case Start(container_id=container_id, want=want):
                self._test_ports(want)
                await self._docker.start(container_id)
                return await self._done(step, container_id)
            case Stop(container_id=container_id, grace_s=grace_s):
                await self._docker.stop(container_id, grace_s)
                return await self._done(step, container_id)
            case Restart(container_id=container_id, grace_s=grace_s):
                await self._docker.restart(container_id, grace_s)
                return await self._done(step, container_id)
            case Remove(container_id=container_id):
                if self._before_remove is not None:
                    await self._before_remove(step)
                await self._docker.remove(container_id)
                return await self._done(step, container_id)
            case ReadTail():
                raise DockerFault("error", "log lines are read by logs, not by the executor")
            case _:
                assert_never(step)

    async def _answer(self, step: Resolve | Replace) -> str:
        if isinstance(step, Resolve):
            return await self._docker.resolve(step.image)
        if self._replace is None:
            raise DockerFault("refused", "this agent cannot replace itself")
        return await self._replace(step.task, step.image)

    async def _create(self, want: DesiredReplica) -> str:
        for mount in want.spec.mounts:
            if mount.kind == "volume" and mount.source:
                await self._docker.ensure_volume(want.project, mount.source)
        wanted = tuple(want.spec.networks) or (("default",) if want.ports else ())
        routes = self._routes() if wanted else ()
        networks = {name: await self._docker.ensure_network(want.project, name, routes) for name in wanted}
        return await self._docker.create(want, networks)

    async def _pull(self, image: str) -> None:
        if await self._docker.has_image(image):
            return
        self._images.coming(image)
        try:
            await self._pull_missing(image)
        except BaseException:
            self._images.missed(image)
            raise
        await self._images.came(image)

    async def _pull_missing(self, image: str) -> None:
        told_at = 0.0
        try:
            async with asyncio.timeout(PULL_MAX_S), aclosing(self._docker.pull(image)) as pull:
                async for progress in pull:
                    if _now() >= told_at + PROGRESS_S:
                        told_at = _now()
                        await self._post(PullMoved(image=image, done=progress.done, total=progress.total))
        except TimeoutError as error:
            raise DockerFault("timeout", f"the image is not there after {PULL_MAX_S:g} s of pulling") from error

    async def _drop_networks(self) -> None:
        try:
            await self._docker.drop_unused_networks()
        except DockerFault as fault:
            log.debug("networks are left for the next sweep: %s", fault)

    def _test_ports(self, want: DesiredReplica) -> None:
        lease = self._port_test(want.ports)
        if lease is not None:
            raise DockerFault("port_taken", f"port {lease.host}/{lease.protocol} is taken on this node")

    async def _done(self, step: ReplicaStep, container_id: str) -> StepDone:
        asked_at = _now()
        try:
            container = await self._docker.inspect(container_id)
        except DockerFault:
            return StepDone(step=step, asked_at=asked_at)
        return StepDone(step=step, asked_at=asked_at, container=container, looked=True)

    async def _failed(self, step: Step, fault: DockerFault) -> StepFailed:
        asked_at = _now()
        container: Container | None = None
        looked = False
        if isinstance(step, (Start, Stop, Restart, Remove)) and fault.kind != "engine_down":
            try:
                container, looked = await self._docker.inspect(step.container_id), True
            except DockerFault:
                looked = False
        return StepFailed(
            step=step, kind=fault.kind, text=str(fault), asked_at=asked_at, container=container, looked=looked
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
