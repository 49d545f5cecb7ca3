"""What must hold when the storm is over: everything acknowledged is there, nothing runs twice, all is as last wanted.

`unsettled` is asked again and again until it finds nothing; `broken` finds what time does not mend.
"""

import asyncio
import http.client
import sqlite3
from collections import Counter
from typing import Any

from tests.torture.engines import State
from tests.torture.operators import Acked, NodeKeeper, Person, wanted
from tests.torture.team import Team

CENTER_RSS_MAX = 250 << 20
AGENT_RSS_MAX = 120 << 20
"""Resident bytes that no process may reach, however long the run is."""

UNDONE = ("failed", "rolled_back")
"""Ends of a deploy after which the project is not as its operator wanted it; faults may bring them about."""

SLOW = (OSError, http.client.HTTPException, AssertionError)


async def unsettled(team: Team, persons: list[Person]) -> list[str]:
    """What is not yet as it shall be."""
    try:
        found = await _api_says(team, persons)
    except SLOW as error:
        return [f"the Center does not answer: {error}"]
    return found + _engines_say(await team.state(), persons)


async def _api_says(team: Team, persons: list[Person]) -> list[str]:
    found = []
    nodes = await team.api.get("/api/v1/nodes")
    if sorted(node["name"] for node in nodes) != sorted(team.names):
        found.append(f"nodes are {[node['name'] for node in nodes]}")
    for node in nodes:
        if node["state"] != "online" or node["draining"] or node["unschedulable"]:
            found.append(f"{node['name']} is {node['state']} {node['unschedulable'] or ''}")
    projects = {p["code"]: p for p in await team.api.get("/api/v1/projects")}
    should = {p.kind.code for p in persons if p.there}
    if set(projects) != should:
        found.append(f"projects are {sorted(projects)}, {sorted(should)} shall be")
    for code in should & set(projects):
        project = projects[code]
        counts = {s: n for c, s, n, _ in wanted(persons) if c == code}
        if project["state"] not in (("running",) if any(counts.values()) else ("running", "stopped")):
            found.append(f"{code} is {project['state']}: {project['message']}")
        if project["deployment"]:
            found.append(f"{code}: deployment {project['deployment']} is under way")
        got = Counter(r["service"] for r in project["replicas"] if r["state"] == "running" and not r["outgoing"])
        if got != +Counter(counts):
            found.append(f"{code} has {dict(got)} of {counts}")
    for task in await team.api.get("/api/v1/tasks"):
        if task["state"] not in ("done", "failed"):
            found.append(f"task {task['id']} {task['kind']} on {task['node']} is {task['state']}")
    return found


def _engines_say(state: State, persons: list[Person]) -> list[str]:
    """Which replicas of a service stay when it is scaled down is the Center's choice; how many is not."""
    found = []
    versions = {(code, service): str(version) for code, service, _, version in wanted(persons)}
    due = +Counter({(code, service): n for code, service, n, _ in wanted(persons)})
    seen: Counter[tuple[str, str, int]] = Counter()
    for shown in state.containers:
        ref = shown.ref
        where = f"{ref.project}/{ref.service}/{ref.replica} epoch {ref.epoch} on {shown.node}"
        if not shown.running:
            found.append(f"{where} is there and does not run")
        elif shown.version != versions.get((ref.project, ref.service)):
            found.append(f"{where} runs version {shown.version}, not {versions.get((ref.project, ref.service))}")
        seen[ref.project, ref.service, ref.replica] += shown.running
    found += [f"{'/'.join(map(str, key))} runs {n} times" for key, n in seen.items() if n > 1]
    running = Counter((code, service) for (code, service, _), n in seen.items() if n)
    if running != due:
        found.append(f"{dict(running)} run, {dict(due)} are wanted")
    return found


async def failed_projects(team: Team, persons: list[Person]) -> list[Person]:
    """Whose last deploy failed, or who has a replica that was given up: for its operator to deploy again. A scale or a
    restart that came after does not go on with it.
    """
    found = []
    for person in persons:
        if not person.there or not person.acked:
            continue
        try:
            project = await team.api.get(f"/api/v1/projects/{person.kind.code}")
            deploy = next(acked for acked in reversed(person.acked) if acked.revision)
            ends = [await team.api.get(f"/api/v1/deployments/{n.deployment}") for n in (deploy, person.acked[-1])]
        except SLOW:
            continue
        if any(e["state"] in UNDONE for e in ends) or any(r["state"] == "failed" for r in project["replicas"]):
            reasons = " | ".join(e["reason"] for e in ends)
            team.story.tell("failed", f"{person.kind.code}: {reasons} | {project['message']}")
            found.append(person)
    return found


async def broken(team: Team, persons: list[Person], keeper: NodeKeeper) -> list[str]:
    """What is wrong for good."""
    state = await team.state()
    found = [f"ran twice: {line}" for line in state.twice]
    for child in team.children:
        found += child.tracebacks
        rss, most = child.measure(), CENTER_RSS_MAX if child is team.center else AGENT_RSS_MAX
        if rss > most:
            found.append(f"{child.name} has {rss >> 20} MiB")
    if team.api.internal:
        found.append(f"{team.api.internal} answers were 500")
    found += await asyncio.to_thread(_database_says, team, keeper)
    for person in persons:
        found += await _acknowledged(team, person)
    return found


def _database_says(team: Team, keeper: NodeKeeper) -> list[str]:
    path = team.data("center") / "center.db"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found = [row[0] for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        tickets = {row[0] for row in database.execute("SELECT id FROM tickets")}
    finally:
        database.close()
    lost = [token for token in keeper.tokens if token not in tickets]
    return found + ([f"acknowledged join tokens are lost: {lost}"] if lost else [])


async def _acknowledged(team: Team, person: Person) -> list[str]:
    found = []
    for index, acked in enumerate(person.acked):
        status, view = await team.api.look(f"/api/v1/deployments/{acked.deployment}")
        told = _told(acked, status, view)
        if told:
            found.append(f"{told} (answer {index + 1} of {len(person.acked)})")
    if person.there:
        project = await team.api.get(f"/api/v1/projects/{person.kind.code}")
        due = {acked.revision for acked in person.acked[person.born :]} - {0}
        lost = sorted(due - set(project["revisions"]))
        if lost:
            found.append(f"acknowledged revisions of {person.kind.code} are lost: {lost}")
    return found


def _told(acked: Acked, status: int, view: Any) -> str:
    if status != 200:
        return f"acknowledged {acked} is lost: {status}"
    if view["project"] != acked.project or acked.revision not in (0, view["revision"]):
        return f"acknowledged {acked} is now {view}"
    if view["state"] in ("waiting", "running", "paused"):
        return f"{acked} is {view['state']} at rest"
    return ""
