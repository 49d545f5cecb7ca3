"""Processes that stay: started in a session of their own, remembered in a file, ended by pid and start time.

A pid file also holds the start time of its process, so that a pid that the kernel gave to someone else is never killed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lab.command import LabError

STATE, PPID, STARTED = 0, 1, 19
"""Positions in /proc/PID/stat after the closing bracket of the command's name (proc(5))."""


class ProcessId(msgspec.Struct, frozen=True, kw_only=True):
    """A process that cannot be mistaken for a later one with the same pid. `started`: clock ticks after boot."""

    pid: int
    started: int

    def alive(self) -> bool:
        """True while the process runs; a zombie does not."""
        fields = _stat(self.pid)
        return fields is not None and int(fields[STARTED]) == self.started and fields[STATE] not in "ZX"

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal if it is still this process. False when it is gone."""
        if not self.alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def stopped(self) -> bool:
        """True when every thread of it stands still: SIGSTOP reaches them one after the other."""
        threads = Path(f"/proc/{self.pid}/task")
        try:
            stats = [(entry / "stat").read_text(errors="replace") for entry in threads.iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return self.alive() and all(text.rpartition(")")[2].split()[STATE] in "Tt" for text in stats)

    def wait_gone(self, timeout_s: float) -> bool:
        """Wait until it is gone; False when it is still there after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def end(self, grace_s: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after `grace_s`. Returns when it is gone; a process that is gone already is fine."""
        self.signal(signal.SIGTERM)
        if not self.wait_gone(grace_s):
            self.signal(signal.SIGKILL)
            self.wait_gone(5.0)

    def save(self, path: Path) -> None:
        """Write the pid file."""
        path.write_bytes(msgspec.json.encode(self))


def identify(pid: int) -> ProcessId | None:
    """The process with this pid now, or None."""
    fields = _stat(pid)
    return None if fields is None else ProcessId(pid=pid, started=int(fields[STARTED]))


def recall(path: Path) -> ProcessId | None:
    """The process of a pid file, or None when there is no readable one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ProcessId)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def remember(entry: subprocess.Popen[bytes], path: Path) -> None:
    """Write the pid file of a process just started. Raises LabError when it has ended already."""
    found = identify(entry.pid)
    if found is None or entry.poll() is not None:
        raise LabError(f"{entry.args!r} ended at once")
    found.save(path)


def start(
    argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in its own session (Ctrl-C does not reach it), stdout and stderr appended to `log`."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, env=env, cwd=cwd
        )


def only_child(parent: subprocess.Popen[bytes], what: str, timeout_s: float = 10.0) -> ProcessId:
    """The process that `nsenter` or `unshare` forked. Raises LabError when the parent ends without one."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for pid in _pids():
            fields = _stat(pid)
            if fields is not None and int(fields[PPID]) == parent.pid:
                return ProcessId(pid=pid, started=int(fields[STARTED]))
        if parent.poll() is not None:
            raise LabError(f"{what} ended at once with code {parent.returncode}")
        time.sleep(0.005)
    raise LabError(f"{what} did not start within {timeout_s:.0f} s")


class HostProcess:
    """A program that runs inside a host. It dies with the host's power.

    `process` is the program itself (seen from outside), not the `nsenter` that brought it in: signals reach it.
    """

    def __init__(self, entry: subprocess.Popen[bytes], process: ProcessId, log: Path) -> None:
        self._entry = entry
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """The program's pid in the machine's own PID namespace."""
        return self.process.pid

    def poll(self) -> int | None:
        """Exit code, or None while it runs; negative = killed by that signal."""
        return self._entry.poll()

    def wait(self, timeout_s: float = 30.0) -> int:
        """Wait for its end and return the exit code. Raises LabError when it does not end in time."""
        try:
            return self._entry.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"process {self.pid} did not end within {timeout_s:.0f} s") from None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program; nothing happens when it is gone."""
        send_inside(self.process, number)

    def terminate(self) -> None:
        """SIGTERM to the program."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the program, and wait for it to be gone."""
        self.send_signal(signal.SIGKILL)
        self.wait(10.0)

    def text(self) -> str:
        """What it wrote so far (stdout and stderr)."""
        return self.log.read_text(errors="replace")


def send_inside(program: ProcessId, number: signal.Signals) -> None:
    """Send a signal to a program that `nsenter` brought into a host; nothing happens when it is gone.

    `nsenter` stops itself when its program is stopped, and then would neither pass on nor collect its end: wake it too.
    """
    fields = _stat(program.pid)
    entry = identify(int(fields[PPID])) if fields is not None and program.alive() else None
    program.signal(number)
    if entry is not None and number in (signal.SIGCONT, signal.SIGKILL):
        entry.signal(signal.SIGCONT)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
