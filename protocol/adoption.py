"""HTTP bodies about what a Center does after a restore from a backup (`docs/backup.md`)."""

from typing import Literal

from protocol.body import Body

AdoptionAction = Literal["keep", "adopt", "wait", "start", "forget", "stop"]


class DifferenceView(Body, frozen=True, kw_only=True):
    """One replica that is not as the backup knows it, and what follows at the end. `backup`, `found`: in words, ""
    = nothing. `node`: that it is about, "" = none yet.
    """

    replica: str
    action: AdoptionAction
    backup: str
    found: str
    node: str


class AdoptionView(Body, frozen=True, kw_only=True):
    """`GET /api/v1/adoption`. `state` `none`: nothing is being adopted, and the rest is empty.

    `seconds_left`: until it ends without a person's word. `back`, `away`: nodes that have told what they run, and those
    that the backup knows and that have not. `kept`: replicas that are as the backup knows them.
    """

    state: Literal["none", "adopting"]
    incarnation: int
    seconds_left: float = 0.0
    back: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    kept: int = 0
    differences: tuple[DifferenceView, ...] = ()
