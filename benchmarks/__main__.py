"""`python -m benchmarks [NAME…] [--record]`: measure, print the tables; with --record write them into RESULTS.md, too.

Without a name all that needs nothing but this machine, about 5 min; `peers` and `releases` need root and real Docker
Engines, `dashboards` needs Chromium.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks import agent, commands, commits, decisions, heartbeat, machine, results, ropes, storm
from benchmarks.row import Row


def peers() -> list[Row]:
    """Beside Docker Swarm and the engines' API, on several hosts."""
    from benchmarks.peers import power, starting
    from benchmarks.peers.ground import ground

    with ground() as there:
        return [*starting.measure(there), *power.measure(there)]


def releases() -> list[Row]:
    """Updates and a scale beside Docker Swarm and the engines' API, on several hosts."""
    from benchmarks import releases as measured

    return measured.measure()


def dashboards() -> list[Row]:
    """200 open pages on a cluster in which much changes."""
    from benchmarks import dashboards as measured

    return measured.measure()


QUICK: dict[str, Callable[[], list[Row]]] = {
    "core": decisions.measure,
    "store": commits.measure,
    "cli": commands.measure,
    "heartbeat": heartbeat.measure,
    "agent": agent.measure,
    "storm": storm.measure,
    "ropes": ropes.measure,
}
"""Each takes at most 30 s, alone; `ropes` 3 min."""

BENCHMARKS = {**QUICK, "peers": peers, "releases": releases, "dashboards": dashboards}


def main(arguments: Sequence[str]) -> None:
    """Run the benchmarks named, or the quick ones, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What things cost.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"of {', '.join(BENCHMARKS)}; none = the quick ones: {', '.join(QUICK)}",
    )
    parser.add_argument("--record", action="store_true", help="write the tables into benchmarks/RESULTS.md")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    for name, rows, busy in _measured(given.names or list(QUICK)):
        print(f"\n{results.part(name, rows, busy)}", flush=True)
        if given.record:
            results.record(name, rows, busy)


def _measured(names: Sequence[str]) -> Iterator[tuple[str, list[Row], float]]:
    for name in names:
        others, begun = machine.Others(), time.perf_counter()
        rows = BENCHMARKS[name]()
        busy = others.percent()
        print(f"{name} took {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        yield name, rows, busy


if __name__ == "__main__":
    main(sys.argv[1:])
