"""The step that has a node pull a service's image before anything is stopped there for it."""

import msgspec

from controlplane.core import tasks
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.task import Task


def begin(draft: Draft, deployment: Deployment, step: Step) -> Step:
    """Order it, unless the node is away: then nothing is replaced there either."""
    node = draft.get(Node, step.node)
    revision = draft.revision(deployment.project, deployment.aim)
    assert revision is not None
    image = revision.pins.get(step.service, "")
    if node is None or node.state == "offline":
        return step.ended("skipped", draft.now.wall, f"{step.node} is away")
    if "@" not in image:
        return step.ended("skipped", draft.now.wall, "an image without a registry cannot be pulled")
    task = tasks.begin(draft, "pull", node.name, project=deployment.project, image=image, deployment=deployment.id)
    return msgspec.structs.replace(step, task=task.id, reason=f"pulling on {node.name}")


def progress(draft: Draft, step: Step) -> Step:
    """Done when the image is there."""
    task = draft.get(Task, step.task)
    if task is not None and not task.ended:
        return step
    node = draft.get(Node, step.node)
    if task is None or node is None or node.state == "offline":
        return step.ended("skipped", draft.now.wall, f"{step.node} is away")
    if task.state == "failed":
        return step.ended("failed", draft.now.wall, f"{step.service} on {step.node}: {task.reason}")
    return step.ended("done", draft.now.wall)
