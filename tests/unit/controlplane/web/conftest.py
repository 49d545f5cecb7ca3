"""Fixtures of the web ring's tests."""

import pytest
from starlette.testclient import TestClient

from tests.unit.controlplane.web.fake_center import FakeCenter


@pytest.fixture
def center() -> FakeCenter:
    """A Center with two nodes and one project."""
    return FakeCenter()


@pytest.fixture
def client(center: FakeCenter) -> TestClient:
    """Signed in."""
    return center.client()
