"""A session at a terminal, as people have it: deploy, a failing update, logs, exec, top, in tmux, read off the screen.

With ROPE_CAPTURES=FOLDER each screen is kept there, to be looked at.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import REPOSITORY
from tests.docker.cluster.cluster import WEB, Cluster

WAIT_S = 45.0
FILE = """name: shop
services:
  web:
    image: {image}
    command: [awk, 'BEGIN {{ for (i = 1; ; i++) {{ print "line " i; fflush(); system("usleep 200000") }} }}']
    init: true
    deploy: {{replicas: 2}}
    healthcheck: {{test: [CMD, {check}], interval: 1s, retries: 2}}
"""


class Screen:
    """A terminal of 120 columns and 40 lines."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._socket = str(folder / "tmux")
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", "env", "PS1=$ ", "sh", env=environment)
        self._tmux("set-option", "-g", "status", "off")

    def type(self, text: str, *keys: str) -> None:
        """Type text, then keys by their names."""
        if text:
            self._tmux("send-keys", "-l", text)
        if keys:
            self._tmux("send-keys", *keys)

    def shown(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def until(self, *texts: str, name: str = "") -> str:
        """The screen once all these are on it."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = self.shown()
            if all(text in found for text in texts):
                if name and (folder := os.environ.get("ROPE_CAPTURES")):
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    (Path(folder) / f"{name}.txt").write_text(found)
                return found
            assert time.monotonic() < deadline, f"{texts} did not appear:\n{found.strip()}"
            time.sleep(0.1)

    def end(self) -> None:
        """End the terminal and what runs in it."""
        self._tmux("kill-server")

    def _tmux(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        made = subprocess.run(
            ["tmux", "-f", "/dev/null", "-S", self._socket, *arguments],
            capture_output=True, text=True, timeout=20, env=env, cwd=REPOSITORY, check=True,
        )  # fmt: skip
        return made.stdout


@pytest.fixture
def screen(cluster: Cluster, tmp_path: Path) -> Iterator[Screen]:
    """A terminal in which `rope` speaks to the cluster."""
    assert shutil.which("tmux"), "tmux is missing: scripts/setup.sh ci installs it"
    rope = tmp_path / "bin" / "rope"
    rope.parent.mkdir()
    rope.write_text(f'#!/bin/sh\nexec {sys.executable} -m ropeteam "$@"\n')
    rope.chmod(0o755)
    made = Screen(
        tmp_path,
        {
            "PATH": f"{rope.parent}:{os.environ['PATH']}",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "HOME": str(tmp_path),
            "ROPE_URL": cluster.url,
            "ROPE_TOKEN": cluster.token,
        },
    )
    yield made
    made.end()


def test_a_session_at_a_terminal(cluster: Cluster, screen: Screen, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(FILE.format(image=WEB, check='"true"'))
    bad.write_text(FILE.format(image=WEB, check='"false"'))
    screen.type(f"clear; rope deploy -f {good}; echo code=$?", "Enter")
    screen.until("deploy of shop", "resolve", name="deploy-running")
    screen.until("shop revision 1 running: 2 of 2 healthy", "code=0", name="deploy-done")
    screen.type(f"clear; rope deploy -f {bad}; echo code=$?", "Enter")
    shown = screen.until("rolled back to revision 1", "code=7", name="deploy-rolled-back")
    assert "line " in shown, "the failed replica's last lines"
    screen.type("clear; rope logs -f shop/web -n 3; echo code=$?", "Enter")
    screen.until("web/1 node-", "web/2 node-", name="logs")
    screen.type("", "C-c")
    screen.until("code=130")
    screen.type("clear; rope exec -it shop/web -- sh; echo code=$?", "Enter")
    screen.until("~ #")
    screen.type("echo sum $((40+2)); exit 9", "Enter")
    screen.until("sum 42", "code=9", name="exec")
    screen.type("clear; rope top; echo code=$?", "Enter")
    screen.until("node-1", "online", "PROJECT", "2/2", name="top")
    screen.type("", "C-c")
    screen.until("code=")
    screen.type("clear; rope ps shop; rope history shop; rope status --check; echo code=$?", "Enter")
    screen.until("shop/web/1", "rolled_back", "code=0", name="looking")
