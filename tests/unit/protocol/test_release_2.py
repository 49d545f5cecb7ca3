"""What the previous release says is understood, and what this one says is understood by it.

`release_2/` holds one frame of every message as that release wrote it, with every field filled in. It is never changed;
with the next release a new folder takes its place.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from protocol import codec
from protocol.api import RegisterAnswer, RegisterRequest
from protocol.messages import PROTOCOL, FromAgent, FromCenter, Hello, Welcome

RELEASE = Path(__file__).parent / "release_2"


def frames(name: str) -> list[bytes]:
    return (RELEASE / name).read_bytes().splitlines()


def holds(new: Any, old: Any) -> bool:
    """Everything of `old` is in `new`: a peer of that release finds what it knows, and ignores the rest."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and holds(new[key], value) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(new) == len(old) and all(map(holds, new, old))
    return bool(new == old)


@pytest.mark.parametrize(
    ("name", "decode"), [("from_agent", codec.decode_from_agent), ("from_center", codec.decode_from_center)]
)
def test_every_frame_is_read_and_written_with_all_it_had(name: str, decode: Callable[[bytes], Any]) -> None:
    for frame in frames(f"{name}.jsonl"):
        again = codec.encode(decode(frame))
        assert holds(json.loads(again), json.loads(frame)), frame


def test_a_registration_of_it_is_read_and_its_answer_too() -> None:
    request, answer = frames("register.jsonl")
    asked = msgspec.json.decode(request, type=RegisterRequest)
    told = msgspec.json.decode(answer, type=RegisterAnswer)
    assert asked.protocol == told.protocol == PROTOCOL - 1
    assert holds(json.loads(msgspec.json.encode(asked)), json.loads(request))
    assert holds(json.loads(msgspec.json.encode(told)), json.loads(answer))


def test_every_message_of_it_is_still_one() -> None:
    for name, union in (("from_agent", FromAgent), ("from_center", FromCenter)):
        known = {kind.__name__.lower() for kind in get_args(union)}
        assert {json.loads(frame)["type"] for frame in frames(f"{name}.jsonl")} <= known


def test_the_frames_are_those_of_the_release_before_this_one() -> None:
    hello = codec.decode_from_agent(frames("from_agent.jsonl")[0])
    welcome = next(m for m in map(codec.decode_from_center, frames("from_center.jsonl")) if isinstance(m, Welcome))
    assert isinstance(hello, Hello) and hello.protocol == welcome.protocol == PROTOCOL - 1
