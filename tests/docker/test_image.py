"""The images on real engines: joined by the Center's own line, deployed to, replaced, without power, taken away.

One installation on three hosts serves all tests of this module; they run in their order.
"""

import gzip
import json
import multiprocessing
import os
import re
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types
import pytest

from lab.host import Host
from lab.hosts import Lab
from lab.product import REPOSITORY, ProductImages
from tests.docker.boxed import AGENT, CENTER, Boxed, logs
from tests.docker.cluster.cluster import web

COMPRESSED_MAX = 70 * 10**6
LISTENED = 23456
LISTEN = f"import socket, time; s = socket.create_server(('', {LISTENED})); time.sleep(600)"
BEATS_S = 12.0
"""Two heartbeats and a period of the figures."""
FAILOVER_S = 25.0
"""Silence of 15 s, a start, and a machine that does much else."""


@pytest.fixture(scope="module")
def boxed(lab: Lab, product_images: ProductImages) -> Iterator[Boxed]:
    for host in lab.hosts:
        host.tidy()
    made = Boxed(lab, product_images)
    made.up()
    yield made
    for host in lab.hosts:
        host.tidy()


def test_the_agents_image_is_small(product_images: ProductImages) -> None:
    """Of its layers, those above the base."""
    with tarfile.open(product_images.archive) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        manifest = json.loads(read("manifest.json"))
        agent = next(image for image in manifest if product_images.agent in image["RepoTags"])
        own = agent["Layers"][1:]
        assert all(agent["Layers"][0] == image["Layers"][0] for image in manifest), "one base"
        size = sum(len(gzip.compress(read(layer), 6)) for layer in own)
        labels = json.loads(read(agent["Config"]))["config"]["Labels"]
    print(f"\nthe agent's image without its base, compressed: {size / 10**6:.1f} MB")
    assert 10**6 < size <= COMPRESSED_MAX
    assert labels["org.opencontainers.image.title"] == "Ropeteam" and labels["org.opencontainers.image.version"]


def _is_healthy(boxed: Boxed, host: Host, container: str) -> bool:
    return boxed.health(host, container) == "healthy"


def test_agents_join_by_the_line_that_the_center_prints(boxed: Boxed) -> None:
    assert boxed.images.agent in boxed.lines["node-1"]
    for host, container in ((boxed.center, CENTER), *((host, AGENT) for host in boxed.nodes)):
        boxed.until(partial(_is_healthy, boxed, host, container), 30.0, f"{container} is healthy")
        assert host.engine.inspect(container)["HostConfig"]["ReadonlyRootfs"], "nothing is written but to the volume"
    assert boxed.center.engine.inspect(CENTER)["Config"]["User"] == "10001:10001"
    views = boxed.api.nodes()
    assert [views[f"node-{host.index}"].address for host in boxed.nodes] == [host.address for host in boxed.nodes]


def test_the_figures_are_the_hosts(boxed: Boxed) -> None:
    host = boxed.nodes[0]
    listener = host.run([sys.executable, "-c", LISTEN])
    burning = [multiprocessing.Process(target=_burn, args=(BEATS_S,), daemon=True) for _ in range(os.cpu_count() or 1)]
    for process in burning:
        process.start()
    psutil.cpu_percent()
    time.sleep(BEATS_S - 1)
    busy, memory, disk = psutil.cpu_percent(), psutil.virtual_memory(), psutil.disk_usage(str(host.folder))
    told = boxed.api.nodes()["node-1"].resources
    for process in burning:
        process.join()
    listener.kill()
    assert told.cpus == os.cpu_count()
    assert told.cpu_usage == pytest.approx(busy, rel=0.05)
    assert told.mem_total_mb == pytest.approx(memory.total / 2**20, rel=0.001)
    assert told.mem_free_mb == pytest.approx(memory.available / 2**20, rel=0.05)
    assert told.disk_total_gb == pytest.approx(disk.total / 2**30, rel=0.05), "of the disk with Docker's root"
    assert told.disk_free_gb == pytest.approx(disk.free / 2**30, rel=0.05)
    assert LISTENED in told.ports
    assert LISTENED not in boxed.api.nodes()["node-2"].resources.ports, "that is another machine"


def test_it_deploys_beside_itself(boxed: Boxed) -> None:
    boxed.deploy("shop", {"web": web(2)})
    boxed.until(lambda: boxed.answering("shop"), 20.0, "both answer")
    assert {r.node for r in boxed.replicas("shop").values()} == {"node-1", "node-2"}
    for host in boxed.nodes:
        assert len(boxed.kept(host)) == 1, "the agent is no replica"


def test_an_agent_that_is_replaced_touches_nothing(boxed: Boxed) -> None:
    host, node = boxed.nodes[0], "node-1"
    before, agent_id = boxed.kept(host), boxed.api.nodes()[node].agent_id
    after = boxed.api.last_event()
    host.call("docker", "rm", "-f", AGENT)
    assert boxed.kept(host) == before
    host.call(*boxed.lines[node])  # its token is used up; the volume has its key
    boxed.until(
        lambda: any(e.kind == "node.connected" and e.node == node for e in boxed.api.events(after)), 20.0, "it is back"
    )
    time.sleep(BEATS_S / 2)  # it has looked, and been told what to keep
    assert boxed.kept(host) == before and boxed.answering("shop")
    assert boxed.api.nodes()[node].agent_id == agent_id
    kinds = {e.kind for e in boxed.api.events(after)}
    assert not {kind for kind in kinds if kind.startswith("replica.")} and "node.rebooted" not in kinds


@pytest.mark.parametrize("network", ["bridge", "none"])
def test_without_the_hosts_network_it_says_why_it_cannot(boxed: Boxed, network: str) -> None:
    host, name = boxed.nodes[0], f"lone-{network}"
    host.call(
        *("docker", "run", "-d", "--name", name, "--network", network, "-v", f"{host.socket}:/var/run/docker.sock"),
        *(boxed.images.agent, "agent", "--center", boxed.url, "--insecure"),
    )
    boxed.until(lambda: not host.engine.inspect(name)["State"]["Running"], 15.0, "it ends")
    assert host.engine.inspect(name)["State"]["ExitCode"] == 2
    said = logs(host, name)
    assert "without the machine's network" in said and "--network host" in said and "--address IP" in said
    host.engine.remove(name)


def test_a_power_loss_moves_its_replicas_and_it_comes_back_by_itself(boxed: Boxed) -> None:
    lost, left = boxed.nodes
    boxed.wait_online()
    lost.power_off()

    def moved() -> bool:
        return {r.node for r in boxed.replicas("shop").values()} == {"node-2"} and boxed.answering("shop")

    took_s = boxed.until(moved, FAILOVER_S + 20.0, "both answer on node-2")
    print(f"\nagents in containers: power off → both replicas answer elsewhere: {took_s:.1f} s")
    assert took_s <= FAILOVER_S
    assert len(boxed.kept(left)) == 2
    lost.power_on()
    boxed.wait_online()  # Docker starts the agent again, nobody else does
    boxed.until(lambda: boxed.kept(lost) == [], 15.0, "what moved away is gone from node-1")


def test_applications_outlive_ropeteam(boxed: Boxed) -> None:
    """The uninstall of docs/install.md."""
    host = boxed.nodes[1]
    addresses = [port.address for r in boxed.replicas("shop").values() for port in r.ports]
    before = boxed.kept(host)
    boxed.center.call("docker", "rm", "-f", CENTER)
    for node in boxed.nodes:
        node.call("docker", "rm", "-f", AGENT)
        node.call("docker", "volume", "rm", AGENT)
    assert boxed.kept(host) == before and len(before) == 2
    said = [host.call(sys.executable, "-c", FETCH, f"http://{address}/") for address in addresses]
    assert sorted(said) == ["web-1 version 1\n", "web-2 version 1\n"]


def test_compose_makes_a_whole_installation_on_one_machine(
    boxed: Boxed, product_images: ProductImages, tmp_path: Path
) -> None:
    host = boxed.center
    host.tidy()
    files = ("docker-compose", "-f", str(REPOSITORY / "deploy" / "compose.yaml"), "--profile", "agent")
    compose = ("env", f"ROPE_IMAGE={product_images.agent}", f"DOCKER_SOCKET={host.socket}", *files)
    host.call(*compose, "up", "-d", timeout_s=90.0)
    said = re.search(r"Admin token: (\S+)", logs(host, CENTER))
    assert said, logs(host, CENTER)

    def rope(*command: str) -> str:
        return _rope(host, product_images.cli, said[1], tmp_path, *command)

    nodes = until_said(lambda: rope("nodes"), "online")
    assert "127.0.0.1" in nodes, "its agent joined with the token that the Center left for it"
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    tmp_path.chmod(0o755)
    assert "running" in rope("deploy")
    assert f" {product_images.agent} agent --center http://127.0.0.1:8080 --join rope1." in rope("token", "create")
    web_1 = next(c["Id"] for c in host.engine.containers() if c["Names"][0].startswith("/rope-shop-web-1-"))
    host.call(*compose, "down", timeout_s=60.0)
    assert [c["Id"] for c in host.engine.containers()] == [web_1], "the application goes on"


COMPOSE = """\
name: shop
services:
  web: {image: "rope-demo/web:1", ports: ["8080"]}
"""


def _rope(host: Host, image: str, token: str, folder: Path, *command: str) -> str:
    """The command line, from its image, as docs/install.md has it."""
    environment = ("-e", "ROPE_URL=http://127.0.0.1:8080", "-e", f"ROPE_TOKEN={token}")
    run = ("docker", "run", "--rm", "--network", "host", *environment, "-v", f"{folder}:/work:ro", image)
    return host.call(*run, *command, timeout_s=60.0)


def until_said(ask: Callable[[], str], word: str, limit_s: float = 40.0) -> str:
    """Ask again until the word is in the answer."""
    deadline = time.monotonic() + limit_s
    while word not in (answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    return answer


FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), end='')"


def _burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
