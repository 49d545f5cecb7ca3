"""One request to the Center and its typed answer, on the standard library's HTTP client. Waits for nothing else.

Redirects are not followed and proxies not asked, so the token goes to the Center and nowhere else.
"""

import http.client
import random  # noqa: TID251 jitter, at the edge
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from protocol.api import ErrorAnswer, ErrorBody
from ropeteam.fault import Exit, Fault, Unreachable

TIMEOUT_S = 35.0
"""For one answer; a little more than the Center gives itself."""

TRIES = 3
"""A request whose connection broke is sent again with the same Idempotency-Key, so it is done once."""

RETRY_S = 0.8
"""At most so long between two tries."""

ANSWER_MAX = 256 * 1024 * 1024

_EXIT = {401: Exit.SIGNED_OUT, 403: Exit.SIGNED_OUT, 404: Exit.NOT_FOUND, 409: Exit.CONFLICT}

_PASSING = frozenset({429, 502, 503, 504})
"""What a Center that is busy, or a proxy before one that restarts, answers for a moment."""

T = TypeVar("T")


class Refusal(Fault):
    """The Center said no; `error` is its answer."""

    def __init__(self, status: int, error: ErrorBody) -> None:
        then = "Sign in with: rope login URL. Or set ROPE_TOKEN to the admin token." if status == 401 else ""
        super().__init__(error.message, then, _EXIT.get(status, Exit.ERROR))
        self.status = status
        self.error = error
        self.file = "request"
        """The file that the details point into."""

    @property
    def passes(self) -> bool:
        """True when the same question may be answered in a moment."""
        return self.status in _PASSING


class Health(msgspec.Struct, frozen=True):
    """What `/healthz` answers."""

    status: str
    version: str


class Incoming:
    """The bytes of a long answer. Raises Unreachable when the line breaks."""

    def __init__(self, response: http.client.HTTPResponse, broken: Callable[[Exception], Unreachable]) -> None:
        self._response = response
        self._broken = broken

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        try:
            return self._response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise self._broken(error) from error


class Client:
    """The Center at `url`. `token` "" sends none."""

    def __init__(self, url: str, token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
        try:
            self._port = parts.port
        except ValueError as error:
            raise Fault(f"{url} is not a URL: {error}", code=Exit.USAGE) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Fault(f"{url} is not the URL of a Center", "Give one like http://10.0.0.9:8080.", Exit.USAGE)
        if not (token.isascii() and token.isprintable()):
            raise Fault("the token has characters that no token has", code=Exit.USAGE)
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.token = token
        self._host = parts.hostname
        self._tls = parts.scheme == "https"
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self.date = ""
        """The time the Center put on its last answer, as HTTP writes it."""

    def get(self, path: str, kind: type[T], **query: str | int) -> T:
        """The object at `/api/v1/<path>`. Raises Refusal, Unreachable."""
        return self.send("GET", path, kind, query=query)

    def root(self, path: str, kind: type[T]) -> T:
        """The object at `/<path>`, where no token is needed. Raises Refusal, Unreachable."""
        status, content = self._tried("GET", f"{self._path}/{path}", None, {"Accept": "application/json"})
        return self._read(status, content, kind)

    def send(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: msgspec.Struct | bytes | None = None,
        query: dict[str, str | int] | None = None,
    ) -> T:
        """Ask for something. `body`: a Struct goes as JSON, bytes as YAML. Raises Refusal, Unreachable."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if method != "GET":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        data = None
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "application/yaml"
        elif body is not None:
            data, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        asked = {k: v for k, v in (query or {}).items() if v != ""}
        target = f"{self._path}/api/v1/{quote(path)}" + (f"?{urlencode(asked)}" if asked else "")
        status, content = self._tried(method, target, data, headers)
        return self._read(status, content, kind)

    @contextmanager
    def stream(self, path: str) -> Iterator[tuple[dict[str, str], Incoming]]:
        """The long answer of `/api/v1/<path>`: its headers, names in lower case, and its bytes, read as they come.
        Raises Refusal, Unreachable.
        """
        made = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = made(self._host, self._port, timeout=self._timeout_s)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            try:
                connection.request("GET", f"{self._path}/api/v1/{quote(path)}", headers=headers)
                response = connection.getresponse()
                if response.status >= 300:
                    self._read(response.status, response.read(ANSWER_MAX), type(None))
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error
            yield {k.lower(): v for k, v in response.getheaders()}, Incoming(response, self._unreachable)
        finally:
            connection.close()

    def _tried(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        for left in reversed(range(TRIES)):
            try:
                return self._once(method, target, data, headers)
            except ConnectionRefusedError as error:
                raise self._unreachable(error) from error
            except (OSError, http.client.HTTPException) as error:
                if not left or isinstance(error, TimeoutError | ssl.SSLError):
                    raise self._unreachable(error) from error
                time.sleep(random.uniform(RETRY_S / 8, RETRY_S))  # noqa: S311 jitter, not a secret
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        made = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = made(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            self.date = response.getheader("Date", "")
            return response.status, response.read(ANSWER_MAX)
        finally:
            connection.close()

    def _unreachable(self, error: Exception) -> Unreachable:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        then = "Is it running there? Set --url or ROPE_URL to its address."
        return Unreachable(f"cannot reach the Center at {self.url}: {why}", then)

    def _read(self, status: int, content: bytes, kind: type[T]) -> T:
        try:
            if status < 300:
                return msgspec.json.decode(content or b"null", type=kind)
            raise Refusal(status, msgspec.json.decode(content, type=ErrorAnswer).error)
        except msgspec.DecodeError as error:
            if status in _PASSING:
                raise Unreachable(f"{self.url} answers {status}: the Center behind it is away") from error
            what = f"{self.url} answered {status}, not as a Center of this version does"
            raise Fault(what, "Check --url, and the versions of rope and of the Center.") from error
