"""Where bind mounts may point, when a container is made and each time it is started."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from nodeagent.core.container import DockerFault
from nodeagent.docker import LocalDocker
from nodeagent.docker.binds import allowed_paths
from tests.unit.nodeagent.docker.scripted_engine import ScriptedEngine, scripted

Begin = Callable[[LocalDocker], Awaitable[None]]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    async with scripted(tmp_path) as running:
        yield running


def test_links_are_followed_before_a_path_is_allowed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "in").mkdir(parents=True)
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (tmp_path / "link").symlink_to(root)
    sources = (f"{root}/in", f"{root}/out", f"{root}/../outside", f"{root}2", str(root), "root/in")
    assert allowed_paths(sources, (str(tmp_path / "link"),)) == {f"{root}/in": f"{root}/in", str(root): str(root)}
    assert allowed_paths(sources, ()) == {}


@pytest.mark.parametrize("begin", [lambda docker: docker.start("a"), lambda docker: docker.restart("a", 1.0)])
async def test_a_folder_that_became_a_link_is_not_followed_at_a_later_start(
    engine: ScriptedEngine, tmp_path: Path, begin: Begin
) -> None:
    root = tmp_path / "root"
    (root / "app" / "data").mkdir(parents=True)
    mounts = [{"Type": "bind", "Source": f"{root}/app/data", "Target": "/data"}, {"Type": "volume", "Source": "v"}]
    engine.answers["GET", "containers/a/json"] = {
        "Id": "a",
        "Name": "/a",
        "State": {"Status": "exited"},
        "Config": {},
        "HostConfig": {"Mounts": mounts},
    }
    engine.answers["POST", "containers/a/start"] = engine.answers["POST", "containers/a/restart"] = {}
    docker = LocalDocker(engine.url, cluster="c", node="n", bind_roots=(str(root),))
    await begin(docker)
    # Whoever may write in app/, as a container that mounts it, puts a link to the host's files there.
    (root / "app" / "data").rmdir()
    (root / "app" / "data").symlink_to("/etc")
    began = len([asked for asked in engine.asked if asked.startswith("POST")])
    with pytest.raises(DockerFault, match="leads elsewhere") as raised:
        await begin(docker)
    assert raised.value.kind == "refused"
    assert len([asked for asked in engine.asked if asked.startswith("POST")]) == began
    await docker.close()
