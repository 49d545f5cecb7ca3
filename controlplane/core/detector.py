"""The failure detector: from silences to node states, and whether a lost node's replicas may move now.

Pure; called by the core every 0.25 s with all nodes, and the only one that decides about `NodeState`. It does not move
or prepare anything, and does not know replicas. Rules: DESIGN §3.5 and §4 ("Is it me?", Offline, Preparation).

| from            | when                                                        | to       |
|-----------------|-------------------------------------------------------------|----------|
| any             | session open and a frame within 7.5 s, since the mark       | online   |
| online, suspect | nothing seen since the mark (start, or a pause over 15 s)   | unknown  |
| online          | closed abnormally, or silent > 7.5 s                        | suspect  |
| online, suspect | silent > 15 s                                               | offline  |
| unknown         | 30 s over, not seen since the mark or silent > 15 s; stays  | offline  |
|                 | while no node at all is online ("Center isolated")          |          |

`offline` is shown `held`, and nothing moves, while the guard holds. While the Center stood still its `detector_clock`
did too, so every deadline shifts, and it calls nobody offline for 5 to 15 s after.
"""

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple, assert_never

import msgspec

from controlplane.core import guard
from controlplane.core.detector_clock import Clock, advance
from controlplane.core.layers import Layered
from controlplane.core.node import NodeState

SUSPECT_S = 7.5
OFFLINE_S = 15.0
GRACE_S = 30.0
"""How long a node may stay `unknown` after a start of the Center."""
WINDOW_S = 30.0
"""The guard counts nodes that were online within this time."""

Nodes = Mapping[str, tuple[NodeState, bool]]
"""Every node: (state, held) as recorded."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the link knows of a node. `silent_s`: since its last frame, None = never in this Center's life.

    `connected`: a session is open. `aborted`: the last one closed abnormally and none is open.
    """

    silent_s: float | None
    connected: bool
    aborted: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A node's new state. Given once per change. `silent_s`: as sighted."""

    node: str
    state: NodeState
    held: bool
    silent_s: float | None
    reason: str

    @property
    def moves(self) -> bool:
        """Its replicas may move from now on: offline and not held."""
        return self.state == "offline" and not self.held


class Absence(NamedTuple):
    """A node that is not online, by the clock: when its last frame came (None: not in this life), when it left."""

    last_frame: float | None
    left: float


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """The detector's memory, a value replaced at every call. Times are readings of `clock`."""

    clock: Clock
    unknown_until: dict[str, float] = {}
    absences: dict[str, Absence] = {}
    confirmed: frozenset[str] = frozenset()
    """Nodes an operator says are down."""
    hold: guard.Hold | None = None
    isolated: bool = False
    """The grace is over and no node is online; told once."""
    opened: dict[str, float] = {}
    """When sessions were opened lately (monotonic): their agents spoke before the link can show it."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a call. `verdicts`: changes only. `alarms`, `eased`: sentences, each given once.

    `prepare`: nodes for whose replicas preparation may run now (the whole set at every call).
    """

    watch: Watch
    verdicts: tuple[Verdict, ...] = ()
    alarms: tuple[str, ...] = ()
    eased: tuple[str, ...] = ()
    """Ends of alarms."""
    prepare: frozenset[str] = frozenset()


class _Look(NamedTuple):
    """A node that is not simply online, in this call."""

    state: NodeState
    held: bool
    sighting: Sighting
    silent_s: float
    """Without the pauses in it; infinite when not seen since the mark."""
    back: bool
    """A session is open and a frame came within `SUSPECT_S`."""
    counts: bool
    """It was online within `WINDOW_S`, or may be: the guard counts it."""


class _Round(NamedTuple):
    """One call: what was known, what is seen, and what each node not simply online is `after` it."""

    watch: Watch
    nodes: Nodes
    looks: Mapping[str, _Look]
    after: Mapping[str, NodeState]
    anyone_online: bool

    @property
    def reading(self) -> float:
        return self.watch.clock.reading


class _Guarded(NamedTuple):
    """The guard's part of a call: `held` nodes are offline but do not move, `released` ones may move now (and why)."""

    hold: guard.Hold | None
    held: frozenset[str] = frozenset()
    released: Mapping[str, str] = {}
    alarms: tuple[str, ...] = ()
    eased: tuple[str, ...] = ()


_NEVER = Sighting(silent_s=None, connected=False)


def first(now: float, nodes: Nodes) -> Watch:
    """The memory after a start of the Center at `now` (monotonic), when its listener is ready.

    The next `judge` makes every node that is not offline `unknown`; offline stays, and held stays held.
    """
    absences = {name: Absence(None, now) for name, (state, _) in nodes.items() if state != "offline"}
    return Watch(clock=Clock(at=now, mark=now), absences=absences)


def confirm_down(watch: Watch, node: str) -> Watch:
    """An operator says that `node` is down: it may move although the guard holds, once it is offline by the rules.

    Forgotten when the node comes back.
    """
    return msgspec.structs.replace(watch, confirmed=watch.confirmed | {node})


def session_opened(watch: Watch, node: str, now: float) -> Watch:
    """An agent proved its key and told what it has at `now` (monotonic): it is not lost, whatever the next sighting
    says. Sightings are taken before the link hears that the session is open.
    """
    return msgspec.structs.replace(watch, opened={**watch.opened, node: now})


def judge(
    watch: Watch,
    nodes: Nodes,
    sightings: Mapping[str, Sighting],
    now: float,
    gap_s: float,
    restless: Collection[str] | None = None,
) -> Judgement:
    """Look at all nodes once.

    `nodes`: (state, held) as recorded; the caller records every verdict before the next call. `now`: monotonic
    seconds. `gap_s`: seconds since the previous call, time in which the machine was suspended included. `restless`:
    the only nodes that may be anything but online, connected and heard within `SUSPECT_S`; None = any may.
    """
    clock, told = advance(watch.clock, now, gap_s)
    if clock.mark != watch.clock.mark:  # a long pause counts as a start
        watch = msgspec.structs.replace(watch, unknown_until={}, isolated=False)
    watch = msgspec.structs.replace(watch, clock=clock)
    if watch.opened:
        opened = {
            n: at for n, at in watch.opened.items() if now - at <= OFFLINE_S and not _shows(sightings.get(n), now - at)
        }
        watch, sightings = msgspec.structs.replace(watch, opened=opened), _heard(sightings, opened, now)
    if restless is None or clock.at - clock.mark <= SUSPECT_S:  # frames from before the mark say nothing
        restless = nodes.keys()
    looks = _look(watch, nodes, sightings, restless)
    if not looks and watch.hold is None and not watch.confirmed:
        quiet = msgspec.structs.replace(watch, absences={}, unknown_until={}, isolated=False)
        return Judgement(watch=quiet, alarms=(told,) if told else ())
    return _judged(watch, nodes, looks, told)


def _shows(sighting: Sighting | None, opened_s: float) -> bool:
    """The link has heard of a session that was opened so many seconds ago, so it need not be remembered."""
    return sighting is not None and sighting.silent_s is not None and sighting.silent_s <= opened_s


def _heard(sightings: Mapping[str, Sighting], opened: Mapping[str, float], now: float) -> Mapping[str, Sighting]:
    """The sightings, with the opening of a session counted as a frame."""
    seen = ((name, sightings.get(name, _NEVER), now - at) for name, at in opened.items())
    newer = {name: msgspec.structs.replace(sighting, silent_s=max(0.0, s)) for name, sighting, s in seen}
    return Layered(newer, sightings) if newer else sightings


def _judged(watch: Watch, nodes: Nodes, looks: Mapping[str, _Look], told: str) -> Judgement:
    reading = watch.clock.reading
    found = watch.isolated and (len(looks) < len(nodes) or any(at.back for at in looks.values()))
    known = {} if found else watch.unknown_until  # the others get the time to reconnect that they get after a start
    until = {name: known.get(name, reading + GRACE_S) for name, at in looks.items() if at.state == "unknown"}
    after = {name: _next(at, until.get(name, 0.0), watch.clock) for name, at in looks.items()}
    anyone_online = len(looks) < len(nodes) or "online" in after.values()
    alarms: tuple[str, ...] = (told,) if told else ()
    eased: tuple[str, ...] = ("Center no longer isolated",) if found else ()

    stuck = () if anyone_online else _stuck(watch, looks, after)
    after |= dict.fromkeys(stuck, "unknown")
    if stuck and not watch.isolated:
        alarms += (f"Center isolated: none of {len(nodes)} nodes is online; nothing moves",)

    now = _Round(watch, nodes, looks, after, anyone_online)
    guarded = _ask_guard(now)
    changes = (_verdict(now, guarded, name) for name in looks)
    after_it = msgspec.structs.replace(
        watch,
        unknown_until=until,
        absences=_absences(now),
        confirmed=frozenset(n for n in watch.confirmed if n in looks and after[n] != "online"),
        hold=guarded.hold,
        isolated=bool(stuck) or (watch.isolated and not found),
    )
    return Judgement(
        watch=after_it,
        verdicts=tuple(verdict for verdict in changes if verdict is not None),
        alarms=alarms + guarded.alarms,
        eased=eased + guarded.eased,
        prepare=_to_prepare(now, guarded.hold),
    )


def _look(watch: Watch, nodes: Nodes, sightings: Mapping[str, Sighting], restless: Collection[str]) -> dict[str, _Look]:
    """Every node but those that are online and heard: in a quiet cluster none."""
    clock = watch.clock
    life_s = clock.at - clock.mark
    since = clock.reading - WINDOW_S
    looks = {}
    for name in restless:
        state, held = nodes[name]
        sighting = sightings.get(name, _NEVER)
        raw_s = sighting.silent_s
        if state == "online" and sighting.connected and raw_s is not None and raw_s <= SUSPECT_S and raw_s < life_s:
            continue
        silent_s = clock.silence(raw_s)
        absence = watch.absences.get(name)
        counts = state in ("online", "suspect") or (
            absence is not None and (state == "unknown" or absence.left >= since)
        )
        looks[name] = _Look(state, held, sighting, silent_s, sighting.connected and silent_s <= SUSPECT_S, counts)
    return looks


def _next(at: _Look, unknown_until: float, clock: Clock) -> NodeState:
    """The table at the top of this module."""
    if at.back:
        return "online"
    lost = at.silent_s > OFFLINE_S and clock.reading >= clock.not_before
    match at.state:
        case "online" | "suspect":
            if at.silent_s == math.inf:
                return "unknown"
            if lost:
                return "offline"
            return "suspect" if at.sighting.aborted or at.silent_s > SUSPECT_S else at.state
        case "unknown":
            return "offline" if lost and clock.reading >= unknown_until else "unknown"
        case "offline":
            return "offline"
        case _:
            assert_never(at.state)


def _stuck(watch: Watch, looks: Mapping[str, _Look], after: Mapping[str, NodeState]) -> tuple[str, ...]:
    """Nodes that would go from unknown to offline although no node is online: it is rather the Center that is cut off.

    Not those an operator confirmed, and not those that never were online.
    """
    return tuple(
        name
        for name, at in looks.items()
        if at.state == "unknown" and after[name] == "offline" and at.counts and name not in watch.confirmed
    )


def _ask_guard(now: _Round) -> _Guarded:
    """Begin to hold, go on, or let go. A node that never was online has nothing to move and passes."""
    waiting = [n for n, at in now.looks.items() if at.held and now.after[n] == "offline"]
    due = [n for n, at in now.looks.items() if at.state != "offline" and now.after[n] == "offline" and at.counts]
    if now.watch.hold is None and not waiting and not due:
        return _Guarded(None)
    confirmed = now.watch.confirmed
    queue = [n for n in _longest_first(waiting + due, now) if n not in confirmed]
    away = {n for n, at in now.looks.items() if not at.back}
    counted = {n for n in now.nodes if n not in now.looks or now.looks[n].counts}
    if now.watch.hold is not None or waiting:
        # Held nodes without a hold: the Center was started again in the middle of one.
        hold = now.watch.hold or guard.begin(now.reading, counted)
        hold = msgspec.structs.replace(hold, members=hold.members.union(queue) & now.nodes.keys())
        resting = now.reading < now.watch.clock.not_before
        step = guard.proceed(hold, now.reading, away, tuple(queue), anyone_online=now.anyone_online, resting=resting)
        released = dict.fromkeys(step.released, f"released by the guard: {step.reason}")
        eased = () if step.hold else (f"guard released: {step.reason}",)
        return _Guarded(step.hold, frozenset(queue).difference(released), released, eased=eased)
    lost = away & counted
    if not queue or not guard.trips(len(lost), len(counted)):
        return _Guarded(None)
    names = ", ".join(sorted(lost)[:5]) + (", …" if len(lost) > 5 else "")
    alarm = f"guard holds: {len(lost)} of {len(counted)} nodes were lost at once ({names}); nothing moves"
    return _Guarded(guard.begin(now.reading, counted), frozenset(queue), alarms=(alarm,))


def _longest_first(names: list[str], now: _Round) -> list[str]:
    return sorted(names, key=lambda name: (-now.looks[name].silent_s, name))


def _verdict(now: _Round, guarded: _Guarded, name: str) -> Verdict | None:
    """The change of one node, or None."""
    at, state, held = now.looks[name], now.after[name], name in guarded.held
    if state == at.state and held == at.held:
        return None
    raw_s = at.sighting.silent_s
    silent = "not seen since the Center started" if raw_s is None else f"silent {raw_s:.1f} s"
    match state:
        case "online":
            absence = now.watch.absences.get(name)
            last_frame = None if absence is None else absence.last_frame
            reason = "connected" if last_frame is None else f"back after {_span(now.reading - last_frame)}"
        case "suspect":
            reason = silent if at.silent_s > SUSPECT_S else "connection lost"
        case "unknown":
            reason = silent if raw_s is None else f"{silent}, but the Center stood still"
        case "offline":
            why = "the guard holds" if held else guarded.released.get(name, "")
            if not held and name in now.watch.confirmed:
                why = "confirmed down by an operator"
            reason = "; ".join(filter(None, ("" if at.state == "offline" else silent, why)))
        case _:
            assert_never(state)
    return Verdict(node=name, state=state, held=held, silent_s=raw_s, reason=reason)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _absences(now: _Round) -> dict[str, Absence]:
    """Of all nodes that are not online and once were, in this life of the Center or when it started."""
    absences = {}
    for name, at in now.looks.items():
        state, known = now.after[name], now.watch.absences.get(name)
        if state == "online":
            continue
        if at.state == "online":
            absences[name] = Absence(None if at.silent_s == math.inf else now.reading - at.silent_s, now.reading)
        elif known is not None:
            given_up = at.state == "unknown" and state == "offline"
            absences[name] = known._replace(left=now.reading) if given_up else known
    return absences


def _to_prepare(now: _Round, hold: guard.Hold | None) -> frozenset[str]:
    """Suspects by silence, not by a mere close; none when the guard holds or would hold now."""
    suspects = frozenset(n for n, at in now.looks.items() if now.after[n] == "suspect" and at.silent_s > SUSPECT_S)
    if not suspects or hold is not None:
        return frozenset()
    counted = len(now.nodes) - sum(not at.counts for at in now.looks.values())
    lost = sum(at.counts and not at.back for at in now.looks.values())
    return frozenset() if guard.trips(lost, counted) else suspects
