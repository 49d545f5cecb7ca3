"""Probes through all of Ropeteam but Docker: real Center, real agent, a real server behind a fake container."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.loopback.test_cluster import Team, team

PROBED = """
services:
  web:
    image: web:1
    ports: ["80"]
    x-rope:
      probe: {PROBE, interval: 200ms, timeout: 1s, retries: 2}
      drain_wait: 1s
"""


class Server:
    """An HTTP server on loopback that is well, or is not."""

    def __init__(self) -> None:
        self.well = True
        self.port = 0
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (await reader.readline()).startswith(b"GET /healthz"):
                self.asked += 1
            writer.write(b"HTTP/1.1 " + (b"200 OK" if self.well else b"503 Ill") + b"\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


async def deploy(it: Team, probe: str) -> None:
    answer = await it.call("/projects/shop", {"compose": PROBED.replace("PROBE", probe)}, "PUT")
    number = int(answer["deployment"]["id"])
    await it.until(lambda: it.cluster.deployments[number].state == "succeeded", "the deployment")


async def reached(it: Team) -> list[str]:
    found = await it.call("/projects/shop/addresses")
    return [a["address"] for a in found["services"]["web"]]


async def until_reached(it: Team, count: int) -> float:
    """Wait until so many addresses are announced; gives the moment."""
    async with asyncio.timeout(10):
        while len(await reached(it)) != count:  # noqa: ASYNC110  asked as a client asks
            await asyncio.sleep(0.02)
    return asyncio.get_running_loop().time()


async def test_an_http_probe_withdraws_restarts_and_announces_again(tmp_path: Path) -> None:
    async with serving() as server, team(tmp_path, "node-1") as it:
        await deploy(it, f"http: {{port: {server.port}, path: /healthz}}")
        assert server.asked > 0 and len(await reached(it)) == 1
        server.well = False
        await until_reached(it, 0)
        (replica,) = (await it.call("/projects/shop"))["replicas"]
        assert (replica["state"], replica["health"], replica["announced"]) == ("running", "unhealthy", False)
        assert replica["reason"] == f"probe http :{server.port}/healthz: 503"
        calls = it.engines["node-1"].calls
        await it.until(lambda: calls.count("restart") == 1, "a restart, for it does not recover by itself")
        server.well = True
        await until_reached(it, 1)
        assert calls.count("restart") == 1


async def test_a_tcp_probe_sees_its_server_go(tmp_path: Path) -> None:
    async with team(tmp_path, "node-1") as it:
        async with serving() as server:
            await deploy(it, f"tcp: {{port: {server.port}}}")
            assert len(await reached(it)) == 1
        await until_reached(it, 0)
        (replica,) = (await it.call("/projects/shop"))["replicas"]
        assert replica["reason"] == f"probe tcp :{server.port}: connection refused"


async def test_an_address_is_withdrawn_before_the_container_is_stopped(tmp_path: Path) -> None:
    async with serving() as server, team(tmp_path, "node-1") as it:
        await deploy(it, f"tcp: {{port: {server.port}}}")
        await it.call("/projects/shop/scale", {"services": {"web": 0}})
        withdrawn = await until_reached(it, 0)
        assert it.running() == {"node-1": 1}
        await it.until(lambda: it.running() == {"node-1": 0}, "it is stopped")
        assert 0.7 < asyncio.get_running_loop().time() - withdrawn < 4.0
