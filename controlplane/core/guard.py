"""The guard: when most nodes seem lost at once the Center doubts itself, and nothing moves (DESIGN §4, "Is it me?").

It decides when to hold and which held nodes are let go; which nodes are offline is the detector's matter, which calls
it. Pure. Times are seconds of the detector's clock (monotonic, standing still while the Center stood still).

A hold ends
* by return: fewer members are away than it takes to trip, for `RETURN_S`, so that the slowest to reconnect (a try that
  takes 10 s to fail, and a pause of up to 8 s) is not moved because the quickest came back; or nobody is away: at once;
* for one node, when an operator confirms that it is down (the detector does that);
* by time: `HOLD_S` after it began, one node every `RELEASE_EVERY_S`. Not while no node is online: there is nowhere to
  move to, and the first one to come back would be buried under everything that waited.
"""

from collections.abc import Set

import msgspec

TRIP_MIN = 3
"""So many nodes lost at once, and at least half of all, or all: the Center doubts itself."""
HOLD_S = 120.0
RELEASE_EVERY_S = 10.0
RETURN_S = 20.0
"""What the rest gets to reconnect once nodes come back."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that is on. `members`: the nodes counted when it began, and those that fell due since."""

    since: float
    members: frozenset[str]
    next_at: float
    """When the next single node is let go."""
    calm_since: float | None = None
    """Since when fewer are away than it takes to trip."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `proceed` decided. `hold` None: it is over, `reason` says why."""

    hold: Hold | None
    released: tuple[str, ...] = ()
    reason: str = ""


def trips(away: int, of: int) -> bool:
    """True when `away` lost nodes out of `of` are too many to believe: >= 3 and >= 50 %, or all."""
    return away > 0 and (away >= of or (away >= TRIP_MIN and 2 * away >= of))


def begin(clock: float, members: Set[str]) -> Hold:
    """A hold that begins now."""
    return Hold(since=clock, members=frozenset(members), next_at=clock + HOLD_S)


def proceed(
    hold: Hold, clock: float, away: Set[str], held: tuple[str, ...], *, anyone_online: bool, resting: bool
) -> Step:
    """One step of a hold.

    `away`: members out of reach now. `held`: nodes that wait, the one to let go first in front.
    `anyone_online`: at least one node of the cluster is online. `resting`: the Center just stood still; none is let go.
    """
    count, of = len(away & hold.members), len(hold.members)
    calm_since = None
    if not trips(count, of):
        calm_since = clock if hold.calm_since is None else hold.calm_since
        if count == 0 or (clock - calm_since >= RETURN_S and not resting):
            return Step(hold=None, released=held, reason=f"{count} of {of} nodes still away")
    next_at = hold.next_at if anyone_online else max(hold.next_at, clock + RETURN_S)
    if clock < next_at or resting:
        return Step(hold=msgspec.structs.replace(hold, calm_since=calm_since, next_at=next_at))
    reason = f"held for {clock - hold.since:.0f} s"
    if len(held) <= 1:
        return Step(hold=None, released=held, reason=reason)
    hold = msgspec.structs.replace(hold, calm_since=calm_since, next_at=clock + RELEASE_EVERY_S)
    return Step(hold=hold, released=held[:1], reason=reason)
