"""How tasks begin, go on and end. Every task ends as done or failed with a reason, always (DESIGN §3)."""

import msgspec

from controlplane.core.action import SendOrder
from controlplane.core.draft import Draft
from controlplane.core.node import Node, size
from controlplane.core.task import KEPT, Task
from protocol.messages import UPGRADES_SINCE, ContainerRef, TaskKind, TaskOrder, TaskState, TaskUpdate

DEADLINE_S = 600.0


def begin(
    draft: Draft,
    kind: TaskKind,
    node: str,
    *,
    project: str = "",
    target: ContainerRef | None = None,
    image: str = "",
    deployment: int = 0,
) -> Task:
    """A new task; an order is sent to its node after the commit."""
    task = Task(
        id=f"t{draft.next_id('task_seq')}",
        kind=kind,
        node=node,
        created_at=draft.now.wall,
        deadline_at=draft.now.wall + DEADLINE_S,
        project=project,
        target=target,
        image=image,
        deployment=deployment,
    )
    draft.put(task)
    if task.is_order:
        draft.act(SendOrder(node=node, order=order(task)))
    return task


def order(task: Task) -> TaskOrder:
    """The task as its agent is told it."""
    return TaskOrder(task=task.id, kind=task.kind, image=task.image, target=task.target, deadline_s=DEADLINE_S)


def advance(draft: Draft, task_id: str, state: TaskState, reason: str = "", result: str = "") -> None:
    """Move a task on; one that has ended stays as it ended. Unknown ids are ignored."""
    task = draft.get(Task, task_id)
    if task is None or task.ended or (task.state == state and task.reason == reason):
        return
    ended_at = draft.now.wall if state in ("done", "failed") else 0.0
    draft.put(msgspec.structs.replace(task, state=state, reason=reason, result=result, ended_at=ended_at))
    if ended_at:
        _forget_old(draft)


def apply_update(draft: Draft, node: str, update: TaskUpdate) -> Task | None:
    """An agent's word on a task of its own; gives the task when it ended by it. Another node's tasks are ignored."""
    task = draft.get(Task, update.task)
    if task is None or task.node != node or task.ended or not task.is_order:
        return None
    if update.state in ("done", "failed"):
        advance(draft, task.id, update.state, update.reason[:500], update.result[:300])
        return draft.get(Task, task.id)
    done, total = size(update.bytes_done), size(update.bytes_total)
    draft.put(msgspec.structs.replace(task, state=update.state, bytes_done=done, bytes_total=total))
    return None


def fail_orders_of(draft: Draft, node: str, reason: str) -> list[Task]:
    """End the open orders of a node that cannot carry them out; gives them as they ended."""
    failed = []
    for task in draft.open_tasks():
        if task.node == node and task.is_order:
            advance(draft, task.id, "failed", reason)
            ended = draft.get(Task, task.id)
            if ended is not None:
                failed.append(ended)
    return failed


def expire(draft: Draft) -> list[Task]:
    """End what is past its deadline; gives those tasks as they ended."""
    expired = []
    for task in draft.open_tasks():
        if draft.now.wall >= task.deadline_at:
            advance(draft, task.id, "failed", f"not done within {DEADLINE_S:.0f} s")
            ended = draft.get(Task, task.id)
            if ended is not None:
                expired.append(ended)
    return expired


def resend(draft: Draft, node: str) -> None:
    """Send the open orders of a node again; doing them twice has one effect."""
    for task in draft.open_tasks():
        if task.node != node or not task.is_order:
            continue
        agent = draft.get(Node, node)
        if task.kind == "upgrade" and (agent is None or agent.protocol < UPGRADES_SINCE):
            advance(draft, task.id, "failed", "its agent knows no upgrades: it is of an older release now")
        else:
            draft.act(SendOrder(node=node, order=order(task)))


def _forget_old(draft: Draft) -> None:
    """Keep memory bounded: beyond `KEPT` ended tasks the oldest of them goes. Dicts keep the order of insertion. Open
    ones do not count: whoever waits for a task must find it when it has ended.
    """
    if len(draft.base.tasks) - len(draft.base.open_tasks) <= KEPT:
        return
    for task in draft.base.tasks.values():
        current = draft.get(Task, task.id)
        if current is not None and current.ended:
            draft.drop(current)
            return
