"""`python -m tests.simulation SEED [--minutes N] [--shrink]`: replay one seed; print its story; shrink it."""

import argparse
import sys
import time

from tests.simulation.scenario import scenario
from tests.simulation.shrink import shrink
from tests.simulation.story import told
from tests.simulation.world import Violation, World


def main() -> int:
    """Exit code 1 when an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--shrink", action="store_true", help="leave out faults and nodes that the failure needs not")
    parser.add_argument("--lines", type=int, default=60, help="lines of the story")
    given = parser.parse_args()
    plan = scenario(given.seed, given.minutes)
    began = time.monotonic()
    try:
        counts = World(plan).run()
    except Violation as violation:
        if given.shrink:
            plan, violation = shrink(plan, violation, say=lambda text: print(text, file=sys.stderr))
        print(told(plan, violation, given.lines))
        return 1
    print(f"seed {given.seed}: {counts} in {time.monotonic() - began:.2f} s, no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
