"""What the agent lives in: the machine itself, or a container of the engine that it drives. Found out once, at start.

In a container, some of what the agent reads is the container's own: this says what, and where the machine's is seen
instead. Decides nothing about other containers. Called by `app`.
"""

import asyncio
import logging
import os
import re
from pathlib import Path

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker.own import OwnContainer, OwnMount, look_at

ASK_AGAIN_S = 2.0

_MOUNTS = Path("/proc/self/mountinfo")
_DEVICES = Path("/sys/class/net")
_OF_DOCKER = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)")
_PLACES = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})

log = logging.getLogger(__name__)


class HousingError(Exception):
    """The agent cannot do its work in the container it was started in; the text says why, and how to start it."""


class Housing(msgspec.Struct, frozen=True, kw_only=True):
    """`container`: the whole id of the agent's own container, "" = it lives on the machine itself."""

    container: str = ""
    host_network: bool = True
    """The network it sees is the machine's: ports, routes, traffic."""
    host_pids: bool = True
    """Process 1 is the machine's own."""
    mounts: tuple[OwnMount, ...] = ()

    def visible(self, path: str) -> str:
        """A path on the same disk as `path` of the machine, which is Docker's own folder, that this process can see.

        From a container: below a mount that holds it; otherwise a volume of this container, for Docker keeps those in
        that folder; otherwise `/`, for Docker keeps the container's own files there too.
        """
        if not self.container:
            return path
        holding = [m for m in self.mounts if m.source and os.path.commonpath((m.source, path)) == m.source]
        if holding:
            nearest = max(holding, key=lambda m: len(m.source))
            return os.path.normpath(os.path.join(nearest.destination, os.path.relpath(path, nearest.source)))
        inside = [m for m in self.mounts if m.type == "volume" and m.source.startswith(path.rstrip("/") + "/")]
        return inside[0].destination if inside else "/"

    def unseen(self, folders: tuple[str, ...]) -> str | None:
        """The first of the machine's folders that is not mounted here at the same path; None = all can be checked."""
        if not self.container:
            return None
        same = [m.source for m in self.mounts if m.type == "bind" and m.source == m.destination]
        return next((f for f in folders if not any(os.path.commonpath((f, root)) == root for root in same)), None)


async def find_housing(docker: str) -> Housing:
    """Where this process lives. `docker`: the URL of the engine it drives. Waits for an engine that does not answer,
    unless the machine's network is plainly seen here.
    """
    try:
        own = container_id(await asyncio.to_thread(_MOUNTS.read_text))
    except OSError:
        own = ""
    told = False
    while own:
        try:
            return housed(await look_at(docker, own))
        except DockerFault as fault:
            if _sees_bridges():
                log.warning("the Docker Engine does not say how it runs this agent (%s): as with --network host", fault)
                return Housing(container=own)
            if not told:
                log.warning("waiting for the Docker Engine, to learn how it runs this agent: %s", fault)
            told = True
            await asyncio.sleep(ASK_AGAIN_S)
    return Housing()


def housed(found: OwnContainer | None) -> Housing:
    """From the engine's answer. None, a container of some other engine: what that one calls a machine is ours."""
    if found is None:
        return Housing()
    return Housing(
        container=found.id,
        host_network=found.network == "host",
        host_pids=found.pid == "host",
        mounts=found.mounts,
    )


def check(housing: Housing, *, address: str, bind_roots: tuple[str, ...]) -> None:
    """Raise HousingError when the agent cannot do its work here."""
    short = housing.container[:12]
    if not housing.host_network and not address:
        raise HousingError(
            f"the agent runs in container {short} without the machine's network: it can neither see which ports are"
            " free nor say where this node is reached. Start the container with --network host, or give the machine's"
            " address with --address IP"
        )
    if (folder := housing.unseen(bind_roots)) is not None:
        raise HousingError(
            f"--bind-root {folder}: the agent runs in container {short} and cannot check paths that it does not see."
            f" Start the container with -v {folder}:{folder}:ro"
        )
    if not housing.host_network:
        log.warning(
            "without the machine's network, ports are not tried before they are given out, and http and tcp probes"
            " reach no container: --network host is better"
        )


def container_id(mountinfo: str) -> str:
    """The container that has these mounts (proc_pid_mountinfo(5)), "" for none of Docker's: it puts three files of its
    own folder for the container over those in /etc.
    """
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] in _PLACES and (found := _OF_DOCKER.search(fields[3])):
            return found[1]
    return ""


def _sees_bridges() -> bool:
    try:
        return any((device / "bridge").exists() for device in _DEVICES.iterdir())
    except OSError:
        return False
