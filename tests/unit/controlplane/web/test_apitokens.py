"""API tokens over HTTP and on the settings page: the secret is shown once and opens everything but this door."""

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from controlplane.core import access
from controlplane.core.command import Command, CreateApiToken, RevokeApiToken
from controlplane.core.draft import Draft
from controlplane.web import routes
from tests.unit.controlplane.web.fake_center import BEARER, FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


@pytest.fixture
def obeying(center: FakeCenter) -> FakeCenter:
    """Makes and revokes tokens for real."""

    def obey(command: Command) -> Any:
        draft = Draft(center.cluster, center.door().now())
        made = None
        match command:
            case CreateApiToken():
                made = access.create(draft, command)
            case RevokeApiToken():
                access.revoke(draft, command)
            case _:
                raise AssertionError(command)
        center.cluster.apply(draft.changes())
        return made

    center.reply = obey
    return center


def make(client: TestClient, **body: object) -> dict[str, Any]:
    got = client.post("/api/v1/api-tokens", json={"name": "ci", **body})
    assert got.status_code == 201
    answer: dict[str, Any] = got.json()
    return answer


def test_a_program_gets_in_with_its_own_token_until_it_is_revoked(obeying: FakeCenter) -> None:
    client = obeying.client()
    made = make(client, ttl_s=60)
    ci = {"Authorization": f"Bearer {made['token']}"}
    assert client.get("/api/v1/whoami", headers=ci).json()["name"] == "ci"
    (listed,) = client.get("/api/v1/api-tokens").json()
    assert (listed["id"], listed["state"], listed["actor"]) == (made["id"], "open", "admin")
    assert made["token"].rpartition("_")[2] not in str(listed)
    assert client.post("/api/v1/api-tokens", json={"name": "more"}, headers=ci).status_code == 403
    assert client.delete(f"/api/v1/api-tokens/{made['id']}", headers=ci).status_code == 403
    obeying.wall += 61
    assert client.get("/api/v1/whoami", headers=ci).status_code == 401
    assert client.get("/api/v1/api-tokens").json()[0]["state"] == "expired"
    obeying.wall -= 61
    assert client.delete(f"/api/v1/api-tokens/{made['id']}").status_code == 204
    assert client.get("/api/v1/whoami", headers=ci).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), ({"name": "-"}, 422), ({"name": "ci", "ttl_s": -1}, 422), ({"name": 1}, 400)]
)
def test_a_wrong_wish_is_refused(body: dict[str, object], status: int, obeying: FakeCenter) -> None:
    assert obeying.client().post("/api/v1/api-tokens", json=body).status_code == status
    assert not obeying.cluster.api_tokens


def test_an_open_stream_ends_with_its_token(obeying: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "WATCH_S", 0.01)
    client = obeying.client()
    made = make(client)
    with client.websocket_connect("/api/v1/stream", headers={"Authorization": f"Bearer {made['token']}"}) as socket:
        client.delete(f"/api/v1/api-tokens/{made['id']}", headers=BEARER)
        with pytest.raises(WebSocketDisconnect) as closed:
            while True:
                socket.receive_text()
    assert closed.value.code == 1008


def test_on_the_page_it_is_shown_once_and_revoked(obeying: FakeCenter) -> None:
    surfer = Surfer(obeying)
    surfer.sign_in()
    assert "No program has a token" in surfer.http.get("/settings").text
    got = surfer.http.post("/settings/api-tokens", data={"csrf": surfer.csrf("/settings"), "name": "ci", "life": "0"})
    assert got.status_code == 200 and ">rope_" in got.text and "for ever" in got.text
    again = surfer.http.get("/settings").text
    assert ">rope_" not in again and "<b>ci</b>" in again
    (number,) = obeying.cluster.api_tokens
    refused = surfer.http.post("/settings/api-tokens", data={"csrf": surfer.csrf("/settings"), "name": "ci"})
    assert refused.status_code == 409 and "already" in refused.text
    got = surfer.http.post("/settings/api-tokens/revoke", data={"csrf": surfer.csrf("/settings"), "id": number})
    assert got.status_code == 303 and not obeying.cluster.api_tokens
