"""Agents in containers upgraded from the Center, on real engines, while an application answers.

A good image takes over on one node, a broken one is put back on the other. One installation serves both tests.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lab.center import fetch
from lab.host import Host
from lab.hosts import Lab
from lab.product import ProductImages
from protocol.api import UpgradeRequest, UpgradeView
from tests.docker.boxed import AGENT, Boxed
from tests.docker.cluster.cluster import web
from tests.docker.cluster.watch import Watching

GOOD, BROKEN = "ropeteam:next", "ropeteam:broken"
NEXT_VERSION = "9.9.9"
METADATA = "/opt/ropeteam/lib/python3*/site-packages/ropeteam-*.dist-info/METADATA"
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def boxed(lab: Lab, product_images: ProductImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boxed]:
    for host in lab.hosts:
        host.tidy()
    made = Boxed(lab, product_images)
    made.up()
    agent, folder = product_images.agent, tmp_path_factory.mktemp("images")
    _derive(
        made.nodes, folder / "good", GOOD, agent, f"RUN sed -i 's/^Version: .*/Version: {NEXT_VERSION}/' {METADATA}"
    )
    _derive(made.nodes, folder / "broken", BROKEN, agent, 'ENTRYPOINT ["sh", "-c", "echo no such option >&2; exit 3"]')
    made.deploy("shop", {"web": web(2)})
    made.until(lambda: made.answering("shop"), 20.0, "both answer")
    yield made
    for host in lab.hosts:
        host.tidy()


def test_a_new_image_takes_over_node_by_node_and_nothing_notices(boxed: Boxed) -> None:
    before = [boxed.kept(host) for host in boxed.nodes]
    settings = [_settings(host) for host in boxed.nodes]
    after = boxed.api.last_event()
    with (
        Watching(lambda: _all_answer(boxed), 0.05) as seen,
        Watching(lambda: [_agents(h) for h in boxed.nodes]) as agents,
    ):
        began = time.monotonic()
        upgrade = _upgraded(boxed, UpgradeRequest(image=GOOD))
        took_s = time.monotonic() - began
    print(f"\ntwo agents upgraded, one after the other, in {took_s:.1f} s; {len(seen.values)} looks at the application")
    assert upgrade.state == "succeeded", boxed.told()
    assert [(t.node, t.state, t.after) for t in upgrade.nodes] == [
        ("node-1", "done", NEXT_VERSION),
        ("node-2", "done", NEXT_VERSION),
    ]
    assert len(seen.values) > 20 and all(seen.values), "the application answered every time"
    assert all(len(running) <= 1 for look in agents.values for running in look), "never two agents at once"
    assert [boxed.kept(host) for host in boxed.nodes] == before
    assert [_settings(host) for host in boxed.nodes] == settings
    views = boxed.api.nodes()
    assert all(view.versions.agent == NEXT_VERSION and not view.upgrading for view in views.values())
    kinds = [event.kind for event in boxed.api.events(after)]
    assert kinds.count("node.upgraded") == 2 and "upgrade.succeeded" in kinds
    assert not {"node.suspect", "node.offline", "alarm", "node.rebooted"} & set(kinds)
    assert not [kind for kind in kinds if kind.startswith("replica.")]
    for host in boxed.nodes:
        assert _names(host) == [AGENT], "what replaced it has cleaned up"


def test_a_broken_image_is_put_back_and_the_rest_is_left_alone(boxed: Boxed) -> None:
    before, ids = [boxed.kept(host) for host in boxed.nodes], [_agents(host) for host in boxed.nodes]
    after = boxed.api.last_event()
    with Watching(lambda: _all_answer(boxed), 0.05) as seen:
        upgrade = _upgraded(boxed, UpgradeRequest(image=BROKEN))
    assert [(t.node, t.state) for t in upgrade.nodes] == [("node-1", "failed"), ("node-2", "skipped")]
    assert "the old agent was put back: the new agent ended with code 3" in upgrade.reason
    assert "no such option" in upgrade.reason, "its own last words"
    assert len(seen.values) > 20 and all(seen.values), "the application answered every time"
    assert [boxed.kept(host) for host in boxed.nodes] == before
    assert [_agents(host) for host in boxed.nodes] == ids, "the same container as before"
    kinds = [event.kind for event in boxed.api.events(after)]
    assert "node.upgrade_failed" in kinds and not {"node.suspect", "node.offline"} & set(kinds)
    assert not [kind for kind in kinds if kind.startswith("replica.")]
    boxed.until(lambda: [_names(host) for host in boxed.nodes] == [[AGENT], [AGENT]], 10.0, "all is cleaned up")


def _upgraded(boxed: Boxed, request: UpgradeRequest) -> UpgradeView:
    """The upgrade when it has ended."""
    answer = boxed.api.ask("POST", "/api/v1/upgrades", msgspec.json.encode(request))
    assert answer.status == 202, answer.body
    number = msgspec.json.decode(answer.body, type=UpgradeView).id

    def look() -> UpgradeView:
        return msgspec.json.decode(boxed.api.ask("GET", f"/api/v1/upgrades/{number}").body, type=UpgradeView)

    boxed.until(lambda: look().state != "running", LIMIT_S, "the upgrade has ended")
    return look()


def _all_answer(boxed: Boxed) -> bool:
    return all(fetch(f"http://{port.address}/") for r in boxed.replicas("shop").values() for port in r.ports)


def _derive(hosts: list[Host], folder: Path, reference: str, base: str, line: str) -> None:
    """An image that differs from `base` by one line of a Dockerfile, the same on every host."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {base}\n{line}\n")
    builder, archive = hosts[0], folder / "image.tar"
    builder.call("env", "DOCKER_BUILDKIT=0", "docker", "build", "-q", "-t", reference, str(folder))
    builder.call("docker", "save", "-o", str(archive), reference)
    for host in hosts[1:]:
        host.load_image(archive)


def _agents(host: Host) -> list[str]:
    """Agents' containers that run."""
    asked = ("docker", "ps", "--no-trunc", "--filter", f"name={AGENT}", "--format", "{{.ID}} {{.Names}}")
    lines = (line.split() for line in host.call(*asked).splitlines())
    return [number for number, name in lines if not name.endswith("-replacing")]


def _names(host: Host) -> list[str]:
    return host.call("docker", "ps", "-a", "--filter", f"name={AGENT}", "--format", "{{.Names}}").split()


def _settings(host: Host) -> dict[str, object]:
    """What a person chose when the agent was started."""
    found = host.engine.inspect(AGENT)
    how = found["HostConfig"]
    return {
        "cmd": found["Config"]["Cmd"],
        "env": sorted(found["Config"]["Env"]),
        "mounts": sorted((m["Source"], m["Destination"]) for m in found["Mounts"]),
        **{key: how[key] for key in ("NetworkMode", "PidMode", "RestartPolicy", "ReadonlyRootfs", "Binds", "Tmpfs")},
    }
