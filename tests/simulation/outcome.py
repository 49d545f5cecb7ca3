"""How a run ended: what it was, and the invariant that did not hold. Made by `world`."""

import msgspec


class Violation(AssertionError):
    """An invariant does not hold. `at`: seconds since the world began. `lines`: what happened last."""

    def __init__(self, text: str, at: float, lines: list[str]) -> None:
        super().__init__(text)
        self.text = text
        self.at = at
        self.lines = lines


class Counts(msgspec.Struct, kw_only=True):
    """How much a run was."""

    events: int = 0
    faults: int = 0
    acts: int = 0
    commits: int = 0
    starts: int = 0
    seconds: float = 0.0
    replicas: int = 0
