"""The board: what it shows follows commits, heartbeats and time, and only what changed becomes another struct."""

from collections.abc import Sequence

import msgspec
import pytest

from controlplane.core.cluster import Changes
from controlplane.core.deployment import Deployment, DeploymentState, Step
from controlplane.core.journal import Event
from controlplane.core.record import Now, Record
from controlplane.core.task import Task
from controlplane.core.views import Figures
from controlplane.web.board import ENDED_SHOWN, EVENTS_SHOWN, Board
from protocol.messages import Heartbeat
from tests.unit.controlplane.sample_cluster import NOW, WALL, node, replica
from tests.unit.controlplane.web.fake_center import FakeCenter

BEAT = Heartbeat(agent_id="agent-1", seq=1, cpu_usage=40, mem_free_mb=2048, disk_free_gb=20)


def event(seq: int) -> Event:
    return Event(seq=seq, at=WALL, kind="k", text=f"event {seq}", cause=seq)


def after(seconds: float) -> Now:
    return Now(NOW.mono + seconds, NOW.wall + seconds)


@pytest.fixture
def board(center: FakeCenter) -> Board:
    """With everything looked at."""
    made = Board(center.door())
    made.sweep(NOW)
    made.look(NOW)
    return made


def commit(
    center: FakeCenter, board: Board, *puts: Record, drops: Sequence[Record] = (), events: Sequence[Event] = ()
) -> None:
    """As the controller does: apply, then tell."""
    changes = Changes(puts=list(puts), drops=list(drops), events=list(events))
    center.cluster.apply(changes)
    board.put(changes)
    board.look(NOW)


def test_a_commit_makes_anew_what_it_touches_and_nothing_else(center: FakeCenter, board: Board) -> None:
    before = {c.name: c for c in board.cards}
    (row,) = board.rows
    commit(center, board, replica(2, "node-2", state="failed"))
    cards = {c.name: c for c in board.cards}
    assert cards["node-1"] is before["node-1"]
    assert cards["node-2"].cells[0].state == "failed"
    assert board.rows[0] is not row and board.rows[0].state == "degraded"


def test_nodes_come_and_go_in_order(center: FakeCenter, board: Board) -> None:
    commit(center, board, node("node-10", 10), node("node-3", 3))
    assert [c.name for c in board.cards] == ["node-1", "node-2", "node-3", "node-10"]
    commit(center, board, drops=[center.cluster.nodes["node-2"]])
    assert [c.name for c in board.cards] == ["node-1", "node-3", "node-10"]
    commit(center, board, drops=[center.cluster.projects["shop"]])
    assert list(board.rows) == []


def test_a_heartbeat_comes_past_the_journal_and_is_seen_by_a_sweep(center: FakeCenter, board: Board) -> None:
    before = {c.name: c for c in board.cards}
    center.seen["node-1"] = Figures(heartbeat=BEAT, connected=True, last_seen_s=0.1)
    board.sweep(after(1))
    board.look(after(1))
    cards = {c.name: c for c in board.cards}
    assert cards["node-1"].cpu == 40 and [len(lines) for lines in cards["node-1"].lines] == [1, 1]
    assert cards["node-2"] is before["node-2"]
    board.sweep(after(2))
    board.look(after(2))
    assert board.cards[0] is cards["node-1"], "the same heartbeat is no news"


def test_memory_that_is_not_measured_yet_is_not_drawn_as_full(center: FakeCenter, board: Board) -> None:
    beat = msgspec.structs.replace(BEAT, mem_free_mb=0.0)
    center.seen["node-1"] = Figures(heartbeat=beat, connected=True, last_seen_s=0.1)
    board.sweep(after(1))
    board.look(after(1))
    card = next(c for c in board.cards if c.name == "node-1")
    assert (card.cpu, card.memory) == (40, None) and [len(lines) for lines in card.lines] == [1, 0]


def test_when_a_silent_node_was_seen_does_not_flicker(center: FakeCenter, board: Board) -> None:
    shown = set()
    for step in range(8):
        center.seen["node-1"] = Figures(last_seen_s=20.0 + step + 0.3 * (step % 3))
        changes = Changes(puts=[node("node-1", 1, state="offline", weight=step + 1.0)])
        center.cluster.apply(changes)
        board.put(changes)
        board.look(after(step))
        shown.add(board.cards[0].seen)
    assert len(shown) == 1


def test_a_project_becomes_well_by_the_passing_of_time(center: FakeCenter) -> None:
    fresh = replica(1, "node-1", health="none", running_since=WALL)
    spec = center.cluster.revisions["shop", 1]
    web = msgspec.structs.replace(spec.spec.services["web"], health=None)
    bare = msgspec.structs.replace(spec, spec=msgspec.structs.replace(spec.spec, services={"web": web}))
    center.cluster.apply(Changes(puts=[fresh, bare]))
    board = Board(center.door())
    board.look(NOW)
    assert board.rows[0].state == "degraded"
    board.sweep(after(60))
    board.look(after(60))
    assert board.rows[0].state == "running"


def test_running_deployments_come_first_then_the_last_ended(center: FakeCenter, board: Board) -> None:
    def made(number: int, state: DeploymentState) -> Deployment:
        steps = (Step(kind="resolve", level=0, service="web:1", state="running", task="t1", started_at=WALL - 3),)
        return Deployment(
            id=number, project="shop", kind="update", revision=1, created_at=WALL, state=state, steps=steps
        )

    commit(center, board, *(made(n, "succeeded") for n in range(1, 9)), made(9, "running"), made(10, "failed"))
    assert [w.id for w in board.works] == [9, 10, 8, 7][: 1 + ENDED_SHOWN]
    assert board.works[0].steps[0].took_s == 3.0
    task = Task(
        id="t1",
        kind="pull",
        node="node-1",
        created_at=WALL,
        deadline_at=WALL,
        deployment=9,
        bytes_done=5,
        bytes_total=10,
    )
    commit(center, board, task)
    assert (board.works[0].steps[0].bytes_done, board.works[0].steps[0].bytes_total) == (5, 10)


async def test_events_are_the_newest_of_the_journal_then_of_the_commits(center: FakeCenter, board: Board) -> None:
    center.journal = [event(n) for n in range(1, 31)]
    center.cluster.meta = msgspec.structs.replace(center.cluster.meta, event_seq=30)
    commit(center, board, events=[event(31)])
    await board.load()
    assert [e.seq for e in board.events] == list(range(31, 31 - EVENTS_SHOWN, -1)), (
        "committed before the journal was read"
    )
    commit(center, board, events=[event(32), event(33)])
    assert board.events[0].seq == 33 and len(board.events) == EVENTS_SHOWN


async def test_skipped_commits_are_looked_up(center: FakeCenter, board: Board) -> None:
    await board.load()
    center.cluster.apply(Changes(puts=[node("node-3", 3)], drops=[center.cluster.projects["shop"]]))
    center.journal = [event(1)]
    center.cluster.meta = msgspec.structs.replace(center.cluster.meta, event_seq=1)
    board.skipped()
    await board.load()
    board.look(NOW)
    assert [c.name for c in board.cards] == ["node-1", "node-2", "node-3"]
    assert list(board.rows) == [] and [e.seq for e in board.events] == [1]


def test_looking_can_be_done_in_portions(center: FakeCenter) -> None:
    board = Board(center.door())
    assert board.look(NOW, 1)
    assert board.look(NOW, 1)
    assert board.look(NOW, 2) is False
    assert len(board.cards) == 2 and len(board.rows) == 1


def test_a_round_of_looking_ends_however_much_changes(center: FakeCenter, board: Board) -> None:
    board.skipped()
    rounds = 0
    while board.look(NOW, 1):
        board.put(Changes(puts=[node("node-1", 1), node("node-2", 2)]))
        rounds += 1
        assert rounds < 10
    assert board.behind, "what came meanwhile is for the next one"
    board.look(NOW)
    assert not board.behind


def test_a_view_about_one_thing_is_told_apart_by_what_touched_it(center: FakeCenter, board: Board) -> None:
    def seen() -> list[int | None]:
        return [board.touched("project", "shop"), board.touched("node", "node-1"), board.touched("node", "node-2")]

    before = seen()
    commit(center, board, replica(2, "node-2", state="failed"))
    project, one, two = seen()
    assert (project != before[0], one == before[1], two != before[2]) == (True, True, True)
    told = msgspec.structs.replace(event(9), node="node-1")
    board.put(Changes(events=[told]))
    assert seen()[1] != one, "its events are on its page"
    assert board.touched("overview", "") is None
