"""A small blocking client of one Docker Engine's API over its Unix socket, for the lab and its tests.

Not the product's client (that is `nodeagent/docker.py`): tests look at an engine with other eyes than the agent.
"""

import http.client
import json
import socket
import time
import urllib.parse
from http import HTTPStatus
from pathlib import Path
from typing import Any

from lab.command import LabError


class EngineError(LabError):
    """The engine answered with an error. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the engine answered {status}: {message}")
        self.status = status


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("engine", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Engine:
    """One engine. Every call opens a connection of its own and gives up after `timeout_s` of silence.

    Calls raise EngineError when the engine refuses, LabError when it does not answer.
    """

    def __init__(self, socket_path: Path, timeout_s: float = 30.0) -> None:
        self.socket_path = socket_path
        self._timeout_s = timeout_s

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: Path | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """One request, unversioned path like `/containers/json`; `raw` sends a file as a tar. Raises EngineError."""
        connection = _UnixConnection(self.socket_path, self._timeout_s)
        sent = dict(headers or {})
        try:
            if raw is not None:
                sent |= {"Content-Type": "application/x-tar", "Content-Length": str(raw.stat().st_size)}
                with raw.open("rb") as file:
                    connection.request(method, path, file, sent)
            elif body is not None:
                sent["Content-Type"] = "application/json"
                connection.request(method, path, json.dumps(body), sent)
            else:
                connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"the engine at {self.socket_path} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise EngineError(answer.status, data.decode(errors="replace").strip())
        return data

    def get(self, path: str) -> Any:
        """GET, decoded from JSON."""
        return json.loads(self.call("GET", path))

    def answers(self) -> bool:
        """True when the engine answers a ping now."""
        try:
            return self.call("GET", "/_ping") == b"OK"
        except LabError:
            return False

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Wait for the first answer. Raises LabError when none comes in time."""
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if time.monotonic() > deadline:
                raise LabError(f"no engine answers at {self.socket_path} after {timeout_s:.0f} s")
            time.sleep(0.05)

    # -- images -----------------------------------------------------------------------------------------------------

    def load(self, tar: Path) -> None:
        """Load an archive as `docker save` makes it. Raises EngineError when the engine refuses it."""
        text = self.call("POST", "/images/load?quiet=1", raw=tar).decode()
        _refuse_stream_error(text)

    def image_id(self, reference: str) -> str:
        """The image's id, `sha256:…`. Raises EngineError(404) when the engine does not have it."""
        return str(self.get(f"/images/{urllib.parse.quote(reference)}/json")["Id"])

    def tag(self, source: str, repository: str, tag: str) -> None:
        """Give an image a further name."""
        query = urllib.parse.urlencode({"repo": repository, "tag": tag})
        self.call("POST", f"/images/{urllib.parse.quote(source)}/tag?{query}")

    def remove_image(self, reference: str) -> None:
        """Remove a name of an image, and the image with its last name."""
        self.call("DELETE", f"/images/{urllib.parse.quote(reference)}?force=1")

    def push(self, repository: str, tag: str) -> str:
        """Push to the registry in the repository's name; returns the manifest's digest, `sha256:…`."""
        text = self.call(
            "POST",
            f"/images/{urllib.parse.quote(repository)}/push?tag={urllib.parse.quote(tag)}",
            headers={"X-Registry-Auth": "e30="},  # base64 of {}: the header must be there, empty is fine
        ).decode()
        for frame in _refuse_stream_error(text):
            if digest := frame.get("aux", {}).get("Digest"):
                return str(digest)
        raise LabError(f"the engine pushed {repository}:{tag} but named no digest")

    def pull(self, reference: str) -> None:
        """Pull `repository:tag` or `repository@digest`. Raises LabError when the registry refuses."""
        query = urllib.parse.urlencode({"fromImage": reference})
        _refuse_stream_error(self.call("POST", f"/images/create?{query}").decode())

    def remove_volumes(self) -> None:
        """Remove every volume (`prune` of newer engines keeps named ones)."""
        for found in self.get("/volumes")["Volumes"] or []:
            self.call("DELETE", f"/volumes/{urllib.parse.quote(found['Name'])}?force=1")

    def remove_networks(self, label: str) -> None:
        """Remove the networks that carry this label (`key=value`)."""
        query = urllib.parse.urlencode({"filters": json.dumps({"label": [label]})})
        for found in self.get(f"/networks?{query}"):
            self.call("DELETE", f"/networks/{found['Id']}")

    # -- containers -------------------------------------------------------------------------------------------------

    def containers(self, *, everything: bool = False, labels: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Containers as `GET /containers/json` gives them; `everything`: also those that do not run."""
        filters = json.dumps({"label": list(labels)})
        query = urllib.parse.urlencode({"all": int(everything), "filters": filters})
        found: list[dict[str, Any]] = self.get(f"/containers/json?{query}")
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        """`GET /containers/{id}/json`."""
        found: dict[str, Any] = self.get(f"/containers/{container}/json")
        return found

    def inspect_all(self, *labels: str) -> list[dict[str, Any]]:
        """The same of every container with these labels; one that goes between the two questions is left out."""
        found = []
        for listed in self.containers(everything=True, labels=labels):
            try:
                found.append(self.inspect(listed["Id"]))
            except EngineError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
        return found

    def run(self, name: str, image: str, ports: dict[int, int] | None = None, **host_config: object) -> str:
        """Create and start a container; `ports` maps container TCP ports to host ports. Returns its id."""
        published = {f"{inside}/tcp": [{"HostPort": str(outside)}] for inside, outside in (ports or {}).items()}
        body = {
            "Image": image,
            "ExposedPorts": {key: {} for key in published},
            "HostConfig": {"PortBindings": published, **host_config},
        }
        made = json.loads(self.call("POST", f"/containers/create?name={urllib.parse.quote(name)}", body))
        self.call("POST", f"/containers/{made['Id']}/start")
        return str(made["Id"])

    def start(self, container: str) -> None:
        """Start a container that exists."""
        self.call("POST", f"/containers/{container}/start")

    def stop(self, container: str, grace_s: int = 10) -> None:
        """Stop a container: its stop signal, then SIGKILL after `grace_s`."""
        self.call("POST", f"/containers/{container}/stop?t={grace_s}")

    def remove(self, container: str) -> None:
        """Remove a container by force, with its anonymous volumes."""
        self.call("DELETE", f"/containers/{container}?force=1&v=1")


def _refuse_stream_error(text: str) -> list[dict[str, Any]]:
    """Progress streams answer 200 first and fail later, inside the stream."""
    frames: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if line.strip().startswith("{")]
    for frame in frames:
        if "error" in frame:
            raise LabError(f"the engine says: {frame['error']}")
    return frames
