"""`deploy.update_config` and `deploy.rollback_config` -> UpdateConfig, with Swarm's meaning. Carries out nothing.

Called by `service`.
"""

from typing import cast

from composefile import inner
from composefile.durations import read_duration
from composefile.field import Entries, Field
from protocol.spec import FailureAction, UpdateConfig, UpdateOrder

PARALLELISM_MAX = 1000
"""Replicas taken at a time; more than a service can have means all."""


def read_update(field: Field) -> UpdateConfig:
    """How an update goes. What fails is rolled back unless told otherwise (Compose: pause)."""
    return _read(field.entries(inner.UPDATE), "rollback", ("rollback", "pause", "continue"))


def read_rollback(field: Field) -> UpdateConfig:
    """How a rollback goes; one that fails is never rolled back itself."""
    return _read(field.entries(inner.ROLLBACK), "pause", ("pause", "continue"))


def _read(entries: Entries, action: FailureAction, actions: tuple[FailureAction, ...]) -> UpdateConfig:
    """`action`: what happens on failure when the file does not say, of `actions`."""
    plain = UpdateConfig()
    order = entries.read("order", lambda f: f.choice("start-first", "stop-first"), None)
    return UpdateConfig(
        parallelism=entries.read("parallelism", lambda f: f.integer(0, PARALLELISM_MAX), plain.parallelism),
        delay_s=entries.read("delay", read_duration, plain.delay_s),
        order=cast("UpdateOrder | None", order),
        monitor_s=entries.read("monitor", read_duration, plain.monitor_s),
        failure_action=cast(FailureAction, entries.read("failure_action", lambda f: f.choice(*actions), action)),
        max_failure_ratio=entries.read("max_failure_ratio", lambda f: f.number(0, 1), plain.max_failure_ratio),
    )
