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
from nodeagent.core.verdict import Run, Target, Verdict, combined
from protocol.messages import ContainerRef, Health, Leaving
from protocol.spec import DesiredReplica, container_fingerprint

DRAIN_MAX_S = 3600.0
"""The most a drain wait may be, whoever says so."""
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
    verdict: Verdict | None = None
    """What its probe says of the run that was probed last."""
    image_missing: bool = False
    """Docker refused to create it for want of its image."""
    pulled: bool = False
    """Its image was pulled for it; if it is missing still, that is a failure."""
    restart_due: bool = False
    """A task asked for a restart."""
    restart_at: float = -math.inf
    """Not before (monotonic): the Center withdrew its address, and clients still come."""
    cleared: bool = False
    """Nobody wants it, and the brake lets it go."""
    grace_s: float = STALE_GRACE_S
    """Seconds it gets to stop when it is dropped."""
    drain_until: float = -math.inf
    """Not stopped before (monotonic): its address was withdrawn a moment ago, and clients still come."""

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
    def run(self) -> Run:
        """Which run of which container this is; of none: ("", 0)."""
        return (self.have.id, self.have.started_at) if self.have is not None else ("", 0.0)

    @property
    def health(self) -> Health:
        """How well it is, by Docker's check and the probe, those that exist; `none` when it does not run."""
        have, want = self.have, self.want
        if have is None or have.status != "running":
            return "none"
        return have.health if want is None or want.spec.probe is None else combined(have.health, self._probed)

    @property
    def ailment(self) -> str:
        """Why it is not healthy, for people; "" when nothing is known."""
        if self.have is not None and self.have.health == "unhealthy":
            return f"health check failed: {self.have.health_output}".removesuffix(": ")
        known = self.verdict is not None and self.verdict.run == self.run
        return self.verdict.output if self.verdict is not None and known and self._probed != "healthy" else ""

    @property
    def target(self) -> Target | None:
        """What is to be probed; None when there is no probe, or nothing that runs."""
        have, want = self.have, self.want
        if want is None or want.spec.probe is None or have is None or have.status != "running" or self.busy is not None:
            return None
        health = self._probed
        return Target(ref=self.ref, run=self.run, probe=want.spec.probe, addresses=have.addresses, health=health)

    @property
    def _probed(self) -> Health:
        if self.want is None or self.want.spec.probe is None:
            return "none"
        return self.verdict.health if self.verdict is not None and self.verdict.run == self.run else "starting"

    @property
    def serves(self) -> bool:
        """True when clients may be talking to it: it runs and is not known to be ill."""
        return self.have is not None and self.have.status == "running" and self.health != "unhealthy"

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
            elif self.want is not None and self.want.spec.probe is None and want.spec.probe is not None:
                self.verdict = Verdict(run=self.run, health="none")  # it served without one: innocent until judged
            self.want, self.spec = want, spec
        self.cleared, self.drain_until = False, -math.inf

    def dropped(self, now: float, *, stale: bool, leaving: Leaving | None = None) -> None:
        """It is desired no more. `leaving`: the Center's word on how it goes. Without it, `stale` means that it lives
        elsewhere or nobody said why: it gets 5 s at most and no drain wait; but its whole grace where its data ties it
        to this node: that is a removal, and a database wants its time. `now`: monotonic seconds.
        """
        spec = self.want.spec if self.want is not None else None
        if leaving is not None:
            self.grace_s = leaving.grace_s
            if self.drain_until == -math.inf and self.serves:
                self.drain_until = now + min(max(0.0, leaving.wait_s), DRAIN_MAX_S)
        elif stale:
            self.drain_until = -math.inf
            if spec is not None:
                self.grace_s = min(spec.stop_grace_s, STALE_GRACE_S) if spec.may_move else spec.stop_grace_s
        elif spec is not None:
            self.grace_s = spec.stop_grace_s
            if self.serves:
                self.drain_until = now + min(max(0.0, spec.drain_wait_s), DRAIN_MAX_S)
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
    unhealthy = item.health == "unhealthy" and not item.trials.gave_up and restart.heals_unhealthy(want.spec)
    if not (item.restart_due or unhealthy):
        return Nothing()
    due_at = item.trials.not_before if unhealthy else max(item.trials.not_before, item.restart_at)
    return again if now >= due_at else Wait(until=due_at)


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
    if item.alive and now < item.drain_until:
        return Wait(until=item.drain_until)
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
        if item.trials.ended and item.health != "unhealthy":
            item.trials = msgspec.structs.replace(item.trials, ended="")
        judge(item, now, wall)


def probed(item: Assignment, verdict: Verdict, now: float, wall: float, *, engine_answers: bool) -> None:
    """Take in what a probe says. A word on a former run changes nothing. While the engine does not answer nobody knows
    whether the container runs still: it may have gone with it, and is judged at the next look.
    """
    if verdict.run == item.run:
        item.verdict = verdict
        if engine_answers:
            judge(item, now, wall)


def judge(item: Assignment, now: float, wall: float) -> None:
    """Count a run that is unhealthy as failed, once."""
    have = item.have
    if item.want is None or have is None or item.health != "unhealthy":
        return
    if restart.heals_unhealthy(item.want.spec):
        _count(item, have, now, up_s=max(0.0, wall - have.started_at), reason=item.ailment)


def _ended(item: Assignment, want: DesiredReplica, have: Container, now: float, *, forgiven: bool) -> None:
    trials, run = item.trials, (have.id, have.started_at)
    if trials.failed_run == run or have.spec != item.spec:
        return
    reason = exit_reason(have)
    ended = restart.ending(want.spec, have.exit_code, trials.restarts)
    if ended:
        item.trials = msgspec.structs.replace(
            trials, ended=ended, reason=reason, failed_run=run, tail=(), tail_due=ended == "failed"
        )
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
