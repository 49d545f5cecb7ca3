"""How a service's new version is released: order, batches, canaries. Pure rules over the specification.

Used by `diff` for the steps, by the steps themselves, and by `planning` to show the choice before anything is done.
"""

import math

import msgspec

from controlplane.core.deployment import RELEASES, Deployment
from protocol.spec import Mount, ServiceSpec, UpdateConfig


def order_of(spec: ServiceSpec, config: UpdateConfig) -> tuple[bool, str]:
    """(start-first?, why). Asked for, or start-first unless something allows only one copy at a time."""
    if config.order is not None:
        return config.order == "start-first", "order says so"
    fixed = next((p for p in spec.ports if p.fixed), None)
    if fixed is not None:
        return False, f"host port {fixed.host_from} is fixed, so two copies do not fit on one node"
    held = next((m for m in spec.mounts if _holds(m)), None)
    if held is not None:
        return False, f"two copies at once could damage the data in {held.source}"
    return True, "nothing keeps old and new from running side by side"


def _holds(mount: Mount) -> bool:
    """True for data that two versions must not write at once: named volumes, and what is bound to be written."""
    return bool(mount.source) and (mount.kind == "volume" or (mount.kind == "bind" and not mount.read_only))


def config(deployment: Deployment, spec: ServiceSpec) -> UpdateConfig:
    """The numbers that hold: `rollback_config` when it goes to an older revision, else `update_config`."""
    if deployment.outcome:
        return spec.rollback or msgspec.structs.replace(spec.update, failure_action="continue", delay_s=0.0)
    if deployment.kind == "rollback" and spec.rollback is not None:
        return spec.rollback
    return spec.update


def parallelism(deployment: Deployment, spec: ServiceSpec | None) -> int:
    """Replicas of the service that are replaced or restarted at a time; 0 = all. Drains go one by one; nobody restarts
    everything at once.
    """
    if spec is None or deployment.kind == "migrate":
        return 1
    at_once = config(deployment, spec).parallelism
    return at_once or (1 if deployment.kind == "restart" else 0)


def canaries(deployment: Deployment, spec: ServiceSpec) -> int:
    """How many replicas go first as canaries; 0 = none. What ran before needs no canary."""
    if spec.canary is None or deployment.outcome or deployment.kind not in RELEASES or deployment.kind == "rollback":
        return 0
    if spec.canary.replicas:
        return min(spec.canary.replicas, spec.replicas)
    return max(1, math.ceil(spec.canary.percent * spec.replicas / 100)) if spec.replicas else 0


def is_blue_green(deployment: Deployment, spec: ServiceSpec) -> bool:
    """True when a whole second set is started and switched to. Going back by itself does without: time counts."""
    return spec.release == "blue_green" and deployment.kind in RELEASES and not deployment.outcome
