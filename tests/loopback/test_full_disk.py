"""A Center whose disk is really full: changes get 507, reads go on, and it works again by itself when there is room."""

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback.center import ADMIN_TOKEN, Answer, fetch
from tests.loopback.test_process import center


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB. Needs root, to mount it."""
    if os.geteuid() != 0:
        pytest.skip("SKIPPED LOUDLY: only root can mount a small disk to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_changes_get_507_reads_go_on_and_it_recovers(small_disk: Path) -> None:
    with center(small_disk / "data", ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        running.started()

        def change() -> Answer:
            return fetch(running.url, "/api/v1/join-tokens", b"{}", ADMIN_TOKEN)

        assert change().status < 300
        filler = fill(small_disk)
        answers = []
        for _ in range(300):  # the log may have room of its own for a while
            answers.append(change())
            if answers[-1].status >= 300:
                break
        assert answers[-1].status == 507
        error = json.loads(answers[-1].body)["error"]
        assert error["code"] == "full" and "disk with the Center's data is full" in error["message"]
        assert fetch(running.url, "/api/v1/nodes", token=ADMIN_TOKEN).status == 200
        assert fetch(running.url, "/healthz").status == 200
        ready = fetch(running.url, "/readyz")
        assert ready.status == 503 and "disk is full" in ready.body.decode()
        filler.unlink()
        deadline = time.monotonic() + 10
        while fetch(running.url, "/readyz").status != 200:
            assert time.monotonic() < deadline, "nobody asks for a change, and still it notices that there is room"
            time.sleep(0.1)
        assert change().status < 300
        code, _, err = running.end()
        assert code == 0 and "Traceback" not in err
    done = sum(a.status < 300 for a in answers) + 2
    with center(small_disk / "data", ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        running.started()
        running.end()
    db = sqlite3.connect(small_disk / "data" / "center.db")
    assert db.execute("SELECT count(*) FROM tickets").fetchone() == (done,), "every answered change, and no other"
    db.close()


def test_a_start_on_a_full_disk_says_so(small_disk: Path) -> None:
    data = small_disk / "data"
    with center(data, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        running.started()
        running.end()
    before = (data / "center.db").read_bytes()
    filler = fill(small_disk)
    with center(data, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as refused:
        code, err = refused.ended()
    assert code == 1 and "its disk is full: free some space" in err and "Traceback" not in err
    assert (data / "center.db").read_bytes() == before
    filler.unlink()
    with center(data, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        running.started()
