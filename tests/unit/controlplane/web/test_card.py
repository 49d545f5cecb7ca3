"""What a card and a row show, from the API's views."""

import math

import msgspec
import pytest

from controlplane.core.views import Figures, node_view, project_view
from controlplane.web.card import CARD_CELLS, ROW_CELLS, Card, card, in_order, key_of, row
from controlplane.web.trend import Lines
from protocol.api import NodeView
from protocol.messages import Heartbeat
from protocol.spec import PortLease
from tests.unit.controlplane.sample_cluster import NOW, cluster, node, project, replica, revision, shop

BEAT = Heartbeat(
    agent_id="agent-1", seq=1, cpu_usage=41.6, mem_free_mb=2048, disk_free_gb=20, mem_total_mb=8192, disk_total_gb=100
)


def seen(beat: Heartbeat | None = BEAT, **fields: object) -> NodeView:
    found = shop()
    named = msgspec.structs.replace(found.nodes["node-1"], **fields)
    return node_view(found, named, Figures(heartbeat=beat, connected=True, last_seen_s=1.0), NOW)


def test_a_card_shows_what_is_used_and_what_is_promised() -> None:
    shown = card(seen(), Lines(("1,2",)), 5.0)
    assert (shown.cpu, shown.memory, shown.memory_text, shown.disk) == (42, 75, "6.0 / 8.0", 80)
    assert (shown.cpu_reserved, shown.memory_reserved) == (5, 2)
    assert [c.name for c in shown.cells] == ["shop/web/1", "shop/web/3"]
    assert {c.shape for c in shown.cells} == {"up"}
    assert shown.seen is None, "that it is online says enough"


def test_a_silent_node_says_when_it_was_seen_and_what_ran_there() -> None:
    found = shop(
        (replica(1, "node-1", state="interrupted"), replica(2, "node-1", state="stopped"), replica(3, "node-1"))
    )
    named = msgspec.structs.replace(found.nodes["node-1"], state="offline", held=True, were_running=4)
    shown = card(node_view(found, named, Figures(), NOW), Lines(), 99.0)
    assert (shown.state, shown.seen, shown.interrupted, shown.held) == ("offline", 99.0, 4, True)
    assert [c.shape for c in shown.cells] == ["lost", "off", "up"]


def test_figures_of_a_lost_node_are_not_shown_as_if_they_were_of_now() -> None:
    for state, shown in (("suspect", 42), ("offline", None), ("unknown", None)):
        made = card(seen(state=state), Lines(("1,2",)), 5.0)
        assert (made.cpu, made.seen, made.lines) == (shown, 5.0, Lines(("1,2",)))
        assert (made.memory is None) == (made.disk is None) == (shown is None)


def test_nothing_known_is_shown_as_nothing_known() -> None:
    shown = card(seen(None), Lines(), None)
    assert (shown.cpu, shown.memory, shown.memory_text, shown.disk) == (None, None, "", None)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -1e308, 1e308])
def test_an_agent_cannot_break_the_page_with_its_figures(value: float) -> None:
    beat = msgspec.structs.replace(BEAT, cpu_usage=value, mem_free_mb=value, disk_free_gb=value)
    shown = card(seen(beat), Lines(), None)
    for figure in (shown.cpu, shown.memory, shown.disk):
        assert figure is None or 0 <= figure <= 999


def test_flags_are_shown_beside_the_state() -> None:
    shown = card(seen(draining=True, unschedulable="disk 5 % free"), Lines(), None)
    assert (shown.state, shown.flags, shown.note) == ("online", ("draining", "unschedulable"), "disk 5 % free")


def test_beyond_a_limit_replicas_are_counted_and_those_in_trouble_are_still_drawn() -> None:
    sick = replica(99, "node-1", health="unhealthy")
    many = (*(replica(n, "node-1") for n in range(1, 99)), sick)
    found = cluster(node("node-1", 1), project(), revision(), *many)
    shown = card(node_view(found, found.nodes["node-1"], Figures(), NOW), Lines(), None)
    assert (len(shown.cells), shown.more) == (CARD_CELLS, 99 - CARD_CELLS)
    told = row(project_view(found, found.projects["shop"], NOW))
    assert (len(told.cells), told.more_cells) == (ROW_CELLS, 99 - ROW_CELLS)
    assert [c.shape for c in (shown.cells[0], told.cells[0])] == ["bad", "bad"]


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"health": "unhealthy"}, "bad"),
        ({"health": "starting"}, "half"),
        ({"health": "none"}, "up"),
        ({"state": "failed"}, "bad"),
        ({"state": "assigned"}, "half"),
        ({"state": "stopping"}, "leaving"),
    ],
)
def test_each_state_has_a_shape_of_its_own(fields: dict[str, object], shape: str) -> None:
    found = shop((replica(1, "node-1", "web", **fields),))
    assert row(project_view(found, found.projects["shop"], NOW)).cells[0].shape == shape


def test_a_row_has_the_words_of_the_view_and_links_to_what_runs() -> None:
    udp = PortLease(container=53, host=20053, protocol="udp")
    tls = PortLease(container=443, host=20443)
    found = shop((replica(1, "node-1", ports=(udp, tls)), replica(2, "node-2"), replica(3, "node-1", state="failed")))
    view = project_view(found, found.projects["shop"], NOW)
    shown = row(view)
    assert (shown.state, shown.message) == (view.state, view.message)
    assert (shown.running, shown.wanted) == (2, 3)
    assert shown.addresses == (("", "10.0.0.1:20053"), ("https://10.0.0.1:20443", "10.0.0.1:20443"))
    assert shown.more_addresses == 1, "the failed one's address is none"


def test_names_become_different_ids_that_need_no_escape() -> None:
    names = ["a.b", "a_b", "a-b", "a_db", "a__b", "a..b", "a._b"]
    keys = [key_of("node", n) for n in names]
    assert len(set(keys)) == len(names)
    assert all(k.replace("-", "").replace("_", "").isalnum() for k in keys)


def test_numbers_in_names_count() -> None:
    assert in_order(["node-10", "node-2", "alpha", "node-2b", "10", "9"]) == [
        "9",
        "10",
        "alpha",
        "node-2",
        "node-2b",
        "node-10",
    ]


def test_cards_are_values() -> None:
    assert isinstance(card(seen(), Lines(), None), Card) and card(seen(), Lines(), None) == card(seen(), Lines(), None)
