"""Pinning images: each reference of a revision is resolved once, by an agent, to a digest or an image id (DESIGN §6).

The pins serve all replicas and every later failover, so that a tag that moves changes nothing that runs.
"""

import re

import msgspec

from controlplane.core import tasks
from controlplane.core.deployment import Deployment, Step
from controlplane.core.draft import Draft
from controlplane.core.node import Node
from controlplane.core.project import Project, Revision
from controlplane.core.task import Task

_ID = re.compile(r"sha256:[0-9a-f]{64}")


def advance(draft: Draft, deployment: Deployment, revision: Revision) -> Deployment:
    """Go on with the resolve steps; `planned` turns true when every image has its pin."""
    unpinned = sorted({s.image for s in revision.spec.services.values() if s.name not in revision.pins})
    if not unpinned:
        return msgspec.structs.replace(deployment, planned=True)
    known = {s.service: s for s in deployment.steps if s.kind == "resolve"}
    pins = {i: i for i in unpinned if "@" in i or i.startswith("sha256:")}
    looked: list[Step] = []
    for image in unpinned:
        if image in pins:
            continue
        step = known.get(image) or Step(kind="resolve", level=0, service=image, started_at=draft.now.wall)
        step, pin = _look(draft, deployment, step)
        looked.append(step)
        if pin:
            pins[image] = pin
    deployment = msgspec.structs.replace(deployment, steps=tuple(looked))
    if len(pins) < len(unpinned):
        return deployment
    services = revision.spec.services.values()
    pinned = {s.name: revision.pins.get(s.name) or pins[s.image] for s in services}
    draft.put(msgspec.structs.replace(revision, pins=pinned))
    return msgspec.structs.replace(deployment, planned=True, progress_at=draft.now.wall)


def _look(draft: Draft, deployment: Deployment, step: Step) -> tuple[Step, str]:
    """One image: asked of one node after the other until one knows it. Gives the step, and the pin or ""."""
    task = draft.get(Task, step.task) if step.task else None
    if task is not None and not task.ended:
        return step, ""
    if task is not None and task.state == "done" and is_pin_of(task.result, step.service):
        if step.state != "done":
            step = step.ended("done", draft.now.wall, task.result)
        return step, task.result
    reason = step.reason
    if task is not None:
        reason = f"{task.node}: {task.reason or 'no answer'}"
    node = _next(draft, deployment, step.tried)
    if node is None:
        if step.tried:
            return step.ended("failed", draft.now.wall, f"cannot resolve {step.service}: {reason}"), ""
        return msgspec.structs.replace(step, state="running", reason="no node is online to resolve it"), ""
    task = tasks.begin(draft, "resolve", node, project=deployment.project, image=step.service, deployment=deployment.id)
    return msgspec.structs.replace(
        step, state="running", task=task.id, tried=(*step.tried, node), reason=reason or f"asking {node}"
    ), ""


def is_pin_of(pin: str, image: str) -> bool:
    """True when `pin` is an image id, or a digest in the repository that `image` names. Agents are not trusted: one
    must not be able to choose what the others run.
    """
    if _ID.fullmatch(pin):
        return True
    name, _, digest = pin.partition("@")
    return bool(_ID.fullmatch(digest)) and bool(name) and _repository(name) == _repository(_untagged(image))


def _untagged(image: str) -> str:
    """The name in a reference, without tag and digest."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _repository(name: str) -> str:
    """The name in full, so that `nginx` and `docker.io/library/nginx` are the same and nothing else is."""
    host, _, rest = name.partition("/")
    if not rest or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", name
    if host == "index.docker.io":
        host = "docker.io"
    return f"{host}/library/{rest}" if host == "docker.io" and "/" not in rest else f"{host}/{rest}"


def _next(draft: Draft, deployment: Deployment, tried: tuple[str, ...]) -> str | None:
    """The next node to ask: those that ran the project first, then by name."""
    project = draft.get(Project, deployment.project)
    history = project.history if project else ()
    fit = [n.name for n in draft.all(Node) if n.takes_work and n.name not in tried]
    return min(fit, key=lambda name: (history.index(name) if name in history else len(history), name), default=None)
