"""Handlers for what happened: deployments, tasks, events."""

import re
from collections.abc import Iterable
from itertools import dropwhile
from typing import TypeVar, get_args

from starlette.responses import Response

from controlplane.core.deployment import Deployment, DeploymentState
from controlplane.core.task import Task
from controlplane.core.views import deployment_view, event_view, task_view
from controlplane.web.answers import answer
from controlplane.web.call import Call
from controlplane.web.history import Wanted, following, newest
from protocol.api import Page
from protocol.messages import TaskState
from protocol.names import NODE, PROJECT

LIST_MAX = 1000
LIST = 100
"""Entries of a list unless `limit` says otherwise."""

T = TypeVar("T")

TASK = re.compile(r"[a-z0-9-]{1,40}")


async def deployments(call: Call) -> Response:
    """`GET deployments?project=&state=&before=ID&limit=`, newest first; the next page is before the last one's id."""
    project, before = call.text("project", PROJECT), call.number("before")
    state = call.choice("state", get_args(DeploymentState))

    def fits(one: Deployment) -> bool:
        return project in ("", one.project) and state in ("", one.state) and (before is None or one.id < before)

    mine = (d for _, d in sorted(call.cluster.deployments.items(), reverse=True) if fits(d))
    return answer([deployment_view(d) for d in _first(mine, _limit(call))])


async def tasks(call: Call) -> Response:
    """`GET tasks?node=&project=&state=&before=ID&limit=`, newest first; the next page is before the last one's id."""
    node, project = call.text("node", NODE), call.text("project", PROJECT)
    state = call.choice("state", get_args(TaskState))

    def fits(task: Task) -> bool:
        return node in ("", task.node) and project in ("", task.project) and state in ("", task.state)

    back = reversed(call.cluster.tasks.values())
    if before := call.text("before", TASK):
        back = dropwhile(lambda t: t.id != before, back)
        next(back, None)
    return answer([task_view(t) for t in _first((t for t in back if fits(t)), _limit(call))])


async def events(call: Call) -> Response:
    """`GET events?after=SEQ&project=&node=&cause=&limit=`: the first after SEQ; without `after` the newest."""
    return await _journal(
        call,
        Wanted(project=call.text("project", PROJECT), node=call.text("node", NODE), cause=call.number("cause", 0) or 0),
    )


async def _journal(call: Call, wanted: Wanted) -> Response:
    after, limit = call.number("after"), _limit(call)
    last = call.cluster.meta.event_seq
    if after is None:
        found = await newest(call.door.journal, last, limit, wanted)
    else:
        found = await following(call.door.journal, after, limit, wanted)
        last = after
    return answer(Page(events=tuple(event_view(e) for e in found), next_after=found[-1].seq if found else last))


async def audit(call: Call) -> Response:
    """`GET audit?after=SEQ&project=&node=&limit=`: the lines of the journal that say who asked, as `events`."""
    return await _journal(
        call, Wanted(project=call.text("project", PROJECT), node=call.text("node", NODE), by_people=True)
    )


def _limit(call: Call) -> int:
    return call.number("limit", LIST, least=1, most=LIST_MAX) or LIST


def _first(found: Iterable[T], limit: int) -> list[T]:
    return [item for item, _ in zip(found, range(limit), strict=False)]
