"""Seeds that found something, and what it was: played again by `test_simulation`. Unit tests hold the bugs themselves.

A seed stands for its run only as long as `scenario` makes the same run of it; when that changes, the entries that mean
nothing any more go, and their bugs stay with their unit tests.
"""

KEPT: dict[int, tuple[float, str]] = {
    2: (30.0, "a paused start that failed every resume for restarts of long ago (core.placing)"),
    24: (40.0, "the checker of S10 judged a commit that a pause of the Center held up by the end of that pause"),
}
"""Seed -> minutes to play, what was wrong."""
