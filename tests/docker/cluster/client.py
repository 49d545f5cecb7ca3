"""A client as the releases issue describes it: asks over HTTP all the time, a new connection each, no retry.

The announced addresses are asked of the API at most once a second, so the client is up to a second behind.
"""

import http.client
import itertools
import threading
import time
from collections import Counter
from types import TracebackType
from typing import NamedTuple

import msgspec

from protocol.api import AddressesView
from tests.docker.cluster.cluster import Cluster

REFRESH_S = 1.0
TIMEOUT_S = 5.0
THREADS = 3
PAUSE_S = 0.02


class Failed(NamedTuple):
    """A request without an answer of 200. `at`: seconds since the client began."""

    at: float
    address: str
    why: str


class Asking:
    """`with Asking(cluster, "shop", "web") as client: …`; then `client.answers` by version, `client.failed`."""

    def __init__(self, cluster: Cluster, project: str, *services: str) -> None:
        self.answers: Counter[str] = Counter()
        self.failed: list[Failed] = []
        self._cluster = cluster
        self._project = project
        self._services = services
        self._addresses: tuple[str, ...] = ()
        self._done = threading.Event()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._refresh, daemon=True)]
        self._threads += [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(THREADS)]

    def __enter__(self) -> "Asking":
        self._read()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def asked(self) -> int:
        """Requests made."""
        return self.answers.total() + len(self.failed)

    def recent(self, seconds: float = 3.0) -> Counter[str]:
        """What is answered in the next so many seconds, by version."""
        with self._lock:
            before = self.answers.copy()
        time.sleep(seconds)
        with self._lock:
            return self.answers - before

    def _read(self) -> None:
        found = self._cluster.api.ask("GET", f"/api/v1/projects/{self._project}/addresses")
        services = msgspec.json.decode(found.body, type=AddressesView).services
        self._addresses = tuple(a.address for name in self._services for a in services.get(name, ()))

    def _refresh(self) -> None:
        while not self._done.wait(REFRESH_S):
            self._read()

    def _ask(self, first: int) -> None:
        for turn in itertools.count(first):
            if self._done.wait(PAUSE_S):
                return
            addresses = self._addresses
            address = addresses[turn % len(addresses)] if addresses else ""
            version, why = _fetch(address) if address else ("", "nobody is announced")
            with self._lock:
                if why:
                    self.failed.append(Failed(round(time.monotonic() - self._began, 2), address, why))
                else:
                    self.answers[version] += 1


def _fetch(address: str) -> tuple[str, str]:
    """(version, why it failed)."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/cgi-bin/index.cgi")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200 or " version " not in text:
            return "", f"{answer.status} {text[:80]}"
        return text.rpartition(" version ")[2].strip(), ""
    except (OSError, http.client.HTTPException) as error:
        return "", f"{type(error).__name__}: {error}"
    finally:
        connection.close()
