"""One assignment on this node and its next step: what is wanted, what Docker has, what happened before (DESIGN §3).

Pure. Knows one (replica, epoch) only: what is limited or blocked by others is told to it by `plan`.
"""

import math

import msgspec

from nodeagent.core import restart
from nodeagent.core.container import Container
from nodeagent.core.restart import Trials
from nodeagent.core.steps import (
    Create,
    NextStep,
    Nothing,
    Pull,
    ReadTail,
    Remove,
    ReplicaStep,
    Restart,
    Start,
    Stop,
    Wait,
)
from protocol.messages import ContainerRef
from protocol.spec import DesiredReplica, container_fingerprint

STALE_GRACE_S = 5.0
"""The most a stale container is given to stop (DESIGN §4, Successor)."""

FOREVER = math.inf


class Assignment(msgspec.Struct, kw_only=True):
    """What the agent knows of one (replica, epoch). The only mutable record of the core; `node` owns it."""

    ref: ContainerRef
    want: DesiredReplica | None = None
    spec: str = ""
    """`container_fingerprint` of `want`."""
    have: Container | None = None
    fresh_at: float = -math.inf
    """When `have` was true last (monotonic); older looks at Docker are ignored."""
    missed_at: float = -math.inf
    """The newest look that was passed over because a step was under way."""
    busy: ReplicaStep | None = None
    unseen: bool = False
    """A step succeeded and Docker was not looked at since: `have` is of before."""
    trials: Trials = Trials()
    image_missing: bool = False
    """Docker refused to create it for want of its image."""
    pulled: bool = False
    """Its image was pulled for it; if it is missing still, that is a failure."""
    restart_due: bool = False
    """A task asked for a restart."""
    cleared: bool = False
    """Nobody wants it, and the brake lets it go."""
    grace_s: float = STALE_GRACE_S
    """Seconds it gets to stop when it is dropped."""

    @property
    def alive(self) -> bool:
        """True when its container's process may run, or still holds its ports."""
        return self.have is not None and self.have.status in ("running", "paused", "restarting", "removing")

    @property
    def over(self) -> bool:
        """True when nothing is left of it."""
        return self.want is None and self.have is None and self.busy is None

    @property
    def at_rest(self) -> bool:
        """True when it is not started again by itself."""
        return self.trials.gave_up or self.trials.ended != ""

    @property
    def salt(self) -> str:
        """What makes its pauses differ from its neighbours'."""
        return f"{self.ref.id}@{self.ref.epoch}"

    def wanted(self, want: DesiredReplica) -> None:
        """It is desired as `want` says. Another specification than before begins with a clean record."""
        if self.want != want:
            spec = container_fingerprint(want)
            if spec != self.spec:
                self.trials, self.image_missing, self.pulled = Trials(), False, False
            self.want, self.spec = want, spec
        self.cleared = False

    def dropped(self, *, stale: bool) -> None:
        """It is desired no more. `stale`: it lives elsewhere or nobody said why, so it gets 5 s at most; but not where
        its data ties it to this node: that is a removal, and a database wants its time.
        """
        if self.want is not None:
            grace = self.want.spec.stop_grace_s
            self.grace_s = min(grace, STALE_GRACE_S) if stale and self.want.spec.may_move else grace
        self.want, self.restart_due, self.image_missing = None, False, False
        self.trials = msgspec.structs.replace(self.trials, not_before=0.0)


def next_step(item: Assignment, now: float, *, held: bool = False, blocked: bool = False) -> NextStep:
    """The one thing to do next; asking again with the same facts gives the same answer.

    `now`: monotonic seconds. `held`: nothing may be started on this node yet. `blocked`: a container that must go
    first still holds its host port or its place. Both hinder starts only.
    """
    if item.busy is not None or item.unseen:
        return Nothing()
    if item.have is not None and item.have.status == "removing":
        return Wait(until=FOREVER)  # its end is an event; a stop would end at once and change nothing
    if item.want is None:
        return _clear_away(item, now)
    have, trials = item.have, item.trials
    if trials.tail_due:
        return Nothing() if have is None else ReadTail(ref=item.ref, container_id=have.id)
    if have is not None and have.spec != item.spec:
        return _replace(item, have, now)
    if have is not None and have.status in ("running", "paused"):
        return _keep(item, item.want, have, now)
    if have is not None and have.status == "restarting":
        return Wait(until=FOREVER)
    if item.at_rest:
        return Nothing()
    if held:
        return Wait(until=FOREVER)
    if now < trials.not_before:
        return Wait(until=trials.not_before)
    return _bring_up(item, item.want, have, blocked)


def _bring_up(item: Assignment, want: DesiredReplica, have: Container | None, blocked: bool) -> NextStep:
    if have is None:
        return Pull(image=want.image) if item.image_missing else Create(ref=item.ref, want=want, free=not blocked)
    if have.status == "dead":
        return Remove(ref=item.ref, container_id=have.id)
    if blocked:
        return Wait(until=FOREVER)
    return Start(ref=item.ref, container_id=have.id, want=want)


def _keep(item: Assignment, want: DesiredReplica, have: Container, now: float) -> NextStep:
    again = Restart(ref=item.ref, container_id=have.id, grace_s=want.spec.stop_grace_s)
    unhealthy = have.health == "unhealthy" and not item.trials.gave_up and restart.heals_unhealthy(want.spec)
    if not (item.restart_due or unhealthy):
        return Nothing()
    return again if now >= item.trials.not_before else Wait(until=item.trials.not_before)


def _replace(item: Assignment, have: Container, now: float) -> NextStep:
    if now < item.trials.not_before:
        return Wait(until=item.trials.not_before)
    if item.alive:
        grace_s = item.want.spec.stop_grace_s if item.want else STALE_GRACE_S
        return Stop(ref=item.ref, container_id=have.id, grace_s=grace_s)
    return Remove(ref=item.ref, container_id=have.id)


def _clear_away(item: Assignment, now: float) -> NextStep:
    if item.have is None or not item.cleared:
        return Nothing()
    if now < item.trials.not_before:
        return Wait(until=item.trials.not_before)
    if item.alive:
        return Stop(ref=item.ref, container_id=item.have.id, grace_s=item.grace_s)
    return Remove(ref=item.ref, container_id=item.have.id)


def observe(item: Assignment, have: Container | None, now: float, wall: float, *, after_break: bool = False) -> None:
    """Take in what Docker shows and count a run that failed, once. `after_break`: the engine or the machine was away
    before this look, so what ended meanwhile did not fail by itself and is started again at once.
    """
    item.have, item.unseen = have, False
    if have is None or item.want is None:
        return
    if have.status == "exited":
        _ended(item, item.want, have, now, forgiven=after_break)
    elif have.status == "running":
        if have.health == "unhealthy" and restart.heals_unhealthy(item.want.spec):
            output = f": {have.health_output}" if have.health_output else ""
            up_s = max(0.0, wall - have.started_at)
            _count(item, have, now, up_s=up_s, reason=f"health check failed{output}")
        elif item.trials.ended:
            item.trials = msgspec.structs.replace(item.trials, ended="")


def _ended(item: Assignment, want: DesiredReplica, have: Container, now: float, *, forgiven: bool) -> None:
    trials, run = item.trials, (have.id, have.started_at)
    if trials.failed_run == run or have.spec != item.spec:
        return
    reason = exit_reason(have)
    ended = restart.ending(want.spec, have.exit_code, trials.restarts)
    if ended:
        item.trials = msgspec.structs.replace(trials, ended=ended, reason=reason, failed_run=run)
    elif forgiven:
        item.trials = msgspec.structs.replace(trials, failed_run=run, not_before=now, reason=reason)
    else:
        _count(item, have, now, up_s=max(0.0, have.finished_at - have.started_at), reason=reason)


def _count(item: Assignment, have: Container, now: float, *, up_s: float, reason: str) -> None:
    run = (have.id, have.started_at)
    if item.trials.failed_run != run:
        item.trials = restart.failed(
            item.trials, now=now, salt=item.salt, code="", reason=reason, up_s=up_s, run=run, counts=True
        )


def exit_reason(have: Container) -> str:
    """A sentence on how a container ended."""
    text = "ran out of memory and was killed" if have.oom_killed else f"exited with code {have.exit_code}"
    return f"{text}: {have.error}" if have.error else text
