"""Steps as rows: only what changed is written, and everything comes back as it was, whatever went wrong between."""

from pathlib import Path

import msgspec
import pytest

from controlplane.core.cluster import Changes
from controlplane.core.deployment import Deployment, Step
from controlplane.store.database import Database, open_database
from controlplane.store.steps import StepRows
from controlplane.store.store import StoreError, StoreFull
from protocol.names import ReplicaId


def a_deployment(count: int = 3, **fields: object) -> Deployment:
    made = tuple(Step(kind="replace", level=13, replica=ReplicaId("shop", "web", n + 1)) for n in range(count))
    given = {"id": 7, "project": "shop", "kind": "update", "revision": 2, "created_at": 1.0, "steps": made}
    return Deployment(**{**given, **fields})  # type: ignore[arg-type]  # fields by name


def moved(deployment: Deployment, number: int) -> Deployment:
    steps = list(deployment.steps)
    steps[number] = msgspec.structs.replace(steps[number], state="running")
    return msgspec.structs.replace(deployment, steps=tuple(steps), state="running")


async def kept(folder: Path) -> Deployment:
    async with open_database(folder) as store:
        (found,) = (r for r in (await store.load())[1] if isinstance(r, Deployment))
        return found


def test_only_the_step_that_moved_is_written() -> None:
    rows = StepRows()
    first = a_deployment(1000)
    whole, written = rows.split(Changes(puts=[first]))
    assert whole.puts == [msgspec.structs.replace(first, steps=())]
    assert sum(len(s.rows) for s in written if s.sql.startswith("INSERT")) == 1000
    _, written = rows.split(Changes(puts=[moved(first, 5)]))
    assert [(s.sql.split()[0], len(s.rows), s.rows[0][:2]) for s in written] == [("INSERT", 1, (7, 5))]
    rows.forget()
    _, written = rows.split(Changes(puts=[moved(first, 5)]))
    assert [(s.sql.split()[0], len(s.rows)) for s in written] == [("DELETE", 1), ("INSERT", 1000)]


async def test_they_come_back_as_they_were(tmp_path: Path) -> None:
    now = a_deployment()
    async with open_database(tmp_path) as store:
        await store.commit(Changes(puts=[now]))
        for number in (2, 0):
            now = moved(now, number)
            await store.commit(Changes(puts=[now]))
    assert await kept(tmp_path) == now
    now = msgspec.structs.replace(moved(now, 1), state="succeeded")
    async with open_database(tmp_path) as store:
        await store.commit(Changes(puts=[now]))
    assert await kept(tmp_path) == now


async def test_fewer_steps_leave_none_behind_and_a_drop_takes_all(tmp_path: Path) -> None:
    async with open_database(tmp_path) as store:
        await store.commit(Changes(puts=[a_deployment(5)]), Changes(puts=[a_deployment(2)]))
    assert await kept(tmp_path) == a_deployment(2)
    async with open_database(tmp_path) as store:
        await store.commit(Changes(drops=[a_deployment(2)]))
        await store.commit(Changes(puts=[a_deployment(0)]))
    assert await kept(tmp_path) == a_deployment(0)


async def test_after_a_write_that_failed_the_next_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = a_deployment()
    async with open_database(tmp_path) as store:
        await store.commit(Changes(puts=[first]))

        async def full(self: Database, work: object) -> None:
            raise StoreFull("no room")

        with monkeypatch.context() as patch:
            patch.setattr(Database, "_write", full)
            with pytest.raises(StoreError):
                await store.commit(Changes(puts=[moved(first, 0)]))
        await store.commit(Changes(puts=[moved(moved(first, 0), 1)]))
    assert await kept(tmp_path) == moved(moved(first, 0), 1)


async def test_deployments_written_before_steps_had_rows_keep_theirs(tmp_path: Path) -> None:
    from controlplane.store.tables import statements

    old = a_deployment(2, state="succeeded")
    async with open_database(tmp_path) as store:
        await store._write(list(statements(Changes(puts=[old]))))
    assert await kept(tmp_path) == old
