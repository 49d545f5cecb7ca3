"""Emptying a node: one `migrate` deployment per project with replicas there that may move (DESIGN §4, issue text 2).

Called when a drain begins and whenever a project's deployment ends, so that a drain survives what supersedes it.
"""

import msgspec

from controlplane.core.deployment import Deployment
from controlplane.core.diff import may_leave
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.project import Project
from controlplane.core.replica import Replica


def queue(draft: Draft, code: str) -> None:
    """Put the migrations this project owes to draining nodes at the end of its queue, once each."""
    project = draft.get(Project, code)
    if project is None:
        return
    owed = [n for n in draft.all(Node) if n.draining and any(leaving(draft, n.name, code))]
    for node in sorted(owed, key=lambda n: n.name):
        if not _has_migration(draft, project, node.name):
            project = _add(draft, project, node)


def leaving(draft: Draft, node: str, code: str = "") -> list[Replica]:
    """Replicas on the node that a drain will move, of one project or of all."""
    return [
        r
        for r in draft.replicas_on(node)
        if r.wanted is not None
        and r.wanted.node == node
        and r.wanted.state != "interrupted"
        and (not code or r.id.project == code)
        and may_leave(draft, r)
    ]


def blockers(draft: Draft, node: str) -> list[Replica]:
    """Replicas on the node that a drain leaves there: their volume data lives here."""
    return [
        r
        for r in draft.replicas_on(node)
        if r.wanted is not None and r.wanted.node == node and not r.ending and not may_leave(draft, r)
    ]


def _has_migration(draft: Draft, project: Project, node: str) -> bool:
    for number in (project.deployment, *project.queue):
        found = draft.get(Deployment, number)
        if found is not None and found.kind == "migrate" and found.node == node:
            return True
    return False


def _add(draft: Draft, project: Project, node: Node) -> Project:
    deployment = Deployment(
        id=draft.next_id("deployment_seq"),
        project=project.code,
        kind="migrate",
        revision=project.revision,
        from_revision=project.revision,
        created_at=draft.now.wall,
        node=node.name,
        cause=node.cause,
        actor="drain",
    )
    draft.put(deployment)
    project = msgspec.structs.replace(project, queue=(*project.queue, deployment.id))
    draft.put(project)
    return project
