"""A machine of the test world: what its agent shall run, what it runs, and how it misbehaves. `world` moves it."""

import msgspec

from protocol.messages import PROTOCOL, ContainerRef, Health
from protocol.spec import DesiredReplica


class Container(msgspec.Struct):
    """What an agent of the test runs."""

    want: DesiredReplica
    started_at: float
    state: str = "starting"
    health: Health = "none"
    code: str = ""
    reason: str = ""
    gave_up: bool = False
    restarts: int = 0
    exit_code: int | None = None
    tail: tuple[str, ...] = ()


class Agent:
    """One machine: what it shall run, what it runs, whether it is on and connected."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.desired: dict[ContainerRef, DesiredReplica] = {}
        self.running: dict[ContainerRef, Container] = {}
        self.epoch = 0
        self.on = True
        self.linked = True
        self.ends: dict[str, int] = {}
        """Image -> exit code: containers of it are jobs that end with it after `job_s`."""
        self.fails: dict[str, str] = {}
        """Image -> reason: containers of it fail."""
        self.sick: set[str] = set()
        """Images whose containers run and fail their health check."""
        self.images: dict[str, str] = {}
        """Image -> pin; others resolve to `<name>@sha256:…`."""
        self.unknown: set[str] = set()
        """Images it cannot resolve."""
        self.unpullable = False
        """It cannot pull anything."""
        self.deaf = False
        """It never says how a pull goes."""
        self.busy_ports = 0
        """So many of its next containers find their port taken."""
        self.engine = f"engine-{name}"
        self.orders: list[str] = []
        self.version = "1.0"
        self.image = ""
        """The image of the container it runs in; "" = in none."""
        self.protocol = PROTOCOL
        self.replacing = ""
        """The task that told it to replace itself; tests say what comes of it."""
