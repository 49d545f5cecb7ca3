"""N agents on one Center, as in life: a heartbeat every 5 s, signs of life between, ten containers each, then a crash.

(a) of docs/proof.md: CPU of the Center, what a heartbeat costs, memory for each agent, from frame to state, the time
until all are back after the Center was killed, the longest block of its event loop.
"""

import time

from benchmarks import machine
from benchmarks.center import center
from benchmarks.crowd import PERIOD_S, crowd
from benchmarks.heartbeat import CONTAINERS
from benchmarks.row import Row, row

JOIN_PER_S = 500
"""Agents that connect each second at first; after the crash they come as they like."""
STATE_S = 20.0


def measure(sizes: tuple[int, ...] = (1_000, 5_000, 10_000), window_s: float = 15.0) -> list[Row]:
    """All rows; about 40 s for each size."""
    rows = []
    for agents in sizes:
        try:
            rows += _measure(agents, window_s)
        except (RuntimeError, AssertionError) as error:  # the others' figures are not lost with it
            rows.append(
                row(f"ropes: {agents:,} agents", [0.0], "", note=f"NOT MEASURED: {' '.join(str(error).split())[-200:]}")
            )
    return rows


def _measure(agents: int, window_s: float) -> list[Row]:
    with center(agents, agents * CONTAINERS) as ours, crowd(ours.crew) as ropes:
        bare = ours.child.rss()
        ropes.join(agents / JOIN_PER_S)
        ours.until_metric('ropeteam_nodes{state="online"}', agents, STATE_S)
        idle = ours.child.rss()
        ropes.watch(PERIOD_S)  # the first heartbeats, and what the join left behind
        ours.lag_ms()
        before = ours.child.cpu_s()
        with machine.lateness() as late:
            seen = ropes.watch(window_s)
        cpu_s = ours.child.cpu_s() - before
        lag_ms, loaded = ours.lag_ms(), ours.child.rss()
        client_cpu = ropes.child.cpu_s()
        ropes.mark()
        ours.kill()
        ours.start()
        back = ropes.back()
        storm_ms = ours.lag_ms()
        back_cpu_s = ours.child.cpu_s()
        online_s = back.took_s + ours.until_metric('ropeteam_nodes{state="online"}', agents, STATE_S)
    name = f"ropes: {agents:,} agents"
    return [
        row(
            f"{name}, Center CPU", [cpu_s / seen.took_s * 100], "% of a core", note=f"client {client_cpu:.0f} s in all"
        ),
        row(f"{name}, … for a heartbeat with its signs of life", [cpu_s / seen.answered * 1e6], "µs"),
        row(f"{name}, frame to state and answer, p50", [seen.p50_ms], "ms", note=f"{seen.answered:,} heartbeats"),
        row(f"{name}, … p99", [seen.p99_ms], "ms", note=f"longest {seen.max_ms:.0f} ms"),
        row(f"{name}, memory per agent, connected", [(idle - bare) / agents / 1024], "KB"),
        row(f"{name}, … under load", [(loaded - bare) / agents / 1024], "KB"),
        row(f"{name}, Center in all", [loaded / 2**20], "MiB", note=f"{agents * CONTAINERS:,} replicas in it"),
        row(
            f"{name}, longest block of the loop",
            [lag_ms],
            "ms",
            note=f"a process that does nothing: {max(late):.0f} ms",
        ),
        row(f"{name}, … while all come back", [storm_ms], "ms"),
        row(
            f"{name}, Center killed → all have their desired state",
            [back.took_s],
            "s",
            note=f"online {online_s:.1f} s; the Center worked {back_cpu_s:.1f} s of it",
        ),
    ]


if __name__ == "__main__":
    import sys

    from benchmarks.row import table

    begun = time.perf_counter()
    print(table(measure(tuple(int(n) for n in sys.argv[1:]))), f"{time.perf_counter() - begun:.0f} s")
