"""One-shot services: when a run of one is over, and what counts as done. Pure; records in, yes or no out.

A job is whatever Compose's `restart:` lets end: `no`, or `on-failure` with exit code 0. A completed job stays where it
ran, is ready, and runs again only when its container changes or a person asks for it by name.
"""

from controlplane.core.replica import Assignment, Replica
from protocol.spec import ServiceSpec

RUN_S = 3600.0
"""How long a deployment waits for a job that others wait for, beyond what any step gets."""


def completed(assignment: Assignment | None) -> bool:
    """Ended with exit code 0. An agent whose container of it was removed by hand tells no code, but remembers that."""
    return assignment is not None and assignment.state == "stopped" and assignment.exit_code in (0, None)


def has_completed(replica: Replica) -> bool:
    """True when the wanted copy has completed."""
    return not replica.ending and completed(replica.wanted)


def failed_for_good(spec: ServiceSpec, assignment: Assignment) -> bool:
    """Ended with another code, and its `restart:` rule leaves it so: nobody starts it again by himself."""
    if assignment.state != "failed" or assignment.exit_code in (0, None):
        return False
    if spec.restart == "no":
        return True
    return spec.restart == "on-failure" and 0 < spec.restart_max <= assignment.restarts


def at_rest(spec: ServiceSpec | None, assignment: Assignment) -> bool:
    """True when its run is over, one way or the other: a loss of its node takes nothing from it."""
    return assignment.state == "stopped" or (spec is not None and failed_for_good(spec, assignment))
