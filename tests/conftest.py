"""What all levels of tests share: the fixtures for several real hosts, and how two workers share the tests.

Tests on real hosts need one set of addresses and exact times, so one worker has them all, at full priority; Chromium's
tests stay together too. Everything else goes to whoever is free, and steps back for them.
"""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.docker.lab_fixtures"]

TOGETHER = ("docker", "browser")
"""Folders below tests/ whose tests run on one worker, one after the other."""
STEP_BACK = 10
"""Niceness of the tests that can wait a little."""

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, for `-n 2 --dist loadgroup`."""
    for item in items:
        folder = item.path.relative_to(_HERE).parts[0]
        if folder in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(folder))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A worker's priority is that of the test it runs. Only root may take it back."""
    if "PYTEST_XDIST_WORKER" in os.environ and os.geteuid() == 0:
        folder = item.path.relative_to(_HERE).parts[0]
        os.setpriority(os.PRIO_PROCESS, 0, 0 if folder in TOGETHER else STEP_BACK)
