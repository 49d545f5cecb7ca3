"""Sessions of agents: opened under a new epoch, synced with the full desired state, closed. The newest one wins."""

import msgspec

from controlplane.core import adoption, desired, detector, observe, tasks
from controlplane.core.action import CloseSession, SendFull, SendStopConfirmed
from controlplane.core.command import Opened, OpenSession
from controlplane.core.draft import Draft
from controlplane.core.fact import Listed, Reported, SessionClosed, StopAsked, Synced, TaskReported
from controlplane.core.node import Node, possible
from controlplane.core.record import Refused
from controlplane.core.replica import ref
from protocol.messages import StopConfirmed
from protocol.versions import spoken_with_agent


def open_session(draft: Draft, command: OpenSession) -> Opened:
    """Give a proved agent its session: a new epoch, and its inventory written down before anything is sent."""
    node = draft.base.agent(command.agent_id)
    if node is None:
        raise Refused("gone", "this node was removed", "agent_id")
    hello = command.hello
    try:
        protocol = spoken_with_agent(hello.protocol)
    except ValueError as error:
        raise Refused("unsupported", str(error), "protocol") from error
    if not 1 <= hello.port_from <= hello.port_to <= 65535:
        raise Refused("invalid", "the range of ports must lie within 1 and 65535", "port_from")
    if draft.meta.adopting:
        adoption.outrank(draft, hello)
    if (hello.incarnation, hello.revision) > (draft.meta.incarnation, draft.meta.revision):
        raise Refused(
            "conflict",
            f"the agent has obeyed revision {hello.incarnation}.{hello.revision}, this Center is at "
            f"{draft.meta.incarnation}.{draft.meta.revision}: its data looks restored from an older backup; "
            "start the Center once with --restored if that is meant",
            "revision",
        )
    if node.boot_id and node.boot_id != hello.boot_id:
        draft.event("node.rebooted", f"{node.name} was rebooted", cause=node.cause, node=node.name)
    node = msgspec.structs.replace(
        node,
        session_epoch=node.session_epoch + 1,
        boot_id=hello.boot_id,
        versions=hello.versions,
        protocol=protocol,
        capacity=possible(hello.capacity),
        engine_id=hello.engine_id or node.engine_id,
        port_from=hello.port_from,
        port_to=hello.port_to,
        bind_roots=hello.bind_roots,
    )
    draft.put(node)
    watch = detector.session_opened(draft.volatile.watch, node.name, draft.now.mono)
    draft.volatile = msgspec.structs.replace(draft.volatile, watch=watch)
    if draft.meta.adopting:
        adoption.greet(draft, command, node.name)
    else:
        adoption.come_late(draft, command, node)
        observe.apply_inventory(draft, node.name, command.containers, command.engine_ok)
    draft.event(
        "node.connected",
        f"{node.name} connected from {command.remote or 'an unknown address'}, session {node.session_epoch}",
        cause=node.cause,
        node=node.name,
    )
    return Opened(node=node.name, session_epoch=node.session_epoch, incarnation=draft.meta.incarnation)


def synced(draft: Draft, fact: Synced) -> None:
    """The session wants everything: full desired state, then the open task orders."""
    node = current(draft, fact.node, fact.session_epoch)
    if node is None or draft.meta.adopting:
        return
    if node.incarnation < draft.meta.incarnation > 1:
        draft.put(msgspec.structs.replace(node, incarnation=draft.meta.incarnation))
    draft.act(
        SendFull(
            node=fact.node,
            session_epoch=fact.session_epoch,
            incarnation=draft.meta.incarnation,
            revision=draft.next_id("revision"),
            replicas=desired.full(draft, fact.node),
            leaving=desired.leaving(draft, fact.node),
        )
    )
    tasks.resend(draft, fact.node)


def closed(draft: Draft, fact: SessionClosed) -> None:
    """A session ended. The detector judges silence; the late close of an old socket changes nothing."""
    node = current(draft, fact.node, fact.session_epoch)
    if node is not None and not fact.clean:
        draft.event(
            "node.disconnected",
            f"{node.name} lost its connection: {fact.reason or 'no reason given'}",
            cause=node.cause,
            node=node.name,
        )


def reported(draft: Draft, fact: Reported) -> None:
    """Changes on a node."""
    if current(draft, fact.node, fact.session_epoch) is None:
        return
    if draft.meta.adopting:
        adoption.reported(draft, fact.node, fact.containers, fact.gone)
    else:
        observe.apply_reports(draft, fact.node, fact.containers)
        observe.apply_gone(draft, fact.node, fact.gone)


def listed(draft: Draft, fact: Listed) -> None:
    """Everything on a node, again."""
    if current(draft, fact.node, fact.session_epoch) is None:
        return
    if draft.meta.adopting:
        adoption.listed(draft, fact.node, fact.containers, engine_ok=fact.engine_ok)
    else:
        observe.apply_inventory(draft, fact.node, fact.containers, fact.engine_ok)


def task_reported(draft: Draft, fact: TaskReported) -> None:
    """How a task goes."""
    if current(draft, fact.node, fact.session_epoch) is not None:
        tasks.apply_update(draft, fact.node, fact.update)


def stop_asked(draft: Draft, fact: StopAsked) -> None:
    """The agent's second question: confirmed when the Center still means it, else the full state is sent again."""
    if current(draft, fact.node, fact.session_epoch) is None or draft.meta.adopting:
        return
    ask = fact.ask
    meant = {ref(r.id, a.epoch) for r in draft.replicas_on(fact.node) for a in r.assignments if not a.ending}
    wrong = [s for s in ask.stop if s in meant]
    if wrong:
        draft.act(CloseSession(node=fact.node, session_epoch=fact.session_epoch, reason="desired state differs"))
        return
    confirmed = StopConfirmed(incarnation=ask.incarnation, revision=ask.revision)
    draft.act(SendStopConfirmed(node=fact.node, session_epoch=fact.session_epoch, confirmed=confirmed))
    draft.event("node.stop_confirmed", f"{fact.node} stops {len(ask.stop)} containers, asked twice", node=fact.node)


def current(draft: Draft, name: str, session_epoch: int) -> Node | None:
    """The node, when this is its newest session; None means: ignore what this session says."""
    node = draft.get(Node, name)
    return node if node is not None and node.session_epoch == session_epoch else None
