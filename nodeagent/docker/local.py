"""`LocalDocker`: the port `nodeagent.core.container.Docker` on a real engine, one idempotent call at a time.

Decides nothing and retries nothing: each call has a deadline, does its one thing and raises only DockerFault. Called by
the executor, the watcher and the meters.
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import msgspec

from nodeagent.core.container import Container, DockerEvent, DockerFault, EngineInfo, Exec, PullProgress, Usage
from nodeagent.docker import events
from nodeagent.docker.binds import allowed_paths, strayed
from nodeagent.docker.connection import Connection, decode
from nodeagent.docker.create_body import container_labels, create_body, endpoints, owner_labels
from nodeagent.docker.execs import LocalExec
from nodeagent.docker.images import Images
from nodeagent.docker.inspected import Entry, Inspected, read_container, read_entry
from nodeagent.docker.log_frames import LogLines, LogTail
from nodeagent.docker.networks import Networks
from nodeagent.docker.text import clean
from nodeagent.docker.usage import Samples, Stats
from protocol import names
from protocol.spec import DesiredReplica

WRITE_S = 30.0
"""Deadline of a call that changes something; for a stop, beyond its grace."""

INSPECT_S = 10.0
"""Deadline of a look at one container."""

INSPECTS_MAX = 8
"""Containers inspected at once."""

LOG_LINES_MAX = 1000

NS = 10**9

QUIET_S = 7 * 86400.0
"""A container that writes nothing for so long is not followed any more."""

_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")


class _Info(msgspec.Struct, frozen=True, rename="pascal"):
    id: str = msgspec.field(name="ID", default="")
    name: str = ""
    cpus: int = msgspec.field(name="NCPU", default=0)
    mem_total: int = 0
    docker_root_dir: str = ""
    kernel_version: str = ""


class _Version(msgspec.Struct, frozen=True, rename="pascal"):
    version: str = ""
    api_version: str = ""
    os: str = ""
    arch: str = ""


class _Id(msgspec.Struct, frozen=True, rename="pascal"):
    id: str


class _Volume(msgspec.Struct, frozen=True, rename="pascal"):
    name: str
    labels: dict[str, str] | None = None


class LocalDocker:
    """The engine at `url` (`unix://…` or `tcp://…`), as seen by one cluster and node."""

    def __init__(
        self,
        url: str,
        *,
        cluster: str,
        node: str,
        bind_roots: tuple[str, ...] = (),
        subnet_pool: str = "10.213.0.0/16",
        network_rest_s: float = 60.0,
        own: str = "",
    ) -> None:
        """`bind_roots`: folders below which bind mounts may point. `subnet_pool`: IPv4 CIDR for project networks.
        `network_rest_s`: how long a network just asked for is kept without a container. `own`: the whole id of the
        container this agent lives in, which is never one of ours, whatever its labels say. Opens no connection yet.
        Raises ValueError on a bad `url` or pool.
        """
        self._connection = Connection(url)
        self._cluster = cluster
        self._node = node
        self._own = own
        self._bind_roots = bind_roots
        self._networks = Networks(self._connection, cluster=cluster, node=node, pool=subnet_pool, rest_s=network_rest_s)
        self._images = Images(self._connection)
        self._samples = Samples()

    async def info(self) -> EngineInfo:
        """What the engine says of itself. `arch` as image platforms write it (`amd64`)."""
        version = await self._connection.read(_Version, "version")
        info = await self._connection.read(_Info, "info")
        return EngineInfo(
            id=clean(info.id, 128),
            version=clean(version.version, 64),
            api=clean(version.api_version, 16),
            os=clean(version.os, 32),
            arch=clean(version.arch, 32),
            kernel=clean(info.kernel_version, 64),
            name=clean(info.name, 255),
            cpus=info.cpus,
            memory=info.mem_total,
            disk_root=info.docker_root_dir,
        )

    async def containers(self) -> tuple[Container, ...]:
        """All containers of this cluster and node, inspected, ordered by name."""
        filters = {"label": [f"{names.LABEL_CLUSTER}={self._cluster}", f"{names.LABEL_NODE}={self._node}"]}
        params = {"all": "1", "filters": msgspec.json.encode(filters).decode()}
        found = await self._connection.read(list[Entry], "containers/json", params=params, deadline_s=WRITE_S)
        listed = [entry for entry in found if entry.id != self._own]
        places = asyncio.Semaphore(INSPECTS_MAX)

        async def look(container_id: str) -> Container | DockerFault | None:
            async with places:
                try:
                    return await self.inspect(container_id)
                except DockerFault as fault:  # a group that fails leaves Python 3.11.2's task half cancelled
                    return fault

        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(look(one.id)) for one in listed]
        answers = [task.result() for task in looks]
        seen: list[Container | None] = []
        for entry, answer in zip(listed, answers, strict=True):
            if not isinstance(answer, DockerFault):
                seen.append(answer)
            elif answer.kind in ("timeout", "error") and not all(isinstance(one, DockerFault) for one in answers):
                # Docker may hang on one container, or know it by half; the others need their agent all the same.
                seen.append(read_entry(entry, self._cluster, self._node))
            else:
                raise answer  # one word for all: whatever hit the first hits the list
        return tuple(sorted((one for one in seen if one is not None), key=lambda one: one.name))

    async def inspect(self, container_id: str) -> Container | None:
        """One container by id or name, or None when it is not there or not ours."""
        answer = await self._inspected(container_id)
        if answer is None or answer.id == self._own:
            return None
        return read_container(answer, self._cluster, self._node)

    async def resolve(self, image: str) -> str:
        """Pin a reference; nothing is pulled. Raises DockerFault: `refused` when it is no reference, `image_missing`
        with both reasons when neither its registry nor this engine knows it.
        """
        return await self._images.resolve(image)

    async def has_image(self, pinned: str) -> bool:
        """True when the engine has the pinned image."""
        return await self._images.has(pinned)

    def pull(self, pinned: str) -> AsyncGenerator[PullProgress, None]:
        """Pull; yields the sum over all layers, at most four times a second. Raises DockerFault: `image_missing` when
        the registry has no such image or it is an id, `pull_failed`, `timeout` after 120 s without a word.
        """
        return self._images.pull(pinned)

    async def remove_image(self, pinned: str) -> bool:
        """Take a pinned image away; False when a container has it, running or not. Raises DockerFault."""
        return await self._images.remove(pinned)

    async def create(self, want: DesiredReplica, networks: Mapping[str, str]) -> str:
        """Make the container, on all of `networks`. Raises DockerFault: `refused` for what a replica may not have or
        Docker does not take, `image_missing`, `name_taken`. Leaves nothing behind when it fails, except by `timeout`
        or `engine_down`: then a second call adopts what is there.
        """
        binds = tuple(mount.source for mount in want.spec.mounts if mount.kind == "bind")
        paths = await asyncio.to_thread(allowed_paths, binds, self._bind_roots) if binds else {}
        body = create_body(want, cluster=self._cluster, node=self._node, networks=networks, bind_paths=paths)
        name = names.container_name(self._cluster, want.id, want.epoch)
        try:
            answer = await self._connection.call(
                "POST", "containers/create", params={"name": name}, body=body, deadline_s=WRITE_S
            )
            container_id, attached = decode(_Id, answer).id, set(body.networking_config.endpoints_config)
        except DockerFault as fault:
            if fault.kind != "name_taken":
                raise
            adopted = await self._adopt(name, want, fault)
            container_id, attached = adopted.id, set(adopted.networks)
        await self._connect(container_id, want, networks, attached)
        for network in networks.values():
            self._networks.joined(network)
        return container_id

    async def start(self, container_id: str) -> None:
        """Start it; done when it runs already. Raises DockerFault: `not_found`, `port_taken` when a port is not free on
        this machine, `error` when its command cannot be run, `refused` when a bind mount leads elsewhere than it did.
        """
        await self._check_binds(container_id)
        try:
            await self._post(container_id, "start")
        except DockerFault as fault:
            if fault.kind == "refused" and "cannot assign requested address" not in str(fault):
                # Docker 20.10 says 400 when the command is not in the image; that is no fault of our request.
                raise DockerFault("error", str(fault)) from fault
            raise

    async def stop(self, container_id: str, grace_s: float) -> None:
        """Stop it, done when it does not run or is not there."""
        with suppress_not_found():
            await self._post(container_id, "stop", grace_s=grace_s)

    async def restart(self, container_id: str, grace_s: float) -> None:
        """Stop with grace, then start. Raises as `start`."""
        await self._check_binds(container_id)
        await self._post(container_id, "restart", grace_s=grace_s)

    async def remove(self, container_id: str) -> None:
        """Kill and remove it with its anonymous volumes; done when it is not there."""
        self._samples.forget(container_id)
        path = f"containers/{_container(container_id)}"
        with suppress_not_found():
            try:
                await self._connection.call("DELETE", path, params={"force": "1", "v": "1"}, deadline_s=WRITE_S)
            except DockerFault as fault:
                if "already in progress" not in str(fault):
                    raise
                await self._connection.call("POST", f"{path}/wait", params={"condition": "removed"}, deadline_s=WRITE_S)

    async def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """The last lines (at most 1000), oldest first, cleaned. Raises DockerFault `not_found`."""
        tail = LogTail(min(lines, LOG_LINES_MAX))
        path = f"containers/{_container(container_id)}/logs"
        params = {"stdout": "1", "stderr": "1", "tail": str(max(0, min(lines, LOG_LINES_MAX)))}
        deadline = asyncio.get_running_loop().time() + WRITE_S
        async with self._connection.stream("GET", path, params=params) as stream:
            while data := await stream.chunk(max(0.0, deadline - asyncio.get_running_loop().time())):
                tail.feed(data)
        return tail.lines()

    async def read_logs(
        self, container_id: str, *, lines: int = -1, since_ns: int = 0, follow: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Whole lines with Docker's times, as they travel. Raises DockerFault `not_found`."""
        lined = LogLines()
        path = f"containers/{_container(container_id)}/logs"
        params = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": str(lines) if lines >= 0 else "all"}
        params |= {"follow": "1"} if follow else {}
        params |= {"since": f"{since_ns // NS}.{since_ns % NS:09d}"} if since_ns > 0 else {}
        async with self._connection.stream("GET", path, params=params) as stream:
            while data := await stream.chunk(QUIET_S if follow else WRITE_S):
                if whole := lined.feed(data):
                    yield whole
        if rest := lined.rest():
            yield rest

    async def exec(
        self, container_id: str, command: tuple[str, ...], *, tty: bool, stdin: bool, cols: int, rows: int
    ) -> Exec:
        """Start a command. Raises DockerFault: `not_found`; `error` when the container does not run."""
        path = f"containers/{_container(container_id)}/exec"
        return await LocalExec.start(self._connection, path, command, tty=tty, stdin=stdin, cols=cols, rows=rows)

    async def usage(self, container_id: str) -> Usage:
        """CPU since the last call for this container (0 at the first) and memory. Raises DockerFault `not_found`."""
        path = f"containers/{_container(container_id)}/stats"
        stats = await self._connection.read(Stats, path, params={"stream": "0", "one-shot": "1"})
        return self._samples.usage(container_id, stats)

    async def ensure_network(self, project: str, network: str, subnets_taken: tuple[str, ...]) -> str:
        """The project's network; `subnets_taken` are CIDRs to keep clear of (`subnets.host_routes()`). Raises
        DockerFault: `name_taken`, `refused` when the pool is used up.
        """
        return await self._networks.ensure(project, network, subnets_taken)

    async def drop_unused_networks(self) -> None:
        """Remove networks of this cluster and node that no container, running or not, belongs to."""
        await self._networks.drop_unused()

    async def ensure_volume(self, project: str, volume: str) -> str:
        """The project's volume, made when it is not there; gives its Docker name. One made by hand or by Compose is
        used; one of another cluster is `name_taken`.
        """
        if not names.is_legal(names.PROJECT, project) or not names.is_legal(names.VOLUME, volume):
            raise DockerFault("refused", "not a legal volume name")
        name = names.volume_name(project, volume)
        body = {"Name": name, "Driver": "local", "Labels": owner_labels(self._cluster, self._node, project)}
        answer = await self._connection.call("POST", "volumes/create", body=body, deadline_s=WRITE_S)
        owner = (decode(_Volume, answer).labels or {}).get(names.LABEL_CLUSTER, self._cluster)
        if owner != self._cluster:
            raise DockerFault("name_taken", f"Docker volume {name} belongs to another cluster")
        return name

    def events(self) -> AsyncGenerator[DockerEvent, None]:
        """Hints, for ever. `lost` whenever the stream has opened, the first time too, and once when it breaks: list
        everything again. Close the iterator (`contextlib.aclosing`) to end it.
        """
        return events.listen(self._connection, self._cluster, self._node)

    async def close(self) -> None:
        """Close every connection; later calls fail as `engine_down`."""
        await self._connection.close()

    async def _post(self, container_id: str, verb: str, *, grace_s: float | None = None) -> None:
        grace = None if grace_s is None else max(0, math.ceil(grace_s))
        await self._connection.call(
            "POST",
            f"containers/{_container(container_id)}/{verb}",
            params=None if grace is None else {"t": str(grace)},
            deadline_s=WRITE_S + (grace or 0),
        )

    async def _inspected(self, container_id: str) -> Inspected | None:
        try:
            path = f"containers/{_container(container_id)}/json"
            return await self._connection.read(Inspected, path, deadline_s=INSPECT_S)
        except DockerFault as fault:
            if fault.kind == "not_found":
                return None
            raise

    async def _check_binds(self, container_id: str) -> None:
        """Docker follows links at each start, and a container may have put one where another one mounts."""
        answer = await self._inspected(container_id)
        sources = answer.host_config.binds if answer is not None else ()
        found = await asyncio.to_thread(strayed, sources, self._bind_roots) if sources else None
        if found is not None:
            raise DockerFault("refused", f"bind mount {clean(found, 200)!r} leads elsewhere, not below a --bind-root")

    async def _adopt(self, name: str, want: DesiredReplica, fault: DockerFault) -> Container:
        """The container that has `name`, when it is the one we want."""
        answer = await self._inspected(name)
        if answer is None:
            # Docker still removes it: the next try will find the name free.
            raise fault
        found = read_container(answer, self._cluster, self._node)
        if found is None:
            raise DockerFault("name_taken", f"container {name} is there and is not ours")
        labels = container_labels(self._cluster, self._node, want)
        if found.replica != want.id or found.ref.epoch != want.epoch or found.spec != labels[names.LABEL_SPEC]:
            raise DockerFault("name_taken", f"container {name} is there, made from another specification")
        return found

    async def _connect(
        self, container_id: str, want: DesiredReplica, networks: Mapping[str, str], attached: set[str]
    ) -> None:
        for docker_name, endpoint in endpoints(want, networks).items():
            if docker_name in attached:
                continue
            body = {"Container": container_id, "EndpointConfig": endpoint}
            path = f"networks/{quote(docker_name, safe='')}/connect"
            try:
                await self._connection.call("POST", path, body=body, deadline_s=WRITE_S)
            except DockerFault as fault:
                if "already exists" in str(fault):
                    continue
                if fault.kind not in ("engine_down", "timeout"):
                    await self.remove(container_id)
                raise


@contextmanager
def suppress_not_found() -> Iterator[None]:
    """What is not there needs no stopping and no removing."""
    try:
        yield
    except DockerFault as fault:
        if fault.kind != "not_found":
            raise


def _container(container_id: str) -> str:
    if not _CONTAINER.fullmatch(container_id):
        raise DockerFault("not_found", f"{clean(container_id, 80)!r} is not the id of a container")
    return container_id
