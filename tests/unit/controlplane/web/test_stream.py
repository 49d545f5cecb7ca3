"""The live stream: who may open it, how it resumes, what a slow reader costs."""

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from controlplane.core.cluster import Changes, Meta
from controlplane.core.deployment import Deployment
from controlplane.core.journal import Event
from controlplane.web import stream
from controlplane.web.answers import Rejected
from controlplane.web.stream import Outbox, Streams
from tests.unit.controlplane.sample_cluster import WALL, WEB, node, project, replica, revision, shop
from tests.unit.controlplane.web.fake_center import URL, FakeCenter

STREAM = "/api/v1/stream"


def event(seq: int) -> Event:
    return Event(seq=seq, at=WALL, kind="k", text=str(seq), cause=seq)


def refused(client: TestClient, path: str = STREAM, **headers: str) -> int:
    with pytest.raises(WebSocketDenialResponse) as denial, client.websocket_connect(path, headers=headers):
        raise AssertionError("the stream was opened")
    assert "error" in denial.value.json()
    return denial.value.status_code


@pytest.mark.parametrize("credential", ["", "Bearer wrong"])
def test_the_stream_needs_the_token(credential: str, center: FakeCenter) -> None:
    assert refused(center.client(Authorization=credential)) == 401
    assert not center.subscriptions


@pytest.mark.parametrize("origin", ["http://evil.example", "https://10.0.0.9:8080", "http://10.0.0.9", "null", ""])
def test_a_page_of_another_origin_is_refused(origin: str, client: TestClient) -> None:
    assert refused(client, Origin=origin) == 403


def test_the_centers_own_pages_and_programs_may(client: TestClient) -> None:
    for headers in ({"Origin": URL}, {}):
        with client.websocket_connect(STREAM, headers=headers):
            pass


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/nodes", "/"])
def test_a_socket_at_another_path_is_404(path: str, client: TestClient) -> None:
    assert refused(client, path) == 404


def test_a_bad_place_to_resume_is_refused(client: TestClient) -> None:
    assert refused(client, STREAM + "?after=x") == 400


def test_events_are_replayed_then_live_each_once(center: FakeCenter) -> None:
    center.journal = [event(n) for n in range(1, 4)]
    with center.client().websocket_connect(STREAM + "?after=1") as socket:
        assert [socket.receive_json()["event"]["seq"] for _ in range(2)] == [2, 3]
        put(center, Changes(events=[event(3), event(4)]))
        assert socket.receive_json()["event"]["seq"] == 4


def test_without_after_only_what_is_new_comes(center: FakeCenter) -> None:
    center.journal = [event(1), event(2)]
    center.cluster.meta = Meta(cluster="c1", event_seq=2)
    with center.client().websocket_connect(STREAM) as socket:
        put(center, Changes(events=[event(3)]))
        assert socket.receive_json()["event"]["seq"] == 3


def test_objects_come_as_they_are_now(center: FakeCenter) -> None:
    running = Deployment(id=4, project="shop", kind="deploy", revision=1, created_at=WALL, state="running")
    center.cluster.deployments[4] = running
    with center.client().websocket_connect(STREAM + "?after=0") as socket:
        put(center, Changes(puts=[replica(1, "node-1"), running], drops=[node("node-9", 9)]))
        frames = {f["kind"]: f for f in (socket.receive_json() for _ in range(4))}
    assert frames["node"]["node"]["name"] == "node-1"
    assert frames["project"]["project"]["state"] == "running"
    assert frames["deployment"]["deployment"]["id"] == 4
    assert [a["replica"] for a in frames["addresses"]["addresses"]["services"]["web"]] == [1, 2, 3]


def test_a_reader_that_missed_commits_is_told_and_shown_everything(center: FakeCenter) -> None:
    with center.client().websocket_connect(STREAM + "?after=0") as socket:
        put(center, None)
        kinds = [socket.receive_json()["kind"] for _ in range(4)]
    assert kinds == ["dropped", "node", "node", "project"]
    assert center.measures.registry.get_sample_value("ropeteam_stream_dropped_total") == 1


async def test_an_outbox_is_bounded_and_counts_what_it_dropped() -> None:
    outbox, cluster = Outbox(events_max=3), shop()
    for n in range(1, 6):
        outbox.put(Changes(events=[event(n)]), cluster)
    dropped, events = outbox.take_events()
    assert (dropped, [e.seq for e in events]) == (2, [3, 4, 5])
    assert outbox.take_events() == (0, [])


async def test_an_object_that_changes_often_waits_once() -> None:
    outbox, cluster = Outbox(), shop()
    for _ in range(100):
        outbox.put(Changes(puts=[replica(1, "node-1")]), cluster)
    assert outbox.take_objects() == (["node-1"], ["shop"], [])


async def test_there_is_a_limit_to_streams(center: FakeCenter) -> None:
    streams = Streams(center.door(), streams_max=0)
    socket: Any = None
    with pytest.raises(Rejected, match="streams are open"):
        await streams.serve(socket, None)


def put(center: FakeCenter, changes: Changes | None) -> None:
    """Tell every subscriber."""
    for subscription in center.subscriptions:
        subscription.loop.call_soon_threadsafe(subscription.queue.put_nowait, changes)


def test_a_project_that_is_well_by_waiting_alone_is_shown_again(
    center: FakeCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SETTLE_S", 0.02)
    young = replica(1, "node-1", health="none", running_since=WALL - 3)
    center.cluster = shop([young])
    unchecked = msgspec.structs.replace(WEB, health=None)
    center.cluster.revisions["shop", 1] = revision(unchecked)
    with center.client().websocket_connect(STREAM + "?after=0") as socket:
        put(center, Changes(puts=[project()]))
        assert socket.receive_json()["project"]["state"] == "degraded"
        assert socket.receive_json()["addresses"]["services"] == {"web": []}
        center.wall += 3
        assert socket.receive_json()["project"]["state"] == "running"
        reached = socket.receive_json()["addresses"]["services"]["web"]
        assert [a["node"] for a in reached] == ["node-1"]


def test_a_quiet_stream_beats(center: FakeCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.01)
    with center.client().websocket_connect(STREAM) as socket:
        assert [socket.receive_json() for _ in range(2)] == [{"kind": "beat"}] * 2
