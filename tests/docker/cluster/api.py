"""The Center's HTTP API as the cluster's tests use it: status codes count, every answer is of the type the API says."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from lab.command import LabError
from protocol.api import DeployAnswer, DeploymentView, EventView, JoinTokenAnswer, NodeView, Page, ProjectView

T = TypeVar("T")

Services = Mapping[str, Mapping[str, object]]
"""The `services:` of a Compose file."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Api:
    """One Center's API. Calls raise LabError when it does not answer, or not with 2xx."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token

    def ready(self) -> bool:
        """True when `/readyz` answers 200."""
        try:
            return self.ask("GET", "/readyz").status == 200
        except LabError:
            return False

    def nodes(self) -> dict[str, NodeView]:
        """All nodes by name."""
        return {node.name: node for node in self._get("/api/v1/nodes", list[NodeView])}

    def node_do(self, node: str, verb: str) -> None:
        """`drain`, `resume`, `confirm-down`."""
        self._call("POST", f"/api/v1/nodes/{node}/{verb}", NodeView)

    def patch_node(self, node: str, **fields: object) -> None:
        """Change labels, weight, address."""
        self._call("PATCH", f"/api/v1/nodes/{node}", NodeView, fields)

    def join_token(self, node: str) -> str:
        """A join token for this node only."""
        return self._call("POST", "/api/v1/join-tokens", JoinTokenAnswer, {"name": node}).token

    def projects(self) -> list[ProjectView]:
        """All projects."""
        return self._get("/api/v1/projects", list[ProjectView])

    def project(self, code: str) -> ProjectView:
        """One project."""
        return self._get(f"/api/v1/projects/{code}", ProjectView)

    def deploy(self, code: str, services: Services, **top: object) -> tuple[int, DeployAnswer]:
        """PUT a Compose file; gives the status code too. JSON is YAML."""
        text = json.dumps({"services": services, **top}).encode()
        return self._deploying("PUT", f"/api/v1/projects/{code}", text, "application/yaml")

    def operate(self, code: str, verb: str, body: object = None) -> DeployAnswer:
        """`restart`, `scale`, `rollback`."""
        data = json.dumps(body or {}).encode()
        return self._deploying("POST", f"/api/v1/projects/{code}/{verb}", data, "application/json")[1]

    def remove(self, code: str) -> DeployAnswer:
        """Remove a project."""
        return self._deploying("DELETE", f"/api/v1/projects/{code}", None, "application/json")[1]

    def deployment(self, number: int) -> DeploymentView:
        """One deployment."""
        return self._get(f"/api/v1/deployments/{number}", DeploymentView)

    def events(self, after: int) -> list[EventView]:
        """The journal after this sequence number, oldest first, to its end."""
        found: list[EventView] = []
        while (page := self._get(f"/api/v1/events?after={after}&limit=1000", Page)).events:
            found += page.events
            after = page.next_after
        return found

    def last_event(self) -> int:
        """The newest sequence number."""
        return self._get("/api/v1/events?limit=1", Page).next_after

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Answer:
        """One request; 4xx and 5xx are answers too. Raises LabError when there is none."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, method=method, data=body, headers=headers)  # noqa: S310 the lab's own address
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the Center's URL
                return Answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{method} {path}: the Center does not answer ({error})") from None

    def _get(self, path: str, kind: type[T]) -> T:
        return self._call("GET", path, kind)

    def _call(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        answer = self.ask(method, path, None if body is None else json.dumps(body).encode())
        return msgspec.json.decode(_good(answer, f"{method} {path}"), type=kind)

    def _deploying(self, method: str, path: str, body: bytes | None, kind: str) -> tuple[int, DeployAnswer]:
        answer = self.ask(method, path, body, kind)
        return answer.status, msgspec.json.decode(_good(answer, f"{method} {path}"), type=DeployAnswer)


def _good(answer: Answer, what: str) -> bytes:
    if answer.status // 100 != 2:
        raise LabError(f"{what} was answered {answer.status}: {answer.body.decode(errors='replace')[:2000]}")
    return answer.body
