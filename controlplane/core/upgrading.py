"""Agents replaced by another image, some nodes at a time: resolve once, pull, then replace under a grant (issue 7.4).

While a grant lasts the node counts as heard: nothing moves because its agent is away, and nothing new comes. Stops at
the first node that fails. How an agent is replaced is the agent's matter (`nodeagent.replacing`). Called by `center`
and `liveness`; the records are in `upgrade`.
"""

from collections.abc import Mapping

import msgspec

from controlplane.core import tasks
from controlplane.core.command import UpgradeNodes
from controlplane.core.detector import Sighting
from controlplane.core.draft import Draft
from controlplane.core.layers import Layered
from controlplane.core.node import Node
from controlplane.core.record import Refused
from controlplane.core.task import Task
from controlplane.core.upgrade import KEPT, Turn, TurnState, Upgrade, UpgradeState
from protocol.messages import UPGRADES_SINCE

GRANT_S = 90.0
"""How long a node may be without its agent while that is replaced: 60 s for the new one, the rest for the way back."""

BATCH_MAX = 50
IMAGE_MAX = 512


def start(draft: Draft, command: UpgradeNodes) -> Upgrade:
    """Store an upgrade of these nodes, or of all. Raises Refused: a node that cannot be upgraded, named or alone; an
    upgrade that runs; a bad image or batch.
    """
    if not 1 <= command.batch <= BATCH_MAX:
        raise Refused("invalid", f"a batch is from 1 to {BATCH_MAX} nodes", "batch")
    image = command.image
    if not image or len(image) > IMAGE_MAX or image.startswith("-") or not image.isprintable() or " " in image:
        raise Refused("invalid", "the image is not a reference like registry.example/ropeteam-agent:1.2", "image")
    running = next((u for u in draft.all(Upgrade) if not u.ended), None)
    if running is not None:
        raise Refused("conflict", f"upgrade {running.id} is running; wait for its end: rope node upgrade --watch")
    turns = _turns(draft, command)
    number = draft.next_id("upgrade_seq")
    names = ", ".join(t.node for t in turns if not t.ended)
    cause = draft.event(
        "upgrade.started",
        f"upgrade {number}: agents of {names} to {image}, {command.batch} at a time, asked by {command.actor}",
    )
    upgrade = Upgrade(
        id=number,
        image=image,
        batch=command.batch,
        created_at=draft.now.wall,
        turns=turns,
        actor=command.actor,
        cause=cause,
    )
    draft.put(upgrade)
    advance(draft)
    return draft.get(Upgrade, number) or upgrade


def _turns(draft: Draft, command: UpgradeNodes) -> tuple[Turn, ...]:
    """One for each node. Of all nodes, those that cannot be upgraded are skipped with the reason."""
    if command.nodes:
        found = tuple(draft.node(name) for name in dict.fromkeys(command.nodes))
        for node in found:
            if why := obstacle(node):
                raise Refused("conflict", f"{node.name}: {why}", "nodes")
        return tuple(Turn(node=node.name, before=node.versions.agent) for node in found)
    every = sorted(draft.all(Node), key=lambda n: n.name)
    turns = tuple(_turn(draft, node) for node in every)
    if all(turn.ended for turn in turns):
        why = "; ".join(f"{t.node}: {t.reason}" for t in turns[:5]) or "there are no nodes"
        raise Refused("conflict", f"no node can be upgraded: {why}", "nodes")
    return turns


def _turn(draft: Draft, node: Node) -> Turn:
    why = obstacle(node)
    turn = Turn(node=node.name, before=node.versions.agent)
    return _ended(draft, turn, "skipped", why) if why else turn


def obstacle(node: Node) -> str:
    """Why its agent cannot be told to replace itself; "" = it can."""
    if node.state != "online":
        return f"it is {node.state}"
    if node.protocol < UPGRADES_SINCE:
        return (
            f"its agent speaks protocol {node.protocol or 1} and knows no upgrades: replace its container by hand, once"
        )
    if not node.versions.image:
        return "its agent does not run in a container: upgrade it the way it was installed"
    return ""


def excused(draft: Draft, sightings: Mapping[str, Sighting]) -> Mapping[str, Sighting]:
    """The sightings, with nodes under a grant counted as heard, also by a Center that was started again meanwhile."""
    heard: dict[str, Sighting] = {}
    for name in draft.base.unsettled:
        node = draft.base.nodes[name]
        if node.upgrading_until > draft.now.wall and node.state != "offline":
            heard[name] = Sighting(silent_s=0.0, connected=True)
    return Layered(heard, sightings) if heard else sightings


def advance(draft: Draft) -> None:
    """Take every upgrade that runs as far as it goes now. Called at each tick."""
    for upgrade in sorted(draft.all(Upgrade), key=lambda u: u.id):
        if not upgrade.ended:
            _advance(draft, upgrade)


def _advance(draft: Draft, upgrade: Upgrade) -> None:
    for place, turn in enumerate(upgrade.turns):
        if turn.under_way:
            upgrade = _put(draft, upgrade, place, _go_on(draft, upgrade, turn))
    failed = next((t for t in upgrade.turns if t.state == "failed"), None)
    for place, turn in enumerate(upgrade.turns):
        if turn.state != "waiting":
            continue
        if failed is not None:
            upgrade = _put(draft, upgrade, place, _ended(draft, turn, "skipped", f"{failed.node} failed before"))
        elif _has_room(upgrade):
            upgrade = _put(draft, upgrade, place, _begin(draft, upgrade, turn))
    if all(turn.ended for turn in upgrade.turns):
        _finish(draft, upgrade)


def _put(draft: Draft, upgrade: Upgrade, place: int, turn: Turn) -> Upgrade:
    turns = (*upgrade.turns[:place], turn, *upgrade.turns[place + 1 :])
    pinned = upgrade.pinned or _pinned(draft, upgrade.turns[place])
    changed = msgspec.structs.replace(upgrade, turns=turns, pinned=pinned)
    draft.put(changed)
    return changed


def _pinned(draft: Draft, turn: Turn) -> str:
    task = draft.get(Task, turn.task) if turn.state == "resolving" else None
    return task.result if task is not None and task.state == "done" else ""


def _has_room(upgrade: Upgrade) -> bool:
    """At most `batch` at a time, and one until it is known what the image is."""
    return sum(turn.under_way for turn in upgrade.turns) < (upgrade.batch if upgrade.pinned else 1)


def _begin(draft: Draft, upgrade: Upgrade, turn: Turn) -> Turn:
    node = draft.get(Node, turn.node)
    why = obstacle(node) if node is not None else "it was removed"
    if node is None or why:
        return _failed(draft, upgrade, turn, why)
    turn = msgspec.structs.replace(turn, started_at=draft.now.wall, before=node.versions.agent)
    if upgrade.pinned:
        return _pull(draft, turn, upgrade.pinned)
    task = tasks.begin(draft, "resolve", node.name, image=upgrade.image)
    return msgspec.structs.replace(turn, state="resolving", task=task.id)


def _pull(draft: Draft, turn: Turn, image: str) -> Turn:
    task = tasks.begin(draft, "pull", turn.node, image=image)
    return msgspec.structs.replace(turn, state="pulling", task=task.id)


def _go_on(draft: Draft, upgrade: Upgrade, turn: Turn) -> Turn:
    """The turn after what became of its order."""
    node, task = draft.get(Node, turn.node), draft.get(Task, turn.task)
    if node is None or task is None:
        return _failed(draft, upgrade, turn, "it was removed" if node is None else "its order was forgotten")
    if task.state != "done" and turn.state == "replacing" and draft.now.wall >= node.upgrading_until:
        why = f"no word of its agent within {GRANT_S:.0f} s: look at the containers on that machine"
        tasks.advance(draft, task.id, "failed", why)
        return _failed(draft, upgrade, turn, why)
    if not task.ended:
        return turn
    if task.state == "failed":
        return _failed(draft, upgrade, turn, task.reason or "it did not say why")
    if turn.state == "resolving":
        return _pull(draft, turn, task.result)
    if turn.state == "pulling":
        return _replace(draft, upgrade, turn, node)
    return _done(draft, upgrade, turn, task)


def _replace(draft: Draft, upgrade: Upgrade, turn: Turn, node: Node) -> Turn:
    """Grant the node its time and order it."""
    why = obstacle(node)
    if why:
        return _failed(draft, upgrade, turn, why)
    task = tasks.begin(draft, "upgrade", node.name, image=upgrade.pinned or upgrade.image)
    draft.put(msgspec.structs.replace(node, upgrading_until=draft.now.wall + GRANT_S))
    draft.event(
        "node.upgrading",
        f"{node.name}: its agent is being replaced; for {GRANT_S:.0f} s nothing moves from there",
        cause=upgrade.cause,
        node=node.name,
    )
    return msgspec.structs.replace(turn, state="replacing", task=task.id)


def _done(draft: Draft, upgrade: Upgrade, turn: Turn, task: Task) -> Turn:
    node = _released(draft, turn.node)
    after = node.versions.agent if node is not None else ""
    text = f"{turn.node} runs agent {after or 'of an unknown version'}, before {turn.before or 'unknown'}"
    draft.event("node.upgraded", text, cause=upgrade.cause, node=turn.node, data={"image": upgrade.pinned})
    return _ended(draft, msgspec.structs.replace(turn, after=after), "done", task.result)


def _failed(draft: Draft, upgrade: Upgrade, turn: Turn, reason: str) -> Turn:
    _released(draft, turn.node)
    text = f"the agent of {turn.node} was not upgraded: {reason}"
    cause = draft.event("node.upgrade_failed", text, cause=upgrade.cause, node=turn.node)
    draft.event("alarm", text, cause=upgrade.cause or cause, node=turn.node)
    return _ended(draft, turn, "failed", reason)


def _released(draft: Draft, name: str) -> Node | None:
    """The node without its grant: its silence counts again."""
    node = draft.get(Node, name)
    if node is not None and node.upgrading_until:
        draft.put(msgspec.structs.replace(node, upgrading_until=0.0))
    return draft.get(Node, name)


def _ended(draft: Draft, turn: Turn, state: TurnState, reason: str = "") -> Turn:
    return msgspec.structs.replace(turn, state=state, reason=reason[:500], task="", ended_at=draft.now.wall)


def _finish(draft: Draft, upgrade: Upgrade) -> None:
    failed = [t for t in upgrade.turns if t.state == "failed"]
    done = sum(t.state == "done" for t in upgrade.turns)
    left = sum(t.state == "skipped" for t in upgrade.turns)
    reason = "; ".join(f"{t.node}: {t.reason}" for t in failed)[:500]
    state: UpgradeState = "failed" if failed else "succeeded"
    draft.put(msgspec.structs.replace(upgrade, state=state, reason=reason, ended_at=draft.now.wall))
    text = f"upgrade {upgrade.id} {state}: {done} done, {len(failed)} failed, {left} skipped"
    draft.event(f"upgrade.{state}", text, cause=upgrade.cause)
    ended = sorted((u for u in draft.all(Upgrade) if u.ended), key=lambda u: u.id)
    for old in ended[:-KEPT]:
        draft.drop(old)
