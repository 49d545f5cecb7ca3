"""`one_host`, `one_registry` and `one_engine`: a single host with a real Docker Engine, for tests that need no more.

A lab of its own beside the one of `lab_fixtures`, so that these tests do not wait for four hosts.
"""

import os
from collections.abc import Iterator

import pytest

from lab.host import Host
from lab.hosts import Lab
from lab.registry import Registry
from tests.docker.lab_fixtures import NOT_ROOT, ROOT


@pytest.fixture(scope="session")
def one_lab() -> Iterator[Lab]:
    """A lab of one host."""
    if os.geteuid() != 0:
        pytest.skip(NOT_ROOT)
    with Lab.claim(ROOT, 1) as claimed:
        yield claimed


@pytest.fixture(scope="session")
def one_host(one_lab: Lab) -> Host:
    """Its host."""
    return one_lab.hosts[0]


@pytest.fixture(scope="session")
def one_registry(one_lab: Lab) -> Iterator[Registry]:
    """An image registry that the host trusts."""
    with Registry(one_lab) as running:
        yield running


@pytest.fixture(scope="session")
def one_engine(one_host: Host) -> str:
    """URL of the host's engine, `unix:///…`."""
    return one_host.docker_url
