"""`cluster`: a Center and four agents for all tests of this folder, empty and whole before each; `record`: figures.

With ROPE_RESULTS=FILE the figures are written there as JSON lines, for benchmarks/RESULTS.md.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.hosts import Lab
from tests.docker.cluster.cluster import Cluster

Record = Callable[[str, str, float], None]


@pytest.fixture(scope="package")
def standing(lab: Lab) -> Iterator[Cluster]:
    """The cluster, as some test before left it."""
    for host in lab.hosts:
        host.tidy()
    made = Cluster(lab)
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture
def cluster(standing: Cluster) -> Cluster:
    """The cluster: everything on and connected, no project, no container."""
    standing.heal()
    return standing


@pytest.fixture(scope="session")
def record() -> Iterator[Record]:
    """`record(what must be shown, what was measured, seconds)`."""
    lines: list[dict[str, object]] = []

    def keep(show: str, measured: str, seconds: float) -> None:
        print(f"\n{show}: {measured}: {seconds:.1f} s")
        lines.append({"show": show, "measured": measured, "seconds": round(seconds, 2)})

    yield keep
    if target := os.environ.get("ROPE_RESULTS"):
        Path(target).write_text("".join(json.dumps(line) + "\n" for line in lines))
