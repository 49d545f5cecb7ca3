"""Subscriptions side by side on one socket: what is asked, told, refused, and what ends when."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator

import msgspec
import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from controlplane.core.cluster import Changes
from controlplane.core.command import NoteExec
from controlplane.core.journal import Event
from controlplane.store.tails import Copy
from controlplane.web.stream import EVENTS_MAX
from protocol import live
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.fake_relay import FakeStream

LINE = b"o2026-11-22T20:00:00.000000001Z hello\n"
_FRAMES: msgspec.json.Decoder[live.FromCenter] = msgspec.json.Decoder(live.FromCenter)


class Person:
    """One socket."""

    def __init__(self, center: FakeCenter, client: TestClient, socket: WebSocketTestSession) -> None:
        self.center = center
        self.client = client
        self.socket = socket

    def say(self, frame: live.FromPerson) -> None:
        self.socket.send_text(msgspec.json.encode(frame).decode())

    def hear(self) -> live.FromCenter:
        return _FRAMES.decode(self.socket.receive_text())

    def over(self) -> live.Over:
        while not isinstance(frame := self.hear(), live.Over):
            pass
        return frame

    def stream(self, number: int = 0) -> FakeStream:
        return self.center.relay.streams[number]

    def wait(self) -> None:
        """Let the Center's tasks end."""
        assert self.client.portal is not None
        self.client.portal.call(asyncio.sleep, 0.05)

    def call(self, act: object, *arguments: object) -> None:
        """In the Center's loop."""
        assert self.client.portal is not None and callable(act)
        self.client.portal.call(lambda: act(*arguments))


@pytest.fixture
def me() -> Iterator[Person]:
    center = FakeCenter()
    with (
        center.client() as client,
        client.websocket_connect("/api/v1/stream", subprotocols=[live.LIVE]) as socket,
    ):
        assert socket.accepted_subprotocol == live.LIVE
        yield Person(center, client, socket)


def running(center: FakeCenter) -> tuple[str, int]:
    """A replica that runs, as `service`, number."""
    replica = next(r for r in center.cluster.replicas.values() if r.wanted and r.wanted.state == "running")
    return replica.id.service, replica.id.index


def test_logs_are_sources_with_data_and_ends(me: Person) -> None:
    service, index = running(me.center)
    me.say(live.Logs(id=1, project="shop", service=service, replica=index, lines=7, since_ns=9, credit=500))
    source = me.hear()
    assert isinstance(source, live.Source) and (source.service, source.replica) == (service, index)
    stream = me.stream()
    assert stream.how == {"follow": False, "lines": 7, "since_ns": 9, "credit": 500}
    me.call(stream.reader.data, LINE, 1)
    assert me.hear() == live.Data(id=1, source=source.source, data=LINE)
    me.say(live.Credit(id=1, source=source.source, credit=len(LINE)))
    me.call(stream.reader.data, LINE, 1)
    me.hear()
    assert stream.granted == len(LINE)
    me.call(stream.reader.ended, "", None)
    assert me.hear() == live.SourceOver(id=1, source=source.source)
    assert me.hear() == live.Over(id=1)


def test_a_node_that_is_away_is_read_from_what_is_kept(me: Person) -> None:
    replica = next(r for r in me.center.cluster.replicas.values() if r.wanted)
    assert replica.wanted is not None
    me.center.relay.away = set(me.center.cluster.nodes)
    copy = Copy(replica=replica.id, epoch=replica.wanted.epoch, node=replica.wanted.node, last_ns=1, ended=False)
    me.center.tails.put(copy, LINE)
    me.say(live.Logs(id=3, project="shop", service=replica.id.service, replica=replica.id.index))
    source, data, end, over = me.hear(), me.hear(), me.hear(), me.hear()
    assert isinstance(source, live.Source) and source.note == f"{replica.wanted.node} is away: its last lines"
    assert isinstance(data, live.Data) and data.data == LINE
    assert isinstance(end, live.SourceOver) and over == live.Over(id=3)


def test_copies_that_are_gone_are_shown_too(me: Person) -> None:
    replica = next(r for r in me.center.cluster.replicas.values() if r.wanted)
    me.center.tails.put(Copy(replica=replica.id, epoch=77, node="node-9", last_ns=1, ended=True), LINE)
    me.say(live.Logs(id=1, project="shop", service=replica.id.service, replica=replica.id.index, node="node-9"))
    source, data = me.hear(), me.hear()
    assert isinstance(source, live.Source) and (source.epoch, source.note) == (77, "")
    assert isinstance(data, live.Data) and data.data == LINE
    assert me.over().error == ""


def test_a_node_without_the_lines_is_filled_in_from_what_is_kept(me: Person) -> None:
    service, index = running(me.center)
    me.say(live.Logs(id=1, project="shop", service=service, replica=index))
    me.hear()
    stream = me.stream()
    target = stream.target
    copy = Copy(replica=target.id, epoch=target.epoch, node=stream.node, last_ns=1, ended=True)
    me.center.tails.put(copy, LINE)
    me.call(stream.reader.ended, "this node has no lines of it", None)
    frames = [me.hear() for _ in range(4)]
    assert [f.data for f in frames if isinstance(f, live.Data)] == [LINE]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (live.Logs(id=1, project="none"), "not_found"),
        (live.Logs(id=1, project="shop", service="none"), "not_found"),
        (live.Logs(id=1, project="shop", credit=0), "bad_request"),
        (live.Top(id=1, every_s=0.01), "bad_request"),
        (live.Deployment(id=1, deployment=999), "not_found"),
        (live.Exec(id=1, project="shop", service="none", command=("ls",)), "not_found"),
        (live.Exec(id=1, project="shop", service="web", command=()), "bad_request"),
        (live.Exec(id=1, project="shop", service="web", command=("a\0b",)), "bad_request"),
    ],
)
def test_what_cannot_be_is_told_and_the_socket_goes_on(me: Person, asked: live.FromPerson, error: str) -> None:
    me.say(asked)
    over = me.over()
    assert (over.id, over.error) == (1, error)
    assert me.center.relay.streams == []
    me.say(live.Top(id=1))
    assert isinstance(me.hear(), live.Usage), "the number may be used again"


def test_the_last_hour_is_told_to_whom_it_was_asked_by(me: Person) -> None:
    me.center.rings.hours["node", "node-1"] = (10.0, 20.0)
    me.center.rings.hours["project", "shop"] = (30.0,)
    me.say(live.Top(id=1))
    told = me.hear()
    assert isinstance(told, live.Usage) and told.projects == () and told.nodes[0].cpu_hour == ()
    me.say(live.Top(id=2, history=True))
    told = me.hear()
    assert isinstance(told, live.Usage) and told.id == 2
    assert told.nodes[0].cpu_hour == (*[None] * 18, 10.0, 20.0)
    assert [(p.project, p.cpu_hour[-1]) for p in told.projects] == [("shop", 30.0)]


def test_an_exec_is_written_down_before_it_runs(me: Person) -> None:
    service, index = running(me.center)
    me.say(live.Exec(id=2, project="shop", service=service, replica=index, command=("sh", "-c", "x\x1b[2J"), tty=True))
    assert isinstance(me.hear(), live.Source)
    (noted,) = [c for c in me.center.asked if isinstance(c, NoteExec)]
    assert (noted.actor, noted.replica, noted.command) == ("admin", f"shop/{service}/{index}", "sh -c x\\x1b[2J")
    stream = me.stream()
    stream.input_room = 5
    me.call(stream.reader.room)
    assert me.hear() == live.Credit(id=2, credit=5)
    me.say(live.Input(id=2, data=b"hi", eof=True))
    me.say(live.Resize(id=2, cols=10, rows=5))
    me.call(stream.reader.data, b"out", 2)
    assert me.hear() == live.Data(id=2, source=1, data=b"out", channel=2)
    assert stream.sent == [(b"hi", True)] and stream.sizes == [(10, 5)]
    me.call(stream.reader.ended, "", 4)
    assert me.hear() == live.Over(id=2, code=4)


def test_more_input_than_there_is_room_for_ends_the_exec(me: Person) -> None:
    service, index = running(me.center)
    me.say(live.Exec(id=2, project="shop", service=service, replica=index, command=("cat",), stdin=True))
    me.hear()
    me.say(live.Input(id=2, data=b"too much"))
    assert me.over().error == "too_large"
    me.say(live.Top(id=9))
    me.hear()
    assert me.stream().closed


def test_stopping_and_leaving_close_what_was_open(me: Person) -> None:
    service, index = running(me.center)
    for number in (1, 2):
        me.say(live.Logs(id=number, project="shop", service=service, replica=index, follow=True))
        assert isinstance(me.hear(), live.Source)
    me.say(live.Stop(id=1))
    assert me.hear() == live.Over(id=1)
    me.wait()
    assert [s.closed for s in me.center.relay.streams] == [True, False]
    me.socket.close()
    me.wait()
    assert [s.closed for s in me.center.relay.streams] == [True, True]


def test_events_are_told_from_where_one_was(me: Person) -> None:
    me.center.journal += [Event(seq=n, at=0.0, kind="test", text=f"event {n}", cause=n) for n in (1, 2, 3)]
    me.say(live.Events(id=1, after=1))
    told = [me.hear(), me.hear()]
    assert [t.event.seq for t in told if isinstance(t, live.Told)] == [2, 3]


def test_a_slow_reader_of_events_is_told_how_many_were_dropped(me: Person) -> None:
    me.say(live.Events(id=1))
    me.say(live.Top(id=2))
    me.hear()
    (subscription,) = me.center.subscriptions

    def commit() -> None:
        for number in range(1, EVENTS_MAX + 51):
            event = Event(seq=10_000 + number, at=0.0, kind="test", text="x", cause=number)
            subscription.queue.put_nowait(Changes(events=[event]))
        subscription.queue.put_nowait(None)

    me.call(_async(commit))
    dropped = 0
    while True:
        match me.hear():
            case live.Dropped(count=count):
                dropped += count
            case live.Told(event=told) if told.seq == 10_000 + EVENTS_MAX + 50:
                break
            case _:
                pass
    assert dropped == 51, "the commits that were missed count, too"


@pytest.mark.parametrize(
    ("text", "code"), [("not json", 1003), ('{"type":"what","id":1}', 1003), ('{"type":"top","id":0}', 1008)]
)
def test_who_breaks_the_rules_is_closed(me: Person, text: str, code: int) -> None:
    me.socket.send_text(text)
    with pytest.raises(WebSocketDisconnect) as closed:
        me.hear()
    assert closed.value.code == code


def _async(act: Callable[[], None]) -> Callable[[], Coroutine[None, None, None]]:
    """To be run in the Center's loop, in one go."""

    async def run() -> None:
        act()

    return run
