"""What all levels of tests share: the fixtures for several real hosts, and how two workers share the tests.

The tests of a file go to one worker, in their order (`--dist loadfile`); each worker has hosts of its own. Tests on
real hosts and in Chromium need exact times, so everything else steps back for them.
"""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.docker.lab_fixtures"]

TIMED = ("docker", "browser")
"""Folders below tests/ whose tests run at full priority."""
STEP_BACK = 10
"""Niceness of the tests that can wait a little."""

_HERE = Path(__file__).parent


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A worker's priority is that of the test it runs. Only root may take it back."""
    if "PYTEST_XDIST_WORKER" in os.environ and os.geteuid() == 0:
        folder = item.path.relative_to(_HERE).parts[0]
        os.setpriority(os.PRIO_PROCESS, 0, 0 if folder in TIMED else STEP_BACK)
