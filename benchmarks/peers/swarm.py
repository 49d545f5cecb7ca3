"""Docker Swarm of the hosts' own engines, by their API: one drained manager, services with ports on their hosts."""

import json
from collections.abc import Mapping
from typing import Any

from lab.host import Host

LABEL = "com.docker.swarm.service.name"
PORT = 2377


class Swarm:
    """`manager`: the host that decides and runs nothing."""

    def __init__(self, manager: Host) -> None:
        self._manager = manager

    def up(self, workers: list[Host]) -> None:
        """Make the swarm."""
        engine = self._manager.engine
        engine.call("POST", "/swarm/init", _where(self._manager))
        token = engine.get("/swarm")["JoinTokens"]["Worker"]
        remote = [f"{self._manager.address}:{PORT}"]
        for host in workers:
            host.engine.call("POST", "/swarm/join", {**_where(host), "RemoteAddrs": remote, "JoinToken": token})
        (me,) = [n for n in engine.get("/nodes") if n["Spec"]["Role"] == "manager"]
        spec = {**me["Spec"], "Availability": "drain"}
        engine.call("POST", f"/nodes/{me['ID']}/update?version={me['Version']['Index']}", spec)

    def create(
        self,
        name: str,
        image: str,
        replicas: int,
        container: Mapping[str, object] | None = None,
        update: Mapping[str, object] | None = None,
        network: str = "",
    ) -> None:
        """Order a service: each task with a port of its host. `container`: more of its specification; `update`: its
        `UpdateConfig`, both in the API's words; `network`: see `add_network`.
        """
        networks = [{"Target": network}] if network else []
        body = {
            "Name": name,
            "TaskTemplate": {
                "ContainerSpec": {"Image": image, **(container or {})},
                "RestartPolicy": {"Condition": "any"},
                "Networks": networks,
            },
            "UpdateConfig": update,
            "Mode": {"Replicated": {"Replicas": replicas}},
            "EndpointSpec": {"Ports": [{"Protocol": "tcp", "TargetPort": 8080, "PublishMode": "host"}]},
        }
        self._manager.engine.call("POST", "/services/create", body)

    def add_network(self, name: str) -> str:
        """A network on which services know each other by name, as `docker stack deploy` makes one; gives its id."""
        made = self._manager.engine.call("POST", "/networks/create", {"Name": name, "Driver": "overlay"})
        return str(json.loads(made)["Id"])

    def remove_network(self, network: str) -> None:
        """Order its end."""
        self._manager.engine.call("DELETE", f"/networks/{network}")

    def update(self, name: str, *, image: str = "", replicas: int = 0) -> None:
        """Order another image, or another number, and leave the rest as it is."""
        found = self._manager.engine.get(f"/services/{name}")
        spec = found["Spec"]
        if image:
            spec["TaskTemplate"]["ContainerSpec"]["Image"] = image
        if replicas:
            spec["Mode"]["Replicated"]["Replicas"] = replicas
        path = f"/services/{found['ID']}/update?version={found['Version']['Index']}"
        self._manager.engine.call("POST", path, spec)

    def updating(self, name: str) -> bool:
        """True while the manager is not through with the last update; it watches for a while after the last task."""
        status = self._manager.engine.get(f"/services/{name}").get("UpdateStatus") or {}
        return bool(status.get("State", "completed") != "completed")

    def remove(self, name: str) -> None:
        """Order its end."""
        self._manager.engine.call("DELETE", f"/services/{name}")

    def ready(self) -> int:
        """Nodes that the manager calls ready, itself included."""
        return sum(node["Status"]["State"] == "ready" for node in self._manager.engine.get("/nodes"))

    def running(self, name: str) -> dict[str, int]:
        """Node's host name -> tasks of the service that run there and shall, by the manager's word."""
        nodes = {n["ID"]: n["Description"]["Hostname"] for n in self._manager.engine.get("/nodes")}
        filters = json.dumps({"service": [name], "desired-state": ["running"]})
        found: dict[str, int] = {}
        tasks: list[dict[str, Any]] = self._manager.engine.get(f"/tasks?filters={filters.replace(' ', '')}")
        for task in tasks:
            if task["Status"]["State"] == "running":
                host = nodes.get(task.get("NodeID", ""), "")
                found[host] = found.get(host, 0) + 1
        return found


def _where(host: Host) -> dict[str, Any]:
    return {"ListenAddr": f"0.0.0.0:{PORT}", "AdvertiseAddr": host.address}
