"""Golden bytes of the bulk lane, and of a person's subscriptions: what older and newer peers read."""

import msgspec
import pytest

from protocol import live
from protocol.codec import decode_from_agent, decode_from_center, encode
from protocol.messages import PROTOCOL, STREAMS_SINCE, ContainerRef, FromAgent, FromCenter, Welcome
from protocol.streams import Ack, OpenExec, OpenLogs, Resize, StreamCredit, StreamData, StreamEnd, Tail

REF = ContainerRef(project="shop", service="web", replica=1, epoch=3)
TARGET = b'"target":{"project":"shop","service":"web","replica":1,"epoch":3}'

FROM_AGENT = [
    (StreamData(stream=7, data=b"hi\n"), b'{"type":"streamdata","stream":7,"data":"aGkK"}'),
    (
        StreamData(stream=7, channel=2, eof=True, ack=True),
        b'{"type":"streamdata","stream":7,"channel":2,"eof":true,"ack":true}',
    ),
    (StreamEnd(stream=7, code=3), b'{"type":"streamend","stream":7,"code":3}'),
    (Tail(target=REF, lines=b"o\n", ended=True), b'{"type":"tail",' + TARGET + b',"lines":"bwo=","ended":true}'),
]
FROM_CENTER = [
    (
        OpenLogs(stream=1, target=REF, follow=True, since_ns=5, credit=9),
        b'{"type":"openlogs","stream":1,' + TARGET + b',"follow":true,"since_ns":5,"credit":9}',
    ),
    (
        OpenExec(stream=2, target=REF, command=("sh",), tty=True, stdin=True),
        b'{"type":"openexec","stream":2,' + TARGET + b',"command":["sh"],"tty":true,"stdin":true}',
    ),
    (Resize(stream=2, cols=132, rows=43), b'{"type":"resize","stream":2,"cols":132,"rows":43}'),
    (StreamCredit(stream=2, credit=5), b'{"type":"streamcredit","stream":2,"credit":5}'),
    (Ack(frames=4), b'{"type":"ack","frames":4}'),
]


@pytest.mark.parametrize(("message", "frame"), FROM_AGENT)
def test_what_agents_say_of_streams(message: FromAgent, frame: bytes) -> None:
    assert encode(message) == frame
    assert decode_from_agent(frame) == message


@pytest.mark.parametrize(("message", "frame"), FROM_CENTER)
def test_what_the_center_says_of_streams(message: FromCenter, frame: bytes) -> None:
    assert encode(message) == frame
    assert decode_from_center(frame) == message


def test_a_center_that_does_not_say_its_protocol_speaks_the_first() -> None:
    old = decode_from_center(b'{"type":"welcome","node":"n","session_epoch":1,"incarnation":1}')
    assert isinstance(old, Welcome) and old.protocol == 1 < STREAMS_SINCE <= PROTOCOL


def test_subscriptions_are_as_the_docs_say() -> None:
    asked = b'{"type":"logs","id":1,"project":"shop","follow":true}'
    found = msgspec.json.decode(asked, type=live.FromPerson)
    assert found == live.Logs(id=1, project="shop", follow=True) and msgspec.json.encode(found) == asked
    told = live.Data(id=1, source=2, data=b"o\n")
    assert msgspec.json.encode(told) == b'{"type":"data","id":1,"source":2,"data":"bwo="}'
