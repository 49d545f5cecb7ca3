"""A Center's API on a loopback port, with answers written by the test, and what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from protocol.api import ErrorAnswer, ErrorBody, Problem


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class FakeApi:
    """Answers by `METHOD path` below `/api/v1/`; the last answer of a list is given again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, object]]] = {}
        self.asked: list[Asked] = []
        self.cuts: dict[str, int] = {}
        """So many times `METHOD path` is cut off instead of answered."""
        self.url = ""

    def on(self, what: str, *answers: object, status: int = 200) -> None:
        """Answer `what` with these, one after the other."""
        self.answers.setdefault(what, []).extend((status, a) for a in answers)

    def refuse(self, what: str, status: int, message: str, *details: Problem) -> None:
        """Answer `what` with an error."""
        self.on(what, ErrorAnswer(error=ErrorBody(code="c", message=message, details=details)), status=status)

    def find(self, method: str, path: str) -> tuple[int, bytes]:
        """The next answer."""
        waiting = self.answers.get(f"{method} {path}")
        if not waiting:
            return 404, msgspec.json.encode(ErrorAnswer(error=ErrorBody(code="not_found", message=f"no {path}")))
        status, body = waiting[0] if len(waiting) == 1 else waiting.pop(0)
        return status, body if isinstance(body, bytes) else msgspec.json.encode(body)


@contextmanager
def serving() -> Iterator[FakeApi]:
    """A FakeApi behind a real socket."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = parts.path.removeprefix("/api/v1/")
            headers = {k.lower(): v for k, v in self.headers.items()}
            if headers.get("upgrade") == "websocket":  # as behind a proxy that passes no sockets on
                self.send_error(426)
                self.close_connection = True
                return
            api.asked.append(Asked(self.command, path, parts.query, headers, body))
            what = f"{self.command} {path}"
            if api.cuts.get(what, 0):
                api.cuts[what] -= 1
                self.close_connection = True
                return
            status, content = api.find(self.command, path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
