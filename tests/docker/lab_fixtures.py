"""Fixtures for tests on several real hosts: `lab` (4 hosts with the sample images) and `hosts` (all as just set up).

Without root these tests are skipped, and the summary says so loudly. With root whatever is missing is a failure.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import images, product
from lab.host import Host
from lab.hosts import Lab
from lab.registry import Registry

HOSTS = 4
IMAGED = 3
"""Hosts that get Ropeteam's own images, when they are asked for: thousands of files each."""
ROOT = Path("/var/lib")
"""Labs lie here, and not in pytest's own folders: socket paths must be short, abandoned labs must be found again."""
NOT_ROOT = "NOT ROOT: this test needs several hosts with real Docker Engines"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Four hosts with the images of `lab.images` loaded, for the whole run; taken down at its end for sure.

    Use `hosts` with it in tests that break or leave something.
    """
    if os.geteuid() != 0:
        pytest.skip(NOT_ROOT)
    with Lab.claim(ROOT, HOSTS) as claimed:
        claimed.load_image(images.save(images.all_images(), claimed.folder / "images.tar"))
        yield claimed


@pytest.fixture
def hosts(lab: Lab) -> list[Host]:
    """The lab's hosts, powered, connected and empty, whatever the test before did to them."""
    for host in lab.hosts:
        host.tidy()
    return lab.hosts


@pytest.fixture
def registry(lab: Lab) -> Iterator[Registry]:
    """A real image registry that every host of the lab trusts."""
    with Registry(lab) as running:
        yield running


@pytest.fixture(scope="session")
def product_images(lab: Lab) -> product.ProductImages:
    """Ropeteam's own images of this source tree, on the first IMAGED hosts. Built once, then kept in build/lab."""
    made = product.product_images(lab.hosts[0])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda host: host.load_image(made.archive), lab.hosts[:IMAGED]))
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below tests/docker carries the marker `docker`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.docker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the real hosts were left out."""
    left_out = [report for report in terminalreporter.stats.get("skipped", []) if NOT_ROOT in str(report.longrepr)]
    if left_out:
        terminalreporter.section("REAL DOCKER TESTS WERE SKIPPED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(left_out)} tests on real Docker Engines did not run: they need root.", red=True)
