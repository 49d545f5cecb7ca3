"""One service of a file -> ServiceSpec. What only the whole file can tell is in `references`. Called by `read`."""

import re

import msgspec

from composefile import keys, ports
from composefile.deploys import read_deploy
from composefile.durations import read_duration
from composefile.errors import quoted
from composefile.field import Entries, Field
from composefile.health import read_health
from composefile.images import read_image
from composefile.mounts import read_tmpfs, read_volumes
from composefile.networks import DEFAULT, read_used
from composefile.options import read_options
from composefile.references import read_depends_on
from composefile.rope import RopeOptions, merge_rope, read_rope, to_placement
from composefile.values import read_environment, read_labels, read_words
from protocol.spec import Mount, ServiceSpec

SPEC_BYTES_MAX = 40 * 1024
"""Bytes of one encoded ServiceSpec: it must fit into a frame of the rope beside its assignment."""

_HOSTNAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*")
_USER = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,31}(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,31})?")
_SIGNAL = re.compile(
    r"ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP"
    r"|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?"
)
_RULES = {**keys.SERVICE, "x-rope": keys.X_ROPE}


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A service as read on its own, with its place and fields for the checks across services."""

    spec: ServiceSpec
    field: Field
    entries: Entries
    rope: RopeOptions
    says_restart: bool


def read_service(field: Field, project: RopeOptions) -> Draft:
    """One service; every error in it is noted. `project`: the file's own `x-rope`."""
    entries = field.entries(_RULES)
    deploy = read_deploy(entries)
    rope = merge_rope(project, entries.read("x-rope", read_rope, RopeOptions()))
    spec = ServiceSpec(
        name=field.name,
        image=_image(field, entries),
        replicas=1 if deploy.replicas is None else deploy.replicas,
        command=entries.read("command", read_words, None),
        entrypoint=entries.read("entrypoint", read_words, None),
        environment=entries.read("environment", read_environment, {}),
        labels=entries.read("labels", read_labels, {}),
        ports=entries.read("ports", ports.read_ports, ()),
        expose=entries.read("expose", ports.read_expose, ()),
        mounts=_mounts(field, entries),
        networks=entries.read("networks", read_used, {}) or {DEFAULT: ()},
        health=entries.read("healthcheck", read_health, None),
        depends_on=entries.read("depends_on", read_depends_on, {}),
        restart=deploy.restart[0] if deploy.restart else "unless-stopped",
        restart_max=deploy.restart[1] if deploy.restart else 0,
        init=entries.read("init", Field.boolean, False),
        hostname=entries.read("hostname", _read_hostname, ""),
        user=entries.read("user", _read_user, ""),
        working_dir=entries.read("working_dir", _read_working_dir, ""),
        read_only=entries.read("read_only", Field.boolean, False),
        stop_signal=entries.read("stop_signal", _read_signal, ""),
        stop_grace_s=entries.read("stop_grace_period", read_duration, 10.0),
        resources=deploy.resources,
        placement=to_placement(deploy.placing, rope),
        movable=rope.movable,
        options=read_options(entries),
        update=deploy.update,
        rollback=deploy.rollback,
        canary=rope.canary,
        release=rope.release,
        release_keep_s=rope.release_keep_s,
        probe=rope.probe,
        on_return=rope.on_return,
        failover=rope.failover,
        port_strict=rope.port_strict,
        drain_wait_s=rope.drain_wait_s,
        metrics=rope.metrics,
    )
    _check_whole(field, spec)
    return Draft(spec=spec, field=field, entries=entries, rope=rope, says_restart=deploy.restart is not None)


def _check_whole(field: Field, spec: ServiceSpec) -> None:
    size = len(msgspec.json.encode(spec))
    if size > SPEC_BYTES_MAX:
        field.error(f"{size} bytes in all; a service has at most {SPEC_BYTES_MAX}", "Mount files instead.")
    volumes = sorted({m.source for m in spec.mounts if m.kind == "volume" and m.source})
    if volumes and spec.replicas > 1:
        message = f"{spec.replicas} replicas, and volume {quoted(volumes[0])} is a different one on each node"
        field.warn(message, "Make sure that the replicas need not share data.")


def _image(field: Field, entries: Entries) -> str:
    if entries.has("image"):
        return entries.read("image", read_image, "")
    builds = field.is_map and any(pair.name == "build" for pair in field.pairs())
    if builds:
        field.error("has build but no image; the Center never builds", "Build and push it, then name it with image:.")
    else:
        field.error("a service needs image", "Add image: NAME:TAG.")
    return ""


def _mounts(field: Field, entries: Entries) -> tuple[Mount, ...]:
    """`volumes` and `tmpfs` together, each path once."""
    mounts = (*entries.read("volumes", read_volumes, ()), *entries.read("tmpfs", read_tmpfs, ()))
    seen: set[str] = set()
    for mount in mounts:
        if mount.target in seen:
            at = entries.get("volumes") or entries.get("tmpfs") or field
            at.error(f"two mounts at {quoted(mount.target)}", "Keep one of them.")
        seen.add(mount.target)
    return mounts


def _read_hostname(field: Field) -> str:
    value = field.text()
    if len(value) > 253 or not _HOSTNAME.fullmatch(value):
        raise field.fault(f"{quoted(value)} is no host name", "Use letters, digits and '-', at most 63 between dots.")
    return value


def _read_user(field: Field) -> str:
    value = field.written()
    if not _USER.fullmatch(value):
        raise field.fault(f"{quoted(value)} is no user", 'Write "name", "1000" or "1000:1000".')
    return value


def _read_working_dir(field: Field) -> str:
    value = field.text()
    if not value.startswith("/") or len(value) > 4096:
        raise field.fault(f"{quoted(value)} is no absolute path", "Begin it with '/'.")
    return value


def _read_signal(field: Field) -> str:
    value = field.written()
    short = value.upper().removeprefix("SIG")
    number = int(value) if value.isdecimal() and value.isascii() and len(value) <= 3 else 0
    if not _SIGNAL.fullmatch(short) and not 1 <= number <= 64:
        raise field.fault(f"{quoted(value)} is no signal", "Write it like SIGTERM.")
    return value if number else f"SIG{short}"
