"""Legal names and the one way to write them: projects, services, nodes, replicas, containers, Docker labels.

Rules from DESIGN.md §1 and §3. Pure; used by every other package.
"""

import hashlib
import re

import msgspec

PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
NODE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
LABEL_KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_./-]{0,62}")
ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")

LABEL_VALUE_MAX = 256
"""Characters in the value of a node label."""

LABEL_PREFIX = "ropeteam."
"""Docker labels under this prefix are ours; users cannot set them."""

LABEL_CLUSTER = "ropeteam.cluster"
LABEL_NODE = "ropeteam.node"
LABEL_PROJECT = "ropeteam.project"
LABEL_SERVICE = "ropeteam.service"
LABEL_REPLICA = "ropeteam.replica"
LABEL_EPOCH = "ropeteam.epoch"
LABEL_SPEC = "ropeteam.spec"


class ReplicaId(msgspec.Struct, frozen=True, order=True):
    """The k-th wanted copy of a service; written `shop/web/1`. `index` counts from 1."""

    project: str
    service: str
    index: int

    def __str__(self) -> str:
        return f"{self.project}/{self.service}/{self.index}"

    @classmethod
    def parse(cls, text: str) -> "ReplicaId":
        """Read `shop/web/1`. Raises ValueError on any other form."""
        project, service, index = text.split("/")
        return cls(project, service, int(index))


def is_legal(pattern: re.Pattern[str], text: str) -> bool:
    """True when the whole of `text` is a name of the kind `pattern` describes."""
    return pattern.fullmatch(text) is not None


def container_name(cluster: str, replica: ReplicaId, epoch: int) -> str:
    """`rope-<project>-<service>-<replica>-<epoch>-<6 hex of a hash of cluster, project, service>` (DESIGN §3)."""
    text = "\0".join((cluster, replica.project, replica.service))
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"rope-{replica.project}-{replica.service}-{replica.index}-{epoch}-{digest}"


def volume_name(project: str, volume: str) -> str:
    """The Docker volume that holds a project's named volume, as Compose writes it: `<project>_<volume>`."""
    return f"{project}_{volume}"


def network_name(project: str, network: str) -> str:
    """The Docker network of a project's network: `rope-<project>-<network>`."""
    return f"rope-{project}-{network}"
