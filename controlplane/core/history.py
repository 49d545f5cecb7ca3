"""What happened to a project: each deployment with who, when, how long, its result, and what it changed. Pure.

The difference of two specifications is told field by field; values that look secret are never told. Used by `web`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from controlplane.core.cluster import Cluster
from controlplane.core.deployment import Deployment
from controlplane.core.project import Revision
from controlplane.core.views import iso, iso_or_none
from protocol.api import Change, HistoryEntry
from protocol.spec import ProjectSpec

CHANGES_MAX = 200
VALUE_MAX = 200

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|(^|[_-])pass$|pwd$|secret|token|credential|private|auth$|(^|[_-])(key|pat|salt|dsn|cert|pin)s?$"
    r"|api[_-]?key|access[_-]?key|encryption",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_IN_TEXT = re.compile(
    r"((?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key)\s*"
    r"(?:[=:]|\s)\s*)[^\s'\",\]}]+",
    re.IGNORECASE,
)


def history_entry(cluster: Cluster, deployment: Deployment, wall: float) -> HistoryEntry:
    """One deployment as a line of history. `wall`: Unix seconds, for one that still runs."""
    began, ended = deployment.started_at, deployment.ended_at
    return HistoryEntry(
        deployment=deployment.id,
        kind=deployment.kind,
        state=deployment.state,
        revision=deployment.revision,
        from_revision=deployment.from_revision,
        actor=deployment.actor,
        created_at=iso(deployment.created_at),
        started_at=iso_or_none(began),
        ended_at=iso_or_none(ended),
        took_s=round((ended or wall) - began, 1) if began else None,
        reason=masked_text(deployment.reason),
        changes=_changed(cluster, deployment),
    )


def _changed(cluster: Cluster, deployment: Deployment) -> tuple[Change, ...]:
    if not deployment.started_at or deployment.kind in ("restart", "migrate", "remove"):
        return ()
    old: Revision | None = cluster.revisions.get((deployment.project, deployment.from_revision))
    new: Revision | None = cluster.revisions.get((deployment.project, deployment.revision))
    if new is None or (old is None and deployment.from_revision):
        return ()  # forgotten
    return changes(old.spec if old is not None else None, new.spec)


def changes(old: ProjectSpec | None, new: ProjectSpec) -> tuple[Change, ...]:
    """What differs, by field; of a service that comes or goes only that it does. "": it is not there."""
    found = []
    had: dict[str, Any] = {} if old is None else msgspec.to_builtins(old)
    has: dict[str, Any] = msgspec.to_builtins(new)
    services = (had.pop("services", {}), has.pop("services", {}))
    for name in sorted(services[0].keys() | services[1].keys()):
        before, after = services[0].get(name), services[1].get(name)
        if before is None or after is None:
            there = before or after
            word = masked_text(str(there["image"]))
            found.append(
                Change(field=f"services.{name}", before=word if after is None else "", after=word if after else "")
            )
        else:
            found += _difference(f"services.{name}", before, after)
    if old is not None:
        found += _difference("", had, has)
    return tuple(found[:CHANGES_MAX])


def _difference(prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        field = f"{prefix}.{key}".lstrip(".")
        if was == now:
            continue
        kinds = {type(v) for v in (was, now) if v is not None}
        if kinds == {dict}:
            yield from _difference(field, was or {}, now or {})
            continue
        yield _change(field, key, was, now)


def _change(field: str, key: str, was: Any, now: Any) -> Change:
    if is_secret(key):
        return Change(
            field=field,
            before="(secret)" if was is not None else "",
            after="" if now is None else ("(another secret)" if was is not None else "(secret)"),
        )
    return Change(field=field, before=_text(was), after=_text(now))


def is_secret(key: str) -> bool:
    """True when the value under this key looks like nothing that others shall read."""
    return _SECRET_KEY.search(key) is not None


def masked_text(text: str) -> str:
    """A text without what looks like a password in it: in a URL, after `token=`, after `--password`."""
    return _IN_TEXT.sub(r"\1•••", _IN_URL.sub(r"\1:•••@", text))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        shown = value
    elif isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        shown = " ".join(value)
    else:
        shown = msgspec.json.encode(value).decode()
    shown = masked_text(shown)
    return shown if len(shown) <= VALUE_MAX else shown[: VALUE_MAX - 1] + "…"
