"""What the end of a step means for the replica it was for: a clean start, one more failure, or not its own fault.

Pure; changes the `Assignment` it is given and nothing else. Called by `node`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from nodeagent.core import restart
from nodeagent.core.container import Container, FaultKind
from nodeagent.core.events import Now, Past, StepDone, StepFailed
from nodeagent.core.replica import Assignment
from nodeagent.core.restart import Trials
from nodeagent.core.steps import Create, Remove, ReplicaStep, Restart, Start, Stop
from protocol.messages import ContainerRef, ReasonCode

Blame = Literal["counts", "excused", "hopeless"]

_BLAME: dict[FaultKind, tuple[Blame, ReasonCode]] = {
    "engine_down": ("excused", "engine_down"),
    "not_found": ("counts", "error"),
    "name_taken": ("counts", "error"),
    "port_taken": ("excused", "port_taken"),
    "image_missing": ("counts", "image_missing"),
    "pull_failed": ("counts", "pull_failed"),
    "refused": ("hopeless", "refused"),
    "timeout": ("excused", "error"),
    "error": ("counts", "error"),
}
"""Whether a fault counts towards giving up the replica, and its code for the scheduler."""


def step_done(item: Assignment, step: ReplicaStep) -> None:
    """A step succeeded. What comes next is for the look at Docker that follows it."""
    item.unseen = True
    match step:
        case Create():
            item.image_missing = item.pulled = False
        case Start() | Restart():
            again = item.have is not None and item.have.started_at > 0
            item.trials = msgspec.structs.replace(
                item.trials, restarts=item.trials.restarts + again, code="", reason="", ended=""
            )
            if isinstance(step, Restart):
                item.restart_due = False
        case Stop() | Remove() if item.want is not None:
            item.trials = msgspec.structs.replace(item.trials, not_before=0.0)
        case _:
            pass


def step_failed(
    item: Assignment, step: ReplicaStep, kind: FaultKind, text: str, have: Container | None, now: float
) -> None:
    """A step failed. `have`: the container as it is afterwards, so that its end is not counted a second time."""
    if isinstance(step, Create) and kind == "image_missing" and not item.pulled:
        item.image_missing = True
        return
    blame, code = _BLAME[kind]
    _fail(
        item,
        "excused" if item.want is None else blame,
        code,
        text,
        now,
        run=(have.id, have.started_at) if have else None,
    )


def pull_ended(item: Assignment, event: StepDone | StepFailed, now: float) -> None:
    """The pull of its image is over."""
    if isinstance(event, StepDone):
        pull_done(item)
    else:
        pull_failed(item, event.kind, event.text, now)


def pull_done(item: Assignment) -> None:
    """Its image is there."""
    item.image_missing, item.pulled = False, True
    item.trials = msgspec.structs.replace(item.trials, code="", reason="")


def pull_failed(item: Assignment, kind: FaultKind, text: str, now: float) -> None:
    """Its image could not be had."""
    blame, code = _BLAME[kind]
    _fail(item, blame, code, text, now)


def port_conflict(item: Assignment, text: str, now: float) -> None:
    """Its host port belongs to another replica that is wanted here: another lease is needed."""
    _fail(item, "excused", "port_taken", text, now)


def past(items: Iterable[Assignment]) -> tuple[Past, ...]:
    """What is to be remembered of the copies that are wanted and were in trouble, without the time of the next try: it
    follows from the rest, and as wall time it would differ at each look.
    """
    return tuple(
        Past(
            ref=item.ref,
            ending=item.trials.ended,
            reason=item.trials.reason,
            code=item.trials.code,
            attempts=item.trials.attempts,
            failures=item.trials.failures,
            restarts=item.trials.restarts,
            failed_run=item.trials.failed_run,
            gave_up=item.trials.gave_up,
            verdict=item.verdict,
        )
        for item in items
        if item.want is not None and (item.verdict is not None or item.trials.eventful)
    )


def dated(kept: Iterable[Past], items: Mapping[ContainerRef, Assignment], now: Now) -> tuple[Past, ...]:
    """As `past`, with the time of the next try."""
    found = []
    for one in kept:
        wait_s = items[one.ref].trials.not_before - now.mono
        found.append(msgspec.structs.replace(one, not_before=now.wall + wait_s) if wait_s > 0 else one)
    return tuple(found)


def recall(items: Mapping[ContainerRef, Assignment], known: Iterable[Past], now: Now) -> None:
    """Put back what was remembered. A clock that jumped holds nothing back for longer than the longest pause."""
    for one in known:
        item = items.get(one.ref)
        if item is None:
            continue
        wait_s = min(max(0.0, one.not_before - now.wall), restart.BACKOFF_CAP_S)
        item.verdict = one.verdict
        item.trials = Trials(
            ended=one.ending,
            reason=one.reason,
            code=one.code,
            attempts=one.attempts,
            failures=one.failures,
            restarts=one.restarts,
            failed_run=one.failed_run,
            not_before=now.mono + wait_s if wait_s > 0 else 0.0,
            gave_up=one.gave_up,
            tail_due=one.gave_up,
        )


def with_tail(trials: Trials, lines: tuple[str, ...]) -> Trials:
    """Given up, with its last lines: ready to be reported."""
    return msgspec.structs.replace(trials, tail=lines, tail_due=False)


def _fail(
    item: Assignment, blame: Blame, code: ReasonCode, text: str, now: float, run: tuple[str, float] | None = None
) -> None:
    item.trials = restart.failed(
        item.trials,
        now=now,
        salt=item.salt,
        code=code,
        reason=text,
        run=run,
        counts=blame == "counts",
        hopeless=blame == "hopeless",
    )
