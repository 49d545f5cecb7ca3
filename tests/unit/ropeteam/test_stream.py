"""Following the event stream, against a real WebSocket server on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from websockets.sync.server import ServerConnection, serve

from protocol.api import ErrorAnswer, ErrorBody, EventView, StreamFrame
from ropeteam import stream
from ropeteam.client import Client, Refusal
from ropeteam.stream import Wanted, live
from tests.unit.ropeteam.samples import event

Script = list[list[StreamFrame]]


ALL = Wanted("", "")


class Enough(Exception):
    """Ends the following."""


def frame(seq: int, project: str = "") -> StreamFrame:
    return StreamFrame(kind="event", event=event(seq, project=project))


@contextmanager
def center(script: Script, paths: list[str]) -> Iterator[Client]:
    """A stream that sends one list of frames for each connection, then closes it."""

    def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.headers["Authorization"] == "Bearer s3cret"
        paths.append(socket.request.path)
        for sent in script.pop(0) if script else []:
            socket.send(msgspec.json.encode(sent).decode())

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Client(f"http://127.0.0.1:{server.socket.getsockname()[1]}", "s3cret")
        server.shutdown()
        thread.join()


def follow(client: Client, until: int, wanted: Wanted = ALL) -> list[int]:
    """Sequence numbers shown up to `until`."""
    shown: list[int] = []

    def show(found: EventView) -> None:
        shown.append(found.seq)
        if found.seq == until:
            raise Enough

    with pytest.raises(Enough):
        live(client, 4, wanted, show)
    return shown


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between tries."""
    monkeypatch.setattr(stream, "WAIT_MAX_S", 0.05)


def test_a_broken_stream_is_resumed_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    paths: list[str] = []
    with center([[frame(5), frame(6)], [], [frame(7)]], paths) as client:
        assert follow(client, until=7) == [5, 6, 7]
    assert paths[:3] == [f"/api/v1/stream?after={n}" for n in (4, 6, 6)]


def test_a_stream_that_is_closed_at_once_is_asked_for_ever_less_often(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    most: list[float] = []

    def drawn(least: float, most_s: float) -> float:
        most.append(most_s)
        return 0.0

    monkeypatch.setattr(stream, "WAIT_MAX_S", 8.0)
    monkeypatch.setattr("ropeteam.stream.random.uniform", drawn)
    with center([[], [], [], [frame(5)]], []) as client:
        assert follow(client, until=5) == [5]
    assert most == [0.5, 1.0, 2.0]
    assert capsys.readouterr().err.count("lost the Center") == 1


def test_what_a_slow_reader_missed_is_asked_for_again() -> None:
    paths: list[str] = []
    script = [[frame(5), StreamFrame(kind="dropped", dropped=2), frame(8)], [frame(6), frame(7), frame(8)]]
    with center(script, paths) as client:
        assert follow(client, until=8) == [5, 6, 7, 8]


def test_only_wanted_events_are_shown_and_objects_are_passed_over() -> None:
    frames = [frame(5, project="blog"), StreamFrame(kind="node"), frame(6, project="shop"), frame(7, project="shop")]
    with center([frames], []) as client:
        assert follow(client, until=7, wanted=Wanted("shop", "")) == [6, 7]


def test_a_refusal_ends_it() -> None:
    answer = msgspec.json.encode(ErrorAnswer(error=ErrorBody(code="unauthorized", message="the token is not valid")))

    def refuse(connection: ServerConnection, request: object) -> object:
        return connection.respond(401, answer.decode())

    with serve(lambda socket: None, "127.0.0.1", 0, process_request=refuse) as server:  # type: ignore[arg-type]  # it never comes to a handler
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = Client(f"http://127.0.0.1:{server.socket.getsockname()[1]}", "wrong")
        with pytest.raises(Refusal, match="not valid"):
            live(client, 0, Wanted("", ""), lambda found: None)
        server.shutdown()
        thread.join()
