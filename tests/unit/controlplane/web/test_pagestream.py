"""The socket of logs and terminals in the browser: guarded like an unsafe form, over when the session is."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from starlette.testclient import WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from controlplane.core.command import NoteExec
from controlplane.web import multiplex
from controlplane.web.language import languages
from controlplane.web.multiplex import OVER
from controlplane.web.pagestream import TICKET, in_words
from protocol import live
from tests.unit.controlplane.web.fake_center import BEARER, URL, FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

STREAM = URL.replace("http", "ws") + "/stream?lang=en"
_FRAMES: msgspec.json.Decoder[live.FromCenter] = msgspec.json.Decoder(live.FromCenter)


@contextmanager
def opened(
    surfer: Surfer, ticket: str | None = None, url: str = STREAM, **headers: str
) -> Iterator[WebSocketTestSession]:
    """A socket with the session's own ticket, unless another is given."""
    secret = surfer.csrf("/nodes") if ticket is None else ticket
    offered = [live.LIVE, TICKET + secret]
    with surfer.http.websocket_connect(url, subprotocols=offered, headers=headers) as socket:
        yield socket


def signed_in(center: FakeCenter) -> Surfer:
    surfer = Surfer(center)
    surfer.sign_in()
    return surfer


def say(socket: WebSocketTestSession, frame: live.FromPerson) -> None:
    socket.send_text(msgspec.json.encode(frame).decode())


def hear(socket: WebSocketTestSession) -> live.FromCenter:
    return _FRAMES.decode(socket.receive_text())


def test_a_page_of_ours_may_read_logs_and_run_commands(center: FakeCenter) -> None:
    with opened(signed_in(center)) as socket:
        assert socket.accepted_subprotocol == live.LIVE, "the secret is not sent back"
        say(socket, live.Logs(id=1, project="shop", service="web", replica=1))
        assert isinstance(hear(socket), live.Source)
        say(socket, live.Exec(id=2, project="shop", service="web", replica=1, command=("sh",), tty=True, stdin=True))
        assert isinstance(hear(socket), live.Source)
        (noted,) = [c for c in center.asked if isinstance(c, NoteExec)]
        assert (noted.actor, noted.command) == ("admin", "sh")


def test_without_a_session_it_is_closed_and_the_page_signs_in(center: FakeCenter) -> None:
    surfer = Surfer(center)
    with pytest.raises(WebSocketDisconnect) as ended, opened(surfer, "x", **BEARER) as socket:
        socket.receive_text()
    assert ended.value.code == OVER, "a token is no session here"


@pytest.mark.parametrize("ticket", ["", "wrong", "x" * 32])
def test_a_session_without_its_secret_runs_nothing(ticket: str, center: FakeCenter) -> None:
    with pytest.raises(WebSocketDisconnect) as ended, opened(signed_in(center), ticket) as socket:
        socket.receive_text()
    assert ended.value.code == OVER
    assert center.relay.streams == []


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), ("null", 403), (URL.replace("8080", "8081"), 403), ("", 403)]
)
def test_pages_of_others_are_refused(origin: str, status: int, center: FakeCenter) -> None:
    surfer = signed_in(center)
    secret = surfer.csrf("/nodes")
    with pytest.raises(WebSocketDenialResponse) as denied, opened(surfer, secret, origin=origin):
        pass
    assert denied.value.status_code == status


def test_another_stream_or_language_is_not_there(center: FakeCenter) -> None:
    surfer = signed_in(center)
    for url, offered in ((STREAM.replace("en", "xx"), [live.LIVE]), (STREAM, ["ropeteam.other"])):
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            surfer.http.websocket_connect(url, subprotocols=offered),
        ):
            pass
        assert denied.value.status_code == 404


def test_signing_out_ends_it_and_what_runs_in_it(center: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplex, "LOOK_S", 0.01)
    surfer = signed_in(center)
    secret = surfer.csrf("/nodes")
    with pytest.raises(WebSocketDisconnect) as ended, opened(surfer, secret) as socket:
        say(socket, live.Exec(id=1, project="shop", service="web", replica=1, command=("cat",), stdin=True))
        assert isinstance(hear(socket), live.Source)
        surfer.http.post("/logout", data={"csrf": secret})
        socket.receive_text()
    assert ended.value.code == OVER
    assert [s.closed for s in center.relay.streams] == [True]


def test_the_api_still_takes_no_cookie(center: FakeCenter) -> None:
    surfer = signed_in(center)
    url = URL.replace("http", "ws") + "/api/v1/stream"
    with pytest.raises(WebSocketDenialResponse) as denied, surfer.http.websocket_connect(url, subprotocols=[live.LIVE]):
        pass
    assert denied.value.status_code == 401


def test_what_the_center_says_is_translated_and_what_containers_say_is_not() -> None:
    chinese = languages()["zh"]
    source = live.Source(
        id=1, source=1, project="p", service="s", replica=1, epoch=1, node="n", note="n is away: its last lines"
    )
    told = in_words(source, chinese)
    assert isinstance(told, live.Source) and told.note == "n 不在线：以下是最后的日志"
    gone = in_words(live.SourceOver(id=1, source=1, reason="n is away", again=True), chinese)
    assert gone == live.SourceOver(id=1, source=1, reason="n 不在线", again=True)
    over = in_words(live.Over(id=1, error="conflict", message="shop/web/1 does not run"), chinese)
    assert isinstance(over, live.Over) and over.message == "shop/web/1 未在运行"
    data = live.Data(id=1, source=1, data=b"n is away")
    assert in_words(data, chinese) is data
