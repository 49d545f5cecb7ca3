"""`volumes` and `tmpfs` of a service -> Mounts. Whether a bind path is allowed is the agent's to say (--bind-root).

Called by `service`.
"""

import posixpath
import re

import msgspec

from composefile import inner
from composefile.durations import read_size
from composefile.errors import Findings, quoted
from composefile.field import Entries, Field
from protocol import names
from protocol.spec import Mount

_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_ABSOLUTE = "Use an absolute path below one of the agent's --bind-root directories."
_MODE = re.compile(r"(?:0o)?[0-7]{3,5}")
_MODES = {
    "z": "relabelling (SELinux)",
    "Z": "relabelling (SELinux)",
    "nocopy": "nocopy",
    "cached": "a mode for Docker Desktop",
    "delegated": "a mode for Docker Desktop",
    "consistent": "a mode for Docker Desktop",
}


def read_volumes(field: Field) -> tuple[Mount, ...]:
    """Every mount of `volumes:`. Whether named volumes are declared is checked by `service`."""
    found: list[Mount] = []
    for item in field.items():
        mount = item.collect(_read_long if item.is_map else _read_short, None)
        if mount is not None:
            found.append(mount)
    return tuple(found)


def named_volume(item: Field) -> str:
    """Name of the volume that an item of `volumes:` mounts; "" for another mount, and for one that cannot be read."""
    unseen = msgspec.structs.replace(item, findings=Findings())  # `read_volumes` notes what is wrong with it
    mount = unseen.collect(_read_long if item.is_map else _read_short, None)
    return mount.source if mount is not None and mount.kind == "volume" else ""


def _read_short(field: Field) -> Mount:
    text = field.text()
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise field.fault(f"{quoted(text)} is no volume", 'Write "name:/path", "/host/path:/path:ro" or "/path".')
    if len(parts) == 1:
        return Mount(kind="volume", target=_target(field, parts[0]))
    read_only = _read_only(field, parts[2]) if len(parts) == 3 else False
    if parts[0].startswith(("/", ".", "~")):
        source = _host_path(field, parts[0])
        return Mount(kind="bind", source=source, target=_target(field, parts[1]), read_only=read_only)
    source = _volume(field, parts[0])
    return Mount(kind="volume", source=source, target=_target(field, parts[1]), read_only=read_only)


def _read_only(field: Field, mode: str) -> bool:
    options = mode.split(",")
    for option in options:
        if option in _MODES:
            raise field.fault(f"not supported: {_MODES[option]}", f'Remove "{option}".')
        if option not in ("ro", "rw"):
            raise field.fault(f"{quoted(option)} is no mode of a mount", 'Write ":ro" or nothing.')
    return "ro" in options


def _read_long(field: Field) -> Mount | None:
    entries = field.entries(inner.VOLUME)
    kind = entries.read("type", lambda f: f.choice("volume", "bind", "tmpfs"), "")
    target = entries.read("target", lambda f: _target(f, f.text()), "")
    read_only = entries.read("read_only", Field.boolean, False)
    for needed in ("type", "target"):
        if not entries.has(needed):
            field.error(f"a mount needs {needed}", f"Add {needed}:.")
    size, mode = entries.read("tmpfs", _tmpfs_options, (0, 0))
    if entries.has("tmpfs") and kind in ("volume", "bind"):
        field.error(f"tmpfs: belongs to type: tmpfs, not to type: {kind}", "Remove it.")
    if not target:
        return None
    match kind:
        case "volume":
            source = entries.read("source", lambda f: _volume(f, f.text()), "")
            return Mount(kind="volume", source=source, target=target, read_only=read_only)
        case "bind":
            return _bind(field, entries, target, read_only)
        case "tmpfs":
            if entries.has("source"):
                field.error("a tmpfs has no source", "Remove source.")
            return Mount(kind="tmpfs", target=target, read_only=read_only, size=size, mode=mode)
        case _:
            return None


def _bind(field: Field, entries: Entries, target: str, read_only: bool) -> Mount | None:
    if not entries.has("source"):
        raise field.fault("a bind mount needs source", _ABSOLUTE)
    source = entries.read("source", lambda f: _host_path(f, f.text()), "")
    return Mount(kind="bind", source=source, target=target, read_only=read_only) if source else None


def _tmpfs_options(field: Field) -> tuple[int, int]:
    entries = field.entries(inner.VOLUME_TMPFS)
    return entries.read("size", read_size, 0), entries.read("mode", _mode, 0)


def _mode(field: Field) -> int:
    """Permissions written in octal: 1777, 0o755, "0755"."""
    value = field.written()
    if not _MODE.fullmatch(value):
        raise field.fault(f"{quoted(value)} are no permissions", 'Write them in octal: "1777".')
    return int(value.removeprefix("0o"), 8)


def _host_path(field: Field, text: str) -> str:
    if not text.startswith("/"):
        raise field.fault(f"{quoted(text)} is relative to your machine, which no node has", _ABSOLUTE)
    path = _plain_path(field, text)
    if path in _SOCKETS:
        message = "needs permission, which this release cannot give: the container would own the node's Docker Engine"
        raise field.fault(message, "Remove it.")
    return path


def _target(field: Field, text: str) -> str:
    if not text.startswith("/"):
        raise field.fault(f"{quoted(text)}: a path in the container is absolute", "Begin it with '/'.")
    path = _plain_path(field, text)
    if path == "/":
        raise field.fault("nothing can be mounted over the container's root", "Choose a directory below it.")
    return path


def _plain_path(field: Field, text: str) -> str:
    if ".." in text.split("/") or not text.isprintable() or ":" in text or len(text) > 4096:
        raise field.fault(f"{quoted(text)} is no plain path", "Write it without '..', ':' and control characters.")
    return "/" + posixpath.normpath(text).lstrip("/")


def _volume(field: Field, text: str) -> str:
    if text.startswith(("/", ".", "~")):
        raise field.fault(f"{quoted(text)} is a path, not a volume", "Write type: bind, or the name of a volume.")
    if not names.is_legal(names.VOLUME, text):
        raise field.fault(f"{quoted(text)} is no name of a volume", "Use letters, digits and _ . - (at most 63).")
    return text


def read_tmpfs(field: Field) -> tuple[Mount, ...]:
    """`tmpfs:` as text or list, `/path[:size=64m,mode=1777]`."""
    items = (field,) if field.is_scalar else tuple(field.items())
    mounts = (item.collect(_read_tmpfs, None) for item in items)
    return tuple(mount for mount in mounts if mount is not None)


def _read_tmpfs(field: Field) -> Mount:
    path, _, options = field.text().partition(":")
    size, mode, read_only = 0, 0, False
    for option in options.split(",") if options else ():
        name, _, value = option.partition("=")
        if name == "size":
            size = read_size(field.with_text(value))
        elif name == "mode":
            mode = _mode(field.with_text(value))
        elif option in ("ro", "rw"):
            read_only = option == "ro"
        else:
            raise field.fault(
                f"not supported: the tmpfs option {quoted(option)}", "Remove it; size= and mode= are taken."
            )
    return Mount(kind="tmpfs", target=_target(field, path), read_only=read_only, size=size, mode=mode)
