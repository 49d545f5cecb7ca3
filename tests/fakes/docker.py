"""`FakeDocker`: the port `nodeagent.core.container.Docker` in memory, on a `FakeEngine`. Passes the contract suite of
the real one. Refuses what the real one refuses, because both build their request with `create_body`.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime

from nodeagent.core.container import Container, DockerEvent, DockerFault, EngineInfo, Exec, PullProgress, Usage
from nodeagent.docker.binds import allowed_paths
from nodeagent.docker.create_body import create_body, endpoints
from nodeagent.docker.reference import parse, parse_pinned
from nodeagent.docker.text import clean
from nodeagent.subnets import free_subnets
from protocol import names
from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica, container_fingerprint
from tests.fakes.engine import FakeEngine, Held, Network, Program
from tests.fakes.execs import FakeExec

CLUSTER = "cluster-1"
NODE = "node-1"


class FakeDocker:
    """One agent's view of a fake engine. `engine` holds the knobs."""

    def __init__(
        self,
        engine: FakeEngine | None = None,
        *,
        cluster: str = CLUSTER,
        node: str = NODE,
        bind_roots: tuple[str, ...] = (),
        subnet_pool: str = "10.213.0.0/16",
    ) -> None:
        self.engine = engine or FakeEngine()
        self._cluster = cluster
        self._node = node
        self._bind_roots = bind_roots
        self._pool = subnet_pool
        self._closed = False

    async def info(self) -> EngineInfo:
        await self._enter("info")
        return EngineInfo(
            id=self.engine.id,
            version="20.10.24",
            api="1.41",
            os="linux",
            arch="amd64",
            kernel="6.1.0",
            name=self._node,
            cpus=4,
            memory=8 * 1024**3,
            disk_root="/",
        )

    async def containers(self) -> tuple[Container, ...]:
        await self._enter("containers")
        return tuple(sorted((h.container for h in self.engine.held.values() if self._owns(h)), key=lambda c: c.name))

    async def inspect(self, container_id: str) -> Container | None:
        await self._enter("inspect")
        held = self.engine.held.get(container_id)
        return held.container if held is not None and self._owns(held) else None

    async def resolve(self, image: str) -> str:
        await self._enter("resolve")
        reference = parse(image)
        if reference.digest:
            return reference.pinned
        tagged = image if reference.tag else f"{image}:latest"
        if tagged in self.engine.registry and not self.engine.registry_down:
            return f"{reference.name}@{self.engine.registry[tagged]}"
        if tagged not in self.engine.images:
            raise DockerFault("image_missing", f"{image}: not on this node, and its registry says: not found")
        known = [p for p, i in self.engine.images.items() if i == self.engine.images[tagged] and "@" in p]
        return next((p for p in known if parse(p).repository == reference.repository), self.engine.images[tagged])

    async def has_image(self, pinned: str) -> bool:
        await self._enter("has_image")
        return parse_pinned(pinned).pinned in self.engine.images

    async def remove_image(self, pinned: str) -> bool:
        await self._enter("remove_image")
        return self.engine.remove_image(parse_pinned(pinned).pinned)

    async def pull(self, pinned: str) -> AsyncGenerator[PullProgress, None]:
        await self._enter("pull")
        reference = parse_pinned(pinned)
        if not reference.name:
            raise DockerFault("image_missing", f"{pinned} came from no registry and cannot be pulled")
        tags = [t for t, d in self.engine.registry.items() if d == reference.digest and parse(t).name == reference.name]
        if self.engine.registry_down:
            raise DockerFault("pull_failed", f"{pinned}: the registry cannot be reached")
        if not tags:
            raise DockerFault("image_missing", f"{pinned}: not found")
        total, done = sum(self.engine.layers), 0
        for size in self.engine.layers:
            done += size
            yield PullProgress(done=done, total=total)
            if self.engine.pull_delay_s:
                await self.engine.sleep(self.engine.pull_delay_s)
        self.engine.images[reference.pinned] = reference.digest

    async def create(self, want: DesiredReplica, networks: Mapping[str, str]) -> str:
        await self._enter("create")
        engine = self.engine
        paths = allowed_paths(tuple(m.source for m in want.spec.mounts if m.kind == "bind"), self._bind_roots)
        body = create_body(want, cluster=self._cluster, node=self._node, networks=networks, bind_paths=paths)
        name = names.container_name(self._cluster, want.id, want.epoch)
        ref = ContainerRef(project=want.project, service=want.service, replica=want.replica, epoch=want.epoch)
        spec = container_fingerprint(want)
        for held in engine.held.values():
            if held.container.name == name:
                if self._owns(held) and held.container.ref == ref and held.container.spec == spec:
                    return held.container.id
                raise DockerFault("name_taken", f"container {name} is there")
        if body.image not in engine.images:
            raise DockerFault("image_missing", f"No such image: {body.image}")
        attached = tuple(sorted(endpoints(want, networks)))
        for further in list(networks.values())[1:]:
            # Docker looks at the first network only when the container starts.
            if further not in engine.networks:
                raise DockerFault("not_found", f"network {further} not found")
        container = Container(
            id=engine.new_id(),
            name=name,
            ref=ref,
            spec=spec,
            status="created",
            ports=tuple(sorted(want.ports, key=lambda p: (p.container, p.protocol, p.host, p.host_ip))),
            networks=attached or ("none",),
        )
        program = engine.programs.get(want.spec.command, Program())
        if want.spec.health is not None and program.health == "none":
            program = Program(exit_code=program.exit_code, output=program.output, health="starting")
        held = engine.held[container.id] = Held(
            container, self._cluster, self._node, attached, program, image=engine.images[body.image]
        )
        engine.tell(held, "create")
        return container.id

    async def start(self, container_id: str) -> None:
        await self._enter("start")
        await self._start(container_id)

    async def stop(self, container_id: str, grace_s: float) -> None:
        await self._enter("stop")
        await self._stop(container_id, grace_s)

    async def restart(self, container_id: str, grace_s: float) -> None:
        await self._enter("restart")
        self._held(container_id)
        await self._stop(container_id, grace_s)
        await self._start(container_id)

    async def remove(self, container_id: str) -> None:
        await self._enter("remove")
        held = self.engine.held.pop(container_id, None)
        if held is not None:
            if held.container.status == "running":
                self.engine.tell(held, "die")
            self.engine.tell(held, "destroy")
            self.engine.wake(held)

    async def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        await self._enter("logs")
        log = self._held(container_id).log
        return tuple(clean(line) for line in log[-lines:]) if lines > 0 else ()

    async def read_logs(
        self, container_id: str, *, lines: int = -1, since_ns: int = 0, follow: bool = False
    ) -> AsyncGenerator[bytes, None]:
        await self._enter("read_logs")
        held = self._held(container_id)
        at = max(0, len(held.stamped) - lines) if lines >= 0 else 0
        while True:
            wrote = held.wrote
            batch, at = held.stamped[at:], len(held.stamped)
            if found := b"".join(_line(*one) for one in batch if _nanos(one[0]) >= since_ns):
                yield found
            if not follow or self.engine.held.get(container_id) is not held or held.container.status != "running":
                if held.stamped[at:]:
                    continue
                return
            if self.engine.down:
                raise DockerFault("engine_down", "the fake engine is down")
            await wrote.wait()

    async def exec(
        self, container_id: str, command: tuple[str, ...], *, tty: bool, stdin: bool, cols: int, rows: int
    ) -> Exec:
        await self._enter("exec")
        if self._held(container_id).container.status != "running":
            raise DockerFault("error", f"Container {container_id[:12]} is not running")
        made = FakeExec(command, tty=tty, stdin=stdin, cols=cols, rows=rows)
        self.engine.execs.append(made)
        return made

    async def usage(self, container_id: str) -> Usage:
        await self._enter("usage")
        held = self._held(container_id)
        return held.usage if held.container.status == "running" else Usage(cpu_percent=0.0, memory=0)

    async def ensure_network(self, project: str, network: str, subnets_taken: tuple[str, ...]) -> str:
        await self._enter("ensure_network")
        if not names.is_legal(names.PROJECT, project) or not names.is_legal(names.VOLUME, network):
            raise DockerFault("refused", "not a legal network name")
        name = names.network_name(project, network)
        found = self.engine.networks.get(name)
        if found is not None:
            if (found.cluster, found.project, found.network) != (self._cluster, project, network):
                raise DockerFault("name_taken", f"Docker network {name} is not of project {project}")
            return name
        used = [n.subnet for n in self.engine.networks.values()]
        subnet = next(free_subnets(self._pool, (*used, *subnets_taken)), None)
        if subnet is None:
            raise DockerFault("refused", f"no free /26 left in the subnet pool {self._pool} of this node")
        self.engine.networks[name] = Network(self._cluster, self._node, project, network, subnet)
        return name

    async def drop_unused_networks(self) -> None:
        await self._enter("drop_unused_networks")
        needed = {name for held in self.engine.held.values() for name in held.networks}
        for name, network in list(self.engine.networks.items()):
            if name not in needed and (network.cluster, network.node) == (self._cluster, self._node):
                del self.engine.networks[name]

    async def ensure_volume(self, project: str, volume: str) -> str:
        await self._enter("ensure_volume")
        if not names.is_legal(names.PROJECT, project) or not names.is_legal(names.VOLUME, volume):
            raise DockerFault("refused", "not a legal volume name")
        name = names.volume_name(project, volume)
        if self.engine.volumes.setdefault(name, self._cluster) != self._cluster:
            raise DockerFault("name_taken", f"Docker volume {name} belongs to another cluster")
        return name

    async def events(self) -> AsyncGenerator[DockerEvent, None]:
        subscriber = self.engine.subscribe(self._cluster, self._node)
        with contextlib.ExitStack() as ending:
            ending.callback(self.engine.unsubscribe, subscriber)
            yield DockerEvent(action="lost")
            while True:
                yield await subscriber.queue.get()

    async def close(self) -> None:
        self._closed = True

    async def _enter(self, call: str) -> None:
        if self._closed:
            raise DockerFault("engine_down", "the connection to Docker is closed")
        await self.engine.enter(call)

    def _owns(self, held: Held) -> bool:
        return (held.cluster, held.node) == (self._cluster, self._node)

    def _held(self, container_id: str) -> Held:
        held = self.engine.held.get(container_id)
        if held is None:
            raise DockerFault("not_found", f"No such container: {container_id[:12]}")
        return held

    async def _start(self, container_id: str) -> None:
        engine = self.engine
        held = self._held(container_id)
        if held.container.status == "running":
            return
        if engine.start_delay_s:
            await engine.sleep(engine.start_delay_s)
        missing = [n for n in held.networks if n not in engine.networks and n.startswith("rope-")]
        if missing:
            raise DockerFault("not_found", f"network {missing[0]} not found")
        for lease in held.container.ports:
            if engine.taken(lease):
                text = f"Bind for 0.0.0.0:{lease.host} failed: port is already allocated"
                engine.show(container_id, error=text)
                raise DockerFault("port_taken", text)
        program = held.program
        if program.error:
            engine.show(container_id, error=clean(program.error))
            raise DockerFault("error", program.error)
        engine.show(
            container_id,
            status="running",
            started_at=engine.clock(),
            exit_code=None,
            error="",
            health=program.health,
            addresses=(engine.address,) if any(name.startswith("rope-") for name in held.networks) else (),
            health_output=clean(program.health_output),
        )
        engine.write(container_id, *program.output)
        engine.tell(held, "start")
        if program.exit_code is not None:
            engine.exit(container_id, program.exit_code)

    async def _stop(self, container_id: str, grace_s: float) -> None:
        held = self.engine.held.get(container_id)
        if held is None or held.container.status != "running":
            return
        if held.program.ignores_stop:
            await self.engine.sleep(grace_s)
        self.engine.exit(container_id, 137 if held.program.ignores_stop else 0)
        self.engine.tell(held, "stop")


def _nanos(at: float) -> int:
    """Wall seconds as nanoseconds, the same wherever they are told or compared."""
    return int(at) * 10**9 + int(at % 1 * 1e9)


def _line(at: float, channel: int, text: str) -> bytes:
    """As Docker stamps it, and as it travels."""
    stamp = datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{_nanos(at) % 10**9:09d}Z"
    return f"{'oe'[channel - 1]}{stamp} {text}\n".encode()
