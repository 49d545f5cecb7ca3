"""`POST /api/agent/register` over HTTP: a token, a key and its proof make a node; all else is refused clearly."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controlplane.link import registration
from controlplane.store.identity import is_signed
from protocol.api import JoinTokenAnswer, RegisterAnswer, RegisterRequest
from protocol.handshake import JoinToken, key_fingerprint, register_claim, registered_claim
from protocol.messages import Capacity
from tests.loopback.center import ADMIN_TOKEN, Agent, Answer, Running, fetch, running_center


@pytest.fixture
async def center(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_center(tmp_path / "data") as running:
        yield running


async def post(center: Running, path: str, body: bytes, token: str = "") -> Answer:
    return await asyncio.to_thread(fetch, center.url, path, body, token)


async def token_of(center: Running) -> str:
    status, answer, _ = await post(center, "/api/v1/join-tokens", b"{}", ADMIN_TOKEN)
    assert status < 300, answer
    return msgspec.json.decode(answer, type=JoinTokenAnswer).token


def request(token: str, key: Ed25519PrivateKey, name: str = "node-1", **fields: Any) -> dict[str, Any]:
    public = key.public_key().public_bytes_raw().hex()
    signature = key.sign(register_claim(token, public, name)).hex()
    asked = RegisterRequest(
        token=token, name=name, public_key=public, signature=signature, capacity=Capacity(cpus=2, memory=1 << 30)
    )
    return {**msgspec.to_builtins(asked), **fields}


async def register(center: Running, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    status, answer, _ = await post(center, "/api/agent/register", json.dumps(body).encode())
    return status, json.loads(answer)


async def test_a_good_token_makes_a_node_that_can_open_a_session(center: Running) -> None:
    key, token = Ed25519PrivateKey.generate(), await token_of(center)
    status, body = await register(center, request(token, key, labels={"region": "北京"}, weight=2.0))
    assert status == 200, body
    answer = msgspec.convert(body, RegisterAnswer)
    assert key_fingerprint(answer.center_key) == JoinToken.parse(token).fingerprint
    public = key.public_key().public_bytes_raw().hex()
    assert is_signed(answer.center_key, answer.signature, registered_claim(answer.cluster, answer.agent_id, public))
    node = center.center.controller.cluster.nodes["node-1"]
    assert (node.address, node.labels, node.weight) == ("127.0.0.1", {"region": "北京"}, 2.0)
    async with Agent(center.session_url, answer.agent_id, key).session() as rope:
        assert rope.welcome is not None and rope.welcome.node == "node-1"


async def test_the_same_key_may_ask_again_and_gets_the_same_answer(center: Running) -> None:
    key, token = Ed25519PrivateKey.generate(), await token_of(center)
    first = await register(center, request(token, key))
    assert first[0] == 200 and await register(center, request(token, key)) == first


async def test_a_token_works_once(center: Running) -> None:
    token = await token_of(center)
    assert (await register(center, request(token, Ed25519PrivateKey.generate())))[0] == 200
    status, body = await register(center, request(token, Ed25519PrivateKey.generate(), name="node-2"))
    assert status == 403 and "used already" in body["error"]["message"]
    assert set(center.center.controller.cluster.nodes) == {"node-1"}


async def test_only_the_hash_of_a_token_is_stored(center: Running) -> None:
    token = await token_of(center)
    data = center.center.settings.data
    stored = b"".join(path.read_bytes() for path in data.iterdir())
    assert JoinToken.parse(token).id.encode() in stored
    assert JoinToken.parse(token).secret.encode() not in stored and ADMIN_TOKEN.encode() not in stored


async def test_what_does_not_fit_is_refused_with_its_field(center: Running) -> None:
    key, token = Ed25519PrivateKey.generate(), await token_of(center)
    good, parsed = request(token, key), JoinToken.parse(token)
    other_center = str(JoinToken(parsed.id, parsed.secret, "0" * 64))
    guessed = str(JoinToken(parsed.id, secrets.token_urlsafe(32), parsed.fingerprint))
    cases = [
        (400, "", {k: v for k, v in good.items() if k != "name"}),
        (400, "", {**good, "weight": "heavy"}),
        (422, "public_key", {**good, "public_key": "zz"}),
        (403, "token", {**good, "token": "rope1.x"}),
        (403, "token", request(other_center, key)),
        (403, "token", request(guessed, key)),
        (403, "signature", {**good, "signature": "00" * 64}),
        (403, "signature", {**good, "name": "node-7"}),
        (422, "name", request(token, key, name="../etc")),
    ]
    for status, field, body in cases:
        answered, error = await register(center, body)
        assert answered == status, (field, error)
        if field:
            assert [d["field"] for d in error["error"]["details"]] == [field]
    assert center.center.controller.cluster.nodes == {}


async def test_ten_failures_a_minute_then_wait(center: Running) -> None:
    token = await token_of(center)
    for _ in range(registration.FAILURES_MAX):
        assert (await post(center, "/api/agent/register", b"{}"))[0] == 400
    good = json.dumps(request(token, Ed25519PrivateKey.generate())).encode()
    status, body, headers = await post(center, "/api/agent/register", good)
    assert status == 429 and 0 < int(headers["retry-after"]) <= 60
    assert json.loads(body)["error"]["code"] == "busy"


async def test_long_bodies_and_other_methods_are_refused_in_the_same_shape(center: Running) -> None:
    status, body, _ = await post(center, "/api/agent/register", b"x" * (registration.BODY_MAX + 1))
    assert status == 413 and json.loads(body)["error"]["code"] == "too_large"
    status, body, _ = await post(center, "/api/agent/session", b"{}")
    assert status == 404 and json.loads(body)["error"]["code"] == "not_found"
