"""Small images made here, without any network: static BusyBox and a few files, as an archive that engines load.

The archive is byte for byte the same for the same BusyBox, so an image has the same id on every engine.
Used by the demo, the tests and the benchmarks.
"""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lab import needs

EPOCH = "2024-01-01T00:00:00Z"
PORT = 8080
"""Where the web images listen."""

WEB = """#!/bin/sh
# Answers every request for / with "<host name> version <n>". Ends at once on SIGTERM.
trap 'exit 0' TERM INT
httpd -f -p 8080 -h /www &
wait $!
"""

ANSWER = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n%s version %s\\n' "$(hostname)" "$(cat /version)"
"""

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image: BusyBox with all its applets, plus `files` (path -> content; those in /bin and cgi-bin executable).

    `check`: a health check's command, run every second; none when empty.
    """

    reference: str
    command: tuple[str, ...]
    files: Mapping[str, str] = {}
    check: tuple[str, ...] = ()
    exposes: tuple[int, ...] = ()


def web(version: str, repository: str = "rope-demo/web") -> Image:
    """Answers HTTP on port 8080 with its host name and version."""
    return Image(
        reference=f"{repository}:{version}",
        command=("/bin/web",),
        files={"bin/web": WEB, "www/cgi-bin/index.cgi": ANSWER, "version": version},
        exposes=(PORT,),
    )


def bad(repository: str = "rope-demo/web") -> Image:
    """Says so and exits with 1 at once."""
    return Image(
        reference=f"{repository}:bad", command=("/bin/sh", "-c", "echo 'this version cannot start' >&2; exit 1")
    )


def unhealthy(repository: str = "rope-demo/web") -> Image:
    """Runs and answers like `web`, but its own health check fails from the second second on."""
    healthy = web("unhealthy", repository)
    return msgspec.structs.replace(healthy, check=("/bin/false",))


def all_images() -> tuple[Image, ...]:
    """`rope-demo/web:1`, `:2`, `:bad`, `:unhealthy`."""
    return web("1"), web("2"), bad(), unhealthy()


def save(images: Sequence[Image], path: Path) -> Path:
    """Write the images as one archive, like `docker save`; returns `path`. Raises LabError without a static BusyBox."""
    busybox = needs.static_busybox()
    base = _busybox_layer(busybox)
    blobs: dict[str, bytes] = {_layer_name(base): base}
    manifest: list[dict[str, object]] = []
    for image in images:
        own = _layer({name: (text.encode(), _mode(name)) for name, text in image.files.items()})
        blobs[_layer_name(own)] = own
        config = json.dumps(_config(image, (base, own)), sort_keys=True).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        blobs[name] = config
        manifest.append(
            {"Config": name, "RepoTags": [image.reference], "Layers": [_layer_name(base), _layer_name(own)]}
        )
    blobs["manifest.json"] = json.dumps(manifest).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_tar({name: (data, 0o644) for name, data in blobs.items()}, links={}))
    return path


def _config(image: Image, layers: Sequence[bytes]) -> dict[str, Any]:
    inner: dict[str, Any] = {
        "Cmd": list(image.command),
        "Env": ["PATH=/bin"],
        "ExposedPorts": {f"{port}/tcp": {} for port in image.exposes},
    }
    if image.check:
        inner["Healthcheck"] = {"Test": ["CMD", *image.check], "Interval": 10**9, "Timeout": 10**9, "Retries": 2}
    return {
        "architecture": MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": EPOCH,
        "config": inner,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        "history": [{"created": EPOCH, "created_by": "lab.images"} for _ in layers],
    }


def _busybox_layer(busybox: Path) -> bytes:
    applets = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    files = {
        "bin/busybox": (busybox.read_bytes(), 0o755),
        "etc/passwd": (b"root:x:0:0:root:/:/bin/sh\nweb:x:1000:1000:web:/:/bin/sh\n", 0o644),
        "etc/group": (b"root:x:0:\nweb:x:1000:\n", 0o644),
    }
    return _layer(files, links, folders=("tmp", "data", "proc", "sys", "dev"))


def _layer(
    files: Mapping[str, tuple[bytes, int]], links: Mapping[str, str] | None = None, folders: Sequence[str] = ()
) -> bytes:
    return _tar(files, links or {}, folders)


def _layer_name(layer: bytes) -> str:
    return f"{hashlib.sha256(layer).hexdigest()}/layer.tar"


def _tar(files: Mapping[str, tuple[bytes, int]], links: Mapping[str, str], folders: Sequence[str] = ()) -> bytes:
    """A tar with nothing of this machine or moment in it: order, owner and times are fixed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        parents = {str(p) for name in (*files, *links) for p in Path(name).parents if str(p) != "."}
        for folder in sorted(parents | set(folders)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder in ("tmp", "data") else 0o755
            tar.addfile(entry)
        for name, (data, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
        for name, target in sorted(links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()


def _mode(name: str) -> int:
    return 0o755 if name.startswith(("bin/", "www/cgi-bin/")) else 0o644
