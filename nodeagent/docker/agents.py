"""Containers of agents on one engine: looked at, made, stopped, started, named, removed. One call, one thing.

Knows these by id or name, whatever their labels say: they are no replicas. Decides nothing. Used by
`nodeagent.upgrading` and `nodeagent.replacing`.
"""

from collections.abc import Mapping
from typing import Any

from nodeagent.core.container import DockerFault
from nodeagent.core.replacing import Look
from nodeagent.docker.connection import Connection, decode
from nodeagent.docker.log_frames import LogTail

WRITE_S = 30.0
STOP_S = 10
"""What an agent gets to say goodbye."""
TAIL = 5

Raw = dict[str, Any]


class Agents:
    """On the engine at `url`. Every call raises only DockerFault."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)

    async def inspect(self, ref: str) -> Raw | None:
        """All that Docker says of a container; None when it is not there."""
        try:
            return await self._connection.read(Raw, f"containers/{ref}/json")
        except DockerFault as fault:
            if fault.kind == "not_found":
                return None
            raise

    async def look(self, ref: str) -> Look | None:
        """What counts of it; None when it is not there."""
        raw = await self.inspect(ref)
        if raw is None:
            return None
        state = raw.get("State") or {}
        return Look(
            id=raw["Id"],
            name=str(raw.get("Name", "")).lstrip("/"),
            status=str(state.get("Status", "")),
            restarts=int(raw.get("RestartCount", 0)),
            exit_code=int(state.get("ExitCode", 0)),
        )

    async def image(self, ref: str) -> Raw:
        """All that Docker says of an image. Raises `image_missing`."""
        try:
            return await self._connection.read(Raw, f"images/{ref}/json")
        except DockerFault as fault:
            if fault.kind == "not_found":
                raise DockerFault("image_missing", f"the image {ref} is not on this node") from fault
            raise

    async def make(self, name: str, body: Mapping[str, Any], networks: Mapping[str, Mapping[str, Any]]) -> str:
        """Make a container that is on these networks as well; one of that name that does not run makes room."""
        there = await self.look(name)
        if there is not None:
            if there.alive:
                raise DockerFault("name_taken", f"a container named {name} runs already")
            await self.remove(there.id)
        answer = await self._connection.call(
            "POST", "containers/create", params={"name": name}, body=dict(body), deadline_s=WRITE_S
        )
        made: str = decode(Raw, answer)["Id"]
        for network, how in networks.items():
            await self._connection.call(
                "POST", f"networks/{network}/connect", body={"Container": made, "EndpointConfig": how}
            )
        return made

    async def start(self, ref: str) -> None:
        """Start it; done when it runs."""
        await self._connection.call("POST", f"containers/{ref}/start", deadline_s=WRITE_S)

    async def stop(self, ref: str) -> None:
        """Stop it; done when it does not run."""
        await self._connection.call(
            "POST", f"containers/{ref}/stop", params={"t": str(STOP_S)}, deadline_s=WRITE_S + STOP_S
        )

    async def name(self, ref: str, name: str) -> None:
        """Give it this name."""
        await self._connection.call("POST", f"containers/{ref}/rename", params={"name": name}, deadline_s=WRITE_S)

    async def remove(self, ref: str) -> None:
        """Remove one that does not run; its volumes stay. Done when it is not there."""
        try:
            await self._connection.call("DELETE", f"containers/{ref}", params={"v": "0"}, deadline_s=WRITE_S)
        except DockerFault as fault:
            if fault.kind != "not_found":
                raise

    async def last_words(self, ref: str) -> str:
        """The last lines it wrote, as one; "" when there are none or they cannot be read."""
        tail = LogTail(TAIL)
        params = {"stdout": "1", "stderr": "1", "tail": str(TAIL)}
        try:
            async with self._connection.stream("GET", f"containers/{ref}/logs", params=params) as stream:
                while data := await stream.chunk(WRITE_S):
                    tail.feed(data)
        except DockerFault:
            return ""
        return " | ".join(line for line in tail.lines() if line.strip())

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()
