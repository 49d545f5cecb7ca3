"""How the engine runs the agent's own container."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodeagent.core.container import DockerFault
from nodeagent.docker.own import OwnContainer, OwnMount, look_at
from tests.unit.nodeagent.docker.scripted_engine import ScriptedEngine, refusal, scripted

ID = "4f" * 32


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    async with scripted(tmp_path) as running:
        yield running


async def test_it_is_read(engine: ScriptedEngine) -> None:
    mount = {"Type": "volume", "Name": "a", "Source": "/v/a/_data", "Destination": "/data", "RW": True}
    how = {"NetworkMode": "host", "PidMode": "host", "Binds": ["a:/data"]}
    engine.answers["GET", f"containers/{ID}/json"] = {"Id": ID, "HostConfig": how, "Mounts": [mount]}
    assert await look_at(engine.url, ID) == OwnContainer(
        id=ID, network="host", pid="host", mounts=(OwnMount(type="volume", source="/v/a/_data", destination="/data"),)
    )


async def test_one_of_another_engine_is_not_there(engine: ScriptedEngine) -> None:
    engine.answers["GET", f"containers/{ID}/json"] = refusal(404, "No such container")
    assert await look_at(engine.url, ID) is None


async def test_an_engine_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(DockerFault) as raised:
        await look_at(f"unix://{tmp_path}/none.sock", ID)
    assert raised.value.kind == "engine_down"
