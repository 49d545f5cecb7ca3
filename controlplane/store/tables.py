"""Records <-> rows: every statement of the store that is not a migration. Pure; run by `database.py`.

One table per record type (`core.cluster.KEYS`): key columns and the record as JSON. A new record type needs a table in
a migration and a line here; `test_tables.py` tells when one is missing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from controlplane.core.api_token import ApiToken
from controlplane.core.cluster import KEYS, UNSTORED, Changes, Meta
from controlplane.core.deployment import Deployment
from controlplane.core.journal import Event
from controlplane.core.node import Former, JoinTicket, Node
from controlplane.core.port_rest import PortRest
from controlplane.core.project import Project, Revision
from controlplane.core.record import Record
from controlplane.core.replica import Replica
from controlplane.core.task import Task
from controlplane.core.upgrade import Upgrade
from protocol.names import ReplicaId

Row = tuple[str | int | float, ...]


class Statement(NamedTuple):
    """One SQL statement, run once for each row of parameters."""

    sql: str
    rows: list[Row]


class _Table(NamedTuple):
    put: str
    drop: str
    load: str


TABLES: dict[type[Record], _Table] = {
    Meta: _Table(
        "INSERT INTO meta (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        "DELETE FROM meta WHERE id = ?",
        "SELECT body FROM meta",
    ),
    Node: _Table(
        "INSERT INTO nodes (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        "DELETE FROM nodes WHERE name = ?",
        "SELECT body FROM nodes ORDER BY name",
    ),
    Former: _Table(
        "INSERT INTO former (agent_id, body) VALUES (?, ?) ON CONFLICT (agent_id) DO UPDATE SET body = excluded.body",
        "DELETE FROM former WHERE agent_id = ?",
        "SELECT body FROM former ORDER BY agent_id",
    ),
    JoinTicket: _Table(
        "INSERT INTO tickets (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        "DELETE FROM tickets WHERE id = ?",
        "SELECT body FROM tickets ORDER BY id",
    ),
    ApiToken: _Table(
        "INSERT INTO api_tokens (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        "DELETE FROM api_tokens WHERE id = ?",
        "SELECT body FROM api_tokens ORDER BY id",
    ),
    Project: _Table(
        "INSERT INTO projects (code, body) VALUES (?, ?) ON CONFLICT (code) DO UPDATE SET body = excluded.body",
        "DELETE FROM projects WHERE code = ?",
        "SELECT body FROM projects ORDER BY code",
    ),
    Revision: _Table(
        "INSERT INTO revisions (project, number, body) VALUES (?, ?, ?)"
        " ON CONFLICT (project, number) DO UPDATE SET body = excluded.body",
        "DELETE FROM revisions WHERE project = ? AND number = ?",
        "SELECT body FROM revisions ORDER BY project, number",
    ),
    Replica: _Table(
        "INSERT INTO replicas (project, service, number, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (project, service, number) DO UPDATE SET body = excluded.body",
        "DELETE FROM replicas WHERE project = ? AND service = ? AND number = ?",
        "SELECT body FROM replicas ORDER BY project, service, number",
    ),
    Deployment: _Table(
        "INSERT INTO deployments (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        "DELETE FROM deployments WHERE id = ?",
        "SELECT body FROM deployments ORDER BY id",
    ),
    Task: _Table(
        "INSERT INTO tasks (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        "DELETE FROM tasks WHERE id = ?",
        "SELECT body FROM tasks ORDER BY rowid",
    ),
    PortRest: _Table(
        "INSERT INTO rests (node, protocol, port, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (node, protocol, port) DO UPDATE SET body = excluded.body",
        "DELETE FROM rests WHERE node = ? AND protocol = ? AND port = ?",
        "SELECT body FROM rests ORDER BY node, protocol, port",
    ),
    Upgrade: _Table(
        "INSERT INTO upgrades (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        "DELETE FROM upgrades WHERE id = ?",
        "SELECT body FROM upgrades ORDER BY id",
    ),
}

EVENTS_KEPT = 1_000_000
"""Lines of the journal kept, some 500 MB; the oldest go as new ones come."""

FORGET_EVENTS = "DELETE FROM events WHERE seq <= ?"

PUT_EVENT = (
    "INSERT INTO events (seq, at, kind, project, node, deployment, cause, actor, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

EVENTS = "SELECT body FROM events WHERE seq > :after ORDER BY seq LIMIT :limit"

EVENTS_OF_PROJECT = (
    "SELECT body FROM events WHERE project = :project AND project <> '' AND seq > :after"
    " AND (:node = '' OR node = :node) AND (:cause = 0 OR cause = :cause) ORDER BY seq LIMIT :limit"
)

EVENTS_OF_NODE = (
    "SELECT body FROM events WHERE node = :node AND node <> '' AND seq > :after"
    " AND (:cause = 0 OR cause = :cause) ORDER BY seq LIMIT :limit"
)

EVENTS_OF_CAUSE = "SELECT body FROM events WHERE cause = :cause AND seq > :after ORDER BY seq LIMIT :limit"

EVENTS_OF_PEOPLE = (
    "SELECT body FROM events WHERE actor <> '' AND seq > :after"
    " AND (:project = '' OR project = :project) AND (:node = '' OR node = :node) ORDER BY seq LIMIT :limit"
)

META = TABLES[Meta].load
"""What a backup and a restore read and write of the rest: the cluster's own row, whose key is 1."""

PUT_META = TABLES[Meta].put

PUT_HASH = "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"

HASH = "SELECT value FROM secrets WHERE name = ?"

_ENCODER = msgspec.json.Encoder()


def statements(changes: Changes) -> Iterator[Statement]:
    """What to run, in order, to make `changes` durable: drops, puts, then the journal. Unstored types are left out."""
    drops: dict[type[Record], list[Row]] = {}
    for record in changes.drops:
        if type(record) not in UNSTORED:
            drops.setdefault(type(record), []).append(_key(record))
    puts: dict[type[Record], list[Row]] = {}
    for record in changes.puts:
        if type(record) not in UNSTORED:
            puts.setdefault(type(record), []).append((*_key(record), _body(record)))
    for kind, rows in drops.items():
        yield Statement(TABLES[kind].drop, rows)
    for kind, rows in puts.items():
        yield Statement(TABLES[kind].put, rows)
    if changes.events:
        yield Statement(PUT_EVENT, [_event(e) for e in changes.events])
        yield Statement(FORGET_EVENTS, [(changes.events[-1].seq - EVENTS_KEPT,)])


def events_query(project: str, node: str, cause: int, *, by_people: bool = False) -> str:
    """The statement for these filters; each is answered by an index."""
    if by_people:
        return EVENTS_OF_PEOPLE
    if project:
        return EVENTS_OF_PROJECT
    if node:
        return EVENTS_OF_NODE
    return EVENTS_OF_CAUSE if cause else EVENTS


def _key(record: Record) -> Row:
    if isinstance(record, Meta):
        return (1,)
    key: Any = KEYS[type(record)][1](record)
    if isinstance(key, ReplicaId):
        return (key.project, key.service, key.index)
    return key if isinstance(key, tuple) else (key,)


def _body(record: Record) -> str:
    return _ENCODER.encode(record).decode()


def _event(event: Event) -> Row:
    return (
        event.seq,
        event.at,
        event.kind,
        event.project,
        event.node,
        event.deployment,
        event.cause,
        event.actor,
        _body(event),
    )
