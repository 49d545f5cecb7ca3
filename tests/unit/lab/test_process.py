"""What the lab ends must be what it started: pids are given out again by the kernel."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lab import process
from lab.command import LabError
from lab.process import ProcessId


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "30"]) as entry:
        yield entry
        entry.kill()


def found(entry: subprocess.Popen[bytes]) -> ProcessId:
    known = process.identify(entry.pid)
    assert known is not None
    return known


def test_a_pid_given_to_another_process_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    former = msgspec.structs.replace(found(sleeper), started=found(sleeper).started - 1)
    assert not former.alive()
    assert not former.signal(signal.SIGKILL)
    former.end()
    assert sleeper.poll() is None


def test_a_zombie_does_not_count_as_alive(sleeper: subprocess.Popen[bytes]) -> None:
    known = found(sleeper)
    assert known.alive()
    sleeper.kill()
    assert known.wait_gone(5)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    entry = process.start(["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"], tmp_path / "log")
    while "on" not in (tmp_path / "log").read_text():
        assert entry.poll() is None
    found(entry).end(grace_s=0.2)
    assert entry.wait(5) == -signal.SIGKILL


def test_a_pid_file_is_read_back_and_a_damaged_one_is_nothing(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    file = tmp_path / "one.pid"
    assert process.recall(file) is None
    process.remember(sleeper, file)
    assert process.recall(file) == found(sleeper)
    file.write_text("{")
    assert process.recall(file) is None


def test_a_program_that_ends_at_once_is_an_error(tmp_path: Path) -> None:
    entry = process.start(["false"], tmp_path / "log")
    with pytest.raises(LabError, match="ended at once"):
        process.only_child(entry, "the program")


def test_names_with_brackets_and_spaces_are_read(tmp_path: Path) -> None:
    """The command's name in /proc/PID/stat is not quoted."""
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "30"]) as entry:
        assert found(entry).alive()
        os.kill(entry.pid, signal.SIGKILL)


def test_a_stopped_process_is_known_to_stand_still(tmp_path: Path) -> None:
    script = "import threading, time\nfor n in range(3): threading.Thread(target=time.sleep, args=(60,)).start()\n"
    entry = process.start([sys.executable, "-c", script], tmp_path / "log")
    try:
        found = process.identify(entry.pid)
        assert found is not None and not found.stopped()
        found.signal(signal.SIGSTOP)
        deadline = time.monotonic() + 5
        while not found.stopped():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        found.signal(signal.SIGCONT)
        while found.stopped():
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        entry.kill()
        entry.wait(10)
    assert not found.stopped()
