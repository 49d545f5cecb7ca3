"""`WebSocket /api/v1/stream` with subprotocol `ropeteam.live.v1`: many subscriptions over one socket of a person.

JSON text frames, one union per direction. A subscription has an id that the person chooses; every frame about it says
that id, and after `Over` the id may be used again. Bytes are base64. Without the subprotocol the socket is the plain
stream of `protocol.api.StreamFrame`.
"""

import msgspec

from protocol.api import DeploymentView, EventView, TaskView

LIVE = "ropeteam.live.v1"
"""WebSocket subprotocol."""

CREDIT_BYTES = 64 * 1024
"""What a reader usually grants a source of logs, or an exec, at first."""

CREDIT_MAX = 1024 * 1024
"""Bytes that one source may owe at most."""


class Live(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=str.lower):
    """A frame. Its `type` is the class name in lower case. `id`: the subscription, 1 or more."""

    id: int


# -- person -> Center -----------------------------------------------------------------------------------------------


class Events(Live, frozen=True, kw_only=True):
    """Events after `after` (None = from now on), then live. Answers: `Told`, `Dropped`."""

    after: int | None = None
    project: str = ""
    node: str = ""


class Deployment(Live, frozen=True, kw_only=True):
    """How a deployment goes, from how it is now to its end. Answers: `Progress`, then `Over`."""

    deployment: int


class Logs(Live, frozen=True, kw_only=True):
    """Logs of a project, a service or one replica (0 = all). `lines` of each copy (-1 = all), none from before
    `since_ns` (wall nanoseconds). Answers: `Source` for each copy, `Data`, `SourceOver`; `Over` unless `follow`.
    `credit`: bytes that each source may send at first.
    """

    project: str
    service: str = ""
    replica: int = 0
    node: str = ""
    lines: int = 100
    since_ns: int = 0
    follow: bool = False
    credit: int = CREDIT_BYTES


class Exec(Live, frozen=True, kw_only=True):
    """Run a command in a replica (0 = the first that runs). Answers: `Source` 1 with the replica, `Data`, `Credit` for
    input, `Over` with the exit code.
    """

    project: str
    service: str
    command: tuple[str, ...]
    replica: int = 0
    tty: bool = False
    stdin: bool = False
    cols: int = 80
    rows: int = 24
    credit: int = CREDIT_BYTES


class Top(Live, frozen=True, kw_only=True):
    """What nodes and replicas use, now and then every `every_s`. Answers: `Usage`. `history`: with the last hour."""

    every_s: float = 2.0
    history: bool = False


class Input(Live, frozen=True, kw_only=True):
    """Bytes for an exec to read, within the credit it gave. `eof`: nothing follows."""

    data: bytes = b""
    eof: bool = False


class Resize(Live, frozen=True, kw_only=True):
    """The terminal of an exec has another size."""

    cols: int
    rows: int


class Credit(Live, frozen=True, kw_only=True):
    """The reader took so many bytes of a source. From the Center: an exec takes so many bytes more of input."""

    credit: int
    source: int = 1


class Stop(Live, frozen=True, kw_only=True):
    """End a subscription; an exec's command loses its terminal. Answer: `Over`."""


FromPerson = Events | Deployment | Logs | Exec | Top | Input | Resize | Credit | Stop


# -- Center -> person -----------------------------------------------------------------------------------------------


class Told(Live, frozen=True, kw_only=True):
    """An event."""

    event: EventView


class Dropped(Live, frozen=True, kw_only=True):
    """So many events were left out, for the reader was slow: ask again with `after`."""

    count: int


class Progress(Live, frozen=True, kw_only=True):
    """The deployment as it is now, with the tasks of its steps; what lay between two of these is not told."""

    deployment: DeploymentView
    tasks: tuple[TaskView, ...] = ()


class Source(Live, frozen=True, kw_only=True):
    """Where data come from: a copy of a replica on a node. `note`: a sentence on what is shown, "" = all there is."""

    source: int
    project: str
    service: str
    replica: int
    epoch: int
    node: str
    note: str = ""


class Data(Live, frozen=True, kw_only=True):
    """Bytes of a source. Logs: whole lines or parts of them, as `protocol.streams.OpenLogs` says. Exec: `channel` 1
    stdout (and all of a terminal), 2 stderr.
    """

    source: int
    data: bytes
    channel: int = 1


class SourceOver(Live, frozen=True, kw_only=True):
    """A source ended. `reason` "" = it is complete. `again`: it goes on under another number when the node is back."""

    source: int
    reason: str = ""
    again: bool = False


class NodeUse(msgspec.Struct, frozen=True, kw_only=True):
    """A node now. `cpu` percent of the machine; memory MiB, disk GiB, network KiB/s; None = not known."""

    node: str
    state: str
    replicas: int
    cpus: float
    cpu: float | None = None
    load: float | None = None
    mem_used_mb: float | None = None
    mem_total_mb: float = 0.0
    disk_used_gb: float | None = None
    disk_total_gb: float = 0.0
    net_in_kb: float | None = None
    net_out_kb: float | None = None
    beat: int = 0
    """Number of the heartbeat that said so."""
    answer_ms: float | None = None
    """How long the Center's answer to the heartbeat before took."""
    cpu_hour: tuple[float | None, ...] = ()
    """`cpu` in the last hour, means of 3 min, oldest first, None = not heard; only when it was asked for."""


class ReplicaUse(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a replica now. `cpu` percent of one core; memory MiB, network KiB/s."""

    project: str
    service: str
    replica: int
    epoch: int
    node: str
    state: str
    cpu: float = 0.0
    mem_mb: float = 0.0
    net_in_kb: float = 0.0
    net_out_kb: float = 0.0


class ProjectHour(msgspec.Struct, frozen=True, kw_only=True):
    """A project in the last hour: percent of one core over all its copies, as `NodeUse.cpu_hour`."""

    project: str
    cpu_hour: tuple[float | None, ...]


class Usage(Live, frozen=True, kw_only=True):
    """All nodes and what runs on them, from their latest heartbeats. `projects`: only when history was asked for."""

    nodes: tuple[NodeUse, ...]
    replicas: tuple[ReplicaUse, ...]
    projects: tuple[ProjectHour, ...] = ()


class Over(Live, frozen=True, kw_only=True):
    """The subscription is over. `error`: code of the API's errors, "" = as it should; `message` for people. `code`:
    exit code of an exec.
    """

    error: str = ""
    message: str = ""
    code: int | None = None


class Beat(Live, frozen=True, kw_only=True):
    """Nothing else was told for 15 s. `id` is 0."""


FromCenter = Told | Dropped | Progress | Source | Data | SourceOver | Usage | Credit | Over | Beat
