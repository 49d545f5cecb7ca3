"""`python -m tests.torture --minutes 20 [--seed N]`: tortures a Center and its agents, and says how it went.

What `make torture MINUTES=20` runs. Exit code 0: everything held.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.run import Plan, TorturedError, torture


def main() -> int:
    """Run; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="keep story and logs here")
    given = parser.parse_args()
    plan = Plan(
        seed=given.seed, nodes=given.nodes, seconds=60 * given.minutes, storm_s=60.0, stop_max_s=60.0,
        fault_pause_max_s=4.0, ask_pause_max_s=8.0,
    )  # fmt: skip
    print(f"seed {plan.seed}: {given.minutes:g} minutes, {plan.nodes} agents and a Center", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            result = asyncio.run(torture(folder, plan))
        except* TorturedError as group:
            print(f"seed {plan.seed} FAILED after {time.monotonic() - begun:.0f} s: {_first(group)}")
            return_code = 1
        else:
            print(f"seed {plan.seed}: all held for {time.monotonic() - begun:.0f} s\n{result}")
            return_code = 0
    return return_code


def _first(group: BaseExceptionGroup[TorturedError]) -> str:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return str(found)


if __name__ == "__main__":
    sys.exit(main())
