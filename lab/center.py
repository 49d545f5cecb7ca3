"""What the demo and tests ask of a running Center over its HTTP API. Blocking; knows no internals of the Center."""

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import TypeVar

import msgspec

from lab.command import LabError
from protocol.api import JoinTokenAnswer, NodeView, Page, ProjectView

T = TypeVar("T")


class Center:
    """One Center. Every call raises LabError when it does not answer as the API promises."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    def ready(self) -> bool:
        """True when `/readyz` says so."""
        return fetch(f"{self.url}/readyz") is not None

    def nodes(self) -> list[NodeView]:
        """All nodes."""
        return self._call("GET", "/api/v1/nodes", list[NodeView])

    def project(self, code: str) -> ProjectView:
        """One project."""
        return self._call("GET", f"/api/v1/projects/{code}", ProjectView)

    def events(self, after: int) -> Page:
        """The journal's lines after this sequence number, oldest first."""
        return self._call("GET", f"/api/v1/events?after={after}", Page)

    def last_event(self) -> int:
        """Sequence number of the journal's newest line."""
        after = 0
        while (page := self.events(after)).events:
            after = page.next_after
        return after

    def join_token(self, node: str) -> str:
        """A join token that only a node of this name can use."""
        return self._call("POST", "/api/v1/join-tokens", JoinTokenAnswer, {"name": node}).token

    def remove_project(self, code: str) -> None:
        """Ask for the project's removal; does not wait for it."""
        self._call("DELETE", f"/api/v1/projects/{code}", msgspec.Raw)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until `/readyz` answers with 200. Raises LabError when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if time.monotonic() > deadline:
                raise LabError(f"the Center at {self.url} is not ready after {timeout_s:.0f} s")
            time.sleep(0.1)

    def _call(self, method: str, path: str, kind: type[T], body: object = None) -> T:
        request = urllib.request.Request(  # noqa: S310 - the URL is the Center's, http or https
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
                return msgspec.json.decode(answer.read(), type=kind)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise LabError(f"{method} {path} was answered {error.code}: {text}") from None
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{method} {path}: the Center does not answer ({error})") from None


def fetch(url: str, timeout_s: float = 1.0) -> str | None:
    """The text at a URL when it is answered with 200 in time, otherwise None."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - made of an address
            return str(answer.read().decode(errors="replace")) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
