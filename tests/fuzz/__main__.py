"""`python -m tests.fuzz [--frames N] [--seed N]`: every fuzzer, with as much as asked (`make fuzz`).

Exit code 0: everything held.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz import texts
from tests.fuzz.frames import fuzz
from tests.fuzz.registering import Bodies
from tests.fuzz.siege import besiege
from tests.fuzz.sockets import fuzz_sockets


def main() -> int:
    """Run; raises what does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--frames", type=int, default=1_000_000, help="in process; a fiftieth of it at a live Center")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    given = parser.parse_args()
    count, seed = given.frames, given.seed
    print(f"seed {seed}", flush=True)
    print(f"frames: {fuzz(seed, count)}", flush=True)
    begun = time.monotonic()
    for name, text in texts.bombs().items():
        print(f"  {name}: {texts.timed(texts.compose_file, text, texts.FILE_S)}", flush=True)
    print(
        f"Compose files: {dict(texts.fuzz_files(seed, count // 100))} in {time.monotonic() - begun:.0f} s", flush=True
    )
    print(f"image references: {dict(texts.fuzz_images(seed, count // 5))}", flush=True)
    print(f"sockets: {dict(fuzz_sockets(seed, count // 50))}", flush=True)
    print(f"registrations: {dict(asyncio.run(Bodies(seed).fuzz(count // 20)))}", flush=True)
    with tempfile.TemporaryDirectory(prefix="siege-") as folder:
        print(asyncio.run(besiege(Path(folder), seed, count // 50)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
