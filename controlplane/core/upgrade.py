"""One upgrade of agents: which nodes, to which image, how far each is. The record; its rules are in `upgrading`."""

from typing import Literal

import msgspec

from controlplane.core.record import Record

UpgradeState = Literal["running", "succeeded", "failed"]
TurnState = Literal["waiting", "resolving", "pulling", "replacing", "done", "failed", "skipped"]

KEPT = 100
"""Ended upgrades kept; older ones are forgotten."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node's part. Times are wall seconds; 0 = not yet. `task`: the order it waits for. `before`, `after`: the
    version of its agent.
    """

    node: str
    state: TurnState = "waiting"
    task: str = ""
    reason: str = ""
    before: str = ""
    after: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def ended(self) -> bool:
        """True when nothing more happens to it."""
        return self.state in ("done", "failed", "skipped")

    @property
    def under_way(self) -> bool:
        """True between its begin and its end."""
        return self.state in ("resolving", "pulling", "replacing")


class Upgrade(Record, frozen=True, kw_only=True):
    """Key: `id`. `batch`: nodes at one time. `pinned`: the image as the first node resolved it; "" = not yet."""

    id: int
    image: str
    batch: int
    created_at: float
    turns: tuple[Turn, ...]
    pinned: str = ""
    state: UpgradeState = "running"
    reason: str = ""
    actor: str = ""
    cause: int = 0
    """The event that began its story."""
    ended_at: float = 0.0

    @property
    def ended(self) -> bool:
        """True when nothing more happens."""
        return self.state != "running"
