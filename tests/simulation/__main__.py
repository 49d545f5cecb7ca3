"""`python -m tests.simulation SEED [--minutes N] [--shrink]`: replay one seed; print its story; shrink it.

With `--seeds N` instead: play N of them, from `--first` on, and print the totals. With `--record FILE` too: write each
slice of seeds down when it is over; what is in the file is not played again, so a long run may be stopped at any time.
"""

import argparse
import sys
from pathlib import Path

from tests.simulation.fleet import run_all, run_recorded
from tests.simulation.outcome import Violation
from tests.simulation.scenario import Scenario, narrowed, scenario
from tests.simulation.shrink import shrink
from tests.simulation.story import told
from tests.simulation.world import World


def main() -> int:
    """Exit code 1 when an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", help="the one to play")
    parser.add_argument("--minutes", type=float, default=10.0, help="of simulated time, for each seed")
    parser.add_argument("--shrink", action="store_true", help="leave out faults and nodes that the failure needs not")
    parser.add_argument("--nodes", type=int, default=0, help="another number of nodes")
    parser.add_argument("--faults", type=_numbers, help="only these faults, by number: 3,17")
    parser.add_argument("--acts", type=_numbers, help="only these acts of people, by number")
    parser.add_argument("--lines", type=int, default=60, help="lines of the story")
    parser.add_argument("--seeds", type=int, default=0, help="so many seeds instead of one")
    parser.add_argument("--first", type=int, default=0, help="with --seeds: the first of them")
    parser.add_argument("--jobs", type=int, default=0, help="with --seeds: processes; 0 = one for each core")
    parser.add_argument("--record", type=Path, help="with --seeds: a file that gets a line for each slice of them")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    if given.record is not None:
        return 1 if run_recorded(seeds, given.minutes, given.jobs, given.record) else 0
    if given.seeds:
        return 1 if run_all(seeds, given.minutes, given.jobs) else 0
    if given.seed is None:
        parser.error("a SEED, or --seeds N")
    plan = narrowed(scenario(given.seed, given.minutes), given.nodes, given.faults, given.acts)
    return _play(plan, given.lines, shorter=given.shrink)


def _numbers(text: str) -> frozenset[int]:
    return frozenset(int(number) for number in text.split(",") if number)


def _play(plan: Scenario, lines_max: int, *, shorter: bool) -> int:
    try:
        counts = World(plan).run()
    except Violation as violation:
        if shorter:
            plan, violation = shrink(plan, violation, say=lambda text: print(text, file=sys.stderr))
        print(told(plan, violation, lines_max))
        return 1
    print(f"seed {plan.seed}: no violation; {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
