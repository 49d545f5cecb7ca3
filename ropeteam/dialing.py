"""Opens sockets to the Center: the plain stream, and the one that carries subscriptions side by side.

A refusal becomes a Fault with the Center's words; a Center that is away for a moment raises what the line raised.
"""

import msgspec
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from protocol import live
from protocol.api import ErrorAnswer
from ropeteam.client import Client, Refusal
from ropeteam.fault import Exit, Fault

FRAME_MAX = 16 * 1024 * 1024
"""Bytes of one frame: a project of a thousand replicas."""

PATH = "/api/v1/stream"

_CODES = {"not_found": Exit.NOT_FOUND, "unauthorized": Exit.SIGNED_OUT, "forbidden": Exit.SIGNED_OUT,
          "conflict": Exit.CONFLICT}  # fmt: skip
_DECODER: msgspec.json.Decoder[live.FromCenter] = msgspec.json.Decoder(live.FromCenter)


def dial(center: Client, query: str = "") -> ClientConnection:
    """The plain stream. Raises Refusal, Fault, OSError, InvalidHandshake."""
    try:
        return connect(
            url(center) + query,
            additional_headers=headers(center),
            compression=None,
            max_size=FRAME_MAX,
            proxy=None,
        )
    except InvalidStatus as error:
        raise refused(center, error) from error


def dial_live(center: Client) -> ClientConnection:
    """The socket of subscriptions. Raises as `dial`."""
    try:
        return connect(
            url(center),
            additional_headers=headers(center),
            subprotocols=[Subprotocol(live.LIVE)],
            compression=None,
            max_size=FRAME_MAX,
            proxy=None,
        )
    except InvalidStatus as error:
        raise refused(center, error) from error


def url(center: Client) -> str:
    """Of the stream."""
    return "ws" + center.url.removeprefix("http") + PATH


def headers(center: Client) -> dict[str, str]:
    """Who asks."""
    return {"Authorization": f"Bearer {center.token}"} if center.token else {}


def refused(center: Client, error: InvalidStatus) -> Exception:
    """What to raise for a handshake that was answered with an error: itself when it may work in a moment."""
    status = error.response.status_code
    if status >= 500 or status == 429:
        return error
    try:
        return Refusal(status, msgspec.json.decode(error.response.body or b"", type=ErrorAnswer).error)
    except msgspec.DecodeError:
        return Fault(f"{center.url} refuses the stream with {status}")


def decode(frame: str | bytes) -> live.FromCenter:
    """A frame of the socket of subscriptions. Raises Fault."""
    try:
        return _DECODER.decode(frame)
    except msgspec.DecodeError as error:
        raise Fault("the Center's frame is not understood", "Check the versions of rope and of the Center.") from error


def encode(frame: live.FromPerson) -> str:
    """A frame to the Center."""
    return msgspec.json.encode(frame).decode()


def fault_of(over: live.Over) -> Fault:
    """The end of a subscription that did not go well, as a Fault."""
    return Fault(over.message or over.error, code=_CODES.get(over.error, Exit.ERROR))
