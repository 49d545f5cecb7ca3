"""What a healthy engine does not show on demand: races, half answers and registries that are away."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from nodeagent.core.container import DockerFault, FaultKind
from nodeagent.docker import LocalDocker, images, local, networks
from protocol import names
from tests.contract.bench import want
from tests.unit.nodeagent.docker.scripted_engine import ScriptedEngine, lines, refusal, scripted, silence

DIGEST = "sha256:" + "d" * 64
IMAGE_ID = "sha256:" + "1" * 64
LABELS = {
    names.LABEL_CLUSTER: "c",
    names.LABEL_NODE: "n",
    names.LABEL_PROJECT: "shop",
    names.LABEL_SERVICE: "web",
    names.LABEL_REPLICA: "1",
    names.LABEL_EPOCH: "1",
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ScriptedEngine]:
    async with scripted(tmp_path) as running:
        yield running


@pytest.fixture
async def docker(engine: ScriptedEngine) -> AsyncIterator[LocalDocker]:
    made = LocalDocker(engine.url, cluster="c", node="n", network_rest_s=0.0)
    yield made
    await made.close()


def kind(raised: pytest.ExceptionInfo[DockerFault]) -> FaultKind:
    return raised.value.kind


def inspected(container_id: str, **labels: str) -> dict[str, Any]:
    return {
        "Id": container_id,
        "Name": f"/{container_id}",
        "State": {"Status": "running"},
        "Config": {"Labels": LABELS | labels},
    }


def in_turn(*answers: object) -> Callable[[web.Request], Any]:
    """One answer after the other, the last for ever."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        now = left.pop(0) if len(left) > 1 else left[0]
        if callable(now):
            answered: web.StreamResponse = await now(request)
            return answered
        return web.json_response(now)

    return answer


# -- images -----------------------------------------------------------------------------------------------------------


async def test_the_registry_has_the_word_on_a_tag(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "images/r.test:5000/app:1/json"] = {"Id": IMAGE_ID, "RepoDigests": []}
    engine.answers["GET", "distribution/r.test:5000/app:1/json"] = {"Descriptor": {"digest": DIGEST}}
    assert await docker.resolve("r.test:5000/app:1") == f"r.test:5000/app@{DIGEST}"


async def test_without_its_registry_a_pulled_image_keeps_its_digest(
    engine: ScriptedEngine, docker: LocalDocker
) -> None:
    digests = [f"other/app@sha256:{'e' * 64}", f"docker.io/team/app@{DIGEST}", "<none>@<none>"]
    engine.answers["GET", "images/team/app:1/json"] = {"Id": IMAGE_ID, "RepoDigests": digests}
    engine.answers["GET", "distribution/team/app:1/json"] = refusal(500, "dial tcp: lookup registry: no such host")
    assert await docker.resolve("team/app:1") == f"team/app@{DIGEST}"


async def test_an_image_built_here_is_its_id_and_a_silent_registry_does_not_hold_it_up(
    engine: ScriptedEngine, docker: LocalDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "REGISTRY_LOCAL_S", 0.02)
    engine.answers["GET", "images/app:1/json"] = {"Id": IMAGE_ID, "RepoDigests": None}
    engine.answers["GET", "distribution/app:1/json"] = silence
    assert await docker.resolve("app:1") == IMAGE_ID


async def test_an_image_nobody_has_is_missing_with_the_registrys_reason(
    engine: ScriptedEngine, docker: LocalDocker
) -> None:
    engine.answers["GET", "images/app:1/json"] = refusal(404, "No such image: app:1")
    engine.answers["GET", "distribution/app:1/json"] = refusal(401, "unauthorized: authentication required")
    with pytest.raises(DockerFault, match=r"not on this node.*unauthorized") as raised:
        await docker.resolve("app:1")
    assert kind(raised) == "image_missing"


async def test_a_registry_that_gives_no_digest_pins_nothing(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "images/app:1/json"] = {"Id": IMAGE_ID}
    engine.answers["GET", "distribution/app:1/json"] = {"Descriptor": {"digest": "latest"}}
    assert await docker.resolve("app:1") == IMAGE_ID


async def pull(docker: LocalDocker) -> None:
    async with aclosing(docker.pull(f"app@{DIGEST}")) as progress:
        async for _ in progress:
            pass


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lines(b'{"status":"x"}\n{"errorDetail":{"message":"manifest unknown"}}\n'), "image_missing"),
        (lines(b'{"status":"x"}\n{"error":"unexpected EOF"}\n'), "pull_failed"),
        (lines(b'{"status":"Downloading","id":"a"}\n', then_break=True), "engine_down"),
        (lines(b'{"status":"x"}\n'), "pull_failed"),
        (lines(b"not json\n"), "pull_failed"),
        (refusal(404, "pull access denied for app"), "image_missing"),
        (refusal(500, "Get https://r/v2/: EOF"), "pull_failed"),
    ],
)
async def test_a_pull_that_fails_says_how(
    engine: ScriptedEngine, docker: LocalDocker, answer: object, expected: FaultKind
) -> None:
    engine.answers["POST", "images/create"] = answer
    with pytest.raises(DockerFault) as raised:
        await pull(docker)
    assert kind(raised) == expected


async def test_a_pull_without_a_word_is_given_up(
    engine: ScriptedEngine, docker: LocalDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PULL_IDLE_S", 0.02)
    engine.answers["POST", "images/create"] = lines(b'{"status":"Downloading","id":"a"}\n', then_wait=True)
    with pytest.raises(DockerFault) as raised:
        await pull(docker)
    assert kind(raised) == "timeout"


# -- containers -------------------------------------------------------------------------------------------------------


async def test_a_container_that_goes_while_we_list_is_left_out(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "containers/json"] = [{"Id": "a"}, {"Id": "b"}]
    engine.answers["GET", "containers/a/json"] = inspected("a")
    engine.answers["GET", "containers/b/json"] = refusal(404, "No such container: b")
    assert [c.id for c in await docker.containers()] == ["a"]


async def test_a_list_is_whole_or_a_fault(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "containers/json"] = [{"Id": "a"}, {"Id": "b"}]
    engine.answers["GET", "containers/a/json"] = inspected("a")
    engine.answers["GET", "containers/b/json"] = lines(b"{", then_break=True)
    with pytest.raises(DockerFault) as raised:
        await docker.containers()
    assert kind(raised) == "engine_down"


@pytest.mark.parametrize("stuck", [silence, refusal(500, "RWLayer of container b is unexpectedly nil")])
async def test_one_container_that_hangs_does_not_hide_the_others(
    engine: ScriptedEngine, docker: LocalDocker, monkeypatch: pytest.MonkeyPatch, stuck: object
) -> None:
    monkeypatch.setattr(local, "INSPECT_S", 0.05)
    ports = [{"PrivatePort": 80, "PublicPort": 20001, "Type": "tcp", "IP": "::"}, {"PrivatePort": 81, "Type": "tcp"}]
    entry = {"Id": "b", "Names": ["/rope-b"], "State": "running", "Ports": ports}
    engine.answers["GET", "containers/json"] = [{"Id": "a"}, entry | {"Labels": LABELS | {names.LABEL_REPLICA: "2"}}]
    engine.answers["GET", "containers/a/json"] = inspected("a")
    engine.answers["GET", "containers/b/json"] = stuck
    seen = await docker.containers()
    assert [(c.id, c.ref.replica, c.status) for c in seen] == [("a", 1, "running"), ("b", 2, "running")]
    assert [(lease.container, lease.host) for lease in seen[1].ports] == [(80, 20001)], "others wait for this port"
    engine.answers["GET", "containers/a/json"] = stuck
    with pytest.raises(DockerFault):
        await docker.containers()


async def test_a_removal_under_way_is_waited_for(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["DELETE", "containers/a"] = refusal(409, "removal of container a is already in progress")
    engine.answers["POST", "containers/a/wait"] = {"StatusCode": 0}
    await docker.remove("a")
    assert any("wait?condition=removed" in asked for asked in engine.asked)


async def test_a_removal_that_ended_meanwhile_is_done(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["DELETE", "containers/a"] = refusal(409, "removal of container a is already in progress")
    engine.answers["POST", "containers/a/wait"] = refusal(404, "No such container: a")
    await docker.remove("a")


async def test_a_name_that_is_just_freed_is_still_taken(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["POST", "containers/create"] = refusal(409, 'Conflict. The container name "/x" is already in use')
    with pytest.raises(DockerFault) as raised:
        await docker.create(want(IMAGE_ID), {})
    assert kind(raised) == "name_taken"


async def test_a_container_that_misses_a_network_is_not_left_behind(
    engine: ScriptedEngine, docker: LocalDocker
) -> None:
    engine.answers["POST", "containers/create"] = {"Id": "a"}
    engine.answers["POST", "networks/two/connect"] = refusal(404, "network two not found")
    engine.answers["DELETE", "containers/a"] = {}
    with pytest.raises(DockerFault) as raised:
        await docker.create(want(IMAGE_ID), {"one": "one", "two": "two"})
    assert kind(raised) == "not_found"
    assert "DELETE /v1.41/containers/a?force=1&v=1" in engine.asked


async def test_an_adopted_container_is_connected_where_it_is_not_yet(
    engine: ScriptedEngine, docker: LocalDocker
) -> None:
    wanted = want(IMAGE_ID)
    sent: list[Any] = []

    async def conflict(request: web.Request) -> web.StreamResponse:
        sent.append(await request.json())
        return web.json_response({"message": 'The container name "/x" is already in use'}, status=409)

    async def found(_: web.Request) -> web.StreamResponse:
        labels = sent[0]["Labels"]
        return web.json_response(inspected("a") | {"Config": {"Labels": labels}} | {"NetworkSettings": one})

    one: dict[str, Any] = {"Networks": {"one": {}}}
    name = names.container_name("c", wanted.id, 1)
    engine.answers["POST", "containers/create"] = conflict
    engine.answers["GET", f"containers/{name}/json"] = found
    engine.answers["POST", "networks/two/connect"] = {}
    assert await docker.create(wanted, {"one": "one", "two": "two"}) == "a"
    assert engine.asked[-1] == "POST /v1.41/networks/two/connect"


@pytest.mark.parametrize("container_id", ["", "..", "a/b", "a?b", "a b", "../containers/x", "é"])
async def test_what_is_no_container_id_is_never_asked_for(
    engine: ScriptedEngine, docker: LocalDocker, container_id: str
) -> None:
    with pytest.raises(DockerFault) as raised:
        await docker.start(container_id)
    assert kind(raised) == "not_found"
    assert engine.asked == []


# -- networks ---------------------------------------------------------------------------------------------------------


def network(network_id: str, created: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    labels = {
        names.LABEL_CLUSTER: "c",
        names.LABEL_NODE: "n",
        names.LABEL_PROJECT: "shop",
        networks.LABEL_NETWORK: "default",
    }
    return {"Id": network_id, "Name": "rope-shop-default", "Labels": labels, "Created": created}


async def test_a_subnet_that_is_taken_meanwhile_is_passed_over(engine: ScriptedEngine, docker: LocalDocker) -> None:
    asked: list[str] = []

    async def create(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked.append(body["IPAM"]["Config"][0]["Subnet"])
        if len(asked) < 3:
            return web.json_response({"message": "Pool overlaps with other one on this address space"}, status=403)
        return web.json_response({"Id": "x"}, status=201)

    async def listed(_: web.Request) -> web.StreamResponse:
        theirs = [taken, {"Id": "2", "Name": "host", "IPAM": {"Config": None}}]
        return web.json_response([*theirs, network("3")] if len(asked) == 3 else theirs)

    taken = {"Id": "1", "Name": "theirs", "IPAM": {"Config": [{"Subnet": "10.213.0.0/25"}]}}
    engine.answers["GET", "networks"] = listed
    engine.answers["POST", "networks/create"] = create
    assert await docker.ensure_network("shop", "default", ("10.213.0.192/26",)) == "rope-shop-default"
    assert asked == ["10.213.0.128/26", "10.213.1.0/26", "10.213.1.64/26"]


async def test_the_tries_for_a_subnet_end(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "networks"] = []
    engine.answers["POST", "networks/create"] = refusal(403, "Pool overlaps with other one on this address space")
    with pytest.raises(DockerFault, match=f"after {networks.TRIES} tries"):
        await docker.ensure_network("shop", "default", ())


async def test_a_network_that_another_call_made_meanwhile_is_found(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "networks"] = in_turn([], [network("1")])
    engine.answers["POST", "networks/create"] = refusal(409, "network with name rope-shop-default already exists")
    assert await docker.ensure_network("shop", "default", ()) == "rope-shop-default"


async def test_a_network_just_asked_for_is_not_removed_under_its_first_container(engine: ScriptedEngine) -> None:
    engine.answers["GET", "networks"] = [network("1")]
    engine.answers["GET", "containers/json"] = []
    docker = LocalDocker(engine.url, cluster="c", node="n", network_rest_s=60.0)
    await docker.ensure_network("shop", "default", ())
    await docker.drop_unused_networks()
    assert not any(asked.startswith("DELETE") for asked in engine.asked)
    await docker.close()


async def test_a_network_that_somebody_uses_after_all_stays(engine: ScriptedEngine, docker: LocalDocker) -> None:
    engine.answers["GET", "networks"] = [network("1")]
    engine.answers["GET", "containers/json"] = [{"NetworkSettings": {"Networks": {"bridge": {}}}}]
    engine.answers["DELETE", "networks/1"] = refusal(403, "network rope-shop-default id 1 has active endpoints")
    await docker.drop_unused_networks()
    assert "DELETE /v1.41/networks/1" in engine.asked


@pytest.mark.parametrize(
    ("in_use", "removed"), [((), ["new"]), (("old",), ["new"]), (("new",), ["old"]), (("old", "new"), [])]
)
async def test_of_two_networks_by_one_name_the_older_or_the_used_stays(
    engine: ScriptedEngine, docker: LocalDocker, in_use: tuple[str, ...], removed: list[str]
) -> None:
    gone: list[str] = []

    async def remove(request: web.Request) -> web.StreamResponse:
        network_id = request.path.rpartition("/")[2]
        if network_id in in_use:
            return web.json_response({"message": "network x has active endpoints"}, status=403)
        gone.append(network_id)
        return web.Response(status=204)

    both = [network("new", "2026-01-01T00:00:02Z"), network("old", "2026-01-01T00:00:01Z")]
    engine.answers["GET", "networks"] = both
    engine.answers["DELETE", "networks/new"] = engine.answers["DELETE", "networks/old"] = remove
    assert await docker.ensure_network("shop", "default", ()) == "rope-shop-default"
    assert gone == removed


async def test_the_agents_own_container_is_never_ours(engine: ScriptedEngine) -> None:
    own, other = "a" * 64, "b" * 64
    docker = LocalDocker(engine.url, cluster="c", node="n", own=own)
    engine.answers["GET", "containers/json"] = [{"Id": own, "State": "running"}, {"Id": other, "State": "running"}]
    for container in (own, other):
        engine.answers["GET", f"containers/{container}/json"] = inspected(container)
    try:
        assert [container.id for container in await docker.containers()] == [other]
        assert await docker.inspect(own) is None
    finally:
        await docker.close()
