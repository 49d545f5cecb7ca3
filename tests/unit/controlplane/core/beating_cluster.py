"""A cluster for the tests of the detector: nodes that beat, and the Center's record, driven as the core drives it.

One call of `judge` every 0.25 s, verdicts recorded before the next call.
"""

from controlplane.core import detector
from controlplane.core.detector import Sighting, Verdict, Watch
from controlplane.core.node import NodeState

PERIOD_S = 0.25


class Cluster:
    """Nodes that beat every 5 s unless cut, and the Center's record of them. Times are monotonic seconds."""

    def __init__(self, *names: str, state: NodeState = "online", seen: bool = True, at: float = 1000.0) -> None:
        self.now = at
        self.nodes: dict[str, tuple[NodeState, bool]] = {name: (state, False) for name in names}
        self.last: dict[str, float | None] = {name: at if seen else None for name in names}
        self.connected = dict.fromkeys(names, seen)
        self.aborted = dict.fromkeys(names, False)
        self.cut: set[str] = set() if seen else set(names)
        self.returning: set[str] = set()
        """Come back within the next step."""
        self.watch: Watch = detector.first(at - PERIOD_S, self.nodes)
        self.verdicts: list[tuple[float, Verdict]] = []
        self.alarms: list[str] = []
        self.eased: list[str] = []
        self.prepare: frozenset[str] = frozenset()

    def sighting(self, name: str) -> Sighting:
        last = self.last[name]
        silent_s = None if last is None else self.now - last
        return Sighting(silent_s=silent_s, connected=self.connected[name], aborted=self.aborted[name])

    def step(self, gap_s: float = PERIOD_S, mono_s: float | None = None) -> list[Verdict]:
        """One call of `judge`, `gap_s` after the last."""
        self.now += gap_s if mono_s is None else mono_s
        self.come_back(*self.returning)
        self.returning.clear()
        for name, last in self.last.items():
            if name not in self.cut and last is not None and self.now - last >= 5.0:
                self.last[name] = self.now
        seen = {n: self.sighting(n) for n in self.nodes}
        result = detector.judge(self.watch, self.nodes, seen, self.now, gap_s)
        few = [n for n in self.nodes if self.nodes[n] != ("online", False) or _is_restless(seen[n])]
        assert detector.judge(self.watch, self.nodes, seen, self.now, gap_s, few) == result, (
            "quiet nodes change nothing"
        )
        self.watch, self.prepare = result.watch, result.prepare
        for verdict in result.verdicts:
            assert self.nodes[verdict.node] != (verdict.state, verdict.held), "a verdict that changes nothing"
            self.nodes[verdict.node] = (verdict.state, verdict.held)
            self.verdicts.append((self.now, verdict))
        self.alarms += result.alarms
        self.eased += result.eased
        return list(result.verdicts)

    def run(self, seconds: float) -> list[Verdict]:
        """Calls for so long; the verdicts of that time."""
        start = len(self.verdicts)
        for _ in range(round(seconds / PERIOD_S)):
            self.step()
        return [verdict for _, verdict in self.verdicts[start:]]

    def lose(self, *names: str) -> None:
        """Nothing comes any more, sockets stay open: power loss, a pulled cable."""
        for name in names:
            self.cut.add(name)
            self.last[name] = self.now

    def close(self, name: str, *, aborted: bool) -> None:
        self.cut.add(name)
        self.connected[name], self.aborted[name] = False, aborted

    def come_back(self, *names: str) -> None:
        """A new session with its first frame."""
        for name in names:
            self.cut.discard(name)
            self.last[name] = self.now
            self.connected[name], self.aborted[name] = True, False

    def register(self, name: str) -> None:
        """A new node whose agent has not connected yet."""
        self.nodes[name] = ("unknown", False)
        self.last[name], self.connected[name], self.aborted[name] = None, False, False
        self.cut.add(name)

    def start_again(self) -> None:
        """The Center is killed and started: no session, nobody seen."""
        for name in self.nodes:
            self.last[name], self.connected[name], self.aborted[name] = None, False, False
            self.cut.add(name)
        self.watch = detector.first(self.now, self.nodes)

    def states(self) -> dict[str, str]:
        return {name: f"{state} (held)" if held else state for name, (state, held) in self.nodes.items()}

    def moved(self) -> list[str]:
        return [verdict.node for _, verdict in self.verdicts if verdict.moves]

    def when(self, node: str, state: NodeState) -> float:
        return next(at for at, verdict in self.verdicts if verdict.node == node and verdict.state == state)


def _is_restless(sighting: Sighting) -> bool:
    return not sighting.connected or sighting.silent_s is None or sighting.silent_s > detector.SUSPECT_S
