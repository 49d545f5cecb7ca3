"""The filter of the events page: from a form, in an address, and against lines as they come."""

import pytest

from controlplane.core.journal import Event
from controlplane.web.filtering import Filter
from controlplane.web.history import SCAN_MAX, newest
from controlplane.web.work import Line
from tests.unit.controlplane.web.fake_center import FakeCenter
from tests.unit.controlplane.web.surfer import Surfer


def told(**fields: str) -> Line:
    return Line(key="event-1", seq=1, at="", tone="id", text="", **fields)  # type: ignore[arg-type]  # fields by name


def test_it_survives_an_address() -> None:
    made = Filter(project="shop", node="node.1", kind="replica", by_people=True, after=12)
    assert Filter.of_query(made.query) == made
    assert Filter().query == "" and Filter.of_query("") == Filter()


@pytest.mark.parametrize("text", ["project=-x&node=%3Cb%3E", "kind=other", "after=-1", "after=x", "&" * 150, "%ff=%00"])
def test_what_is_no_filter_is_left_out(text: str) -> None:
    assert Filter.of_query(text) == Filter()


def test_a_line_fits_when_every_part_does() -> None:
    wanted = Filter(project="shop", kind="replica", by_people=True)
    assert wanted.fits(told(project="shop", kind="replica.failed", actor="admin"))
    assert not wanted.fits(told(project="shop", kind="replica.failed"))
    assert not wanted.fits(told(project="blog", kind="replica.failed", actor="admin"))
    assert not wanted.fits(told(project="shop", kind="node.online", actor="admin"))
    assert Filter().fits(told(kind="alarm")) and Filter(kind="alarm").fits(told(kind="alarm"))


async def test_a_rare_kind_is_found_far_back_but_not_for_ever(center: FakeCenter) -> None:
    def line(seq: int, kind: str) -> Event:
        return Event(seq=seq, at=0.0, kind=kind, text="", cause=seq)

    center.journal = [line(n, "alarm" if n in (5, 900) else "node.online") for n in range(1, 1001)]
    assert [e.seq for e in await newest(center, 1000, 100, Filter(kind="alarm").wanted)] == [5, 900]
    asked = 0
    real = center.events

    async def counted(after: int, limit: int, *args: object, **more: object) -> object:
        nonlocal asked
        asked = max(asked, 10 * SCAN_MAX - after)
        return await real(after, limit)

    center.events = counted  # type: ignore[method-assign, assignment]  # counts how far back is looked
    await newest(center, 10 * SCAN_MAX, 100, Filter(kind="exec").wanted)
    assert asked < 5 * SCAN_MAX


def test_the_page_keeps_what_was_chosen_and_escapes_it(center: FakeCenter) -> None:
    center.journal = [Event(seq=1, at=0.0, kind="alarm", text="a <b>", cause=1, actor="admin")]
    center.cluster.meta = type(center.cluster.meta)(cluster="c1", event_seq=1)
    surfer = Surfer(center)
    surfer.sign_in()
    html = surfer.http.get("/events?kind=alarm&people=1&project=%22%3E").text
    assert '<option value="alarm" selected>' in html and "checked" in html and "a &lt;b&gt;" in html
    assert "Nothing like it" in surfer.http.get("/events?kind=token").text
