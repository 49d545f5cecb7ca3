"""When a replica that failed is tried again, and when the agent gives up on it (DESIGN §4, agent-side healing).

Pure functions over frozen `Trials`; times are monotonic seconds. Chance is a hash of the replica and the attempt, so
that a run can be repeated and replicas still do not restart in step. Called by `replica` and `node`.
"""

import zlib
from typing import Literal

import msgspec

from protocol.messages import ReasonCode
from protocol.spec import ServiceSpec

BACKOFF_FIRST_S = 1.0
BACKOFF_CAP_S = 60.0
STABLE_S = 600.0
"""A replica that ran this long has a clean record again."""
FAILURES_MAX = 5
"""Failures without `STABLE_S` between them after which the Center is asked to move the replica."""

Ending = Literal["", "stopped", "failed"]


class Trials(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the attempts to keep one (replica, epoch) running."""

    attempts: int = 0
    """Tries in a row that did not last; they set the pause before the next."""
    failures: int = 0
    """Those of them that count towards giving up."""
    restarts: int = 0
    not_before: float = 0.0
    failed_run: tuple[str, float] | None = None
    """(container id, started at) of the run that was counted last, so that seeing it twice counts once."""
    code: ReasonCode = ""
    reason: str = ""
    gave_up: bool = False
    tail: tuple[str, ...] = ()
    tail_due: bool = False
    ended: Ending = ""
    """It ended and its `restart:` rule leaves it so."""

    @property
    def eventful(self) -> bool:
        """True when there is something to remember beyond the life of the agent."""
        return bool(self.attempts or self.failures or self.restarts or self.gave_up or self.ended)


def delay_s(attempts: int, salt: str) -> float:
    """The pause before the next try: 1, 2, 4 … s times 0.75 to 1.25 by `salt`, at most 60 s."""
    chance = zlib.crc32(f"{salt}#{attempts}".encode()) / 2**32
    return min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0 ** min(attempts - 1, 10) * (0.75 + chance / 2))


def failed(
    trials: Trials,
    *,
    now: float,
    salt: str,
    code: ReasonCode,
    reason: str,
    up_s: float = 0.0,
    run: tuple[str, float] | None = None,
    counts: bool = True,
    hopeless: bool = False,
) -> Trials:
    """The record after one more failure. `up_s`: how long it had run. `counts` False: not its own fault (a port held
    by others, an engine that hangs), so it is tried for ever. `hopeless`: give up at once.
    """
    clean = up_s >= STABLE_S
    attempts = (0 if clean else trials.attempts) + 1
    failures = (0 if clean else trials.failures) + (1 if counts else 0)
    gave_up = hopeless or failures >= FAILURES_MAX
    return msgspec.structs.replace(
        trials,
        attempts=attempts,
        failures=failures,
        not_before=now + delay_s(attempts, salt),
        failed_run=run or trials.failed_run,
        code=("crash_loop" if code == "" else code) if gave_up else code,
        reason=reason,
        gave_up=gave_up,
        tail_due=gave_up,
    )


def ending(spec: ServiceSpec, exit_code: int | None, restarts: int) -> Ending:
    """Whether a container that exited is left so by its `restart:` rule: "" = it is started again."""
    outcome: Ending = "stopped" if exit_code == 0 else "failed"
    match spec.restart:
        case "no":
            return outcome
        case "on-failure":
            if exit_code == 0:
                return "stopped"
            return "failed" if 0 < spec.restart_max <= restarts else ""
        case _:
            return ""


def heals_unhealthy(spec: ServiceSpec) -> bool:
    """Whether a failed health check restarts it: always, except under `restart: no`."""
    return spec.restart != "no"
