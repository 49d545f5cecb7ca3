"""Containers of agents on a real engine: the contract suite."""

from collections.abc import AsyncIterator

import pytest

from lab import images
from lab.host import Host
from nodeagent.docker.agents import Agents
from tests.contract.agents_contract import AgentsContract

SHELL = images.Image(reference="rope-contract/shell:1", command=("/bin/sh",))


@pytest.fixture(scope="module")
def image(one_host: Host, tmp_path_factory: pytest.TempPathFactory) -> str:
    one_host.load_image(images.save((SHELL,), tmp_path_factory.mktemp("images") / "images.tar"))
    return SHELL.reference


@pytest.fixture
async def boxes(one_host: Host) -> AsyncIterator[Agents]:
    one_host.tidy()
    made = Agents(one_host.docker_url)
    yield made
    await made.close()
    one_host.tidy()


class TestAgents(AgentsContract):
    """The whole suite."""
