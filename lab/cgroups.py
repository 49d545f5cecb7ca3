"""The control groups that a lab's engines leave behind: where they are, and how they go."""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def parent(lab: str) -> str:
    """Name of the group, at the top of every hierarchy, below which a lab's engines put their containers."""
    return f"rope-lab-{lab}"


def remove(lab: str, timeout_s: float = 5.0) -> list[str]:
    """Remove the lab's groups from every hierarchy (cgroup v1 and v2); returns what could not be removed, and why."""
    places = [ROOT / parent(lab), *(path / parent(lab) for path in ROOT.iterdir() if path.is_dir())]
    deadline = time.monotonic() + timeout_s
    while True:
        problems = [problem for place in places if place.is_dir() for problem in _remove(place)]
        if not problems or time.monotonic() > deadline:
            return problems
        time.sleep(0.05)  # a group is busy until its last killed process is gone for good


def _remove(top: Path) -> list[str]:
    problems: list[str] = []
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}")
    return problems
