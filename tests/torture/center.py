"""`python -m tests.torture.center KNOBS ARGUMENT…`: `python -m controlplane ARGUMENT…`, with points at which it dies.

Points: before and after SQLite's COMMIT, before and after the store answered, before and after a decision's messages
are queued, before and after its answer is given. Nothing else is changed.
"""

import sys
from pathlib import Path
from typing import Any

import aiosqlite

from controlplane import __main__ as product
from controlplane.controller import loop
from controlplane.store.database import Database
from tests.torture.knobs import Knobs


def install(knobs: Knobs) -> None:
    """Put the points around the product's functions."""
    knobs.die_with_driver()
    knobs.bend_clock()
    execute = aiosqlite.Connection.execute

    async def commit(self: aiosqlite.Connection, sql: str, *rest: Any) -> Any:
        if sql != "COMMIT":
            return await execute(self, sql, *rest)
        knobs.hit("before-COMMIT")
        result = await execute(self, sql, *rest)
        knobs.hit("after-COMMIT")
        return result

    aiosqlite.Connection.execute = commit  # type: ignore[assignment,method-assign]  # a point at which it dies is put around it
    vars(loop)["carry_out"] = knobs.around("send", vars(loop)["carry_out"])
    vars(loop)["_answer"] = knobs.around("answer", vars(loop)["_answer"])
    setattr(Database, "commit", knobs.around_async("store", Database.commit))  # noqa: B010  mypy forbids the other way


if __name__ == "__main__":
    install(Knobs(Path(sys.argv[1])))
    sys.exit(product.main(sys.argv[2:]))
