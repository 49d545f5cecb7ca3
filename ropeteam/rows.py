"""The API's objects as rows and lines for people."""

from collections.abc import Iterator
from datetime import UTC, datetime

from protocol.api import (
    DrainPlan,
    EventView,
    HistoryEntry,
    NodeTask,
    NodeView,
    PlanStep,
    ProjectView,
    ReleasePlan,
    ReplicaView,
)

NODE_COLUMNS = ("NODE", "STATE", "ADDRESS", "REPLICAS", "CPU", "MEM FREE", "DISK FREE", "SEEN", "AGENT", "LABELS")
NODE_TASK_COLUMNS = ("REPLICA", "STATE", "HEALTH", "UPTIME", "CPU", "MEM", "EPOCH")
PROJECT_COLUMNS = ("PROJECT", "STATE", "REVISION", "SERVICES", "REPLICAS", "MESSAGE")
REPLICA_COLUMNS = ("REPLICA", "STATE", "HEALTH", "ANNOUNCED", "NODE", "ADDRESS", "SINCE", "REVISION", "REASON")
PLAN_COLUMNS = ("REPLICA", "ACTION", "NODE", "FROM", "REASON")


def node_state(node: NodeView) -> str:
    """State with what stands beside it: held, draining, unschedulable."""
    more = [
        word for word, said in (("upgrading", node.upgrading), ("held", node.held), ("draining", node.draining)) if said
    ]
    if node.drain is not None:
        more[-1] = {"done": "drained", "late": "drain over its deadline"}.get(
            node.drain.state, f"draining, {node.drain.moved} of {node.drain.total} moved"
        )
    if node.unschedulable:
        more.append(node.unschedulable)
    return node.state + (f" ({', '.join(more)})" if more else "")


def node_row(node: NodeView) -> tuple[str, ...]:
    """A line of `rope nodes`."""
    r = node.resources
    return (
        node.name,
        node_state(node),
        node.address,
        str(len(node.tasks)),
        _unit(r.cpu_usage, "%", 0),
        _unit(r.mem_free_mb, " MB", 0),
        _unit(r.disk_free_gb, " GB", 1),
        _unit(node.last_seen_s, " s ago", 0),
        node.versions.agent or "-",
        " ".join(f"{k}={v}" for k, v in sorted(node.labels.items())),
    )


def node_facts(node: NodeView) -> Iterator[str]:
    """The head of `rope node show`."""
    r, v = node.resources, node.versions
    yield f"{node.name}  {node_state(node)}  {node.address}  weight {node.weight:g}  agent {node.agent_id}"
    if node.state == "offline":
        yield f"offline   {node.were_running} ran there when it was heard last"
    if node.labels:
        yield "labels    " + " ".join(f"{k}={value}" for k, value in sorted(node.labels.items()))
    yield f"cpu       {r.cpus:g} cores, {r.cpus_reserved:g} reserved, {_unit(r.cpu_usage, '%', 0)} used"
    free = _unit(r.mem_free_mb, "", 0)
    yield f"memory    {r.mem_total_mb:.0f} MB, {r.mem_reserved_mb:.0f} reserved, {free} free"
    yield f"disk      {r.disk_total_gb:.0f} GB, {_unit(r.disk_free_gb, '', 1)} free"
    yield f"versions  agent {v.agent or '?'}, Docker {v.engine or '?'}, {v.os}/{v.arch} {v.kernel}".rstrip()
    yield f"image     {v.image or 'none: the agent does not run in a container'}"


def node_task_row(task: NodeTask) -> tuple[str, ...]:
    """A line of `rope node show`."""
    state = task.status + (" (outgoing)" if task.outgoing else "")
    name = f"{task.project_code}/{task.service}/{task.replica}"
    cpu, memory = _unit(task.cpu_usage, "%", 1), _unit(task.mem_mb, " MB", 0)
    return (name, state, task.health, task.uptime, cpu, memory, str(task.epoch))


def project_row(project: ProjectView) -> tuple[str, ...]:
    """A line of `rope ls`."""
    wanted, healthy = sum(s.wanted for s in project.services), sum(s.healthy for s in project.services)
    return (
        project.code,
        project.state,
        str(project.revision),
        str(len(project.services)),
        f"{healthy}/{wanted}",
        project.message,
    )


def replica_row(project: str, replica: ReplicaView, now: datetime) -> tuple[str, ...]:
    """A line of `rope ps`."""
    return (
        f"{project}/{replica.service}/{replica.replica}",
        replica.state,
        "" if replica.health == "none" else replica.health,
        "yes" if replica.announced else "no",
        (replica.node or "") + (f" (leaving {replica.outgoing})" if replica.outgoing else ""),
        " ".join(addresses(replica)),
        ago(replica.since, now),
        str(replica.revision),
        replica.reason,
    )


def addresses(replica: ReplicaView) -> list[str]:
    """Where a replica's ports are reached, as `10.0.0.1:20001->80`."""
    return [f"{p.address}->{p.container}" + ("/udp" if p.protocol == "udp" else "") for p in replica.ports]


def plan_row(step: PlanStep) -> tuple[str, ...]:
    """A line of `rope plan`."""
    return (f"{step.service}/{step.replica}", step.action, step.node or "-", step.from_node or "", step.reason)


def drain_lines(node: NodeView) -> Iterator[str]:
    """How far a drain is: what moves, what stays and why, until when."""
    drain = node.drain
    if drain is None:
        yield f"{node.name} is not being drained"
        return
    if not drain.total and not drain.blockers:
        yield f"{node.name} takes no new work; it has no replicas"
        return
    until = f", until {drain.deadline}" if drain.deadline else ""
    stays = f", {_counted(len(drain.blockers), 'stays', 'stay')}" if drain.blockers else ""
    moves = _counted(len(drain.left), "replica moves", "replicas move")
    yield f"{node.name} is being drained: {moves}{stays}{until}"
    for blocker in drain.blockers:
        yield f"  {blocker.replica} stays on {node.name}: {blocker.reason}"
    yield f"Watch it: rope node show {node.name}, rope events -f --node {node.name}"


def drain_plan_lines(plan: DrainPlan) -> Iterator[str]:
    """What a drain would do."""
    for move in plan.moves:
        yield f"{move.replica}  {plan.node} -> {move.to or '-'}  {move.reason}".rstrip()
    for blocker in plan.blockers:
        yield f"{blocker.replica}  stays: {blocker.reason}"
    if not plan.moves and not plan.blockers:
        yield f"{plan.node} has no replicas"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def release_line(release: ReleasePlan) -> str:
    """How a service would be released, below a plan."""
    at_once = f"{release.parallelism} at a time" if release.release != "blue_green" else "the whole set at once"
    canaries = f", {release.canaries} as canary first" if release.canaries else ""
    return (
        f"{release.service}: {release.release.replace('_', '-')}, {release.order} ({release.order_why}), {at_once}"
        f"{canaries}, monitor {release.monitor_s:g} s, on failure {release.failure_action}"
    )


def history_lines(entry: HistoryEntry) -> Iterator[str]:
    """A deployment in `rope history`: one line, then what it changed."""
    at = moment(entry.started_at or entry.created_at).astimezone()
    took = f" in {entry.took_s:.1f} s" if entry.took_s is not None else ""
    told = f": {entry.reason}" if entry.reason else ""
    yield (
        f"{entry.deployment:<5} {at:%Y-%m-%d %H:%M:%S}  {entry.kind:<8} revision {entry.revision:<4} "
        f"{entry.state}{took}  by {entry.actor}{told}"
    )
    for change in entry.changes:
        yield f"      {change.field}: {change.before or '-'} -> {change.after or '-'}"


def plan_ranking(step: PlanStep) -> Iterator[str]:
    """The nodes as the scheduler ranks them for one replica."""
    for candidate in step.candidates:
        score = "refused" if candidate.score is None else f"{candidate.score:.3f}"
        yield f"    {candidate.node}  {score}  {candidate.reason}".rstrip()


def event_line(event: EventView) -> str:
    """A line of `rope events`, in local time."""
    at = moment(event.at).astimezone()
    return f"{at:%Y-%m-%d %H:%M:%S}  {event.text}"


def event_lines(event: EventView) -> Iterator[str]:
    """The same, and below an alarm the last lines of the log that came with it."""
    yield event_line(event)
    tail = event.data.get("log_tail")
    if event.kind == "alarm" and isinstance(tail, list):
        yield from (f"    | {line}" for line in tail)


def moment(text: str) -> datetime:
    """The API's time."""
    return datetime.fromisoformat(text)


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)  # noqa: TID251 the edge: what people read is relative to now


def ago(text: str, at: datetime) -> str:
    """How long ago, roughly: `12s`, `5m`, `3h`, `4d`."""
    left = max(0, int((at - moment(text)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if left >= size:
            return f"{left // size}{unit}"
    return f"{left}s"


def _unit(value: float | None, unit: str, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"
