"""A deploy by hand: the calls that our agents make to their engines, side by side, with nobody who decides or watches.

On each engine: the image is looked for and a network of the project made; then for each container, eight at once as an
agent does: image, networks, create with a host port, inspect, start, inspect.
"""

import json
import urllib.parse
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from lab.engine import Engine
from lab.host import Host

AT_ONCE = 8
LABEL = "bench"
FIRST_PORT = 31000


def deploy(hosts: list[Host], image: str, count: int) -> None:
    """So many containers round the hosts; returns when the last was started and looked at."""
    shares = [range(at, count, len(hosts)) for at in range(min(len(hosts), count))]
    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(lambda at: _on_one(hosts[at].engine, image, shares[at], at), range(len(shares))))


def remove(hosts: list[Host]) -> None:
    """Take it all away."""
    for host in hosts:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(
                pool.map(
                    lambda c, e=host.engine: e.remove(c["Id"]), host.engine.containers(everything=True, labels=(LABEL,))
                )
            )
        host.engine.remove_networks(LABEL)


def network(engine: Engine, at: int) -> None:
    """The project's network on the `at`-th engine."""
    engine.get("/networks")
    body = {
        "Name": "bench",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": f"10.214.{at}.0/26"}]},
        "Labels": {LABEL: ""},
    }
    engine.call("POST", "/networks/create", body)


def _on_one(engine: Engine, image: str, numbers: range, at: int) -> None:
    network(engine, at)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda number: start(engine, image, number), numbers))


def start(engine: Engine, image: str, number: int, check: Mapping[str, object] | None = None) -> str:
    """One container with its port; `check`: a health check in the API's words. Returns its id when it was started."""
    engine.image_id(image)
    engine.get("/networks")
    body: dict[str, object] = {
        "Image": image,
        "Labels": {LABEL: ""},
        "ExposedPorts": {"8080/tcp": {}},
        "HostConfig": {
            "PortBindings": {"8080/tcp": [{"HostPort": str(FIRST_PORT + number)}]},
            "NetworkMode": "bench",
        },
    }
    if check is not None:
        body["Healthcheck"] = check
    name = urllib.parse.quote(f"bench-{number}")
    made = str(json.loads(engine.call("POST", f"/containers/create?name={name}", body))["Id"])
    engine.inspect(made)
    engine.start(made)
    engine.inspect(made)
    return made
