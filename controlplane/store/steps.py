"""Steps of deployments as rows of their own: of a thousand steps one moves at a time, and only that one is written.

Remembers what it wrote for deployments under way, so that unchanged steps are left out; whatever went wrong with a
write, `forget` makes the next one whole. Used by `database` between the records and their rows.
"""

from collections.abc import Iterable

import msgspec

from controlplane.core.cluster import Changes
from controlplane.core.deployment import ENDED, Deployment, Step
from controlplane.core.record import Record
from controlplane.store.tables import Row, Statement

LOAD = "SELECT deployment, body FROM steps ORDER BY deployment, number"

_PUT = (
    "INSERT INTO steps (deployment, number, body) VALUES (?, ?, ?)"
    " ON CONFLICT (deployment, number) DO UPDATE SET body = excluded.body"
)
_DROP = "DELETE FROM steps WHERE deployment = ? AND number >= ?"

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Step)


class StepRows:
    """What is on disk of the steps of deployments under way."""

    def __init__(self) -> None:
        self._written: dict[int, tuple[Step, ...]] = {}

    def split(self, changes: Changes) -> tuple[Changes, list[Statement]]:
        """The changes with deployments without their steps, and what to run for the steps that changed."""
        puts: list[Record] = []
        rows: list[Row] = []
        cuts: list[Row] = [(r.id, 0) for r in changes.drops if isinstance(r, Deployment)]
        for number, _ in cuts:
            self._written.pop(int(number), None)
        for record in changes.puts:
            if not isinstance(record, Deployment):
                puts.append(record)
                continue
            puts.append(msgspec.structs.replace(record, steps=()))
            written = self._written.pop(record.id, None)
            if written is None or len(written) > len(record.steps):
                cuts.append((record.id, len(record.steps) if written is not None else 0))
            rows += _changed(record, written or ())
            if record.state not in ENDED:
                self._written[record.id] = record.steps
        found = [Statement(_DROP, cuts)] if cuts else []
        found += [Statement(_PUT, rows)] if rows else []
        return msgspec.structs.replace(changes, puts=puts), found

    def forget(self) -> None:
        """A write failed, or nobody knows how it went."""
        self._written.clear()


def joined(records: Iterable[Record], rows: Iterable[tuple[int, bytes | str]]) -> list[Record]:
    """The records with their steps again. Deployments written before they had rows have theirs in the body."""
    steps: dict[int, list[Step]] = {}
    for number, body in rows:
        steps.setdefault(number, []).append(_DECODER.decode(body))
    return [
        msgspec.structs.replace(r, steps=tuple(steps[r.id])) if isinstance(r, Deployment) and r.id in steps else r
        for r in records
    ]


def _changed(record: Deployment, written: tuple[Step, ...]) -> list[Row]:
    """Rows of the steps that are not on disk as they are now. Unchanged ones are mostly the same object."""
    return [
        (record.id, number, _ENCODER.encode(step).decode())
        for number, step in enumerate(record.steps)
        if number >= len(written) or (written[number] is not step and written[number] != step)
    ]
