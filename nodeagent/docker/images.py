"""Images of one engine: a reference pinned, looked up, pulled. Knows nothing of containers. Used by `LocalDocker`."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import suppress

import msgspec

from nodeagent.core.container import DockerFault, PullProgress
from nodeagent.docker.connection import Connection, decode
from nodeagent.docker.faults import sort_pull_fault
from nodeagent.docker.pull_progress import PullLine, PullSum
from nodeagent.docker.reference import Reference, parse, parse_pinned

REGISTRY_S = 15.0
"""Deadline for a registry's word on a tag."""

REGISTRY_LOCAL_S = 3.0
"""The same for an image that is here and came from no registry: most likely none knows it, and none may be near."""

PULL_IDLE_S = 120.0
"""Silence after which a pull is given up; while bytes flow it may take as long as the task's own deadline."""

REMOVE_S = 120.0
"""Deadline for the removal of an image: a large one on a slow disk takes a while."""

PROGRESS_S = 0.25
"""Seconds between two reports of a pull."""


class _Image(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    repo_digests: list[str] | None = None


class _Descriptor(msgspec.Struct, frozen=True):
    digest: str = ""


class _Distribution(msgspec.Struct, frozen=True, rename="pascal"):
    descriptor: _Descriptor = msgspec.field(name="Descriptor", default=_Descriptor())


class Images:
    """The images behind one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def resolve(self, image: str) -> str:
        """Pin a reference; nothing is pulled. Raises DockerFault: `refused` when it is no reference, `image_missing`
        with both reasons when neither its registry nor this engine knows it.
        """
        reference = parse(image)
        if reference.digest:
            return reference.pinned
        local = await self._local(image)
        known = None if local is None else _digest_here(reference, local)
        patience_s = REGISTRY_LOCAL_S if local is not None and known is None else REGISTRY_S
        try:
            path = f"distribution/{image}/json"
            answer = await self._connection.read(_Distribution, path, deadline_s=patience_s)
            return parse_pinned(f"{reference.name}@{answer.descriptor.digest}").pinned
        except DockerFault as fault:
            if fault.kind == "engine_down":
                raise
            if local is None:
                raise DockerFault("image_missing", f"{image}: not on this node, and no registry: {fault}") from fault
        return known or parse_pinned(local.id).pinned

    async def has(self, pinned: str) -> bool:
        """True when the engine has the pinned image."""
        return await self._local(parse_pinned(pinned).pinned) is not None

    async def pull(self, pinned: str) -> AsyncGenerator[PullProgress, None]:
        """Pull; yields the sum over all layers, at most four times a second. Raises DockerFault: `image_missing` when
        the registry has no such image or it is an id, `pull_failed`, `timeout` after 120 s without a word.
        """
        reference = parse_pinned(pinned)
        if not reference.name:
            raise DockerFault("image_missing", f"{pinned} came from no registry and cannot be pulled")
        params = {"fromImage": reference.name, "tag": reference.digest}
        clock = asyncio.get_running_loop().time
        total, told_at, progress = PullSum(), -math.inf, PullProgress(done=0, total=0)
        try:
            async with self._connection.stream(
                "POST", "images/create", params=params, deadline_s=PULL_IDLE_S
            ) as stream:
                while (text := await stream.line(PULL_IDLE_S)) is not None:
                    line = decode(PullLine, text)
                    if line.failure:
                        raise sort_pull_fault(line.failure)
                    progress = total.add(line)
                    if clock() - told_at >= PROGRESS_S:
                        told_at = clock()
                        yield progress
        except DockerFault as fault:
            if fault.kind in ("not_found", "error", "refused"):
                raise sort_pull_fault(str(fault)) from fault
            raise
        yield progress
        if not await self.has(pinned):
            raise DockerFault("pull_failed", f"the pull of {pinned} ended, but the image is not there")

    async def remove(self, pinned: str) -> bool:
        """Take this reference away, and the image when it was its last one; True also when it is not there, False when
        a container needs it. Raises DockerFault.
        """
        path = f"images/{parse_pinned(pinned).pinned}"
        try:
            # Not by force: then Docker refuses what a container has, running or not. No untagged parents: not ours.
            params = {"force": "0", "noprune": "1"}
            await self._connection.call("DELETE", path, params=params, deadline_s=REMOVE_S)
        except DockerFault as fault:
            if fault.kind in ("image_missing", "not_found"):
                return True
            if "conflict" in str(fault).lower():
                return False
            raise
        return True

    async def _local(self, image: str) -> _Image | None:
        try:
            return await self._connection.read(_Image, f"images/{image}/json")
        except DockerFault as fault:
            if fault.kind in ("image_missing", "not_found"):
                return None
            raise


def _digest_here(reference: Reference, image: _Image) -> str | None:
    """`name@sha256:…` when the engine knows a digest of the image in this repository."""
    for text in sorted(image.repo_digests or []):
        with suppress(DockerFault):
            known = parse(text)
            if known.digest and known.repository == reference.repository:
                return f"{reference.name}@{known.digest}"
    return None
