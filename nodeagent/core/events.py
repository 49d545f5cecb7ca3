"""What the agent's core is told and what it answers: events in, actions out (DESIGN §2, rings).

Data only. `nodeagent.loop` feeds the events to `NodeState.handle` and carries the actions out in their order: a save is
on disk before the next action begins, so nothing is acknowledged or done on a word that a crash would forget.
"""

import msgspec

from nodeagent.core.container import Container, EngineInfo, FaultKind
from nodeagent.core.desired import DesiredState
from nodeagent.core.restart import Ending
from nodeagent.core.steps import Step
from nodeagent.core.tasks import TaskRecord
from nodeagent.core.verdict import Run as ContainerRun
from nodeagent.core.verdict import Target, Verdict
from protocol.messages import ContainerRef, FromAgent, ReasonCode, Word


class Now(msgspec.Struct, frozen=True):
    """The time: `mono` for waits and liveness, `wall` for what Docker stamps and what must survive a restart."""

    mono: float
    wall: float


class Past(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a desired copy so far (`restart.Trials`), so that a restart of the agent forgives nothing and does
    no job twice. `not_before`: wall seconds. Its container may be gone since (`docker prune`).
    """

    ref: ContainerRef
    ending: Ending = ""
    reason: str = ""
    code: ReasonCode = ""
    attempts: int = 0
    failures: int = 0
    restarts: int = 0
    not_before: float = 0.0
    failed_run: ContainerRun | None = None
    gave_up: bool = False
    verdict: Verdict | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What survives a restart of the agent, beside the tasks. `desired` None = no word of the Center is known."""

    desired: DesiredState | None = None
    boot_id: str = ""
    state_seq: int = 0
    removed: bool = False
    past: tuple[Past, ...] = msgspec.field(name="ended", default=())
    """Named as it was when only ends were kept: what older agents wrote is read as well."""


# -- events ---------------------------------------------------------------------------------------------------------


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """All our containers. `asked_at`: when the question was put (monotonic). `after_break`: the engine was away before
    this look, or may have been.
    """

    containers: tuple[Container, ...]
    asked_at: float
    after_break: bool = False


class Inspected(msgspec.Struct, frozen=True, kw_only=True):
    """One container, looked at because of a hint; None = it is not there or not ours."""

    container_id: str
    container: Container | None
    asked_at: float


class EngineSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The engine answers."""

    info: EngineInfo


class EngineSilent(msgspec.Struct, frozen=True, kw_only=True):
    """The engine did not answer a question in time."""

    reason: str


class StepDone(msgspec.Struct, frozen=True, kw_only=True):
    """A step succeeded. `looked`: `container` is what a look at `asked_at` showed afterwards (None = gone).
    `result`: of a Resolve.
    """

    step: Step
    asked_at: float
    container: Container | None = None
    looked: bool = False
    result: str = ""


class StepFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A step failed, and why."""

    step: Step
    kind: FaultKind
    text: str
    asked_at: float
    container: Container | None = None
    looked: bool = False


class TailRead(msgspec.Struct, frozen=True, kw_only=True):
    """The last lines of a container; none if they could not be read."""

    ref: ContainerRef
    lines: tuple[str, ...]


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe says of a container changed."""

    ref: ContainerRef
    verdict: Verdict


class PullMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of an image so far."""

    image: str
    done: int
    total: int


class SessionOpened(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides have proved their keys; the Center waits for the inventory; `recall`: and for what was desired."""

    session: int
    recall: bool = False


class SessionClosed(msgspec.Struct, frozen=True, kw_only=True):
    """The session is over, for whatever reason."""

    session: int


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the Center, from `Welcome` on."""

    session: int
    message: Word


class Woke(msgspec.Struct, frozen=True, kw_only=True):
    """The time that was asked for has come."""


Event = (
    Listed
    | Inspected
    | EngineSeen
    | EngineSilent
    | StepDone
    | StepFailed
    | TailRead
    | Probed
    | PullMoved
    | SessionOpened
    | SessionClosed
    | Received
    | Woke
)


# -- actions --------------------------------------------------------------------------------------------------------


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Put on the control lane of this session; dropped when the session is over (its successor says it all again)."""

    session: int
    message: FromAgent


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Begin this step; its end comes back as an event."""

    step: Step


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Probe these containers from now on, and no others."""

    targets: tuple[Target, ...]


class SaveMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Replace what is on disk."""

    memory: Memory


class SaveTask(msgspec.Struct, frozen=True, kw_only=True):
    """Add a line to the tasks on disk."""

    record: TaskRecord


class Relook(msgspec.Struct, frozen=True, kw_only=True):
    """List all containers again soon."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A line for the agent's log."""

    text: str
    warning: bool = False


Action = Send | Run | Probe | SaveMemory | SaveTask | Relook | Note
