"""Every record type has a table, and comes back from its row as it was."""

import sqlite3

import msgspec
import pytest

from controlplane.core.api_token import ApiToken
from controlplane.core.cluster import KEYS, UNSTORED, Changes, Meta
from controlplane.core.deployment import Deployment, Step
from controlplane.core.journal import Event
from controlplane.core.node import Former, JoinTicket, Node
from controlplane.core.port_rest import PortRest
from controlplane.core.preparation import Preparation
from controlplane.core.project import Project, Revision
from controlplane.core.record import Record
from controlplane.core.replica import Assignment, Replica
from controlplane.core.task import Task
from controlplane.core.upgrade import Turn, Upgrade
from controlplane.store import tables
from controlplane.store.opening import migrations
from controlplane.store.tables import EVENTS, TABLES, events_query, statements
from protocol.messages import ContainerRef
from protocol.names import ReplicaId
from protocol.spec import Mount, PortLease, ProjectSpec, ServiceSpec

WEB = ReplicaId("shop", "web", 1)
SPEC = ProjectSpec(
    code="shop",
    services={"web": ServiceSpec(name="web", image="nginx:1", mounts=(Mount(kind="volume", target="/d", source="d"),))},
)
SAMPLES: list[Record] = [
    Meta(cluster="c1", revision=7),
    Node(name="node-1", agent_id="a1", public_key="ab", address="10.0.0.1", registered_at=1.5, labels={"区": "北京"}),
    Former(agent_id="a0", name="node-0", public_key="cd", removed_at=2.0),
    JoinTicket(id="t", secret_hash="h", expires_at=9.0),
    ApiToken(id="ab", name="ci", secret_hash="h", created_at=1.0),
    Project(code="shop", revision=2, last_revision=3, created_at=1.0, queue=(4, 5)),
    Revision(project="shop", number=2, spec=SPEC, fingerprint="f", pins={"web": "nginx@sha256:00"}),
    Replica(id=WEB, revision=2, epoch=4, wanted=Assignment(node="node-1", epoch=4, revision=2, exit_code=0)),
    Deployment(
        id=3,
        project="shop",
        kind="deploy",
        revision=2,
        created_at=1.0,
        steps=(Step(kind="start", level=0, replica=WEB),),
    ),
    Upgrade(id=1, image="a:2", batch=2, created_at=1.0, turns=(Turn(node="node-1", before="1"),)),
    Task(id="t12", kind="pull", node="node-1", created_at=1.0, deadline_at=2.0),
    PortRest(node="node-1", protocol="tcp", port=80, holder=ContainerRef(project="p", service="s", replica=1, epoch=2)),
]


@pytest.fixture
def db() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for step in migrations():
        connection.executescript(step.script)
    return connection


def run(db: sqlite3.Connection, changes: Changes) -> None:
    for sql, rows in statements(changes):
        db.executemany(sql, rows)


def stored(db: sqlite3.Connection) -> list[Record]:
    return [
        msgspec.json.decode(body, type=kind) for kind, table in TABLES.items() for (body,) in db.execute(table.load)
    ]


def test_each_stored_record_type_has_a_table_and_a_sample() -> None:
    assert set(TABLES) == set(KEYS) - UNSTORED
    assert {type(s) for s in SAMPLES} == set(TABLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: type(s).__name__)
def test_a_record_comes_back_as_it_was_and_goes_when_dropped(db: sqlite3.Connection, sample: Record) -> None:
    run(db, Changes(puts=[sample]))
    assert stored(db) == [sample]
    run(db, Changes(puts=[sample]))
    assert stored(db) == [sample], "the same key is one row"
    run(db, Changes(drops=[sample]))
    assert stored(db) == []


def test_a_put_replaces_the_record_with_its_key_only(db: sqlite3.Connection) -> None:
    other = Replica(id=ReplicaId("shop", "web", 2), revision=1)
    run(db, Changes(puts=[Replica(id=WEB, revision=1), other]))
    run(db, Changes(puts=[Replica(id=WEB, revision=2)]))
    assert stored(db) == [Replica(id=WEB, revision=2), other]


def test_what_lives_in_memory_only_is_not_written(db: sqlite3.Connection) -> None:
    preparation = Preparation(replica=WEB, source="node-1", target="node-2", revision=1)
    assert not list(statements(Changes(puts=[preparation], drops=[preparation])))


def test_hostile_text_stays_text(db: sqlite3.Connection) -> None:
    evil = "x'; DROP TABLE nodes; --\0\n\U0001f9ff"
    node = Node(name=evil, agent_id=evil, public_key="", address=evil, registered_at=0.0)
    run(db, Changes(puts=[node]))
    assert stored(db) == [node]


def test_leases_keep_their_order(db: sqlite3.Connection) -> None:
    ports = (PortLease(container=80, host=20000), PortLease(container=53, host=20001, protocol="udp"))
    replica = Replica(id=WEB, revision=1, wanted=Assignment(node="n", epoch=1, revision=1, ports=ports))
    run(db, Changes(puts=[replica]))
    assert stored(db) == [replica]


def test_the_journal_cannot_be_rewritten(db: sqlite3.Connection) -> None:
    event = Event(seq=1, at=1.0, kind="node.offline", text="…", cause=1, data={"n": 1})
    run(db, Changes(events=[event]))
    with pytest.raises(sqlite3.IntegrityError):
        run(db, Changes(events=[event]))
    ((body,),) = db.execute(EVENTS, {"after": 0, "limit": 9})
    assert msgspec.json.decode(body, type=Event) == event


def test_each_filter_of_the_journal_uses_an_index(db: sqlite3.Connection) -> None:
    values = {"after": 0, "limit": 9, "project": "p", "node": "n", "cause": 1}
    for project, node, cause in (("", "", 0), ("p", "", 0), ("", "n", 0), ("", "", 1), ("p", "n", 1)):
        plan = " ".join(
            row[3] for row in db.execute("EXPLAIN QUERY PLAN " + events_query(project, node, cause), values)
        )
        assert "SEARCH events USING" in plan and "TEMP B-TREE" not in plan, plan


def test_the_oldest_lines_of_the_journal_go(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "EVENTS_KEPT", 3)
    for seq in range(1, 10, 2):
        run(db, Changes(events=[Event(seq=s, at=0.0, kind="k", text="t", cause=s) for s in (seq, seq + 1)]))
    assert [seq for (seq,) in db.execute("SELECT seq FROM events ORDER BY seq")] == [8, 9, 10]
