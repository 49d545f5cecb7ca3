"""`deploy`, and the keys of a service that say the same in another place: scale, cpus, mem_limit, restart, …

Called by `service`.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from composefile import inner, placement
from composefile.durations import read_size
from composefile.errors import quoted
from composefile.field import Entries, Field
from composefile.placement import Placing
from composefile.updates import read_rollback, read_update
from protocol.spec import Resources, RestartRule, UpdateConfig

REPLICAS_MAX = 1000
"""Replicas of one service."""

RESTARTS_MAX = 1_000_000
"""`on-failure:N` at most."""

T = TypeVar("T")

_CONDITIONS: dict[str, RestartRule] = {"none": "no", "on-failure": "on-failure", "any": "always"}

Restart = tuple[RestartRule, int]
"""The rule, and after how many restarts to give up (0 = never)."""


class Deploy(msgspec.Struct, frozen=True, kw_only=True):
    """What `deploy` and its shorter forms say; None where the file says nothing."""

    replicas: int | None = None
    resources: Resources = Resources()
    placing: Placing = Placing()
    update: UpdateConfig = UpdateConfig()
    rollback: UpdateConfig | None = None
    restart: Restart | None = None


def read_deploy(service: Entries) -> Deploy:
    """What a service says of these. The same thing said twice in different ways is an error, as in Compose."""
    deploy = service.read("deploy", _read_deploy, Deploy())
    given = deploy.resources
    resources = msgspec.structs.replace(
        given,
        cpus_limit=_once(service, "cpus", placement.read_cpus, given.cpus_limit or None, "limits.cpus") or 0.0,
        memory_limit=_once(service, "mem_limit", _memory, given.memory_limit or None, "limits.memory") or 0,
        pids_limit=_once(service, "pids_limit", placement.read_pids, given.pids_limit or None, "limits.pids") or 0,
        memory_reserved=_once(
            service, "mem_reservation", read_size, given.memory_reserved or None, "reservations.memory"
        )
        or 0,
    )
    field = service.get("mem_reservation") or service.get("mem_limit") or service.get("cpus")
    if field is not None:
        placement.check_resources(field, resources)
    return msgspec.structs.replace(
        deploy,
        replicas=_once(service, "scale", _replicas, deploy.replicas, "replicas"),
        resources=resources,
        restart=_once(service, "restart", _read_restart, deploy.restart, "restart_policy"),
    )


def _once(service: Entries, key: str, read: Callable[[Field], T], given: T | None, where: str) -> T | None:
    """The value of `key`, else `given`, which `where` below `deploy` says. Both and different: an error."""
    field = service.get(key)
    if field is None:
        return given
    value = field.collect(read, None)
    if value is None:
        return given
    if given is not None and given != value:
        field.error(f"{key} and deploy's {where} say different things", "Keep one of them.")
    return value


def _memory(field: Field) -> int:
    return read_size(field, placement.MEMORY_MIN)


def _replicas(field: Field) -> int:
    return field.integer(0, REPLICAS_MAX)


def _read_deploy(field: Field) -> Deploy:
    entries = field.entries(inner.DEPLOY)
    entries.read("mode", _check_mode, None)
    return Deploy(
        replicas=entries.read("replicas", _replicas, None),
        resources=entries.read("resources", placement.read_resources, Resources()),
        placing=entries.read("placement", placement.read_placing, Placing()),
        update=entries.read("update_config", read_update, UpdateConfig()),
        rollback=entries.read("rollback_config", read_rollback, None),
        restart=entries.read("restart_policy", _read_policy, None),
    )


def _check_mode(field: Field) -> None:
    mode = field.written()
    if mode in ("global", "replicated-job", "global-job"):
        raise field.fault(f"not supported yet: mode {mode}", "Use replicas, and placement.max_replicas_per_node: 1.")
    field.choice("replicated")


def _read_policy(field: Field) -> Restart:
    entries = field.entries(inner.RESTART_POLICY)
    condition = entries.read("condition", lambda f: f.choice(*_CONDITIONS), "any")
    times = entries.read("max_attempts", lambda f: f.integer(0, RESTARTS_MAX), 0)
    at = entries.get("max_attempts")
    if at is not None and times and condition != "on-failure":
        at.error("counts only with condition: on-failure", "Remove it.")
    return _CONDITIONS[condition], times if condition == "on-failure" else 0


def _read_restart(field: Field) -> Restart:
    value = field.written()
    rule, colon, times = value.partition(":")
    if rule not in ("no", "always", "unless-stopped", "on-failure") or (colon and rule != "on-failure"):
        fix = 'Write "no".' if value.lower() == "false" else ""
        raise field.fault(f"must be no, always, unless-stopped or on-failure[:N], not {quoted(value)}", fix)
    if not colon:
        return cast(RestartRule, rule), 0
    return "on-failure", field.with_text(times).integer(1, RESTARTS_MAX)
