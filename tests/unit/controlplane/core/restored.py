"""A restored Center in the test world: a backup of its tables, the new Center, agents that come back and tell."""

from typing import Any

import msgspec

from controlplane.core import adoption, detector
from controlplane.core.cluster import KEYS, UNSTORED, Cluster, Meta, Volatile
from controlplane.core.command import (
    OpenSession,
)
from controlplane.core.draft import Draft
from controlplane.core.fact import Synced
from controlplane.core.findings import Finding, findings
from controlplane.core.record import Record
from tests.unit.controlplane.core.world import World, a_hello

Backup = tuple[Meta, list[Record]]


def back_up(world: World) -> Backup:
    """Everything that is stored, as of now."""
    kinds = [kind for kind in KEYS if kind not in (Meta, *UNSTORED)]
    return world.cluster.meta, [record for kind in kinds for record in world.cluster.table(kind).values()]


def restore(world: World, backup: Backup, *back: str) -> None:
    """The Center is lost; a new one begins on the backup, and these agents (none given = all) come back."""
    meta, records = backup
    last = world.cluster.meta.incarnation
    world.cluster = Cluster(adoption.begun(meta), Volatile(watch=detector.first(world.mono, {})), records)
    for name in world.agents:
        if not back or name in back:
            come_back(world, name, last)
        else:
            world.agents[name].linked = False
    world.run(1.0)


def come_back(world: World, name: str, incarnation: int = 1, **fields: Any) -> None:
    """An agent opens a session, telling what it was told to run."""
    agent = world.agents[name]
    agent.on = agent.linked = True
    hello = msgspec.structs.replace(a_hello(name, agent.engine), incarnation=incarnation, revision=99, **fields)
    held, have = tuple(agent.desired.values()), tuple(world.reports(name))
    opened = world.send(OpenSession(agent_id=f"id-{name}", hello=hello, containers=have, held=held))
    agent.epoch = opened.session_epoch
    world.last_seen[name] = world.mono
    world.aborted.discard(name)
    world.send(Synced(node=name, session_epoch=agent.epoch))


def running(world: World) -> dict[str, float]:
    """Every container that runs, by name and node, and when it was started."""
    return {
        f"{ref} on {a.name}": c.started_at
        for a in world.agents.values()
        for ref, c in a.running.items()
        if c.state == "running"
    }


def found(world: World) -> list[Finding]:
    """What is not as the backup knows it."""
    draft = Draft(world.cluster, world.now)
    return [one for one in findings(draft, world.cluster.volatile.claims) if one.action != "keep"]


def actions(world: World) -> dict[str, str]:
    """Replica -> what shall follow."""
    return {str(one.id): one.action for one in found(world)}
