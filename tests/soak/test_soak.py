"""A minute of `make soak`: 50 simulated agents and, with root, 3 real hosts; in a process of its own that gives way."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = 20_261_123
MINUTES = 0.9
LIMIT_S = 400.0
"""Two minutes are usual; the run has its own limits, and tells what it knows when it comes to them."""


@pytest.mark.slow
def test_memory_and_database_stay_within_limits_and_no_deployment_is_stuck() -> None:
    command = ["nice", "-n", "5", sys.executable, "-m", "tests.soak", "--minutes", str(MINUTES), "--seed", str(SEED)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    assert done.stdout.startswith(f"seed {SEED}: {MINUTES:g} min, ") and "(0 stuck" in done.stdout
