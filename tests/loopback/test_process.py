"""`python -m controlplane` as a process: how it starts, what it prints, how it ends, what it keeps."""

import http.client
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.center import ADMIN_TOKEN, fetch

START_S = 20.0


class Process:
    """A Center in a process of its own."""

    def __init__(self, data: Path, *arguments: str, listen: str = "127.0.0.1:0", **environment: str) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ROPE_")}
        command = [sys.executable, "-m", "controlplane", "--data", str(data), "--listen", listen, *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean | environment
        )
        self.url = ""

    def started(self) -> str:
        """Wait for the first line; returns it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Ropeteam Center listening on http://"), (line, self.process.poll())
        self.url = line.split()[-1]
        return line

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send the signal; returns exit code, the rest of stdout, stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=START_S)
        return self.process.returncode, out, err

    def ended(self) -> tuple[int, str]:
        """Wait for it to end by itself; returns exit code and stderr."""
        _, err = self.process.communicate(timeout=START_S)
        return self.process.returncode, err

    def get(self, path: str, token: str = ADMIN_TOKEN, body: bytes | None = None) -> Any:
        answer = fetch(self.url, path, body, token)
        assert answer.status < 300, answer
        return json.loads(answer.body)


@contextmanager
def center(data: Path, *arguments: str, **options: str) -> Iterator[Process]:
    running = Process(data, *arguments, **options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


def test_the_first_start_prints_the_token_once_and_sigterm_ends_it_well(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with center(data) as first:
        first.started()
        assert first.process.stdout is not None
        line = first.process.stdout.readline()
        assert line.startswith("Admin token: ")
        token = line.split()[-1]
        assert first.get("/api/v1/nodes", token) == []
        begun = time.monotonic()
        code, out, err = first.end()
        assert (code, out) == (0, "") and time.monotonic() - begun < 5
        assert token not in err
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in data.iterdir()} == {
        "center.db": "0o600",
        "center.lock": "0o600",
        "identity.key": "0o600",
        "rings.db": "0o600",
        "tails.db": "0o600",
    }
    with center(data) as second:
        second.started()
        assert second.get("/api/v1/nodes", token) == []
        code, out, _ = second.end(signal.SIGINT)
        assert (code, out) == (0, ""), "the token is not printed again"


def test_kill_9_keeps_what_was_answered(tmp_path: Path) -> None:
    with center(tmp_path, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as first:
        first.started()
        made = first.get("/api/v1/join-tokens", body=b"{}")
        first.end(signal.SIGKILL)
    with sqlite3.connect(tmp_path / "center.db") as db:
        assert db.execute("SELECT id FROM tickets").fetchall() == [(made["id"],)]
    db.close()
    with center(tmp_path, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as second:
        second.started()
        assert second.get("/readyz") == {"status": "ready"}
        again = second.get("/api/v1/join-tokens", body=b"{}")
        assert again["token"].split(".")[-1] == made["token"].split(".")[-1], "the same identity key"


def test_a_folder_and_a_port_in_use_are_told(tmp_path: Path) -> None:
    with center(tmp_path / "data") as first:
        first.started()
        with center(tmp_path / "data") as second:
            code, err = second.ended()
            assert code == 1 and f"another Center (process {first.process.pid}) uses" in err
        with center(tmp_path / "other", listen=first.url.removeprefix("http://")) as third:
            code, err = third.ended()
            assert code == 1 and "another program uses this port" in err
            assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--listen", "0.0.0.0:0"), "accept it with --insecure"),
        (("--listen", "8080"), "the form is HOST:PORT"),
        (("--public-url", "ftp://x"), "the form is https://"),
        (("--frobnicate",), "unrecognized arguments"),
    ],
)
def test_a_wrong_start_is_explained(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with center(tmp_path / "data", *arguments) as wrong:
        code, err = wrong.ended()
    assert code == 2 and message in err and "Traceback" not in err
    assert not (tmp_path / "data").exists()


def test_a_damaged_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "center.db").write_bytes(b"not a database at all")
    with center(tmp_path) as refused:
        code, err = refused.ended()
    assert code == 1 and "is not a database" in err and "Traceback" not in err
    assert (tmp_path / "center.db").read_bytes() == b"not a database at all"


def test_a_restored_backup_raises_the_incarnation(tmp_path: Path) -> None:
    def incarnation() -> int:
        db = sqlite3.connect(tmp_path / "center.db")
        try:
            return int(json.loads(db.execute("SELECT body FROM meta").fetchone()[0]).get("incarnation", 1))
        finally:
            db.close()

    for arguments, due in (((), 1), ((), 1), (("--restored",), 2), ((), 2)):
        with center(tmp_path, *arguments) as running:
            running.started()
            running.end()
        assert incarnation() == due


def test_plain_http_beyond_loopback_works_when_it_is_asked_for(tmp_path: Path) -> None:
    with center(tmp_path, listen="0.0.0.0:0", ROPE_INSECURE="1", ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        assert "http://127.0.0.1:" in running.started()
        assert running.get("/api/v1/nodes") == []


def test_a_client_that_hangs_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with center(tmp_path, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        running.started()
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as silent:
            silent.sendall(b"PUT /api/v1/projects/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            begun = time.monotonic()
            assert running.end()[0] == 0
            assert time.monotonic() - begun < 8


def test_an_io_error_of_the_disk_ends_it_and_what_was_answered_is_kept(tmp_path: Path) -> None:
    with center(tmp_path, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as running:
        running.started()
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
        answered, failed = 0, None
        while failed is None:
            try:
                answer = fetch(running.url, "/api/v1/join-tokens", b"{}", ADMIN_TOKEN)
            except (OSError, http.client.HTTPException) as error:
                failed = str(error)
            else:
                answered += answer.status < 300
                failed = None if answer.status < 300 else str(answer.status)
        code, err = running.ended()
        assert code == 1 and failed != "500"
        assert "rope center: the database failed" in err and "Traceback" not in err
    with center(tmp_path, ROPE_ADMIN_TOKEN=ADMIN_TOKEN) as again:
        again.started()
        again.end()
    db = sqlite3.connect(tmp_path / "center.db")
    assert db.execute("SELECT count(*) FROM tickets").fetchone() == (answered,)
    db.close()
