"""The Center's disk in virtual time: one transaction at a time, durable when it returns; slow, full or broken.

Keeps rows as encoded bytes, so a restart reads back what the real store would give. Mirrors `controlplane.store`.
"""

import random
from typing import Any

import msgspec

from controlplane.core import adoption
from controlplane.core.cluster import KEYS, UNSTORED, Changes, Meta
from controlplane.core.record import Record
from controlplane.store.store import StoreBroken, StoreFull
from tests.simulation.clock import Delay

Key = tuple[type[Record], Any]


class SimulatedStore:
    """`full`, `broken`: how the next commits fail. `slow_s`: seconds each takes."""

    def __init__(self, chance: random.Random, cluster: str) -> None:
        self.rows: dict[Key, Record] = {}
        self.full = False
        self.broken = False
        self.slow_s = 0.0
        self.commits = 0
        self._chance = chance
        self._under_way: tuple[Changes, ...] = ()
        self._read: dict[Key, tuple[Record, Record]] = {}
        """Rows that were read back once, and what they gave: records never change, so they give it again."""
        self._write((Changes(puts=[Meta(cluster=cluster)]),))

    async def commit(self, *changes: Changes) -> None:
        """See `Store.commit`."""
        if self.full:
            raise StoreFull("the disk is full")
        self._under_way = changes
        if self.slow_s:
            await Delay(self.slow_s)
        if self.broken:
            self.broken = False
            self.crash()
            raise StoreBroken("an I/O error")
        self._under_way = ()
        self._write(changes)

    def caller_left(self) -> None:
        """Who asked for the change under way, or the next one, does not wait any more: that is nothing to the store."""

    def crash(self) -> None:
        """The process died: a transaction under way is there as a whole or not at all."""
        changes, self._under_way = self._under_way, ()
        if changes and self._chance.random() < 0.5:
            self._write(changes)

    def raise_incarnation(self) -> None:
        """`rope center --restored`."""
        meta = next(row for row in self.rows.values() if isinstance(row, Meta))
        self._write((Changes(puts=[adoption.begun(meta)]),))

    def load(self) -> tuple[Meta, list[Record]]:
        """Everything, read back from its encoding."""
        meta: Meta | None = None
        records: list[Record] = []
        read: dict[Key, tuple[Record, Record]] = {}
        for key, row in self.rows.items():
            known = self._read.get(key)
            record = known[1] if known is not None and known[0] is row else _read_back(key[0], row)
            read[key] = row, record
            if isinstance(record, Meta):
                meta = record
            else:
                records.append(record)
        self._read = read
        assert meta is not None
        return meta, records

    def _write(self, transaction: tuple[Changes, ...]) -> None:
        self.commits += 1
        for changes in transaction:
            for record in changes.drops:
                if type(record) not in UNSTORED:
                    self.rows.pop(_key(record), None)
            for record in changes.puts:
                if type(record) not in UNSTORED:
                    self.rows[_key(record)] = record


def _read_back(kind: type[Record], row: Record) -> Record:
    record: Record = msgspec.json.decode(msgspec.json.encode(row), type=kind)
    assert record == row, f"{row} is read back as {record}"
    return record


def _key(record: Record) -> Key:
    return type(record), KEYS[type(record)][1](record)
