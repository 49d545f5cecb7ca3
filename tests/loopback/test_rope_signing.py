"""Signing in, contexts, inspect, doctor, completion: the command line against a real Center."""

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ropeteam.__main__ import run
from ropeteam.fault import Exit
from tests.loopback.center import ADMIN_TOKEN, Running, running_center

COMPOSE = "name: shop\nservices: {web: {image: web:1}}\n"


@pytest.fixture
def rope(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `rope` without any variable but a file of contexts of its own; returns code, stdout, stderr."""
    for name in ("ROPE_URL", "ROPE_TOKEN", "ROPE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROPE_CONFIG", str(tmp_path / "config.toml"))

    def call(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        capsys.readouterr()
        code = run(list(arguments))
        return (code, *capsys.readouterr())

    return call


async def test_one_signs_in_and_needs_no_url_and_token_any_more(
    tmp_path: Path, rope: Callable[..., tuple[int, str, str]]
) -> None:
    def session(running: Running) -> None:
        rope("version")  # by now the Center, in this process, has greeted on stdout
        code, out, err = rope("ls", "--url", running.url)
        assert code == Exit.SIGNED_OUT and "shop" not in out and "a token is needed" in err and "rope login" in err
        code, _, err = rope("login", running.url, "--token-stdin", "--name", "lab", typed="wrong-token\n")
        assert code == Exit.SIGNED_OUT and "not valid" in err and not (tmp_path / "config.toml").exists()
        code, _, err = rope("login", running.url, typed="")
        assert code == Exit.USAGE and "--token-stdin" in err
        code, _, err = rope("login", running.url, "--token-stdin", "--name", "lab", typed=f"{ADMIN_TOKEN}\n")
        assert code == 0 and "as admin" in err and ADMIN_TOKEN not in err
        assert rope("whoami", "-o", "name") == (0, "admin\n", "")
        code, out, _ = rope("context", "ls", "-o", "json")
        assert code == 0 and json.loads(out) == [{"name": "lab", "url": running.url, "current": True}]
        assert rope("logout")[0] == 0
        assert rope("context", "ls", "-o", "name") == (0, "", "")
        assert rope("logout")[0] == Exit.SIGNED_OUT

    async with running_center(tmp_path / "center") as running:
        await asyncio.to_thread(session, running)


async def test_one_thing_as_the_api_has_it_and_what_is_wrong(
    tmp_path: Path, rope: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)

    def session(running: Running) -> None:
        assert rope("version")[0] == 0
        code, out, _ = rope("doctor")
        assert code == Exit.ERROR and out.splitlines()[-1].startswith("!!  nodes")
        assert all(line.startswith("ok") for line in out.splitlines()[:-1]) and len(out.splitlines()) == 6
        assert rope("deploy", "-f", str(file), "-y", "--detach")[0] == 0
        code, out, _ = rope("inspect", "project/shop")
        assert code == 0 and json.loads(out)["code"] == "shop"
        assert json.loads(rope("inspect", "deployment/1")[1])["project"] == "shop"
        assert rope("inspect", "project/none")[0] == Exit.NOT_FOUND
        assert rope("inspect", "shop")[0] == Exit.USAGE
        code, out, _ = rope("version")
        assert code == 0 and running.url in out
        assert rope("doctor", "--token", "wrong")[1].splitlines()[-1].startswith("!!  token")
        assert rope("doctor", "--url", "http://127.0.0.1:1")[1].startswith("!!  Center")

    async with running_center(tmp_path / "center") as running:
        monkeypatch.setenv("ROPE_URL", running.url)
        monkeypatch.setenv("ROPE_TOKEN", ADMIN_TOKEN)
        await asyncio.to_thread(session, running)


async def test_who_asked_for_what_and_tokens_that_are_revoked(
    tmp_path: Path, rope: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def session(running: Running) -> None:
        assert rope("version")[0] == 0
        assert rope("token", "create", "-o", "name")[0] == 0
        rope("token", "create", "--name", "fra-1")
        first, second = json.loads(rope("token", "ls", "-o", "json")[1])
        assert (first["state"], second["state"], second["name"]) == ("open", "open", "fra-1")
        assert "secret" not in first and "token" not in first
        assert rope("token", "rm", first["id"])[0] == 0
        assert rope("token", "rm", first["id"])[0] == Exit.NOT_FOUND
        assert rope("token", "ls", "-o", "name")[1] == f"{second['id']}\n"
        told = json.loads(rope("audit", "-o", "json")[1])
        assert [e["kind"] for e in told] == ["token.created", "token.created", "token.revoked"]
        assert {e["actor"] for e in told} == {"admin"}
        assert len(rope("audit", "-n", "2")[1].splitlines()) == 2
        assert [e["node"] for e in json.loads(rope("audit", "--node", "fra-1", "-o", "json")[1])] == ["fra-1"]

    async with running_center(tmp_path / "center") as running:
        monkeypatch.setenv("ROPE_URL", running.url)
        monkeypatch.setenv("ROPE_TOKEN", ADMIN_TOKEN)
        await asyncio.to_thread(session, running)


async def test_the_shell_completes_names_and_does_not_wait_for_a_center_that_is_away(
    tmp_path: Path, rope: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def completed(line: str) -> list[str]:
        from click.shell_completion import ShellComplete

        from ropeteam.root import rope as root

        words = line.split(" ")
        found = ShellComplete(root, {"auto_envvar_prefix": "ROPE"}, "rope", "_ROPE_COMPLETE")
        return [item.value for item in found.get_completions(words[1:-1], words[-1])]

    def session(running: Running) -> None:
        assert "function _rope_completion" in rope("completion", "fish")[1]
        assert "_rope_completion" in rope("completion", "bash")[1] and "#compdef rope" in rope("completion", "zsh")[1]
        assert completed("rope node show n") == ["node-1"]
        assert completed("rope drain") == [] and "drain" in completed("rope node dr")
        monkeypatch.setenv("ROPE_URL", "http://127.0.0.1:1")
        assert completed("rope node show n") == []

    async with running_center(tmp_path / "center") as running:
        monkeypatch.setenv("ROPE_URL", running.url)
        monkeypatch.setenv("ROPE_TOKEN", ADMIN_TOKEN)
        await running.node("node-1")
        await asyncio.to_thread(session, running)
