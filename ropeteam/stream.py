"""The Center's event stream, for `events -f`: connects again when it breaks, and resumes where it was."""

import random  # noqa: TID251 jitter, at the edge
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from protocol.api import EventView, StreamFrame
from ropeteam.client import Client
from ropeteam.dialing import dial
from ropeteam.output import note

WAIT_MAX_S = 8.0


class Wanted(NamedTuple):
    """Which events; "" = all."""

    project: str
    node: str


def live(center: Client, after: int, wanted: Wanted, show: Callable[[EventView], None]) -> None:
    """Give `show` every wanted event after `after`, for ever. Raises Refusal when the Center refuses the stream."""
    tries = 0
    while True:
        try:
            with dial(center, f"?after={after}") as socket:
                for text in socket:
                    if tries:
                        note("connected again", dim=True)
                    tries = 0
                    frame = msgspec.json.decode(text, type=StreamFrame)
                    if frame.kind == "dropped":
                        break  # we were too slow: what was left out comes from the journal
                    after = _take(frame.event, after, wanted, show)
                else:
                    tries = lost(tries)  # closed in good order, as by a Center that restarts
        except (OSError, ConnectionClosed, InvalidHandshake):
            tries = lost(tries)


def lost(tries: int) -> int:
    """Wait a while; one more try in a row without a frame."""
    if not tries:
        note("lost the Center; trying again", dim=True)
    time.sleep(random.uniform(0.05, min(WAIT_MAX_S, 0.25 * 2 ** min(tries + 1, 10))))  # noqa: S311 full jitter
    return tries + 1


def _take(event: EventView | None, after: int, wanted: Wanted, show: Callable[[EventView], None]) -> int:
    if event is None:
        return after
    if wanted.project in ("", event.project) and wanted.node in ("", event.node):
        show(event)
    return max(after, event.seq)
