"""The probe table with numbers for time: when a check is due, and what answers make of a container's health."""

from collections.abc import Iterable

import msgspec
import pytest

from nodeagent.core.events import Now, Probed
from nodeagent.core.probes import CHECKS_MAX, EXECS_MAX, TELL_S, Check, ProbeTable, Result, pause_s, title
from nodeagent.core.verdict import Target, Verdict, combined
from protocol.messages import Health
from protocol.spec import Probe
from tests.unit.nodeagent.core.made import WALL, a_ref

HTTP = Probe(kind="http", port=8080, path="/healthz", interval_s=10.0, timeout_s=3.0, retries=3)
RUN = ("c1", WALL)
BAD = Result(ok=False, output="503")
GOOD = Result(ok=True, output="200")


def a_target(number: int = 1, probe: Probe = HTTP, health: Health = "starting", run: tuple[str, float] = RUN) -> Target:
    return Target(ref=a_ref(number), run=run, probe=probe, addresses=("10.0.0.1",), health=health)


class Bench:
    """A table whose checks answer as told, in virtual time from the start of the container on."""

    def __init__(self, *targets: Target, up_s: float = 0.0) -> None:
        self.mono = 100.0
        self.offset = WALL - 100.0 + up_s
        self.table = ProbeTable()
        self.answer = GOOD
        self.checks: list[tuple[float, Check]] = []
        self.told: list[tuple[float, Probed]] = []
        self.table.follow(targets, self.now)

    @property
    def now(self) -> Now:
        return Now(self.mono, self.mono + self.offset)

    def run(self, seconds: float) -> None:
        end = self.mono + seconds
        while (due := self.table.wake_at()) <= end:
            self.mono = max(self.mono, due)
            for check in self.table.due(self.mono):
                self.checks.append((self.mono - 100.0, check))
                if (event := self.table.done(check, self.answer, self.mono)) is not None:
                    self.told.append((self.mono - 100.0, event))
        self.mono = end

    def health(self) -> list[Health]:
        return [event.verdict.health for _, event in self.told]


def test_a_quick_start_is_seen_at_once_and_then_looked_at_each_interval() -> None:
    bench = Bench(a_target())
    bench.run(60)
    assert bench.health() == ["healthy"] and bench.told[0][0] <= 0.2
    pauses = [b[0] - a[0] for a, b in zip(bench.checks, bench.checks[1:], strict=False)]
    assert len(pauses) == 5 or len(pauses) == 6
    assert all(9.0 <= pause <= 11.0 for pause in pauses)


def test_a_slow_start_is_asked_often_and_has_as_long_as_its_retries_take() -> None:
    bench = Bench(a_target())
    bench.answer = BAD
    bench.run(29.0)
    assert len(bench.checks) > 25, "about once a second"
    assert set(bench.health()) == {"starting"}
    bench.answer = GOOD
    bench.run(1.2)
    assert bench.health()[-1] == "healthy"


def test_who_never_starts_is_unhealthy_after_its_start_period_and_retries() -> None:
    bench = Bench(a_target(probe=msgspec.structs.replace(HTTP, start_period_s=20.0)))
    bench.answer = BAD
    bench.run(100)
    at, event = bench.told[-1]
    assert event.verdict == Verdict(run=RUN, health="unhealthy", output="probe http :8080/healthz: 503")
    assert 20 + 30 <= at <= 20 + 30 + 1.2


def test_a_healthy_one_falls_ill_after_its_retries_in_a_row_and_recovers_after_two_successes() -> None:
    bench = Bench(a_target())
    bench.run(5)
    bench.answer = BAD
    bench.run(20)
    bench.answer = GOOD
    bench.run(10)
    assert bench.health() == ["healthy"], "two failures are not three"
    bench.answer = BAD
    bench.run(33)
    assert bench.health() == ["healthy", "unhealthy"]
    bench.answer = GOOD
    bench.run(11)
    assert bench.health() == ["healthy", "unhealthy"]
    bench.run(11)
    assert bench.health() == ["healthy", "unhealthy", "healthy"]


def test_one_that_answers_now_and_then_stays_ill() -> None:
    bench = Bench(a_target())
    bench.run(5)
    bench.answer = BAD
    bench.run(33)
    for number in range(20):
        bench.answer = GOOD if number % 2 else BAD
        bench.run(10)
    assert bench.health()[1] == "unhealthy" and bench.health().count("healthy") <= 2


def test_what_it_says_while_it_is_ill_is_told_now_and_then() -> None:
    bench = Bench(a_target(probe=msgspec.structs.replace(HTTP, interval_s=1.0, retries=100)))
    for number in range(30):
        bench.answer = Result(ok=False, output=f"output {number}")
        bench.run(1.0)
    assert 4 <= len(bench.told) <= 1 + 30 / TELL_S


def test_what_was_known_before_the_agent_was_restarted_goes_on() -> None:
    bench = Bench(a_target(health="healthy"), up_s=3600.0)
    bench.answer = BAD
    bench.run(19.0)
    assert bench.told == [], "healthy until its retries are spent"
    bench.run(14.0)
    assert bench.health() == ["unhealthy"]


def test_a_probe_added_to_what_runs_judges_it_only_after_all_retries() -> None:
    bench = Bench(a_target(health="none"), up_s=3600.0)
    bench.answer = BAD
    bench.run(28.0)
    assert set(bench.health()) <= {"none"}
    bench.run(12.0)
    assert bench.health()[-1] == "unhealthy"


def test_a_restart_begins_anew_and_the_check_of_the_former_run_says_nothing() -> None:
    bench = Bench(a_target())
    bench.mono += 1
    (check,) = bench.table.due(bench.mono)
    bench.table.follow((a_target(run=("c1", WALL + 5)),), bench.now)
    assert bench.table.done(check, BAD, bench.mono) is None
    bench.run(1)
    assert bench.told[0][1].verdict.run == ("c1", WALL + 5)


def test_a_changed_probe_takes_effect_and_keeps_the_verdict() -> None:
    bench = Bench(a_target())
    bench.run(5)
    changed = msgspec.structs.replace(HTTP, path="/ready", interval_s=2.0, retries=2)
    bench.table.follow((a_target(probe=changed),), bench.now)
    bench.answer = BAD
    before = len(bench.checks)
    bench.run(1)
    assert [check.target.probe.path for _, check in bench.checks[before:]] == ["/ready"]
    assert bench.health() == ["healthy"]
    bench.run(3)
    assert bench.health() == ["healthy", "unhealthy"]


def test_what_is_followed_no_more_is_asked_no_more() -> None:
    bench = Bench(a_target(1), a_target(2))
    bench.table.follow((a_target(2),), bench.now)
    bench.run(30)
    assert {check.target.ref for _, check in bench.checks} == {a_ref(2)}


def test_many_containers_are_not_asked_at_the_same_moment() -> None:
    bench = Bench(*(a_target(n, health="healthy") for n in range(1, 101)))
    bench.run(10.5)
    seconds = [sum(int(at) == second for at, _ in bench.checks) for second in range(10)]
    assert max(seconds) <= 25, seconds


@pytest.mark.parametrize(("kind", "most"), [("http", CHECKS_MAX), ("exec", EXECS_MAX)])
def test_only_so_many_at_once_and_the_others_when_one_ended(kind: str, most: int) -> None:
    probe = Probe(kind="exec", command=("true",)) if kind == "exec" else HTTP
    bench = Bench(*(a_target(n, probe) for n in range(1, 41)))
    bench.mono += 5
    begun = bench.table.due(bench.mono)
    assert len(begun) == most and bench.table.due(bench.mono) == ()
    assert bench.table.wake_at() == float("inf")
    bench.table.done(begun[0], GOOD, bench.mono)
    assert len(bench.table.due(bench.mono)) == 1


def test_hanging_commands_do_not_keep_others_from_being_asked() -> None:
    slow = Probe(kind="exec", command=("sleep", "99"))
    bench = Bench(*(a_target(n, slow) for n in range(1, 11)), a_target(11))
    bench.mono += 5
    assert a_ref(11) in {check.target.ref for check in bench.table.due(bench.mono)}


def test_a_check_that_could_not_be_made_says_nothing() -> None:
    bench = Bench(a_target(probe=Probe(kind="exec", command=("x",), interval_s=1.0, retries=1)))
    bench.answer = Result(ok=False, output="the engine is down", void=True)
    bench.run(60)
    assert bench.told == [] and len(bench.checks) > 50


def test_nonsense_in_a_probe_is_kept_within_bounds() -> None:
    bench = Bench(a_target(probe=Probe(kind="tcp", port=1, interval_s=0.0, timeout_s=1e9, retries=-5)))
    bench.run(10)
    assert len(bench.checks) < 120
    assert bench.checks[0][1].timeout_s == 300.0


def test_pauses_double_while_it_starts() -> None:
    pauses = [pause_s(HTTP, "starting", n, "x") for n in range(1, 6)]
    assert [round(p / 0.25) for p in pauses] == [1, 2, 4, 4, 4]
    assert 9 <= pause_s(HTTP, "unhealthy", 9, "x") <= 11


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (HTTP, "http :8080/healthz"),
        (Probe(kind="tcp", port=5432), "tcp :5432"),
        (Probe(kind="exec", command=("pg_isready", "-q")), "exec pg_isready -q"),
    ],
)
def test_a_probe_has_a_name_for_people(probe: Probe, text: str) -> None:
    assert title(probe) == text


WORDS: Iterable[tuple[Health, Health, Health]] = [
    ("none", "none", "none"),
    ("healthy", "none", "healthy"),
    ("none", "healthy", "healthy"),
    ("healthy", "healthy", "healthy"),
    ("healthy", "starting", "starting"),
    ("starting", "healthy", "starting"),
    ("unhealthy", "healthy", "unhealthy"),
    ("healthy", "unhealthy", "unhealthy"),
    ("starting", "unhealthy", "unhealthy"),
]


@pytest.mark.parametrize(("docker", "probe", "both"), WORDS)
def test_bad_if_either_is_and_good_if_both_are(docker: Health, probe: Health, both: Health) -> None:
    assert combined(docker, probe) == both
