"""The database stays bounded: what has ended goes as new things come, whatever is asked of the Center."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from controlplane.core import nodes, revisions, rollout, tasks
from controlplane.core.cluster import Changes
from controlplane.core.command import RemoveNode, Restart
from controlplane.store import tables
from controlplane.store.database import Database, open_database
from controlplane.store.folder import DATABASE, locked_folder
from tests.unit.controlplane.core.releases import asked, ended
from tests.unit.controlplane.core.world import World, a_service

KEPT = {"deployments": 6, "tasks": 12, "revisions": 5, "events": 100, "former": 4}


class Recorded(World):
    """A world whose commits are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Changes] = [Changes(puts=[self.cluster.meta, *self.cluster.nodes.values()])]
        apply = self.cluster.apply

        def noted(changes: Changes) -> None:
            self.changes.append(changes)
            apply(changes)

        self.cluster.apply = noted  # type: ignore[method-assign]  # the test's ear at the door

    def taken(self) -> Sequence[Changes]:
        """Those since the last time."""
        taken, self.changes = self.changes, []
        return taken


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches."""
    monkeypatch.setattr(rollout, "KEPT", KEPT["deployments"])
    monkeypatch.setattr(tasks, "KEPT", KEPT["tasks"])
    monkeypatch.setattr(revisions, "KEPT", KEPT["revisions"])
    monkeypatch.setattr(tables, "EVENTS_KEPT", KEPT["events"])
    monkeypatch.setattr(nodes, "FORMER_KEPT", KEPT["former"])


def turn(world: Recorded, number: int) -> None:
    """A release, a restart, and a machine that comes and goes."""
    assert ended(world, asked(world, a_service(image=f"web:{number}", replicas=2))) == "succeeded"
    assert ended(world, int(world.send(Restart(project="shop")).deployment)) == "succeeded"
    name = f"guest-{number}"
    world.add(name)
    world.power_off(name)
    world.run(1.0)
    world.send(RemoveNode(node=name, force=True))
    del world.agents[name]
    world.mono += 2 * 86400.0  # join tokens are remembered for a day after their end


async def store(database: Database, world: Recorded) -> None:
    for changes in world.taken():
        await database.commit(changes)


def looked(folder: Path) -> tuple[dict[str, int], int]:
    """Rows by table, and pages that are in use."""
    found = sqlite3.connect(folder / DATABASE)
    names = [n for (n,) in found.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    rows = {name: found.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}  # noqa: S608 names of our schema
    pages = found.execute("PRAGMA page_count").fetchone()[0]
    found.close()
    return rows, pages


@pytest.mark.usefixtures("short")
async def test_rows_and_file_stop_growing(tmp_path: Path) -> None:
    world, sizes = Recorded(), []
    with locked_folder(tmp_path / "data") as folder:
        async with open_database(folder) as database:
            for number in range(1, 25):
                turn(world, number)
                await store(database, world)
                if number % 8 == 0:
                    sizes.append(looked(folder))
    (_, _), (middle, _), (last, _) = sizes
    assert last["deployments"] <= KEPT["deployments"] + 2
    assert last["tasks"] <= KEPT["tasks"] + 8
    assert last["revisions"] <= KEPT["revisions"] + 1
    assert last["events"] <= KEPT["events"] + 1
    assert last["former"] <= KEPT["former"]
    grown = {name: (middle[name], last[name]) for name in last if last[name] > middle[name] + 2}
    assert grown == {}, "no table grows with what was asked"
    pages = [found for _, found in sizes]
    assert pages[2] <= pages[1] * 1.1 + 2, "places in the file are used again"
    events = [e for e in world.events if e.kind == "deployment.succeeded"]
    assert len(events) == 48, "it was all done"
