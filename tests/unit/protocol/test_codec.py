"""Golden bytes of the wire, its limits, and what a newer peer may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import codec
from protocol.messages import (
    Beat,
    ContainerBeat,
    ContainerRef,
    Desired,
    DesiredDelta,
    Goodbye,
    Heartbeat,
    Leaving,
    Observed,
    Pulse,
    Removed,
    TaskUpdate,
)

REF = ContainerRef(project="shop", service="web", replica=1, epoch=3)

GOLDEN_FROM_AGENT = [
    (Goodbye(), b'{"type":"goodbye"}'),
    (Pulse(), b'{"type":"pulse"}'),
    (
        Observed(seq=4, gone=(REF,)),
        b'{"type":"observed","seq":4,"gone":[{"project":"shop","service":"web","replica":1,"epoch":3}]}',
    ),
    (TaskUpdate(task="t7", state="done"), b'{"type":"taskupdate","task":"t7","state":"done"}'),
    (
        Heartbeat(
            agent_id="agent-abc",
            seq=1,
            cpu_usage=42.1,
            mem_free_mb=2378.0,
            disk_free_gb=120.0,
            containers=(
                ContainerBeat(
                    project_code="auth-service", service="web", replica=1, epoch=1, status="running", uptime="3h25m"
                ),
            ),
        ),
        b'{"type":"heartbeat","agent_id":"agent-abc","seq":1,"cpu_usage":42.1,"mem_free_mb":2378.0,"disk_free_gb":120.0,'
        b'"containers":[{"project_code":"auth-service","service":"web","replica":1,"epoch":1,"status":"running",'
        b'"uptime":"3h25m"}]}',
    ),
]
GOLDEN_FROM_CENTER = [
    (Beat(seq=3), b'{"type":"beat","seq":3}'),
    (
        DesiredDelta(after=1, incarnation=1, revision=9, drop=(REF,)),
        b'{"type":"desireddelta","after":1,"incarnation":1,"revision":9,'
        b'"drop":[{"project":"shop","service":"web","replica":1,"epoch":3}]}',
    ),
    (
        Desired(seq=2, incarnation=1, revision=9, leaving=(Leaving(ref=REF, wait_s=1.5, grace_s=10.0),)),
        b'{"type":"desired","seq":2,"incarnation":1,"revision":9,"leaving":[{"ref":{"project":"shop","service":"web",'
        b'"replica":1,"epoch":3},"wait_s":1.5,"grace_s":10.0}]}',
    ),
    (Removed(), b'{"type":"removed"}'),
]


@pytest.mark.parametrize(("message", "frame"), GOLDEN_FROM_AGENT)
def test_golden_bytes_from_an_agent(message: object, frame: bytes) -> None:
    assert codec.encode(message) == frame  # type: ignore[arg-type]  # either union
    assert codec.decode_from_agent(frame) == message


@pytest.mark.parametrize(("message", "frame"), GOLDEN_FROM_CENTER)
def test_golden_bytes_from_the_center(message: object, frame: bytes) -> None:
    assert codec.encode(message) == frame  # type: ignore[arg-type]  # either union
    assert codec.decode_from_center(frame) == message


def test_unknown_fields_are_ignored_and_unknown_tags_named() -> None:
    assert codec.decode_from_center(b'{"type":"beat","seq":3,"mood":"good"}') == Beat(seq=3)
    with pytest.raises(codec.UnknownTag) as caught:
        codec.decode_from_center(b'{"type":"hug","seq":3}')
    assert caught.value.tag == "hug"


@pytest.mark.parametrize("frame", [b"", b"{", b"[]", b'{"type":3}', b'{"type":"beat"}', b"\xff\xfe", b"[" * 50_000])
def test_a_bad_frame_is_a_protocol_error(frame: bytes) -> None:
    with pytest.raises(codec.ProtocolError):
        codec.decode_from_center(frame)


def test_a_frame_has_a_limit() -> None:
    with pytest.raises(codec.ProtocolError, match="at most 65536"):
        codec.decode_from_agent(b" " * (codec.FRAME_MAX + 1))


@given(st.lists(st.text(max_size=50), max_size=60))
def test_pages_lose_nothing_keep_order_and_fit(items: list[str]) -> None:
    pages = list(codec.pages(items, size_max=200))
    assert [i for page, _ in pages for i in page] == items
    assert [last for _, last in pages] == [False] * (len(pages) - 1) + [True]
    assert all(len(page) == 1 or sum(len(i.encode()) for i in page) <= 200 for page, _ in pages)


def test_an_error_does_not_repeat_what_a_peer_sent_at_length() -> None:
    long = b'{"type":"heartbeat","agent_id":"a","seq":"%s"}' % (b"x" * 60_000)
    for frame in (long, b'{"type":"observed","seq":1,"containers":[{"state":"%s"}]}' % (b"x" * 60_000)):
        with pytest.raises(codec.ProtocolError) as caught:
            codec.decode_from_agent(frame)
        assert len(str(caught.value)) <= codec.REASON_MAX
