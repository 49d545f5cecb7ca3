"""A node whose disk is short removes what it pulled and nobody needs, with real engines and a real registry."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.host import Host
from lab.hosts import Lab
from lab.registry import Registry
from tests.docker.cluster.cluster import Cluster, web
from tests.docker.cluster.conftest import Record

SIZE = 96 << 20
FREE = 0.12


@pytest.fixture
def registry(lab: Lab) -> Iterator[Registry]:
    with Registry(lab) as running:
        yield running


@contextmanager
def small_disk(host: Host) -> Iterator[None]:
    """The engine's data lie on an empty disk of their own, of 96 MiB; then on the old one again."""
    data = str(host.folder / "data")
    host.stop_engine()
    host.call("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", data)
    host.start_engine()
    try:
        yield
    finally:
        host.stop_engine()
        host.call("umount", "--lazy", data)  # what is dying may still hold it
        host.start_engine()


def fill(host: Host) -> None:
    """Only 12 % of that disk are free."""
    folder = host.folder / "data"
    free = int(host.call("df", "-B1", "--output=avail", str(folder)).split()[-1])
    host.call("fallocate", "-l", str(free - int(SIZE * FREE)), str(folder / "ballast"))


def images(host: Host) -> set[str]:
    """Names with digest of what the engine has."""
    return {name for image in host.engine.get("/images/json") for name in image["RepoDigests"] or ()}


def test_what_no_kept_revision_uses_goes_and_nothing_else(cluster: Cluster, registry: Registry, record: Record) -> None:
    small, other = cluster.nodes[0].host, cluster.nodes[1].host
    pushed = {
        name: f"{registry.address}/team/{name}@{registry.push(other, image, f'team/{name}', '1')}"
        for name, image in (("kept", "rope-demo/web:1"), ("gone", "rope-demo/web:2"), ("by-hand", "rope-demo/web:1"))
    }
    with small_disk(small):
        cluster.wait_online()
        cluster.until(lambda: all(n.unschedulable is None for n in cluster.api.nodes().values()), 30.0, "takes work")
        for code in ("kept", "gone"):
            cluster.deploy(code, {"web": web(4, f"{registry.address}/team/{code}:1")})
            assert {r.node for r in cluster.replicas(code).values()} == {n.name for n in cluster.nodes}
        small.engine.call("POST", f"/images/create?fromImage={registry.address}/team/by-hand&tag=1")
        cluster.api.operate("kept", "stop")
        cluster.api.remove("gone")
        cluster.until(lambda: not cluster.containers(), 40.0, "nothing runs")
        assert set(pushed.values()) <= images(small), "there is room: everything stays"
        fill(small)
        took_s = cluster.until(lambda: pushed["gone"] not in images(small), 60.0, "the image is removed")
        record("Docker's disk at 12 % free", "full → unused image removed", took_s)
        assert {pushed["kept"], pushed["by-hand"]} <= images(small)
        assert pushed["gone"] in images(other), "its disk has room"
        assert "no revision uses it" in (small.folder / "agent.log").read_text()
        cluster.until(lambda: cluster.story(0, "node.image"), 15.0, "the journal tells")
        assert [(e.node, pushed["gone"] in e.text) for e in cluster.story(0, "node.image")] == [("node-1", True)]
        registry.stop()
        cluster.api.operate("kept", "start")
        cluster.wait_answering("kept")
        cluster.api.remove("kept")
        cluster.until(lambda: not cluster.containers(), 40.0, "nothing runs")
