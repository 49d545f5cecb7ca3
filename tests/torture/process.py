"""A Center or an agent as a process that is killed, stopped and started again; and the engines that outlive them.

Reads what a process writes to its log, so that a traceback is seen and a limit on file sizes does not hit the log.
"""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # as in nodeagent.meters

from tests.torture import knobs
from tests.torture.story import Story

LOG_KEPT = 400
LOG_LINE_MAX = 1 << 20
START_S = 30.0
END_S = 20.0
HANDLERS_S = 5.0
"""A process that is told to end this early may do so before it has a handler for it."""


class Child:
    """One process with a name and a command line. `folder`: where its knobs are."""

    def __init__(self, name: str, folder: Path, command: Callable[[], list[str]], story: Story) -> None:
        self.name = name
        self.knobs = folder / f"{name}.knobs"
        self.log: deque[str] = deque(maxlen=LOG_KEPT)
        self.tracebacks: list[str] = []
        self.excused = False
        """It may end by itself: its disk fails."""
        self.kept_down = False
        """It is not to be started now."""
        self.stopped = False
        self.peak = 0
        """The most resident memory that was seen, bytes."""
        self._command = command
        self._story = story
        self._file = folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None
        knobs.make_folder(self.knobs)

    @property
    def pid(self) -> int:
        """Of the process that runs, else 0."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def live(self) -> str:
        """Start it, read its log until it ends; says how it ended."""
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            limit=LOG_LINE_MAX, env={k: v for k, v in os.environ.items() if not k.startswith("ROPE_")} | ENVIRONMENT,
        )  # fmt: skip
        self.stopped, begun = False, self._story.seconds
        try:
            assert process.stdout is not None
            with self._file.open("ab") as file:
                file.write(f"--- {self._story.seconds:.2f} pid {process.pid}\n".encode())
                async for line in process.stdout:
                    self._read(line.decode(errors="replace").rstrip())
                    file.write(line)
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        killed = code == -signal.SIGKILL
        early = code == -signal.SIGTERM and self._story.seconds - begun < HANDLERS_S
        if not killed and not early and code != 0 and not self.excused:
            self.tracebacks.append(f"{self.name} ended with {code}: {self.tail(5)}")
        return "killed" if killed else f"ended with {code}"

    def _read(self, line: str) -> None:
        self.log.append(line)
        if "Traceback (most recent call last)" in line or "Logging error" in line or "was never retrieved" in line:
            self.tracebacks.append(f"{self.name}: {line}")

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(list(self.log)[-lines:])

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.stopped = False

    def terminate(self) -> None:
        """SIGTERM: an orderly end, which must be one."""
        self._signal(signal.SIGTERM)

    def limit_files(self, bytes_max: int) -> None:
        """From now on no file of this process grows beyond: writes fail with EFBIG, an I/O error for SQLite."""
        if self.pid:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (bytes_max, resource.RLIM_INFINITY))

    def free_files(self) -> None:
        """Undo `limit_files`."""
        self.limit_files(resource.RLIM_INFINITY)

    def measure(self) -> int:
        """Resident memory now, bytes; 0 when it does not run."""
        try:
            now = int(psutil.Process(self.pid).memory_info().rss) if self.pid else 0
        except psutil.Error:
            return 0
        self.peak = max(self.peak, now)
        return now

    def _signal(self, number: int) -> None:
        if self.pid:
            os.kill(self.pid, number)


ENVIRONMENT = {"ROPE_ADMIN_TOKEN": "a-token-that-is-long-enough", "PYTHONDONTWRITEBYTECODE": "1"}


async def start_engines(folder: Path, names: list[str]) -> asyncio.subprocess.Process:
    """The engines' process, ready. It ends when its standard input closes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.torture.engines",
        str(folder),
        *names,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        line = await process.stdout.readline()
    assert line == b"ready\n", line
    return process
