"""A process under measurement, and what the kernel counts of it: CPU of all its threads, memory, bytes for the disk."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

END_S = 10.0


class Child:
    """One process. It is ended with its context."""

    def __init__(self, process: "subprocess.Popen[str]", complaints: IO[str]) -> None:
        self._process = process
        self._complaints = complaints
        self._proc = Path("/proc") / str(process.pid)

    @property
    def stdin(self) -> IO[str]:
        """To speak to it."""
        assert self._process.stdin is not None
        return self._process.stdin

    def line(self) -> str:
        """The next line it prints. Raises RuntimeError with its complaint when it ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(END_S)
            self._complaints.seek(0)
            raise RuntimeError(f"{self._process.args!r} ended: {self._complaints.read()[-2000:]}")
        return line.strip()

    def cpu_s(self) -> float:
        """CPU seconds of all its threads since it began, to the nanosecond (`schedstat`)."""
        return sum(int(t.read_text().split()[0]) for t in self._proc.glob("task/*/schedstat")) / 1e9

    def rss(self) -> int:
        """Bytes of memory it holds."""
        return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def written(self) -> int:
        """Bytes it gave to the file system so far."""
        fields = (line.split(": ") for line in (self._proc / "io").read_text().splitlines())
        return int(dict(fields)["write_bytes"])

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(END_S)

    def end(self) -> None:
        """Ask it to end; kill it when it does not."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Run a command without the caller's `ROPE_…` variables; end it with the context."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ROPE_")} | dict(environment or {})
    with tempfile.TemporaryFile("w+") as complaints:  # a pipe that nobody reads would stop who writes into it
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=complaints, text=True, env=clean)
        child = Child(process, complaints)
        try:
            yield child
        finally:
            child.end()
