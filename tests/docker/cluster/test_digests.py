"""A tag that moves after the deploy changes nothing that runs (DESIGN §6), with a real registry."""

import time
from collections.abc import Iterator

import pytest

from lab.hosts import Lab
from lab.registry import Registry
from tests.docker.cluster.cluster import Cluster, answers, web
from tests.docker.cluster.conftest import Record

NAME, TAG = "team/web", "stable"


@pytest.fixture
def registry(lab: Lab) -> Iterator[Registry]:
    with Registry(lab) as running:
        yield running


def test_the_pinned_digest_is_what_a_scale_and_a_failover_run(
    cluster: Cluster, registry: Registry, record: Record
) -> None:
    host = cluster.nodes[0].host
    image = f"{registry.address}/{NAME}:{TAG}"
    digest = registry.push(host, "rope-demo/web:1", NAME, TAG)
    cluster.deploy("pinned", {"web": web(2, image)})
    moved = registry.push(host, "rope-demo/web:2", NAME, TAG)
    assert moved != digest
    cluster.api.operate("pinned", "scale", {"services": {"web": 3}})
    cluster.until(lambda: len(cluster.replicas("pinned")) == 3 and cluster.answering("pinned"), 30.0, "scaled")
    assert cluster.api.project("pinned").services[0].pinned == f"{registry.address}/{NAME}@{digest}"

    victim = cluster.replicas("pinned")["web/1"].node
    began = time.monotonic()
    cluster.node(victim).host.power_off()
    cluster.until(
        lambda: cluster.replicas("pinned")["web/1"].node != victim and cluster.answering("pinned"), 60.0, "it answers"
    )
    record("Power loss, image pulled by its digest on the target", "power off → all answer", time.monotonic() - began)
    texts = answers(cluster.replicas("pinned").values())
    assert sorted(text or "" for text in texts) == [f"web-{n} version 1\n" for n in (1, 2, 3)]
    assert cluster.api.deploy("pinned", {"web": web(3, image)})[1].unchanged, "the same file with a moved tag"
