"""`x-rope` of a service or of the project -> RopeOptions, and how the two come together.

Called by `service` and `read`.
"""

from collections.abc import Mapping
from typing import Literal, cast

import msgspec

from composefile import inner
from composefile.durations import read_duration
from composefile.errors import quoted
from composefile.field import Field
from composefile.metrics import read_metrics
from composefile.placement import Placing, read_wishes
from composefile.probes import read_probe
from protocol.spec import (
    Canary,
    Constraint,
    FailoverMode,
    FailoverPolicy,
    MetricsSpec,
    OnReturn,
    Placement,
    Probe,
    Release,
    Strategy,
)

OFFLINE_S = 15.0
"""Seconds of silence before a node is offline (DESIGN §3); nothing is failed over earlier."""

_RELEASE_KEEP_MAX_S = 7 * 86_400.0


class RopeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an `x-rope` says. `required` and `preferred`: node label -> value; `said`: the keys that have a value."""

    strategy: Strategy | None = None
    required: Mapping[str, str] = {}
    preferred: Mapping[str, str] = {}
    movable: bool | None = None
    canary: Canary | None = None
    release: Release = "rolling"
    release_keep_s: float = 600.0
    probe: Probe | None = None
    on_return: OnReturn = "keep_new"
    failover: FailoverPolicy = FailoverPolicy()
    port_strict: bool = False
    drain_wait_s: float = 2.0
    metrics: MetricsSpec | None = None
    said: Mapping[str, Field] = {}


_FIELD = {"port": "port_strict", "release_keep": "release_keep_s", "drain_wait": "drain_wait_s"}
"""Key -> field, where they differ."""


def read_rope(field: Field) -> RopeOptions:
    """An `x-rope` mapping, of a service or of the project."""
    entries = field.entries(inner.ROPE)
    plain = RopeOptions()
    required, preferred = entries.read("labels", read_wishes, ({}, {}))
    strategy = entries.read("strategy", lambda f: f.choice("least_loaded", "labels", "affinity"), None)
    on_return = entries.read("on_return", lambda f: f.choice("keep_new", "keep_old", "first_healthy"), plain.on_return)
    return RopeOptions(
        strategy=cast("Strategy | None", strategy),
        required=required,
        preferred=preferred,
        movable=entries.read("movable", _boolean_or_none, None),
        canary=entries.read("canary", _read_canary, None),
        release=cast(Release, entries.read("release", lambda f: f.choice("rolling", "blue_green"), plain.release)),
        release_keep_s=entries.read(
            "release_keep", lambda f: read_duration(f, 0.0, _RELEASE_KEEP_MAX_S), plain.release_keep_s
        ),
        probe=entries.read("probe", read_probe, None),
        on_return=cast(OnReturn, on_return),
        failover=entries.read("failover", _read_failover, plain.failover),
        port_strict=entries.read("port", lambda f: f.choice("strict", "remap"), "remap") == "strict",
        drain_wait_s=entries.read("drain_wait", lambda f: read_duration(f, 0.0, 300.0), plain.drain_wait_s),
        metrics=entries.read("metrics", read_metrics, None),
        said={key: at for key in inner.ROPE if (at := entries.get(key)) is not None},
    )


def _boolean_or_none(field: Field) -> bool | None:
    return field.boolean()


def _read_canary(field: Field) -> Canary | None:
    """None for `canary: false`: none, whatever the project says."""
    if field.is_scalar and field.written() == "false":
        return None
    entries = field.entries(inner.CANARY)
    counts = [key for key in ("replicas", "percent") if entries.has(key)]
    if len(counts) != 1:
        message = "a canary takes replicas or percent, not both" if counts else "a canary needs replicas or percent"
        raise field.fault(message, "Write {replicas: 1}, or {percent: 20}.")
    promote = entries.read("promote", lambda f: f.choice("manual", "auto"), "manual")
    canary = Canary(
        replicas=entries.read("replicas", lambda f: f.integer(1, 1000), 0),
        percent=entries.read("percent", _read_percent, 0),
        promote=cast(Literal["manual", "auto"], promote),
        observe_s=entries.read("observe", read_duration, 120.0),
    )
    return canary if canary.replicas or canary.percent else None


def _read_percent(field: Field) -> int:
    value = field.written()
    if value.endswith("%"):
        raise field.fault(f"must be a whole number, not {quoted(value)}", f"Write {value[:-1].strip() or 20}.")
    return field.integer(1, 100)


def _read_failover(field: Field) -> FailoverPolicy:
    entries = field.entries(inner.FAILOVER)
    mode = entries.read("mode", lambda f: f.choice("auto", "manual", "never"), "auto")
    return FailoverPolicy(after_s=entries.read("after", _read_after, OFFLINE_S), mode=cast(FailoverMode, mode))


def _read_after(field: Field) -> float:
    seconds = read_duration(field)
    if seconds < OFFLINE_S:
        message = f"must be at least {OFFLINE_S:g} s: only then is a silent node called offline"
        raise field.fault(message, f'Write "{OFFLINE_S:g}s" or more.')
    return seconds


def merge_rope(project: RopeOptions, service: RopeOptions) -> RopeOptions:
    """The options of one service: its own, and the project's where it says nothing of the same label or option.

    The project's strategy stays its own: `ProjectSpec.strategy` says it.
    """
    own = service.required.keys() | service.preferred.keys()
    kept = {_FIELD.get(key, key) for key in service.said} | {"strategy", "labels"}
    inherited = {_FIELD.get(key, key): at for key, at in project.said.items() if _FIELD.get(key, key) not in kept}
    return msgspec.structs.replace(
        service,
        **{name: getattr(project, name) for name in inherited},
        required={**{k: v for k, v in project.required.items() if k not in own}, **service.required},
        preferred={**{k: v for k, v in project.preferred.items() if k not in own}, **service.preferred},
        said={**project.said, **service.said},
    )


def to_placement(placing: Placing, rope: RopeOptions) -> Placement:
    """One Placement; required labels become constraints, each condition once, in a fixed order."""
    wanted = [Constraint(key=f"labels.{key}", value=value) for key, value in rope.required.items()]
    once = {(c.key, c.value, c.equal): c for c in (*placing.constraints, *wanted)}
    return Placement(
        strategy=rope.strategy,
        constraints=tuple(once[key] for key in sorted(once)),
        preferred=dict(rope.preferred),
        spread=placing.spread,
        max_per_node=placing.max_per_node,
    )
