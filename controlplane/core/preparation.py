"""What was made ready for a replica while its node is silent: a target, its ports, a pull. Lives in memory only."""

from controlplane.core.record import Record
from protocol.api import Candidate
from protocol.names import ReplicaId
from protocol.spec import PortLease

PULLS_PER_TARGET = 2
PULLS_MAX = 10


class Preparation(Record, frozen=True, kw_only=True):
    """Key: `replica`. `source`: the silent node. `target` holds the reservation and `ports`; "" = nothing fits, and it
    is not asked again.
    """

    replica: ReplicaId
    source: str
    target: str
    revision: int
    ports: tuple[PortLease, ...] = ()
    task: str = ""
    candidates: tuple[Candidate, ...] = ()
    """Every node as it was judged when the target was chosen, for the journal."""
