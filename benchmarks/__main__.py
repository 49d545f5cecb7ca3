"""`python -m benchmarks [NAME…] [--record]`: measure, print the table; with --record write it into RESULTS.md, too."""

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks import agent, commands, commits, decisions, heartbeat, machine, results, storm
from benchmarks.row import Row, table

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "core": decisions.measure,
    "store": commits.measure,
    "cli": commands.measure,
    "heartbeat": heartbeat.measure,
    "agent": agent.measure,
    "storm": storm.measure,
}
"""Each takes at most 20 s, alone."""


def main(arguments: Sequence[str]) -> None:
    """Run the benchmarks named, or all, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What things cost.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; none = all")
    parser.add_argument("--record", action="store_true", help="write the table into benchmarks/RESULTS.md")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    print(machine.describe(), flush=True)
    for name in given.names or BENCHMARKS:
        others = machine.Others()
        rows = BENCHMARKS[name]()
        busy = others.percent()
        print(f"\n{table(rows)}others used {busy:.0f} % of the machine meanwhile", flush=True)
        if given.record:
            results.record(name, rows, busy)


if __name__ == "__main__":
    main(sys.argv[1:])
