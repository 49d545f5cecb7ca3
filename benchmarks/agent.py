"""What an agent costs its machine when nothing happens: CPU and memory with ten containers, joined to a real Center.

The engine is in memory, so what a real one is asked (statistics of ten containers every 5 s) is not in the figures.
"""

import json
import sys
import tempfile
import time

from benchmarks.center import Center, center
from benchmarks.child import started
from benchmarks.row import Row, row

CONTAINERS = 10
WINDOW_S = 5.0
RUNNING_S = 15.0


def measure(rounds: int = 2) -> list[Row]:
    """All rows; each window has one heartbeat in it, give or take."""
    with center(0, 0) as ours, tempfile.TemporaryDirectory(prefix="rope-bench-") as folder:
        token = json.loads(ours.ask("POST", "/api/v1/join-tokens", "{}"))["token"]
        with started([sys.executable, "-m", "benchmarks.idle_agent", folder, ours.url, token]) as child:
            image = child.line()
            _run_containers(ours, image)
            percents = []
            for _ in range(rounds):
                before = child.cpu_s()
                time.sleep(WINDOW_S)
                percents.append((child.cpu_s() - before) / WINDOW_S * 100)
            memory = child.rss() / 2**20
    note = "without what a real engine is asked"
    return [
        row(f"agent: CPU with {CONTAINERS} containers, nothing happens", percents, "% of a core", note=note),
        row(f"agent: memory with {CONTAINERS} containers", [memory], "MiB"),
    ]


def _run_containers(ours: Center, image: str) -> None:
    """Deploy a project and wait until all of it runs."""
    ours.until_metric('ropeteam_nodes{state="online"}', 1, RUNNING_S)
    compose = {"services": {"web": {"image": image, "deploy": {"replicas": CONTAINERS}}}}
    ours.ask("PUT", "/api/v1/projects/shop", json.dumps({"compose": json.dumps(compose)}))
    ours.until_metric('ropeteam_replicas{state="running"}', CONTAINERS, RUNNING_S)
