"""What the Center asks of its storage, and how storage fails. No SQL here: `database.py` is the SQLite one.

Called by `controller/` and `app.py`. A PostgreSQL store would implement the same `Store`.
"""

from typing import Protocol

from controlplane.core.cluster import Changes, Meta
from controlplane.core.journal import Event
from controlplane.core.record import Record

EVENTS_MAX = 1000
"""Most events of one answer of `Store.events`."""


class StoreError(Exception):
    """Something about the store; the message is for people."""


class StoreRefused(StoreError):
    """The data folder cannot be used as it is, and was left as it was."""


class StoreFull(StoreError):
    """Not now: no room on the disk, or another program locks the file. The transaction failed as a whole, nothing of
    it was applied; later ones may work.
    """


class StoreBroken(StoreError):
    """An I/O error: what is on disk is no longer certain. The process shall end; a fresh start reads what is there."""


class Store(Protocol):
    """Durable state. One process, one writer."""

    async def load(self) -> tuple[Meta | None, list[Record]]:
        """Everything stored, without the journal; no Meta in a new store. Raises StoreRefused on unreadable rows."""

    async def commit(self, *changes: Changes) -> None:
        """Write all `changes`, in order, as one transaction; durable when this returns. Cancelling the caller does not
        undo it.

        Raises StoreFull, StoreBroken.
        """

    async def events(
        self, after: int, limit: int, project: str = "", node: str = "", cause: int = 0, *, by_people: bool = False
    ) -> tuple[Event, ...]:
        """Up to `limit` (at most `EVENTS_MAX`) events with `seq > after`, oldest first. Empty filters match all.

        `by_people`: only those that say who asked; then `cause` does not count.
        """

    async def admin_token_hash(self) -> str:
        """Hash of the admin token, "" when none was made yet."""

    async def set_admin_token_hash(self, value: str) -> None:
        """Keep the hash of the admin token. Raises as `commit`."""
