"""Every command that a person runs is a line of the journal."""

from controlplane.core.center import handle
from controlplane.core.command import NoteExec
from tests.unit.controlplane.sample_cluster import NOW, shop


def test_who_runs_what_where_is_written() -> None:
    cluster = shop()
    outcome = handle(cluster, NoteExec(actor="admin", replica="shop/web/1", node="node-1", command="sh -c 'x: y'"), NOW)
    (event,) = outcome.changes.events
    assert event.kind == "exec.started"
    assert event.text == "admin runs a command in shop/web/1 on node-1: sh -c 'x: y'"
    assert (event.project, event.replica, event.node) == ("shop", "shop/web/1", "node-1")
    assert event.data == {"actor": "admin", "command": "sh -c 'x: y'"}
    assert outcome.changes.stored, "it is on disk before the command runs"
