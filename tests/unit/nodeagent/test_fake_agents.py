"""The fake containers of agents keep the contract of the real ones."""

import pytest

from tests.contract.agents_contract import AgentsContract
from tests.fakes.agents import FakeAgents


@pytest.fixture
def boxes() -> FakeAgents:
    made = FakeAgents()
    made.add_image("shell:1")
    return made


@pytest.fixture
def image() -> str:
    return "shell:1"


class TestFakeAgents(AgentsContract):
    """The whole suite."""
