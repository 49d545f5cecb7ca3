"""How the engine runs the container that this agent itself lives in. Looks, and changes nothing.

Called by `nodeagent.housing`, before anything else is asked of the engine.
"""

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker.connection import Connection


class OwnMount(msgspec.Struct, frozen=True, rename="pascal"):
    """`source` on the machine is seen at `destination` in the container."""

    type: str = ""
    source: str = ""
    destination: str = ""


class OwnContainer(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of it. `network`: `host`, or the name of another network mode; `pid`: `host` or other."""

    id: str
    network: str
    pid: str
    mounts: tuple[OwnMount, ...] = ()


class _HostConfig(msgspec.Struct, frozen=True, rename="pascal"):
    network_mode: str = ""
    pid_mode: str = ""


class _Inspected(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    host_config: _HostConfig = _HostConfig()
    mounts: list[OwnMount] | None = None


async def look_at(url: str, container_id: str) -> OwnContainer | None:
    """The container with this whole id on the engine at `url`; None when that engine does not have it. Raises
    DockerFault when the engine does not answer.
    """
    connection = Connection(url)
    try:
        found = await connection.read(_Inspected, f"containers/{container_id}/json")
    except DockerFault as fault:
        if fault.kind == "not_found":
            return None
        raise
    finally:
        await connection.close()
    how = found.host_config
    return OwnContainer(id=found.id, network=how.network_mode, pid=how.pid_mode, mounts=tuple(found.mounts or ()))
