"""The API and the command line against a real Center: its controller, its store, its server. No agents."""

import asyncio
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect

from protocol.api import DeployAnswer, DeploymentView, JoinTokenAnswer, Page, PlanAnswer, ProjectView, StreamFrame
from protocol.handshake import JoinToken
from ropeteam.__main__ import run
from ropeteam.client import Client, Refusal
from ropeteam.fault import Exit
from tests.loopback.center import ADMIN_TOKEN, Running, running_center

COMPOSE = b"name: shop\nservices:\n  web:\n    image: web:1\n    ports: ['80']\n    deploy: {replicas: 2}\n"


async def test_a_deploy_is_stored_told_and_streamed(tmp_path: Path) -> None:
    async with running_center(tmp_path) as running:
        client = Client(running.url, ADMIN_TOKEN)
        url = running.url.replace("http", "ws") + "/api/v1/stream?after=0"
        async with connect(url, additional_headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
            answer = await asyncio.to_thread(client.send, "PUT", "projects/shop", DeployAnswer, COMPOSE)
            assert answer.deployment is not None
            frames: list[StreamFrame] = []
            async with asyncio.timeout(5):
                while not {"event", "project", "deployment"} <= {f.kind for f in frames}:
                    frames.append(msgspec.json.decode(await socket.recv(), type=StreamFrame))
        shown = await asyncio.to_thread(client.get, f"deployments/{answer.deployment.id}", DeploymentView)
        project = await asyncio.to_thread(client.get, "projects/shop", ProjectView)
        page = await asyncio.to_thread(client.get, "events", Page, project="shop")
    assert (shown.state, shown.actor, project.state) == ("running", "admin", "deploying")
    assert next(f.event for f in frames if f.event is not None) == page.events[0]


async def test_a_plan_without_nodes_says_why_and_changes_nothing(tmp_path: Path) -> None:
    async with running_center(tmp_path) as running:
        client = Client(running.url, ADMIN_TOKEN)
        plan = await asyncio.to_thread(client.send, "POST", "projects/shop/plan", PlanAnswer, COMPOSE)
        with pytest.raises(Refusal) as unknown:
            await asyncio.to_thread(client.get, "projects/shop", ProjectView)
    assert [(s.action, bool(s.reason)) for s in plan.steps] == [("pending", True)] * 2
    assert unknown.value.status == 404


async def test_a_repeated_request_is_done_once(tmp_path: Path) -> None:
    def ask(running: Running) -> str:
        connection = HTTPConnection("127.0.0.1", running.port, timeout=5)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Idempotency-Key": "once"}
        connection.request("POST", "/api/v1/join-tokens", b"{}", headers)
        content = connection.getresponse().read()
        connection.close()
        return msgspec.json.decode(content, type=JoinTokenAnswer).token

    async with running_center(tmp_path) as running:
        first, second = [await asyncio.to_thread(ask, running) for _ in range(2)]
        assert len(running.center.controller.cluster.tickets) == 1
    assert first == second
    assert JoinToken.parse(first).fingerprint == running.center.identity.fingerprint


@pytest.fixture
def rope(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run `rope` in a thread of the test; the Center runs in the loop."""
    monkeypatch.setenv("ROPE_TOKEN", ADMIN_TOKEN)
    return lambda *arguments: run(list(arguments))


async def test_the_command_line_speaks_with_a_real_center(
    tmp_path: Path, rope: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_bytes(COMPOSE)
    async with running_center(tmp_path / "center") as running:
        monkeypatch.setenv("ROPE_URL", running.url)

        async def ran(*arguments: str) -> tuple[int, str]:
            code = await asyncio.to_thread(rope, *arguments)
            return code, capsys.readouterr().out

        assert (await ran("status"))[0] == 0  # the Center, in this process, greets on stdout as well
        assert await ran("deploy", "-f", str(file), "--timeout", "0.2s") == (Exit.TIMEOUT, "")
        assert await ran("ls", "-o", "name") == (0, "shop\n")
        code, out = await ran("events", "--project", "shop")
        assert code == 0 and "deployment 1" in out
        assert (await ran("rollback", "shop", "--to", "7"))[0] in (Exit.ERROR, Exit.NOT_FOUND, Exit.CONFLICT)
        code, out = await ran("rm", "-y", "shop")
        assert code == 0 and out.startswith("shop removed")
        assert await ran("ps", "shop") == (Exit.NOT_FOUND, "")
        monkeypatch.setenv("ROPE_TOKEN", "wrong-token")
        assert await ran("nodes") == (Exit.SIGNED_OUT, "")
