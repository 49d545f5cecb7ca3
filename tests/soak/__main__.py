"""`python -m tests.soak --minutes 30 [--seed N] [--agents 50]`: one soak; prints one line of figures.

What `make soak MINUTES=30` runs; with root 3 real hosts are part of it. Exit code 0: everything is within its limits.
"""

import argparse
import secrets
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.soak.run import HOSTS, soak
from tests.torture.real import Failed
from tests.torture.story import Story


def main() -> int:
    """Run; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--hosts", type=int, default=HOSTS, help="real hosts; 0 needs no root")
    parser.add_argument("--keep", type=Path, help="an existing folder: keep the story here")
    given = parser.parse_args()
    with TemporaryDirectory() as made:
        story = Story((given.keep or Path(made)) / "story.txt")
        try:
            _, told = soak(given.seed, given.minutes, given.agents, given.hosts, story)
        except Failed as failed:
            print(f"seed {given.seed} FAILED after {story.seconds:.0f} s: {failed}")
            return 1
        finally:
            story.close()
    print(f"seed {given.seed}: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
