"""The detector against a model of its own: silences, closes, returns, pauses, starts, confirmations in any order."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from controlplane.core import detector
from controlplane.core.detector import Verdict
from controlplane.core.guard import Hold
from tests.unit.controlplane.core.beating_cluster import PERIOD_S, Cluster

EPS = 1e-6
CALL_MAX_S = 1.0
"""Calls further apart are pauses, so a deadline is seen by at most so much later."""


def mass_loss(lost: set[str], of: set[str]) -> bool:
    return lost == of or (len(lost) >= 3 and len(lost) >= len(of) / 2)


class DetectorMachine(RuleBasedStateMachine):
    """Times are seconds in which the Center did not stand still, counted apart from the detector's clock."""

    @initialize(count=st.integers(1, 7), seen=st.booleans())
    def start(self, count: int, seen: bool) -> None:
        self.names = [f"n{i}" for i in range(count)]
        self.cluster = Cluster(*self.names, seen=seen)
        self.ran_s = 0.0
        self.marked_at = 0.0
        """Start of the Center or its last long pause."""
        self.rests_until = -math.inf
        self.frame_at = dict.fromkeys(self.names, 0.0 if seen else -math.inf)
        """Last frame since the mark."""
        self.fresh: set[str] = set()
        """Sent a frame between the last two calls."""
        self.online_at = dict.fromkeys(self.names, 0.0)
        self.moved: set[str] = set()
        self.confirmed: set[str] = set()
        self.held_at: dict[str, float] = {}
        self.hold_at = self.calm_at = math.inf
        self.dark_at = self.dripped_at = -math.inf
        self.call(PERIOD_S)

    # -- what happens ----------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0, 7.75, 15.5, 31.0, 130.0]))
    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            self.call(PERIOD_S)

    @rule(gap_s=st.sampled_from([0.3, 0.7, 1.0]), count=st.integers(1, 20))
    def run_slowly(self, gap_s: float, count: int) -> None:
        for _ in range(count):
            self.call(gap_s)

    @rule(gap_s=st.sampled_from([1.1, 3.0, 7.0, 14.9, 15.1, 60.0]))
    def pause(self, gap_s: float) -> None:
        self.call(gap_s)

    @rule(gap_s=st.sampled_from([2.0, 40.0]))
    def suspend(self, gap_s: float) -> None:
        self.call(gap_s, mono_s=PERIOD_S)

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.cluster.cut |= data.draw(st.sets(st.sampled_from(self.names), min_size=1))

    @rule(data=st.data(), aborted=st.booleans())
    def close(self, data: st.DataObject, aborted: bool) -> None:
        self.cluster.close(data.draw(st.sampled_from(self.names)), aborted=aborted)

    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        self.cluster.returning |= data.draw(st.sets(st.sampled_from(self.names), min_size=1))

    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.names))
        if self.cluster.nodes[name][0] != "online":
            self.cluster.watch = detector.confirm_down(self.cluster.watch, name)
            self.confirmed.add(name)

    @rule()
    def start_again(self) -> None:
        cluster = self.cluster
        for name in self.names:
            cluster.last[name] = None
            cluster.close(name, aborted=False)
            self.frame_at[name] = -math.inf
        cluster.watch = detector.first(cluster.now, cluster.nodes)
        self.marked_at = self.ran_s
        self.rests_until = -math.inf
        self.confirmed.clear()
        self.held_at = dict.fromkeys(self.held_at, self.ran_s)
        self.hold_at = self.ran_s if self.held_at else math.inf
        self.calm_at = math.inf
        self.online_at = {n: self.ran_s if s != "offline" else -math.inf for n, (s, _) in cluster.nodes.items()}

    # -- one call, checked -----------------------------------------------------------------------------------------

    def call(self, gap_s: float, mono_s: float | None = None) -> None:
        cluster = self.cluster
        before, frames, hold = dict(cluster.nodes), dict(cluster.last), cluster.watch.hold
        if gap_s <= CALL_MAX_S:
            self.ran_s += gap_s
        else:
            self.rests_until = max(self.rests_until, self.ran_s + max(5.0, min(gap_s, 15.0)))
        verdicts = cluster.step(gap_s, mono_s)
        self.fresh = {name for name in self.names if cluster.last[name] != frames[name]}
        self.frame_at |= dict.fromkeys(self.fresh, self.ran_s)
        if gap_s > 15.0:
            self.marked_at = self.ran_s
            if mono_s is not None:  # frames from before the suspension and after cannot be told apart
                self.fresh.clear()
            self.frame_at |= {name: -math.inf for name in self.names if name not in self.fresh}

        for verdict in verdicts:
            self.check_verdict(verdict, before[verdict.node][0])
        self.check_guard([v.node for v in verdicts if v.moves and v.node not in self.confirmed], hold)
        self.remember()
        self.check_deadlines()
        self.check_preparation()
        assert len(cluster.watch.clock.pauses) <= 64
        assert set(cluster.watch.unknown_until) <= {n for n in self.names if before[n][0] == "unknown"}

    def silence(self, name: str) -> float:
        return self.ran_s - self.frame_at[name]

    def away(self) -> set[str]:
        return {n for n in self.names if not self.cluster.connected[n] or self.silence(n) > 7.5 + EPS}

    def check_verdict(self, verdict: Verdict, was: str) -> None:
        if verdict.state == "offline" and was != "offline":
            assert self.silence(verdict.node) > 15.0 - EPS
            assert self.ran_s >= self.rests_until - EPS
            if was == "unknown":
                assert self.ran_s - self.marked_at >= 30.0 - EPS
        if verdict.state != "offline":
            self.moved.discard(verdict.node)
        if verdict.moves:
            assert verdict.node not in self.moved, "moved twice"
            self.moved.add(verdict.node)

    def check_guard(self, moves: list[str], hold: Hold | None) -> None:
        """No move without an operator's word that the guard should have stopped."""
        recent = {n for n in self.names if self.ran_s - self.online_at[n] <= 30.0 + EPS}
        if hold is None and not self.held_at:
            assert not moves or not mass_loss(self.away() & recent, recent), "the guard should hold"
            return
        members = set(hold.members if hold else recent | self.held_at.keys()) | set(moves)
        members |= {name for name, (_, held) in self.cluster.nodes.items() if held}
        calm = not mass_loss(self.away() & members, members)
        self.calm_at = min(self.calm_at, self.ran_s) if calm else math.inf
        if not moves or self.ran_s - self.calm_at >= 15.0 - EPS:
            return
        assert len(moves) == 1
        assert self.ran_s - self.hold_at >= 120.0 - EPS
        assert self.ran_s - self.dripped_at >= 10.0 - EPS
        assert "online" in {state for state, _ in self.cluster.nodes.values()}
        self.dripped_at = self.ran_s

    def remember(self) -> None:
        for name, (state, held) in self.cluster.nodes.items():
            if state != "offline":
                self.online_at[name] = self.ran_s
            if state == "online":
                self.confirmed.discard(name)
            if held:
                self.held_at.setdefault(name, self.ran_s)
            else:
                self.held_at.pop(name, None)
        if self.cluster.watch.hold is None:
            self.hold_at = self.calm_at = math.inf
        else:
            self.hold_at = min(self.hold_at, self.ran_s)
        if "online" not in {state for state, _ in self.cluster.nodes.values()}:
            self.dark_at = self.ran_s

    def check_deadlines(self) -> None:
        rested = self.ran_s >= self.rests_until + CALL_MAX_S
        for name, (state, held) in self.cluster.nodes.items():
            if name in self.fresh and self.cluster.connected[name]:
                assert state == "online", f"{name} sent a frame"
            if state == "online":
                assert self.silence(name) <= 7.5 + EPS
            if state in ("online", "suspect") and rested:
                assert self.silence(name) <= 15.0 + EPS
            assert not held or state == "offline"
        for name, held_at in self.held_at.items():
            since = max(held_at + 120.0, self.dark_at + 15.0, self.rests_until)
            drip_s = (10.0 + CALL_MAX_S) * len(self.names)
            assert self.ran_s <= since + drip_s + CALL_MAX_S, f"{name} is held for ever"
        assert not self.held_at or self.cluster.watch.hold is not None

    def check_preparation(self) -> None:
        if self.cluster.watch.hold is not None:
            assert not self.cluster.prepare
        for name in self.cluster.prepare:
            assert self.cluster.nodes[name][0] == "suspect"
            assert self.silence(name) > 7.5 - EPS


TestDetectorMachine = DetectorMachine.TestCase
TestDetectorMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
