"""A real Center process on a sample cluster: its data folder written beforehand, then `python -m controlplane`."""

import asyncio
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.child import Child, started
from benchmarks.fleet import Crew
from benchmarks.sample import Sample
from controlplane.core.cluster import Changes, Meta
from controlplane.store.database import open_database
from controlplane.store.folder import DATABASE, locked_folder
from controlplane.store.identity import open_identity

TOKEN = "a-token-for-benchmarks"  # noqa: S105 of a Center on loopback that lives for seconds
LAG = "ropeteam_loop_lag_seconds"
WAIT_S = 10.0
POLL_S = 0.05


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """What changes with every write: the journal's number, the database's log, the bytes given to the disk."""

    events: float
    log_size: int
    log_changed_ns: int
    bytes: int


class Center:
    """Where it is, and what can be seen of it. `child`: the process. `crew`: the agents it knows."""

    def __init__(self, data: Path, sample: Sample, secrets: list[str], center_key: str, stack: ExitStack) -> None:
        self._data = data
        self._stack = stack
        self._log = data / f"{DATABASE}-wal"
        self._lag_s = 0.0
        self.child, self.url = self._start(0)
        self.crew = Crew(
            url=f"ws{self.url.removeprefix('http')}/api/agent/session",
            nodes=sample.nodes,
            replicas=sample.replicas,
            center_key=center_key,
            secrets=secrets,
        )

    def kill(self) -> None:
        """As a crash does: no word to anybody."""
        self.child.kill()

    def start(self) -> None:
        """Once more, at the same address with the same data; returns when it serves."""
        self.child, self.url = self._start(int(self.url.rpartition(":")[2]))

    def _start(self, port: int) -> tuple[Child, str]:
        where = ["--data", str(self._data), "--listen", f"127.0.0.1:{port}"]
        command = [sys.executable, "-m", "benchmarks.watched_center", *where]
        child = self._stack.enter_context(started(command, {"ROPE_ADMIN_TOKEN": TOKEN}))
        return child, child.line().split()[-1]

    def metric(self, name: str) -> float:
        """One figure of `/metrics`."""
        text = self.ask("GET", "/metrics", token="")  # without names: those of thousands would be what is measured
        self._lag_s = max(self._lag_s, _figure(text, LAG))  # the process begins anew with each look
        return _figure(text, name)

    def lag_ms(self) -> float:
        """The longest block of the Center's event loop since this was last asked."""
        self.metric(LAG)
        worst_s, self._lag_s = self._lag_s, 0.0
        return worst_s * 1e3

    def until_metric(self, name: str, least: float, limit_s: float) -> float:
        """Wait until the figure is at least that; the seconds it took. Raises AssertionError after the limit."""
        begun = time.perf_counter()
        while self.metric(name) < least:
            if time.perf_counter() - begun > limit_s:
                raise AssertionError(f"{name} is {self.metric(name):g} after {limit_s:g} s, not {least:g}")
            time.sleep(POLL_S)
        return time.perf_counter() - begun

    def ask(self, method: str, path: str, body: str = "", token: str = TOKEN) -> str:
        """An HTTP request; raises RuntimeError when it is refused."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=WAIT_S)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text}")
        return text

    def disk(self) -> Disk:
        """See `Disk`."""
        log = self._log.stat()
        return Disk(
            events=json.loads(self.ask("GET", "/api/v1/events?limit=1"))["next_after"],
            log_size=log.st_size,
            log_changed_ns=log.st_mtime_ns,
            bytes=self.child.written(),
        )


def _figure(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/metrics has no {name}")
    return float(found[1])


@contextmanager
def center(nodes: int, replicas: int) -> Iterator[Center]:
    """A Center that serves, with this many nodes whose agents are away; ended and cleaned up with the context."""
    keys = [Ed25519PrivateKey.generate() for _ in range(nodes)]
    sample = Sample(nodes=nodes, replicas=replicas, keys=[k.public_key().public_bytes_raw().hex() for k in keys])
    with (
        tempfile.TemporaryDirectory(prefix="rope-bench-", dir="/var/tmp") as folder,  # /tmp may be memory
        ExitStack() as stack,
    ):
        data = Path(folder)
        center_key = asyncio.run(_write(data, sample))
        yield Center(data, sample, [k.private_bytes_raw().hex() for k in keys], center_key, stack)


async def _write(data: Path, sample: Sample) -> str:
    """Make the data folder; gives the Center's public key."""
    with locked_folder(data) as folder:
        identity = open_identity(folder, new_cluster=True)
        async with open_database(folder) as store:
            await store.commit(Changes(puts=[Meta(cluster="bench"), *sample.records()]))
    return identity.public_key
