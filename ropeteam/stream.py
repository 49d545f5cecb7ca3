"""The Center's event stream, for `events -f`: connects again when it breaks, and resumes where it was."""

import random  # noqa: TID251 jitter, at the edge
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from protocol.api import ErrorAnswer, EventView, StreamFrame
from ropeteam.client import Client, Refusal
from ropeteam.fault import Fault
from ropeteam.output import note

WAIT_MAX_S = 8.0
FRAME_MAX = 16 * 1024 * 1024
"""Bytes of one frame: a project of a thousand replicas."""


class Wanted(NamedTuple):
    """Which events; "" = all."""

    project: str
    node: str


def live(center: Client, after: int, wanted: Wanted, show: Callable[[EventView], None]) -> None:
    """Give `show` every wanted event after `after`, for ever. Raises Refusal when the Center refuses the stream."""
    tries = 0
    while True:
        try:
            with _open(center, after) as socket:
                for text in socket:
                    if tries:
                        note("connected again", dim=True)
                    tries = 0
                    frame = msgspec.json.decode(text, type=StreamFrame)
                    if frame.kind == "dropped":
                        break  # we were too slow: what was left out comes from the journal
                    after = _take(frame.event, after, wanted, show)
                else:
                    tries = _lost(tries)  # closed in good order, as by a Center that restarts
        except (OSError, ConnectionClosed, InvalidHandshake):
            tries = _lost(tries)


def _lost(tries: int) -> int:
    """Wait a while; one more try in a row without a frame."""
    if not tries:
        note("lost the Center; trying again", dim=True)
    time.sleep(random.uniform(0.05, min(WAIT_MAX_S, 0.25 * 2 ** min(tries + 1, 10))))  # noqa: S311 full jitter
    return tries + 1


def _open(center: Client, after: int) -> ClientConnection:
    url = "ws" + center.url.removeprefix("http") + f"/api/v1/stream?after={after}"
    headers = {"Authorization": f"Bearer {center.token}"} if center.token else {}
    try:
        return connect(url, additional_headers=headers, compression=None, max_size=FRAME_MAX, proxy=None)
    except InvalidStatus as error:
        status = error.response.status_code
        if status >= 500 or status == 429:
            raise
        try:
            refused = msgspec.json.decode(error.response.body or b"", type=ErrorAnswer).error
        except msgspec.DecodeError:
            raise Fault(f"{center.url} refuses the stream with {status}") from error
        raise Refusal(status, refused) from error


def _take(event: EventView | None, after: int, wanted: Wanted, show: Callable[[EventView], None]) -> int:
    if event is None:
        return after
    if wanted.project in ("", event.project) and wanted.node in ("", event.node):
        show(event)
    return max(after, event.seq)
