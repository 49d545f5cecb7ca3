"""Nodes and join tokens over HTTP."""

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from controlplane.core.command import ConfirmDown, CreateTicket, DrainNode, PatchNode, RemoveNode, ResumeNode
from controlplane.core.node import JoinTicket
from controlplane.core.views import Figures
from protocol.api import JoinTokenAnswer, NodeView
from protocol.handshake import JoinToken, secret_hash
from tests.unit.controlplane.web.fake_center import FakeCenter

NODES = "/api/v1/nodes"


def ticket(command: Any) -> JoinTicket:
    return JoinTicket(id=command.id, secret_hash=command.secret_hash, expires_at=1000.0)


def test_nodes_are_listed_by_name_with_their_figures(center: FakeCenter) -> None:
    center.seen["node-2"] = Figures(connected=True, last_seen_s=2.0)
    got = msgspec.json.decode(center.client().get(NODES).content, type=list[NodeView])
    assert [(n.name, n.connected, n.last_seen_s) for n in got] == [("node-1", False, None), ("node-2", True, 2.0)]


@pytest.mark.parametrize("name", ["node-9", "-bad", "%2e%2e", "n" * 80])
def test_an_unknown_node_is_404(name: str, client: TestClient) -> None:
    assert client.get(f"{NODES}/{name}").status_code == 404


def test_labels_weight_and_address_are_patched(center: FakeCenter) -> None:
    body = {"labels": {"region": "北京", "old": None}, "weight": 2, "address": "10.1.1.1"}
    assert center.client().patch(f"{NODES}/node-1", json=body).status_code == 200
    assert center.asked == [
        PatchNode(node="node-1", labels={"region": "北京", "old": None}, weight=2.0, address="10.1.1.1")
    ]


def test_a_weight_may_be_what_an_agent_may_register_with(center: FakeCenter) -> None:
    assert center.client().patch(f"{NODES}/node-1", json={"weight": 1000}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"weight": 0}, "weight"),
        ({"weight": 1e9}, "weight"),
        ({"weight": "2"}, "weight"),
        ({"labels": {"a b": "c"}}, "labels.a b"),
        ({"labels": {"a": "x" * 257}}, "labels.a"),
        ({"labels": {"a": "x\u0007"}}, "labels.a"),
        ({"labels": {"a": 1}}, "labels[...]"),
        ({"address": "no spaces"}, "address"),
        ({"address": "node.example"}, "address"),
        ({"colour": "red"}, "colour"),
        ([], ""),
    ],
)
def test_a_bad_patch_names_the_field_and_changes_nothing(body: Any, field: str, center: FakeCenter) -> None:
    got = center.client().patch(f"{NODES}/node-1", json=body)
    assert got.status_code == 400
    assert got.json()["error"]["details"][0].get("field", "") == field
    assert not center.asked


@pytest.mark.parametrize(
    ("path", "command"), [("drain", DrainNode), ("resume", ResumeNode), ("confirm-down", ConfirmDown)]
)
def test_orders_reach_the_controller(path: str, command: Any, center: FakeCenter) -> None:
    got = center.client().post(f"{NODES}/node-1/{path}")
    assert got.status_code == 200
    assert got.json()["name"] == "node-1"
    assert center.asked == [command(node="node-1")]


@pytest.mark.parametrize(("query", "force"), [("", False), ("?force=true", True), ("?force=0", False)])
def test_a_node_is_removed(query: str, force: bool, center: FakeCenter) -> None:
    assert center.client().delete(f"{NODES}/node-1{query}").status_code == 204
    assert center.asked == [RemoveNode(node="node-1", force=force)]


def test_a_join_token_is_shown_once_and_only_its_hash_goes_further(center: FakeCenter) -> None:
    center.reply = ticket
    got = center.client().post("/api/v1/join-tokens", json={"ttl_s": 60, "name": "fra-1"})
    assert got.status_code == 201
    answer = msgspec.json.decode(got.content, type=JoinTokenAnswer)
    token = JoinToken.parse(answer.token)
    asked = center.asked[0]
    assert isinstance(asked, CreateTicket)
    assert (asked.id, asked.secret_hash, asked.ttl_s, asked.name) == (token.id, secret_hash(token.secret), 60, "fra-1")
    assert token.fingerprint == "f" * 64
    assert answer.expires_at == "1970-01-01T00:16:40.000Z"
    assert answer.join_command.startswith(f"rope agent --center http://10.0.0.9:8080 --join {token} --data /")
    assert answer.join_command.endswith("--insecure")  # plain HTTP beyond loopback is to be said


@pytest.mark.parametrize(
    ("host", "url"),
    [("10.0.0.5:8080", "http://10.0.0.5:8080"), ("localhost:8080", "http://127.0.0.1:8080")],
)
def test_a_center_without_a_public_url_names_the_address_that_was_used(host: str, url: str, center: FakeCenter) -> None:
    center.reply = ticket
    center.public_url = "http://127.0.0.1:8080"
    got = center.client(Host=host).post("/api/v1/join-tokens")
    assert f"--center {url} " in got.json()["join_command"]


def test_a_center_that_runs_from_an_image_has_agents_run_from_it(center: FakeCenter) -> None:
    center.reply = ticket
    center.image = "r.example:5000/ropeteam:1.0"
    got = msgspec.json.decode(center.client().post("/api/v1/join-tokens").content, type=JoinTokenAnswer)
    run, _, agent = got.join_command.partition(" r.example:5000/ropeteam:1.0 ")
    assert run.startswith("docker run -d --name ropeteam-agent --restart unless-stopped --network host --pid host ")
    assert " -v /var/run/docker.sock:/var/run/docker.sock -v ropeteam-agent:/data" in run
    assert agent == f"agent --center http://10.0.0.9:8080 --join {got.token} --insecure"
    assert got.process_command.startswith("rope agent --center ")


def test_a_join_token_needs_no_body(center: FakeCenter) -> None:
    center.reply = ticket
    assert center.client().post("/api/v1/join-tokens").status_code == 201
    asked = center.asked[0]
    assert isinstance(asked, CreateTicket) and asked.ttl_s == 900


@pytest.mark.parametrize("body", [{"ttl_s": 59}, {"ttl_s": 86401}, {"name": "a/b"}, {"ttl_s": None}, {"scope": "x"}])
def test_a_bad_wish_for_a_token_is_refused(body: Any, center: FakeCenter) -> None:
    assert center.client().post("/api/v1/join-tokens", json=body).status_code == 400
    assert not center.asked
