"""The record of an API token: a program's own credential, kept as the hash of its secret. Rules are in `access`."""

from controlplane.core.record import Record


class ApiToken(Record, frozen=True, kw_only=True):
    """Key: `id`. Times are wall seconds; `expires_at` 0 = never."""

    id: str
    name: str
    """Who asked, in the journal, when a program used it."""
    secret_hash: str
    created_at: float
    expires_at: float = 0.0
    actor: str = ""
    """Who made it."""

    def lasts(self, wall: float) -> bool:
        """True until it has expired."""
        return not self.expires_at or wall < self.expires_at
