"""The line of deployments that wait for the one a project has under way: joined, left, and told why each waits."""

import msgspec

from controlplane.core.deployment import Deployment
from controlplane.core.draft import Draft


def join(draft: Draft, deployment: Deployment) -> None:
    """Put a deployment at the end of its project's line."""
    draft.put(deployment)
    project = draft.project(deployment.project)
    draft.put(msgspec.structs.replace(project, queue=(*project.queue, deployment.id)))
    tell(draft, project.code)


def leave(draft: Draft, deployment: Deployment) -> None:
    """Take a deployment out of the line."""
    project = draft.project(deployment.project)
    draft.put(msgspec.structs.replace(project, queue=tuple(i for i in project.queue if i != deployment.id)))
    tell(draft, project.code)


def tell(draft: Draft, code: str) -> None:
    """Write down what each one waits for."""
    project = draft.project(code)
    for before, number in zip((project.deployment, *project.queue), project.queue, strict=False):
        waiting = draft.get(Deployment, number)
        reason = f"waiting for deployment {before}" if before else ""
        if waiting is not None and waiting.state == "waiting" and waiting.reason != reason:
            draft.put(msgspec.structs.replace(waiting, reason=reason))
