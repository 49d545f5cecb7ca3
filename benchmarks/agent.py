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
MANY = 20
"""As many as fit on two cores, a tenth of a core reserved for each."""
WINDOW_S = 5.0
RUNNING_S = 30.0


def measure(rounds: int = 2) -> list[Row]:
    """All rows; each window has one heartbeat in it, give or take."""
    with center(0, 0) as ours, tempfile.TemporaryDirectory(prefix="rope-bench-") as folder:
        token = json.loads(ours.ask("POST", "/api/v1/join-tokens", "{}"))["token"]
        with started([sys.executable, "-m", "benchmarks.idle_agent", folder, ours.url, token]) as child:
            image = child.line()
            ours.until_metric('ropeteam_nodes{state="online"}', 1, RUNNING_S)
            time.sleep(1.0)
            idle, center_idle = child.rss(), ours.child.rss()
            _run_containers(ours, image, CONTAINERS)
            percents = []
            for _ in range(rounds):
                before = child.cpu_s()
                time.sleep(WINDOW_S)
                percents.append((child.cpu_s() - before) / WINDOW_S * 100)
            memory = child.rss()
            _run_containers(ours, image, MANY)
            loaded, center_loaded = child.rss(), ours.child.rss()
    note = "without what a real engine is asked"
    return [
        row(f"agent: CPU with {CONTAINERS} containers, nothing happens", percents, "% of a core", note=note),
        row("agent: memory, no containers", [idle / 2**20], "MiB"),
        row(f"agent: memory with {CONTAINERS} containers", [memory / 2**20], "MiB"),
        row(f"agent: memory after a deploy of {MANY} containers", [loaded / 2**20], "MiB"),
        row("agent: memory of the Center, one node", [center_idle / 2**20], "MiB"),
        row(f"agent: memory of the Center after that deploy of {MANY}", [center_loaded / 2**20], "MiB"),
    ]


def _run_containers(ours: Center, image: str, count: int) -> None:
    """Deploy a project and wait until all of it runs."""
    compose = {"services": {"web": {"image": image, "deploy": {"replicas": count}}}}
    ours.ask("PUT", "/api/v1/projects/shop", json.dumps({"compose": json.dumps(compose)}))
    ours.until_metric('ropeteam_replicas{state="running"}', count, RUNNING_S)
