"""Runs the machine's own tools (ip, nsenter, mount …) and says clearly why one failed.

Does not start anything that stays: that is `lab.process`. Called by every other module of the lab.
"""

import subprocess


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what to do."""


def run(*argv: str, timeout_s: float = 30.0) -> str:
    """Run a tool to its end and return its stdout. Raises LabError with its stderr when it fails or takes too long."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"'{' '.join(argv)}' did not end within {timeout_s:.0f} s") from None
    if done.returncode != 0:
        raise LabError(f"'{' '.join(argv)}' failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def succeeds(*argv: str) -> bool:
    """True when the tool runs and ends with 0."""
    try:
        run(*argv)
    except LabError:
        return False
    return True
