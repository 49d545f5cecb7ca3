"""`LocalDocker` on a real engine: the contract suite, and what only a real engine can show."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from lab import images
from lab.engine import EngineError
from lab.host import Host
from lab.process import HostProcess
from lab.registry import Registry
from nodeagent.core.container import Docker
from nodeagent.docker import LocalDocker
from nodeagent.docker.connection import Connection
from protocol.options import ContainerOptions, Logging, Ulimit
from protocol.spec import Mount, PortLease, Resources
from tests.contract.bench import eventually, until, want
from tests.contract.docker_contract import DockerContract, fault, run

LOCAL = images.Image(reference="rope-contract/busybox:1", command=("/bin/sh",))
PUBLISHED = images.Image(reference="rope-contract/published:1", command=("/bin/sh",), files={"published": "x" * 99999})
POOL = "10.219.0.0/16"

LISTEN = """
import socket, time
listener = socket.socket()
listener.bind(("", {port}))
listener.listen()
print("ready", flush=True)
time.sleep(600)
"""


class RealBench:
    """One host's engine, empty but for the images."""

    def __init__(self, host: Host, published: str, pinned: str, bind_root: Path) -> None:
        self.host = host
        self.published = published
        self.pinned = pinned
        self.tag = LOCAL.reference
        self.image = host.engine.image_id(LOCAL.reference)
        self.bind_root = str(bind_root)
        self._listener: HostProcess | None = None
        self._others: list[LocalDocker] = []
        self.docker: Docker = self.other()

    def other(self, *, cluster: str = "cluster-1", node: str = "node-1", network_rest_s: float = 0.0) -> LocalDocker:
        docker = LocalDocker(
            self.host.docker_url,
            cluster=cluster,
            node=node,
            bind_roots=(self.bind_root,),
            subnet_pool=POOL,
            network_rest_s=network_rest_s,
        )
        self._others.append(docker)
        return docker

    async def tag_image(self, reference: str, name: str) -> str:
        repository, _, tag = name.rpartition(":")
        self.host.engine.tag(reference, repository, tag)
        return self.host.engine.image_id(name)

    async def foreign_container(self, name: str) -> None:
        self.host.engine.call("POST", f"/containers/create?name={name}", {"Image": self.image, "Cmd": ["true"]})

    async def hold_port(self, port: int) -> None:
        self._listener = self.host.run([sys.executable, "-c", LISTEN.format(port=port)], log=f"listen-{port}.log")
        listener = self._listener

        async def text() -> str:
            return listener.text()

        await eventually(text, lambda seen: "ready" in seen)

    async def free_port(self) -> None:
        if self._listener is not None:
            self._listener.kill()
            self._listener = None

    async def kill(self, container_id: str) -> None:
        self.host.engine.call("POST", f"/containers/{container_id}/kill")

    async def restart_engine(self) -> None:
        await asyncio.to_thread(self.host.restart_engine)

    async def close(self) -> None:
        await self.free_port()
        for docker in self._others:
            await docker.close()


@pytest.fixture(scope="module")
def published(one_host: Host, one_registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The reference of an image in the registry, and its pinned form."""
    folder = tmp_path_factory.mktemp("images")
    one_host.load_image(images.save((LOCAL, PUBLISHED), folder / "images.tar"))
    digest = one_registry.push(one_host, PUBLISHED.reference, "published", "1")
    one_host.engine.remove_image(PUBLISHED.reference)
    name = f"{one_registry.address}/published"
    return f"{name}:1", f"{name}@{digest}"


@pytest.fixture
async def bench(one_host: Host, published: tuple[str, str], tmp_path: Path) -> AsyncIterator[RealBench]:
    one_host.tidy()
    for reference in (*published, "mine/app:1"):
        try:
            one_host.engine.remove_image(reference)
        except EngineError as error:
            assert error.status == 404
    made = RealBench(one_host, *published, tmp_path)
    yield made
    await made.close()


class TestLocalDocker(DockerContract):
    """The whole suite."""


async def output(docker: Docker, container_id: str) -> dict[str, str]:
    """The `key value` lines that a container printed, once it ended."""
    await until(docker, container_id, lambda c: c.status == "exited")
    pairs = [line.partition(" ") for line in await docker.logs(container_id, 50)]
    return {key: value for key, _, value in pairs}


LOOK = """
echo caps $(grep CapEff /proc/self/status | cut -f2)
echo nnp $(grep NoNewPrivs /proc/self/status | cut -f2)
echo who $(id -u)
echo host $(hostname)
echo where $(pwd)
echo env $COLOUR
echo root $(touch /x 2>/dev/null && echo writable || echo locked)
echo tmp $(df -k /scratch | tail -1 | tr -s ' ' | cut -d' ' -f2)
echo pids $(cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null)
echo memory $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null)
"""
NET_RAW = 1 << 13


async def test_the_settings_hold_inside_the_container(bench: RealBench) -> None:
    wanted = want(bench.image, ("sh", "-c", LOOK), environment={"COLOUR": "blue"})
    spec = msgspec.structs.replace(
        wanted.spec,
        user="1000",
        working_dir="/tmp",
        hostname="shop-host",
        read_only=True,
        mounts=(Mount(kind="tmpfs", target="/scratch", size=1024 * 1024),),
        resources=Resources(memory_limit=32 * 1024 * 1024, pids_limit=33, cpus_limit=0.5),
    )
    container_id = await run(bench.docker, msgspec.structs.replace(wanted, spec=spec))
    seen = await output(bench.docker, container_id)
    assert int(seen.pop("caps"), 16) & NET_RAW == 0
    assert seen == {
        "nnp": "1",
        "who": "1000",
        "host": "shop-host",
        "where": "/tmp",
        "env": "blue",
        "root": "locked",
        "tmp": "1024",
        "pids": "33",
        "memory": str(32 * 1024 * 1024),
    }


LOOK_AT_OPTIONS = """
echo caps $(grep CapBnd /proc/self/status | cut -f2)
echo groups $(id -G)
echo files $(ulimit -n)
echo backlog $(cat /proc/sys/net/core/somaxconn)
echo shm $(df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2)
echo mode $(stat -c %a /scratch)
echo search $(grep ^search /etc/resolv.conf | cut -d' ' -f2)
echo legacy $(grep legacy /etc/hosts | cut -f1)
"""
CHOWN = 1 << 0


async def test_the_options_hold_inside_the_container(bench: RealBench) -> None:
    network = {"default": await bench.docker.ensure_network("shop", "default", ())}
    wanted = want(bench.image, ("sh", "-c", LOOK_AT_OPTIONS), networks={"default": ()})
    options = ContainerOptions(
        cap_drop=("ALL",),
        cap_add=("CHOWN",),
        dns=("10.77.0.99",),
        dns_search=("example.com",),
        dns_options=("ndots:2",),
        extra_hosts=("legacy:10.1.2.3",),
        group_add=("4242",),
        shm_size=1024 * 1024,
        sysctls={"net.core.somaxconn": "333"},
        ulimits={"nofile": Ulimit(soft=222, hard=444)},
        logging=Logging(driver="local", size=1024 * 1024, files=2),
    )
    scratch = Mount(kind="tmpfs", target="/scratch", size=1024 * 1024, mode=0o1770)
    spec = msgspec.structs.replace(wanted.spec, options=options, mounts=(scratch,))
    seen = await output(bench.docker, await run(bench.docker, msgspec.structs.replace(wanted, spec=spec), network))
    assert int(seen.pop("caps"), 16) == CHOWN
    assert "4242" in seen.pop("groups").split()
    assert seen == {
        "files": "222",
        "backlog": "333",
        "shm": "1024",
        "mode": "1770",
        "search": "example.com",
        "legacy": "10.1.2.3",
    }


async def test_services_find_each_other_by_name(bench: RealBench) -> None:
    network = {"default": await bench.docker.ensure_network("shop", "default", ())}
    serve = ("sh", "-c", "mkdir /tmp/w; echo hello >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w")
    await run(bench.docker, want(bench.image, serve, networks={"default": ("www",)}), network)
    ask = "until wget -qO- http://$n/ >/tmp/a; do sleep 0.1; done; echo $n $(cat /tmp/a)"
    fetch = ("sh", "-c", f"for n in web www; do {ask}; done")
    client = await run(bench.docker, want(bench.image, fetch, service="client"), network)
    assert await output(bench.docker, client) == {"web": "hello", "www": "hello"}


async def test_a_network_goes_with_its_last_container_however_young_it_is(bench: RealBench) -> None:
    docker = bench.other(network_rest_s=60.0)
    network = {"default": await docker.ensure_network("shop", "default", ())}
    await docker.drop_unused_networks()
    container_id = await run(docker, want(bench.image), network)
    await docker.remove(container_id)
    await docker.drop_unused_networks()
    assert network["default"] not in {found["Name"] for found in bench.host.engine.get("/networks")}


async def test_named_volumes_stay_and_anonymous_ones_go(bench: RealBench) -> None:
    await bench.docker.ensure_volume("shop", "data")
    mounts = (Mount(kind="volume", source="data", target="/data"), Mount(kind="volume", target="/cache"))
    first = await run(bench.docker, want(bench.image, ("sh", "-c", "echo kept >/data/x"), mounts=mounts))
    await until(bench.docker, first, lambda c: c.status == "exited")
    await bench.docker.remove(first)
    assert [v["Name"] for v in bench.host.engine.get("/volumes")["Volumes"]] == ["shop_data"]
    look = ("sh", "-c", "echo found $(cat /data/x)")
    second = await run(bench.docker, want(bench.image, look, epoch=2, mounts=mounts))
    assert await output(bench.docker, second) == {"found": "kept"}


async def test_agents_that_make_networks_at_once_get_subnets_apart(bench: RealBench) -> None:
    agents = [bench.docker, bench.other(node="node-2"), bench.other(node="node-3")]
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(a.ensure_network(f"p{n}", "default", ())) for n in range(3) for a in agents]
    assert len({task.result() for task in made}) == 3
    listed = [n for n in bench.host.engine.get("/networks") if n["Name"].startswith("rope-")]
    assert len(listed) == 3
    assert len({n["IPAM"]["Config"][0]["Subnet"] for n in listed}) == 3


async def test_a_hung_engine_ends_in_a_timeout_and_goes_on_after(bench: RealBench) -> None:
    connection = Connection(bench.host.docker_url)
    await connection.call("GET", "info")
    bench.host.pause_engine()
    try:
        async with fault("timeout"):
            await connection.call("GET", "info", deadline_s=0.3)
    finally:
        bench.host.resume_engine()
    await connection.call("GET", "info")
    await connection.close()


async def test_a_dead_engine_is_said_to_be_down_and_its_containers_are_found_again(bench: RealBench) -> None:
    container_id = await run(bench.docker, want(bench.image))
    await asyncio.to_thread(bench.host.kill_engine)
    async with fault("engine_down"):
        await bench.docker.containers()
    await asyncio.to_thread(bench.host.start_engine)
    assert [c.id for c in await bench.docker.containers()] == [container_id]


async def test_a_bind_mount_shows_the_folder(bench: RealBench) -> None:
    Path(bench.bind_root, "x").write_text("from outside")  # noqa: ASYNC240  nothing else runs here
    mount = Mount(kind="bind", source=bench.bind_root, target="/in", read_only=True)
    look = ("sh", "-c", "echo seen $(cat /in/x); touch /in/y 2>/dev/null && echo writable yes")
    container_id = await run(bench.docker, want(bench.image, look, mounts=(mount,)))
    assert await output(bench.docker, container_id) == {"seen": "from outside"}


async def test_cpu_is_measured_between_two_looks(bench: RealBench) -> None:
    container_id = await run(bench.docker, want(bench.image, ("sh", "-c", "while :; do :; done")))
    await bench.docker.usage(container_id)
    usage = await eventually(lambda: bench.docker.usage(container_id), lambda seen: seen.cpu_percent > 0)
    assert 1 < usage.cpu_percent < 150


async def test_a_container_on_udp_and_an_address_of_its_own(bench: RealBench) -> None:
    network = {"default": await bench.docker.ensure_network("shop", "default", ())}
    leases = (
        PortLease(container=53, host=21053, protocol="udp"),
        PortLease(container=80, host=21054, host_ip="127.0.0.1"),
    )
    container_id = await run(bench.docker, want(bench.image, ports=leases), network)
    seen = await bench.docker.inspect(container_id)
    assert seen is not None and seen.ports == leases
    elsewhere = PortLease(container=80, host=21055, host_ip="10.99.99.99")
    other = await bench.docker.create(want(bench.image, replica=2, ports=(elsewhere,)), network)
    async with fault("refused"):
        await bench.docker.start(other)
