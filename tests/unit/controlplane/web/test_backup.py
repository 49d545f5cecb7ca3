"""A backup over HTTP, and what a restored Center shows of what it adopts."""

import msgspec

from controlplane.core.command import EndAdoption, NoteBackup
from controlplane.store.store import StoreFull
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


def test_a_backup_is_a_file_that_is_closed_and_noted(center: FakeCenter) -> None:
    answer = center.client().get("/api/v1/backup")
    assert (answer.status_code, answer.content) == (200, b"a backup")
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["content-disposition"] == 'attachment; filename="ropeteam-20231114T221320Z.tar.gz"'
    assert answer.headers["cache-control"] == "no-store"
    assert all(file.closed for file in center.copies.given)
    assert center.asked == [NoteBackup(actor="admin")]


def test_only_with_the_token(center: FakeCenter) -> None:
    for method, path in (("GET", "/api/v1/backup"), ("GET", "/api/v1/adoption"), ("POST", "/api/v1/adoption/confirm")):
        assert center.client(Authorization="").request(method, path).status_code == 401
    assert center.copies.given == []


def test_no_room_or_another_one_under_way_is_said(center: FakeCenter) -> None:
    center.copies.fault = StoreFull("no room for a backup")
    assert center.client().get("/api/v1/backup").status_code == 507
    center.copies.fault = TimeoutError()
    answer = center.client().get("/api/v1/backup")
    assert answer.status_code == 503 and "another backup" in answer.json()["error"]["message"]


def test_what_is_adopted_is_shown_and_confirmed(center: FakeCenter) -> None:
    assert center.client().get("/api/v1/adoption").json() == {
        "state": "none",
        "incarnation": 1,
        "seconds_left": 0.0,
        "back": [],
        "away": [],
        "kept": 0,
        "differences": [],
    }
    center.cluster.meta = msgspec.structs.replace(center.cluster.meta, adopting=True)
    shown = center.client().get("/api/v1/adoption").json()
    assert (shown["state"], shown["seconds_left"]) == ("adopting", 600.0)
    assert shown["away"] == sorted(center.cluster.nodes)
    assert {d["action"] for d in shown["differences"]} <= {"wait"}
    assert center.client().post("/api/v1/adoption/confirm").status_code == 200
    assert center.asked == [EndAdoption(actor="admin")]


def test_pages_say_that_nothing_is_changed_meanwhile(center: FakeCenter) -> None:
    center.cluster.meta = msgspec.structs.replace(center.cluster.meta, adopting=True)
    surfer = Surfer(center)
    surfer.sign_in()
    assert "adopts what runs" in surfer.http.get("/").text
