"""The projects' bridge networks on one engine: made with a free subnet, found again, removed when nobody needs them.

Does not connect containers. Used by `LocalDocker`. Several agents may share one engine, so a network of the same
cluster and project is shared, and one that another agent made is left for it to remove.
"""

import asyncio
from urllib.parse import quote

import msgspec

from nodeagent.core.container import DockerFault
from nodeagent.docker.connection import Connection
from nodeagent.docker.create_body import owner_labels
from nodeagent.subnets import free_subnets
from protocol import names

LABEL_NETWORK = "ropeteam.network"
"""The project's name for it: `rope-a-b-c` may be `c` of project `a-b` or `b-c` of project `a`."""

TRIES = 8
"""Subnets tried when others take them at the same moment."""

CREATE_S = 30.0


class _Subnet(msgspec.Struct, frozen=True, rename="pascal"):
    subnet: str = ""


class _Ipam(msgspec.Struct, frozen=True, rename="pascal"):
    config: list[_Subnet] | None = None


class _Network(msgspec.Struct, frozen=True, rename="pascal"):
    id: str
    name: str
    created: str = ""
    labels: dict[str, str] | None = None
    ipam: _Ipam = msgspec.field(name="IPAM", default=_Ipam())


class _Attached(msgspec.Struct, frozen=True, rename="pascal"):
    networks: dict[str, msgspec.Raw] | None = None


class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    network_settings: _Attached | None = None


class Networks:
    """Networks of one cluster and node. `rest_s`: how long a network that was just asked for is not removed, so that
    its first container has time to come.
    """

    def __init__(self, connection: Connection, *, cluster: str, node: str, pool: str, rest_s: float) -> None:
        next(free_subnets(pool, ()))
        self._connection = connection
        self._cluster = cluster
        self._node = node
        self._pool = pool
        self._rest_s = rest_s
        self._asked: dict[str, list[float]] = {}
        """Network -> when each container was announced that is not on it yet."""
        self._one_at_a_time = asyncio.Lock()

    async def ensure(self, project: str, network: str, subnets_taken: tuple[str, ...]) -> str:
        """As `Docker.ensure_network`. Raises DockerFault: `name_taken` when the name is another project's network,
        `refused` when the pool is used up.
        """
        if not names.is_legal(names.PROJECT, project) or not names.is_legal(names.VOLUME, network):
            raise DockerFault("refused", "not a legal network name")
        name = names.network_name(project, network)
        async with self._one_at_a_time:
            self._asked.setdefault(name, []).append(asyncio.get_running_loop().time())
            refused: list[str] = []
            while len(refused) < TRIES:
                found = await self._list()
                same = [n for n in found if n.name == name]
                if same:
                    self._check_owner(same, project, network)
                    await self._keep_one(same)
                    return name
                used = [s.subnet for n in found for s in n.ipam.config or []]
                subnet = next(free_subnets(self._pool, (*used, *subnets_taken, *refused)), None)
                if subnet is None:
                    raise DockerFault("refused", f"no free /26 left in the subnet pool {self._pool} of this node")
                # Looked for again either way: Docker lets two agents make a network of the same name at once.
                if not await self._create(name, project, network, subnet):
                    refused.append(subnet)
        raise DockerFault("error", f"no subnet for network {name} after {TRIES} tries: {', '.join(refused)} were taken")

    def joined(self, name: str) -> None:
        """One of the announced containers is on the network: it no longer has to wait for it."""
        asked = self._asked.get(name)
        if asked:
            asked.pop(0)

    async def drop_unused(self) -> None:
        """As `Docker.drop_unused_networks`. Counts containers that are not running too: they need it to start."""
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time()
            waiting = {name: [at for at in asked if now - at < self._rest_s] for name, asked in self._asked.items()}
            self._asked = {name: asked for name, asked in waiting.items() if asked}
            ours = [n for n in await self._list() if self._is_mine(n) and n.name not in self._asked]
            if not ours:
                return
            listed = await self._connection.read(list[_Listed], "containers/json", params={"all": "1"})
            needed = {name for c in listed if c.network_settings for name in c.network_settings.networks or {}}
            for network in ours:
                if network.name not in needed:
                    await self._remove(network)

    async def _list(self) -> list[_Network]:
        return await self._connection.read(list[_Network], "networks")

    async def _create(self, name: str, project: str, network: str, subnet: str) -> bool:
        body = {
            "Name": name,
            "CheckDuplicate": True,
            "Driver": "bridge",
            "IPAM": {"Config": [{"Subnet": subnet}]},
            "Labels": {**owner_labels(self._cluster, self._node, project), LABEL_NETWORK: network},
        }
        try:
            await self._connection.call("POST", "networks/create", body=body, deadline_s=CREATE_S)
        except DockerFault as fault:
            if fault.kind == "name_taken" or _is_overlap(str(fault)):
                return False
            raise
        return True

    async def _keep_one(self, same: list[_Network]) -> None:
        """Remove all but one network of a name, for Docker finds none by an ambiguous name. Every agent that sees the
        same ones keeps the same one: the oldest, unless a younger one is in use.
        """
        kept, *others = sorted(same, key=lambda n: (n.created, n.id))
        for other in others:
            if not await self._remove(other):
                await self._remove(kept)
                kept = other

    async def _remove(self, network: _Network) -> bool:
        """True when it is gone, False when a container runs on it."""
        try:
            await self._connection.call("DELETE", f"networks/{quote(network.id, safe='')}", deadline_s=CREATE_S)
        except DockerFault as fault:
            if "active endpoints" in str(fault):
                return False
            if fault.kind != "not_found":
                raise
        return True

    def _is_mine(self, network: _Network) -> bool:
        labels = network.labels or {}
        return labels.get(names.LABEL_CLUSTER) == self._cluster and labels.get(names.LABEL_NODE) == self._node

    def _check_owner(self, same: list[_Network], project: str, network: str) -> None:
        for found in same:
            labels = found.labels or {}
            owner = (labels.get(names.LABEL_CLUSTER), labels.get(names.LABEL_PROJECT), labels.get(LABEL_NETWORK))
            if owner != (self._cluster, project, network):
                raise DockerFault("name_taken", f"Docker network {found.name} is there, not made for project {project}")


def _is_overlap(text: str) -> bool:
    return "overlaps" in text.lower() or "conflicts with" in text.lower()
