"""The pages' sockets: who may open one, what it is sent, and that it ends with the session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from controlplane.core.cluster import Changes
from controlplane.web import live
from controlplane.web.live import BEAT, LATER, OVER, Live
from controlplane.web.views import VIEWS
from tests.unit.controlplane.sample_cluster import node, replica
from tests.unit.controlplane.web.fake_center import URL, FakeCenter
from tests.unit.controlplane.web.surfer import Surfer

PAGE = "/live?view=overview&lang=en"
SOCKETS = URL.replace("http", "ws")
"""The test client sends its cookies to this host only."""


class Browser:
    """The other end of a socket: takes frames, unless it is slow; leaves when told."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.code: int | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self._leaves = asyncio.Event()
        self._accepted = False

    async def receive(self) -> Message:
        if not self._accepted:
            return {"type": "websocket.connect"}
        await self._leaves.wait()
        return {"type": "websocket.disconnect", "code": self.code or 1001}

    async def send(self, message: Message) -> None:
        match message["type"]:
            case "websocket.accept":
                self._accepted = True
            case "websocket.close":
                self.code = message["code"]
                self._leaves.set()
            case _:
                await self.reads.wait()
                self.frames.put_nowait(message["text"])

    def leave(self) -> None:
        self._leaves.set()

    async def next(self) -> str:
        async with asyncio.timeout(3):
            return await self.frames.get()


@asynccontextmanager
async def serving(center: FakeCenter) -> AsyncIterator[Live]:
    """A board that is kept; templates that write the value."""

    def draw(template: str, value: object) -> str:
        return f"<{template}>{value}"

    made = Live(center.door(), {"en": draw, "zh": draw}, VIEWS)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(made.run())
        while not center.subscriptions:  # noqa: ASYNC110 nothing tells of it
            await asyncio.sleep(0.001)
        yield made
        keeping.cancel()


@asynccontextmanager
async def opened(
    made: Live, language: str = "en", signed_in: Callable[[], bool] = lambda: True
) -> AsyncIterator[Browser]:
    browser = Browser()
    socket = WebSocket({"type": "websocket", "headers": []}, browser.receive, browser.send)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.serve(socket, ("overview", "", language), signed_in))
        yield browser
        browser.leave()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses; the order of things does not depend on them."""
    monkeypatch.setattr(live, "PAUSE_S", 0.02)
    monkeypatch.setattr(live, "SWEEP_S", 0.05)


def commit(center: FakeCenter, *puts: object) -> None:
    changes = Changes(puts=list(puts))  # type: ignore[arg-type]  # records of any kind
    center.cluster.apply(changes)
    for subscription in center.subscriptions:
        subscription.queue.put_nowait(changes)


async def test_a_snapshot_then_what_changes(center: FakeCenter) -> None:
    async with serving(center) as made, opened(made) as browser:
        first = await browser.next()
        assert all(
            f'hx-target="#{name}"' in first for name in ("attention", "map", "projects", "deployments", "events")
        )
        commit(center, replica(2, "node-2", state="failed"))
        frame = await browser.next()
        assert 'hx-target="#node-node-2" hx-swap="outerMorph"' in frame
        assert 'hx-target="#project-shop" hx-swap="outerMorph"' in frame
        assert 'hx-target="#node-node-1"' not in frame, "node-1 did not change"


async def test_a_burst_of_changes_is_a_few_frames(center: FakeCenter) -> None:
    async with serving(center) as made, opened(made) as browser:
        await browser.next()
        for number in range(200):
            commit(center, node("node-1", 1, weight=number + 1.0, draining=number % 2 == 1))
            await asyncio.sleep(0)
        await asyncio.sleep(0.3)
        assert 1 <= browser.frames.qsize() <= 4


async def test_each_language_is_drawn_once_for_all_who_read_it(center: FakeCenter) -> None:
    drawn: list[str] = []

    def draw(template: str, value: object) -> str:
        drawn.append(template)
        return f"<{template}>{value}"

    async with serving(center) as made:
        made._draws = {"en": draw}
        async with opened(made) as one, opened(made) as two, opened(made) as three:
            for browser in (one, two, three):
                await browser.next()
            drawn.clear()
            commit(center, node("node-1", 1, draining=True))
            frames = [await browser.next() for browser in (one, two, three)]
        assert len(set(frames)) == 1
        assert drawn.count("_node") == 1


async def test_a_slow_browser_waits_alone_and_then_gets_everything(center: FakeCenter) -> None:
    async with serving(center) as made, opened(made) as slow, opened(made) as fast:
        await slow.next()
        await fast.next()
        slow.reads.clear()
        for number in range(5):
            commit(center, node("node-1", 1, draining=number % 2 == 0, state="suspect"))
            await fast.next()
        slow.reads.set()
        late = [await slow.next(), await slow.next()]
        assert 'hx-target="#map"' in late[-1], "merged into a snapshot"
        await asyncio.sleep(0.1)
        assert slow.frames.empty()


async def test_a_browser_that_does_not_read_is_let_go(center: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SEND_S", 0.05)
    async with serving(center) as made:
        async with opened(made) as browser:
            browser.reads.clear()
            async with asyncio.timeout(2):
                while made.open:  # noqa: ASYNC110 nothing tells of it
                    await asyncio.sleep(0.01)
        assert browser.frames.empty()


async def test_the_first_paint_waits_for_nothing_where_others_have_the_page_open(center: FakeCenter) -> None:
    async with serving(center) as made, opened(made) as browser:
        await browser.next()
        kept = made._sheets["overview", "", "en"]
        version = kept.version
        commit(center, node("node-1", 1, state="suspect"))
        assert await made.sheet("overview", "", "en") is kept and kept.version == version
        browser.leave()
        async with asyncio.timeout(2):
            while made.open:  # noqa: ASYNC110 nothing tells of it
                await asyncio.sleep(0.01)
        commit(center, node("node-2", 2, draining=True))
        await asyncio.sleep(0.01)  # the board hears of it
        assert "draining" in (await made.sheet("overview", "", "en")).section("map")


async def test_two_who_ask_for_one_view_at_once_both_get_it_drawn(center: FakeCenter) -> None:
    async with serving(center) as made, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(made.sheet("project", "shop", "en")) for _ in range(3)]
        browser = Browser()
        socket = WebSocket({"type": "websocket", "headers": []}, browser.receive, browser.send)
        tasks.create_task(made.serve(socket, ("project", "shop", "en"), lambda: True))
        assert "web:1" in (await browser.next())
        for one in asked:
            assert "web:1" in (await one).section("services")
        browser.leave()


async def test_a_quiet_page_hears_that_the_line_is_alive(center: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.1)
    async with serving(center) as made, opened(made) as browser:
        await browser.next()
        assert await browser.next() == BEAT


async def test_the_socket_ends_with_the_session(center: FakeCenter) -> None:
    state = {"signed in": True}
    async with serving(center) as made:
        async with opened(made, signed_in=lambda: state["signed in"]) as browser:
            await browser.next()
            state["signed in"] = False
            async with asyncio.timeout(2):
                while browser.code is None:  # noqa: ASYNC110 nothing tells of it
                    await asyncio.sleep(0.01)
        assert browser.code == OVER
        async with opened(made, signed_in=lambda: False) as late:
            await asyncio.sleep(0.01)
        assert late.code == OVER and late.frames.empty()


async def test_there_is_a_limit_to_open_pages(center: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SOCKETS_MAX", 1)
    async with serving(center) as made, opened(made) as first:
        await first.next()
        async with opened(made, "zh") as second:
            await asyncio.sleep(0.01)
        assert second.code == LATER
        assert made.open == 1


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        (PAGE, "https://evil.example", 403),
        (PAGE, "null", 403),
        (PAGE, "", 403),
        (PAGE, "http://10.0.0.9:8081", 403),
        ("/live?view=nothing&lang=en", URL, 404),
        ("/live?view=overview&lang=xx", URL, 404),
        ("/live", URL, 404),
    ],
)
def test_sockets_from_elsewhere_are_denied(path: str, origin: str, status: int, center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    del surfer.http.headers["origin"]
    headers = {"origin": origin} if origin else {}
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        surfer.http.websocket_connect(SOCKETS + path, headers=headers),
    ):
        pass
    assert denied.value.status_code == status


def test_without_a_session_the_page_is_told_so_after_the_handshake(center: FakeCenter) -> None:
    surfer = Surfer(center)
    with pytest.raises(WebSocketDisconnect) as ended, surfer.http.websocket_connect(SOCKETS + PAGE) as socket:
        socket.receive_text()
    assert ended.value.code == OVER, "before the handshake it would be 1006, and htmx would try again for ever"


def test_a_token_is_no_session(center: FakeCenter) -> None:
    surfer = Surfer(center)
    headers = {"Authorization": "Bearer correct-horse"}
    with (
        pytest.raises(WebSocketDisconnect) as ended,
        surfer.http.websocket_connect(SOCKETS + PAGE, headers=headers) as socket,
    ):
        socket.receive_text()
    assert ended.value.code == OVER


def test_who_is_signed_in_gets_the_page(center: FakeCenter) -> None:
    surfer = Surfer(center)
    surfer.sign_in()
    with surfer.http.websocket_connect(SOCKETS + PAGE) as socket:
        assert 'hx-target="#map"' in socket.receive_text()
