"""What is known of the health of one run of a container, and how Docker's word and our own make one.

Pure data. A run is (container id, started at): a restart begins another one, of which nothing is known.
"""

import msgspec

from protocol.messages import ContainerRef, Health
from protocol.spec import Probe

Run = tuple[str, float]
"""(container id, wall seconds of its start)."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe says of a run. `health` `none`: the probe is younger than the run and has not said anything yet.
    `output`: why it is not healthy, one line.
    """

    run: Run
    health: Health
    output: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A running container that is to be probed. `addresses`: its own, on its networks. `health`: known so far."""

    ref: ContainerRef
    run: Run
    probe: Probe
    addresses: tuple[str, ...] = ()
    health: Health = "starting"

    @property
    def container_id(self) -> str:
        """Docker's id of it."""
        return self.run[0]


def combined(docker: Health, probe: Health) -> Health:
    """One word of Docker's health check and of a probe that exists: bad if either is, good if both are. `none` says
    nothing: Docker has no check, or the probe is too young.
    """
    if probe == "none" or docker == probe:
        return docker
    if docker == "none":
        return probe
    return "unhealthy" if "unhealthy" in (docker, probe) else "starting"
