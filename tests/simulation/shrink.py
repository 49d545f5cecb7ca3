"""Makes a failing run small: fewer faults, fewer acts, fewer nodes, as long as it fails the same way."""

from collections.abc import Callable

import msgspec

from tests.simulation.outcome import Violation
from tests.simulation.scenario import Scenario
from tests.simulation.world import World

RUNS_MAX = 150


def shrink(scenario: Scenario, violation: Violation, say: Callable[[str], None]) -> tuple[Scenario, Violation]:
    """The smallest failing run found within `RUNS_MAX` tries, and its violation."""
    return _Shrinker(scenario, violation, say).run()


class _Shrinker:
    def __init__(self, scenario: Scenario, violation: Violation, say: Callable[[str], None]) -> None:
        self.best = scenario
        self.violation = violation
        self._name = _name(violation)
        self._say = say
        self._runs = 0

    def run(self) -> tuple[Scenario, Violation]:
        for nodes in range(3, self.best.nodes):
            if self._try(msgspec.structs.replace(self.best, nodes=nodes)):
                break
        for field in ("faults", "acts", "faults"):
            self._thin_out(field)
        return self.best, self.violation

    def _thin_out(self, field: str) -> None:
        """Leave out halves, quarters … of the entries, then single ones."""
        size = max(1, len(getattr(self.best, field)) // 2)
        while size:
            start = 0
            while start < len(getattr(self.best, field)):
                entries = getattr(self.best, field)
                fewer = (*entries[:start], *entries[start + size :])
                if not self._try(msgspec.structs.replace(self.best, **{field: fewer})):
                    start += size
            size //= 2

    def _try(self, scenario: Scenario) -> bool:
        if self._runs >= RUNS_MAX:
            return False
        self._runs += 1
        try:
            World(scenario).run()
        except Violation as violation:
            if _name(violation) == self._name:
                self.best, self.violation = scenario, violation
                self._say(f"still fails with {len(scenario.faults)} faults, {len(scenario.acts)} acts")
                return True
        return False


def _name(violation: Violation) -> str:
    return violation.text.split()[0]
