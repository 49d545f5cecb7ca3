"""Bytes <-> messages. The one place that knows the encoding and its limits. Pure; used by both ends of the rope."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from protocol.messages import FromAgent, FromCenter

FRAME_MAX = 64 * 1024
"""Bytes of one frame; longer lists are paged."""

PAGE_MAX = 48 * 1024
"""Bytes of list items put into one frame, leaving room for the frame around them."""

REASON_MAX = 200
"""Characters of a ProtocolError: it is logged and told to the peer, and may quote what the peer sent."""

T = TypeVar("T")


class ProtocolError(Exception):
    """A frame that is too long, not JSON, or not a message of its direction."""


class UnknownTag(ProtocolError):
    """A well-formed frame with a tag this side does not know; answer `Unsupported(tag)` and go on."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"unknown message {tag!r}")
        self.tag = tag


class _Tagged(msgspec.Struct):
    type: str


_FROM_AGENT: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)
_FROM_CENTER: msgspec.json.Decoder[FromCenter] = msgspec.json.Decoder(FromCenter)
_TAG = msgspec.json.Decoder(_Tagged)
_AGENT_TAGS = frozenset(t.__name__.lower() for t in FromAgent.__args__)
_CENTER_TAGS = frozenset(t.__name__.lower() for t in FromCenter.__args__)
_ENCODER = msgspec.json.Encoder()

encode: Callable[[FromAgent | FromCenter], bytes] = _ENCODER.encode
"""The frame of a message, UTF-8 JSON."""


def decode_from_agent(frame: bytes | str) -> FromAgent:
    """The message in a frame sent by an agent. Raises ProtocolError, UnknownTag."""
    return _decode(_FROM_AGENT, _AGENT_TAGS, frame)


def decode_from_center(frame: bytes | str) -> FromCenter:
    """The message in a frame sent by the Center. Raises ProtocolError, UnknownTag."""
    return _decode(_FROM_CENTER, _CENTER_TAGS, frame)


def _decode(decoder: msgspec.json.Decoder[T], tags: frozenset[str], frame: bytes | str) -> T:
    if len(frame) > FRAME_MAX:
        raise ProtocolError(f"frame of {len(frame)} bytes, at most {FRAME_MAX}")
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        tag = _tag(frame)
        if tag is not None and tag not in tags:
            raise UnknownTag(tag) from error
        raise ProtocolError(str(error)[:REASON_MAX]) from error


def _tag(frame: bytes | str) -> str | None:
    try:
        return _TAG.decode(frame).type[:64]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def pages(items: Iterable[T], size_max: int = PAGE_MAX) -> Iterator[tuple[Sequence[T], bool]]:
    """Cut `items` into runs whose encodings fit in `size_max` bytes; yields (items, is_last), at least once.

    A single item larger than `size_max` gets a page of its own.
    """
    page: list[T] = []
    size = 0
    for item in items:
        item_size = len(_ENCODER.encode(item)) + 1
        if page and size + item_size > size_max:
            yield page, False
            page, size = [], 0
        page.append(item)
        size += item_size
    yield page, True
