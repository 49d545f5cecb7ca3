"""`LocalDocker` on a real engine: the contract suite, and what only a real engine can show."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab import images
from lab.engine import EngineError
from lab.host import Host
from lab.process import HostProcess
from lab.registry import Registry
from nodeagent.core.container import Docker
from nodeagent.docker import LocalDocker
from tests.contract.bench import Bench, eventually
from tests.contract.docker_contract import DockerContract

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

    def other(self, *, cluster: str = "cluster-1", node: str = "node-1") -> LocalDocker:
        docker = LocalDocker(
            self.host.docker_url,
            cluster=cluster,
            node=node,
            bind_roots=(self.bind_root,),
            subnet_pool=POOL,
            network_rest_s=0.0,
        )
        self._others.append(docker)
        return docker

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
async def bench(one_host: Host, published: tuple[str, str], tmp_path: Path) -> AsyncIterator[Bench]:
    one_host.tidy()
    for reference in published:
        try:
            one_host.engine.remove_image(reference)
        except EngineError as error:
            assert error.status == 404
    made = RealBench(one_host, *published, tmp_path)
    yield made
    await made.close()


class TestLocalDocker(DockerContract):
    """The whole suite."""
