"""The files in `static/`, read once into memory and served with a hash in their address. Nothing else is reachable."""

import gzip
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from controlplane.web.answers import Rejected

PREFIX = "/static/"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""What is served; the rest of the folder (Python, licences, notes) is not."""

_FOREVER = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `tag`: the start of its SHA-256."""

    kind: str
    body: bytes
    packed: bytes
    tag: str


class Assets:
    """All files by their path below `static/`."""

    def __init__(self) -> None:
        self._assets = {path: _asset(path, file.read_bytes()) for path, file in _walk(files("static"), "")}

    def url(self, path: str) -> str:
        """The address of a file, another one whenever its content is another. Raises KeyError."""
        return f"{PREFIX}{path}?v={self._assets[path].tag}"

    def serve(self, request: Request) -> Response:
        """`GET /static/{path}`. With the current hash in the address it may be kept for ever."""
        asset = self._assets.get(request.path_params["path"])
        if asset is None:
            raise Rejected("not_found", "there is no such file")
        current = request.query_params.get("v") == asset.tag
        headers = {
            "etag": f'"{asset.tag}"',
            "vary": "accept-encoding",
            "cache-control": _FOREVER if current else "no-cache",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if takes_gzip(request):
            return Response(asset.packed, headers={**headers, "content-encoding": "gzip"}, media_type=asset.kind)
        return Response(asset.body, headers=headers, media_type=asset.kind)


def takes_gzip(request: Request) -> bool:
    """True when the client says so."""
    offered = (part.partition(";") for part in request.headers.get("accept-encoding", "").split(","))
    return any(name.strip() == "gzip" and parameters.strip() not in ("q=0", "q=0.0") for name, _, parameters in offered)


def _asset(path: str, body: bytes) -> Asset:
    return Asset(
        kind=TYPES[_ending(path)],
        body=body,
        packed=gzip.compress(body, 9, mtime=0),
        tag=hashlib.sha256(body).hexdigest()[:16],
    )


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif _ending(entry.name) in TYPES:
            yield prefix + entry.name, entry


def _ending(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
