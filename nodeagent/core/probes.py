"""The probes of a node: what is to be checked when, and what the answers make of a replica's health (docs/health.md).

Pure; times come in as `Now`, chance is a hash. Checks themselves are made by `checks` and `prober`; what a verdict
means for its replica is for `node`. A verdict belongs to one run of one container and ends with it.
"""

import math
import zlib
from collections.abc import Iterable

import msgspec

from nodeagent.core.events import Now, Probed
from nodeagent.core.replica import FOREVER
from nodeagent.core.verdict import Target, Verdict
from protocol.messages import ContainerRef, Health
from protocol.spec import Probe

CHECKS_MAX = 16
"""Checks under way at once."""
EXECS_MAX = 4
"""Those of them that make the engine start a process."""
FIRST_S = 0.1
"""The least time between the start of a container and its first check; the most is twice that."""
EAGER_S = 0.25
EAGER_CAP_S = 1.0
"""While a container starts it is asked 0.25, 0.5, 1, 1 … s after the last answer, where its interval is longer, so that
a quick one is ready quickly. It is given as much time as its interval and retries say all the same.
"""
RISE = 2
"""Successes in a row after which an unhealthy run is healthy again: one that answers now and then is not well."""
TELL_S = 5.0
"""The least time between two words on a container whose health stays as it is: its output may change at each check."""
INTERVAL_MIN_S = 0.1
INTERVAL_MAX_S = 86_400.0
TIMEOUT_MAX_S = 300.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check to be made now, and given up after `timeout_s`."""

    target: Target
    number: int
    timeout_s: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a check went. `output`: for people, one clean line: `503`, `connection refused`. `void`: it says nothing of
    the container, for Docker could not be asked.
    """

    ok: bool
    output: str = ""
    void: bool = False


class _Row:
    """One container under watch. Times are monotonic seconds."""

    def __init__(self, target: Target, begun_at: float, due_at: float) -> None:
        self.target = target
        self.health: Health = target.health
        self.due_at = due_at
        self.number = 0
        self.busy = False
        self.failures = 0
        self.successes = 0
        self.output = ""
        self.told = ""
        self.told_at = -FOREVER
        self.patient_until = begun_at + patience_s(target.probe)
        """Before this it may be `starting`, however often it fails."""


class ProbeTable:
    """All probed containers of a node. `follow`, `due` and `done` change it; nothing else does."""

    def __init__(self) -> None:
        self._rows: dict[ContainerRef, _Row] = {}
        self._numbers = 0
        self._out: dict[int, Target] = {}
        """Checks under way, those of rows that are no more included."""

    def follow(self, targets: Iterable[Target], now: Now) -> None:
        """Probe these from now on, and nothing else. What is known of a run stays; a changed probe counts anew."""
        before, self._rows = self._rows, {}
        for target in targets:
            row = before.get(target.ref)
            if row is None or row.target.run != target.run:
                row = self._new(target, now)
            elif row.target.probe != target.probe:
                row = self._changed(row, target, now)
            row.target = target
            self._rows[target.ref] = row

    def due(self, mono: float) -> tuple[Check, ...]:
        """The checks to begin now, those that wait longest first, no more than there are places for."""
        begin: list[Check] = []
        execs = sum(target.probe.kind == "exec" for target in self._out.values())
        for row in sorted(self._rows.values(), key=lambda row: row.due_at):
            if row.due_at > mono or len(self._out) >= CHECKS_MAX:
                break
            is_exec = row.target.probe.kind == "exec"
            if row.busy or (is_exec and execs >= EXECS_MAX):
                continue
            execs += is_exec
            self._numbers += 1
            row.number, row.busy = self._numbers, True
            self._out[row.number] = row.target
            timeout_s = min(max(row.target.probe.timeout_s, 0.05), TIMEOUT_MAX_S)
            begin.append(Check(target=row.target, number=row.number, timeout_s=timeout_s))
        return tuple(begin)

    def done(self, check: Check, result: Result, mono: float) -> Probed | None:
        """A check ended. Answers what is to be told; None when nothing is new, or the check is of something former."""
        self._out.pop(check.number, None)
        row = self._rows.get(check.target.ref)
        if row is None or row.number != check.number:
            return None
        row.busy = False
        if result.void:
            row.due_at = mono + pause_s(row.target.probe, "none", 0, f"{row.target.ref}#{row.number}")
            return None
        row.failures = 0 if result.ok else row.failures + 1
        row.successes = row.successes + 1 if result.ok else 0
        before, row.health = row.health, _health(row, result.ok, mono)
        if not result.ok:
            row.output = f"probe {title(row.target.probe)}: {result.output}"
        elif row.health == "healthy":
            row.output = ""
        row.due_at = mono + pause_s(row.target.probe, row.health, row.failures, f"{row.target.ref}#{row.number}")
        quiet = row.health == "healthy" or row.output == row.told or mono < row.told_at + TELL_S
        if row.health == before and quiet:
            return None
        row.told, row.told_at = row.output, mono
        return Probed(ref=row.target.ref, verdict=Verdict(run=row.target.run, health=row.health, output=row.output))

    def wake_at(self) -> float:
        """When `due` is to be asked next, if nothing else happens before (monotonic seconds)."""
        if len(self._out) >= CHECKS_MAX:
            return FOREVER
        full = sum(target.probe.kind == "exec" for target in self._out.values()) >= EXECS_MAX
        rows = (r for r in self._rows.values() if not r.busy and not (full and r.target.probe.kind == "exec"))
        return min((row.due_at for row in rows), default=FOREVER)

    @staticmethod
    def _new(target: Target, now: Now) -> _Row:
        begun_at = now.mono - max(0.0, now.wall - target.run[1])
        spread_s = FIRST_S if target.health == "starting" else interval_s(target.probe)
        earliest = FIRST_S if target.health == "starting" else 0.0
        row = _Row(target, begun_at, now.mono + earliest + spread_s * chance(str(target.ref)))
        if target.health == "none":
            row.patient_until = now.mono + patience_s(target.probe)
        return row

    def _changed(self, row: _Row, target: Target, now: Now) -> _Row:
        fresh = _Row(target, now.mono, now.mono + FIRST_S * (1 + chance(str(target.ref))))
        fresh.health = row.health
        return fresh


def _health(row: _Row, ok: bool, mono: float) -> Health:
    if ok:
        return "unhealthy" if row.health == "unhealthy" and row.successes < RISE else "healthy"
    spent = row.failures >= max(1, row.target.probe.retries)
    match row.health:
        case "healthy":
            return "unhealthy" if spent else "healthy"
        case "unhealthy":
            return "unhealthy"
        case patient:
            return "unhealthy" if spent and mono >= row.patient_until else patient


def interval_s(probe: Probe) -> float:
    """Its interval, within what is sensible."""
    return min(max(probe.interval_s, INTERVAL_MIN_S), INTERVAL_MAX_S)


def patience_s(probe: Probe) -> float:
    """How long a container may fail from its start on before it is unhealthy: its start period, then as long as Docker
    would take for all retries.
    """
    return max(0.0, probe.start_period_s) + max(1, probe.retries) * interval_s(probe)


def pause_s(probe: Probe, health: Health, failures: int, salt: str) -> float:
    """Seconds from the end of a check to the next one, 10 % more or less by `salt`."""
    usual = interval_s(probe)
    if health == "starting":
        usual = min(usual, EAGER_CAP_S, EAGER_S * 2.0 ** min(max(0, failures - 1), 8))
    return usual * (0.9 + 0.2 * chance(salt))


def chance(salt: str) -> float:
    """A number in [0, 1) that is always the same for one text, and differs between texts."""
    return math.ldexp(zlib.crc32(salt.encode()), -32)


def title(probe: Probe) -> str:
    """What a probe asks, for people: `http :8080/healthz`, `tcp :5432`, `exec pg_isready`."""
    match probe.kind:
        case "http":
            return f"http :{probe.port}{probe.path[:80]}"
        case "tcp":
            return f"tcp :{probe.port}"
        case "exec":
            return f"exec {' '.join(probe.command)[:80]}"
