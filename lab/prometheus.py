"""A real Prometheus for tests: where its programs are, and one server that scrapes what a configuration says.

`scripts/setup.sh` takes the programs out of Debian's package into .venv/bin, without the service that would begin with
it. The server keeps its data in a folder of the caller's, listens on loopback, and ends with its context.
"""

import http.client
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from lab import process
from lab.command import LabError


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`. Raises LabError when it is not there."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise LabError(f"no {name} here: scripts/setup.sh test brings it")
    return found


def promtool(*arguments: str, given: str = "", folder: Path | None = None) -> str:
    """Run `promtool` on `given` as its input; what it says. Raises LabError when it finds anything wrong."""
    done = subprocess.run(
        [program("promtool"), *arguments], input=given, capture_output=True, text=True, cwd=folder, timeout=60
    )
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise LabError(f"promtool {' '.join(arguments)}: {said}")
    return said


class Prometheus:
    """One server. `folder`: has `prometheus.yml`, gets the data and the log. As a context manager it ends itself."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._at = f"127.0.0.1:{port}"
        self._entry: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Prometheus":
        argv = [program("prometheus"), f"--config.file={self._folder / 'prometheus.yml'}"]
        argv += [f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self._at}"]
        self._entry = process.start(argv, self._folder / "log", {}, self._folder)
        deadline = time.monotonic() + 20.0
        while not self._ready():
            if self._entry.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise LabError(f"Prometheus does not start:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._entry is not None:
            self._entry.terminate()
            try:
                self._entry.wait(10)
            except subprocess.TimeoutExpired:
                self._entry.kill()
                self._entry.wait(10)
            self._entry = None

    def series(self, expression: str, *, since: float | None = None) -> list[dict[str, Any]]:
        """What the expression gives now; with `since` (Unix seconds), everything it gave from then on at 1 s steps."""
        if since is None:
            return self._ask("query", query=expression)["result"]  # type: ignore[no-any-return]  # Prometheus's JSON
        found = self._ask("query_range", query=expression, start=str(since), end=str(self.now()), step="1")
        return found["result"]  # type: ignore[no-any-return]  # as above

    def now(self) -> float:
        """Unix seconds by its own clock."""
        return float(self._ask("query", query="time()")["result"][0])

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """Alerts that fire now: name -> labels of each."""
        found: dict[str, list[dict[str, str]]] = {}
        for alert in self._ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def targets(self, job: str) -> list[dict[str, Any]]:
        """What is scraped for this job, as `/api/v1/targets` says."""
        return [t for t in self._ask("targets", state="active")["activeTargets"] if t["labels"]["job"] == job]

    def _ask(self, what: str, **query: str) -> Any:
        """One question of the HTTP API. Raises LabError with Prometheus's own words when it is refused."""
        url = f"http://{self._at}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except (OSError, http.client.HTTPException) as error:
            words = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            raise LabError(f"{url}: {error} {words}") from None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._at}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False
