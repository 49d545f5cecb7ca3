"""What `rope doctor` looks at, in the order in which things build on each other; ends at the first that blocks.

Asks only; changes nothing. Each finding is one line: what was looked at, how it is, what to do.
"""

from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import msgspec

from protocol.api import NodeView, WhoAnswer
from ropeteam.client import Client, Health, Refusal
from ropeteam.fault import Fault
from ropeteam.rows import node_state, now

SKEW_MAX_S = 5.0
"""Seconds between this machine's clock and the Center's that are worth a word."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at."""

    what: str
    well: bool
    said: str

    @property
    def line(self) -> str:
        """`ok  token   admin`."""
        return f"{'ok' if self.well else '!!'}  {self.what:<9} {self.said}"


def examine(center: Client) -> list[Finding]:
    """Everything from here to the nodes."""
    return list(_look(center))


def _look(center: Client) -> Iterator[Finding]:
    try:
        health = center.root("healthz", Health)
    except Fault as error:
        yield Finding(what="Center", well=False, said=f"{error.what}. {error.then}".strip())
        return
    yield Finding(what="Center", well=True, said=f"{center.url}, version {health.version}")
    yield _ready(center)
    try:
        me = center.get("whoami", WhoAnswer)
    except Fault as error:
        yield Finding(what="token", well=False, said=f"{error.what}. {error.then}".strip())
        return
    yield Finding(what="token", well=True, said=f"{me.name}, cluster {me.cluster}")
    yield _clock(center)
    yield _stream(center)
    yield from _nodes(center, health.version)


def _ready(center: Client) -> Finding:
    try:
        center.root("readyz", dict[str, str])
    except Refusal as error:
        return Finding(what="changes", well=False, said=error.what)
    return Finding(what="changes", well=True, said="the Center can make them")


def _clock(center: Client) -> Finding:
    shown = parsed(center.date)
    if shown is None:
        return Finding(what="clock", well=True, said="the Center does not tell its time")
    off_s = (now() - shown).total_seconds()
    well = abs(off_s) <= SKEW_MAX_S
    then = "" if well else ". Set both by NTP; times in events are the Center's."
    return Finding(what="clock", well=well, said=f"{off_s:+.0f} s against the Center's{then}")


def _stream(center: Client) -> Finding:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    url, headers = (
        "ws" + center.url.removeprefix("http") + "/api/v1/stream",
        {"Authorization": f"Bearer {center.token}"},
    )
    try:
        with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
            socket.close()
    except (OSError, WebSocketException) as error:
        then = "Does the proxy before the Center pass WebSocket upgrades on?"
        return Finding(what="stream", well=False, said=f"{error}. {then}")
    return Finding(what="stream", well=True, said="the WebSocket opens")


def _nodes(center: Client, version: str) -> Iterator[Finding]:
    found = center.get("nodes", list[NodeView])
    if not found:
        yield Finding(what="nodes", well=False, said="none. Make a join token: rope token create")
    for node in found:
        wrong = [text for text in (_state(node), _engine(node), node.unschedulable or "") if text]
        if node.versions.agent not in ("", version):
            wrong.append(f"its agent is {node.versions.agent}, the Center {version}")
        yield Finding(what=node.name, well=not wrong, said="; ".join(wrong) or f"online, Docker {node.versions.engine}")


def _state(node: NodeView) -> str:
    if node.state == "online" and not node.held:
        return ""
    seen = "" if node.last_seen_s is None else f", last heard {node.last_seen_s:.0f} s ago"
    return node_state(node) + seen


def _engine(node: NodeView) -> str:
    return "" if node.engine_ok or node.state != "online" else "its Docker Engine does not answer"


def parsed(date: str) -> datetime | None:
    """An HTTP `Date`, None when it is none."""
    try:
        return parsedate_to_datetime(date)
    except ValueError:
        return None
