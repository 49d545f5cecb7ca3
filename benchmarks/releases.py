"""Releases by us, by Docker Swarm and by hand, one after the other on the same engines, with the same health check.

A rolling update of 10, one at a time, start-first and stop-first, and a scale from 30 to 90. All are looked at with the
same eyes: it is over when the engines say that so many containers of the wanted image are healthy and that no other of
the service runs. What a Center or a manager watches for after that is told in a note. Called by `python -m benchmarks`.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, Protocol

import msgspec

from benchmarks.peers import byhand, swarm
from benchmarks.peers.ground import Ground, ground
from benchmarks.row import Row, row
from lab.command import LabError
from lab.engine import Engine, EngineError
from lab.host import Host
from protocol import names
from tests.docker.cluster.cluster import WEB, web

CODE = "bench"
COUNT = 10
SCALE = (30, 90)
ROUNDS = 1
TARGET = 1.3
"""The most that we may take of what the engines' calls take by hand."""
ENDPOINTS_LOOKS = 10
"""By hand: how often the network's removal is tried, a second apart."""
RESERVED = {"cpus": "0.01", "memory": "8M"}
"""Said to us only: unless given, we reserve 0.1 CPU for each, so 20 on a host with two; Swarm reserves nothing."""
IMAGES = (WEB, WEB.replace(":1", ":2"))
GRACE_S = 2
HEALTHY_S = 60.0
LOOK_S = 0.05
"""By hand: how often the health of a new container is asked for."""

Order = Literal["start-first", "stop-first"]
ORDERS: tuple[Order, ...] = ("start-first", "stop-first")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The health check that all three use. A container is healthy after `interval_s` at the earliest; `timeout_s` is
    long because a busy machine must not make one unhealthy.
    """

    interval_s: int
    timeout_s: int = 15
    retries: int = 3
    test: tuple[str, ...] = ("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/")

    def compose(self) -> dict[str, object]:
        """As Compose writes it."""
        times = {"interval": f"{self.interval_s}s", "timeout": f"{self.timeout_s}s"}
        return {"test": list(self.test), "retries": self.retries, **times}

    def engine(self) -> dict[str, object]:
        """As the engine's API and Swarm's want it."""
        times = {"Interval": self.interval_s * 10**9, "Timeout": self.timeout_s * 10**9}
        return {"Test": list(self.test), "Retries": self.retries, **times}


OFTEN = Check(interval_s=1)
"""In the updates."""
SELDOM = Check(interval_s=15)
"""In the scale: two cores cannot make 90 checks a second, nor 18 beside other work; then nothing gets healthy."""


class Taken(NamedTuple):
    """Seconds of each round: until the engines show it, and until the one who does the work says that it is over."""

    seen: list[float]
    said: list[float]


class Peer(Protocol):
    """Who does the work. `label`: of its containers. `settle`: wait until it is through with what it was asked."""

    label: str

    def up(self, count: int, order: Order, check: Check) -> None: ...

    def update(self, image: str) -> None: ...

    def scale(self, count: int) -> None: ...

    def settle(self) -> None: ...

    def down(self) -> None: ...


class Ours:
    """Ropeteam. `plain`: `monitor` and `drain_wait` are not given, so they are 5 s and 2 s."""

    label = f"{names.LABEL_PROJECT}={CODE}"

    def __init__(self, there: Ground, *, plain: bool = False) -> None:
        self._center = there.center
        self._plain = plain
        self._service: Callable[[str], dict[str, object]] = lambda image: web(image=image)
        self._number = 0

    def up(self, count: int, order: Order, check: Check) -> None:
        """Order the project."""
        update = {"parallelism": 1, "order": order, **({} if self._plain else {"monitor": "0s"})}
        rope = {} if self._plain else {"x-rope": {"drain_wait": "0s"}}
        deploy: dict[str, object] = {"update_config": update, "resources": {"reservations": RESERVED}}
        self._service = lambda image: web(count, image, healthcheck=check.compose(), deploy=deploy, **rope)
        self.update(IMAGES[0])

    def update(self, image: str) -> None:
        """Order another image."""
        status, answer = self._center.api.deploy(CODE, {"web": self._service(image)})
        if status != 202 or answer.deployment is None:
            raise RuntimeError(f"the deploy was answered {status}: {answer}")
        self._number = answer.deployment.id

    def scale(self, count: int) -> None:
        """Order another number."""
        answer = self._center.api.operate(CODE, "scale", {"services": {"web": count}})
        if answer.deployment is None:
            raise RuntimeError(f"the scale was answered {answer}")
        self._number = answer.deployment.id

    def settle(self) -> None:
        """Wait for the deployment's end; it must succeed."""
        ended = self._center.wait_ended(self._number, 120.0)
        if ended.state != "succeeded":
            raise RuntimeError(f"deployment {ended.id} {ended.state}: {ended.reason}\n{self._center.told()}")

    def down(self) -> None:
        """Remove the project."""
        self._center.api.remove(CODE)


class Swarm:
    """Docker Swarm, as its users would set it. `named`: its copies have a network on which others know them by name,
    as ours have, and as `docker stack deploy` gives them; else they sit on the engines' default bridge.
    """

    label = f"{swarm.LABEL}={CODE}"

    def __init__(self, there: Ground, *, named: bool = False) -> None:
        self._swarm = there.swarm
        self._until = there.until
        self._named = named
        self._network = ""

    def up(self, count: int, order: Order, check: Check) -> None:
        """Order the service."""
        container = {"Healthcheck": check.engine(), "StopGracePeriod": GRACE_S * 10**9}
        update = {"Parallelism": 1, "Delay": 0, "Monitor": 0, "FailureAction": "rollback", "Order": order}
        self._network = self._swarm.add_network(CODE) if self._named else ""
        self._swarm.create(CODE, IMAGES[0], count, container, update, self._network)

    def update(self, image: str) -> None:
        """Order another image."""
        self._swarm.update(CODE, image=image)

    def scale(self, count: int) -> None:
        """Order another number."""
        self._swarm.update(CODE, replicas=count)

    def settle(self) -> None:
        """Wait until the manager says that the update is over."""
        self._until(lambda: not self._swarm.updating(CODE), "Swarm is through with its update")

    def down(self) -> None:
        """Remove the service, and its network."""
        self._swarm.remove(CODE)
        if self._network:
            self._swarm.remove_network(self._network)


class ByHand:
    """The engines' API alone: an update is one call after the other, a scale is made on all engines side by side."""

    label = byhand.LABEL

    def __init__(self, hosts: list[Host]) -> None:
        self._hosts = hosts
        self._order: Order = "start-first"
        self._check = OFTEN
        self._copies: list[tuple[Engine, str]] = []
        self._made = 0

    def up(self, count: int, order: Order, check: Check) -> None:
        """Networks and containers."""
        self._order, self._check = order, check
        for at, host in enumerate(self._hosts):
            byhand.network(host.engine, at)
        self.scale(count)

    def update(self, image: str) -> None:
        """Replace each; a new one is healthy before the next is touched."""
        copies = list(self._copies)
        for at, (engine, old) in enumerate(copies):
            if self._order == "stop-first":
                _end(engine, old)
            self._made += 1
            new = byhand.start(engine, image, self._made, self._check.engine())
            _wait_healthy(engine, new)
            if self._order == "start-first":
                _end(engine, old)
            self._copies[at] = (engine, new)

    def scale(self, count: int) -> None:
        """Start what is missing, as many at once on each engine as an agent does."""
        numbers = range(self._made + 1, self._made + 1 + count - len(self._copies))
        self._made += len(numbers)
        share = len(self._hosts)
        with ThreadPoolExecutor(share) as pool:
            parts = pool.map(lambda at: self._start(self._hosts[at].engine, numbers[at::share]), range(share))
            self._copies += [copy for part in parts for copy in part]

    def _start(self, engine: Engine, numbers: range) -> list[tuple[Engine, str]]:
        check = self._check.engine()
        with ThreadPoolExecutor(byhand.AT_ONCE) as pool:
            return [(engine, made) for made in pool.map(lambda n: byhand.start(engine, IMAGES[0], n, check), numbers)]

    def settle(self) -> None:
        """Its calls wait themselves."""

    def down(self) -> None:
        """Take it all away."""
        for _ in range(ENDPOINTS_LOOKS):
            try:
                byhand.remove(self._hosts)
                break
            except EngineError as error:
                if error.status != 403:
                    raise
                time.sleep(1.0)  # "has active endpoints", although its containers are gone: dockerd is not through
        else:
            raise LabError(f"the networks made by hand are not gone after {ENDPOINTS_LOOKS} s")
        self._copies = []


def measure(rounds: int = ROUNDS) -> list[Row]:
    """All rows, on hosts of its own; about 8 min with one round. Raises LabError or RuntimeError when somebody does not
    get there.
    """
    with ground() as there:
        return [*_scales(there, rounds), *_updates(there, rounds)]


def _updates(there: Ground, rounds: int) -> Iterator[Row]:
    for order in ORDERS:
        hand = _update(there, ByHand(there.hosts), order, rounds)
        ours = _update(there, Ours(there), order, rounds)
        docker = _update(there, Swarm(there), order, rounds)
        plain = _update(there, Ours(there, plain=True), order, 1)
        what = f"update of {COUNT}, one at a time, {order}"
        mine, by_hand, swarms = compared(what, ours.seen, hand.seen, docker.seen)
        yield from (_noted(mine, ours), _told(by_hand), _noted(swarms, docker))
        defaults = row(
            f"{what}, Ropeteam with monitor 5 s and drain_wait 2 s, the defaults",
            plain.seen,
            "s",
            beside=hand.seen,
            reference="by hand",
        )
        yield _noted(defaults, plain)


def _noted(done: Row, taken: Taken) -> Row:
    """With the time until it says itself that it is over."""
    said = f"says so after {statistics.median(taken.said):.3g} s"
    return _told(msgspec.structs.replace(done, note=f"{done.note}; {said}".removeprefix("; ")))


def _scales(there: Ground, rounds: int) -> Iterator[Row]:
    hand, ours, docker, named = [], [], [], []
    for _ in range(rounds):
        hand.append(_scale(there, ByHand(there.hosts)))
        ours.append(_scale(there, Ours(there)))
        docker.append(_scale(there, Swarm(there)))
        named.append(_scale(there, Swarm(there, named=True)))
    for at, until in enumerate(("all run", "all healthy")):
        what = f"scale {SCALE[0]} to {SCALE[1]} on 3 engines, {until}"
        yield from map(_told, compared(what, *([both[at] for both in figures] for figures in (ours, hand, docker))))
        yield _told(
            row(
                f"{what}, Docker Swarm with a network of names as `docker stack deploy` makes it",
                [both[at] for both in named],
                "s",
                beside=[both[at] for both in ours],
                reference="Ropeteam",
            )
        )


def compared(what: str, ours: list[float], hand: list[float], docker: list[float]) -> list[Row]:
    """Three rows: ours with both ratios and what of the target is missed, and the two beside it. Seconds."""
    by_hand = row(f"{what}, by hand: the engines' API alone", hand, "s")
    swarms = row(f"{what}, Docker Swarm", docker, "s", beside=hand, reference="by hand")
    mine = row(f"{what}, Ropeteam", ours, "s", beside=hand, reference="by hand")
    to_swarm = mine.median / swarms.median
    notes = [f"{to_swarm:.3g} of Swarm's" + (": SLOWER" if to_swarm > 1.0 else "")]
    if mine.ratio is not None and mine.ratio > TARGET:
        notes.append(f"MORE THAN the {TARGET:g}")
    return [msgspec.structs.replace(mine, note="; ".join(notes)), by_hand, swarms]


def _told(done: Row) -> Row:
    """Say it now: the whole takes minutes."""
    ratio = "" if done.ratio is None else f", {done.ratio:.3g} {done.reference}"
    print(f"{done.name}: {done.median:.3g} {done.unit}{ratio} {done.note}", file=sys.stderr, flush=True)
    return done


def _update(there: Ground, peer: Peer, order: Order, rounds: int) -> Taken:
    taken = Taken([], [])
    peer.up(COUNT, order, OFTEN)
    _wait_copies(there, peer, IMAGES[0], COUNT)
    peer.settle()
    for number in range(1, rounds + 1):
        image = IMAGES[number % 2]
        begun = time.monotonic()
        peer.update(image)
        _wait_copies(there, peer, image, COUNT)
        taken.seen.append(time.monotonic() - begun)
        peer.settle()
        taken.said.append(time.monotonic() - begun)
    _clear(there, peer)
    return taken


def _scale(there: Ground, peer: Peer) -> tuple[float, float]:
    """Seconds until the engines had started the last, and until the last was healthy."""
    few, many = SCALE
    peer.up(few, "start-first", SELDOM)
    _wait_copies(there, peer, IMAGES[0], few)
    peer.settle()
    begun_at, begun = time.time(), time.monotonic()  # engines stamp wall time
    peer.scale(many)
    _wait_copies(there, peer, IMAGES[0], many)
    healthy_s = time.monotonic() - begun
    started_s = there.started_s(peer.label, many, begun_at)
    peer.settle()
    print(f"{type(peer).__name__}: {started_s:.3g} s, healthy {healthy_s:.3g} s", file=sys.stderr, flush=True)
    _clear(there, peer)
    return started_s, healthy_s


def _wait_copies(there: Ground, peer: Peer, image: str, count: int) -> None:
    there.until(
        lambda: seen(there.hosts, peer.label, image) == (count, 0), f"{count} of {image} are healthy, and alone"
    )


def seen(hosts: list[Host], label: str, image: str) -> tuple[int, int]:
    """Containers with the label: healthy ones of the image, and running ones of others. Engines asked side by side."""

    def ask(host: Host) -> tuple[int, int]:
        wanted = host.engine.image_id(image)
        running = [c for c in host.engine.containers(labels=(label,)) if c["State"] == "running"]
        return _count(running, wanted)

    with ThreadPoolExecutor(len(hosts)) as pool:
        found = list(pool.map(ask, hosts))
    return sum(healthy for healthy, _ in found), sum(other for _, other in found)


def _count(running: list[dict[str, str]], wanted: str) -> tuple[int, int]:
    mine: list[Mapping[str, str]] = [c for c in running if c["ImageID"] == wanted]
    return sum("(healthy)" in c["Status"] for c in mine), len(running) - len(mine)


def _clear(there: Ground, peer: Peer) -> None:
    peer.down()
    there.until(lambda: not there.running(peer.label), "nothing of it runs any more")
    time.sleep(2.0)  # networks, and what is left of the ends, must not count for the next


def _end(engine: Engine, container: str) -> None:
    engine.stop(container, GRACE_S)
    engine.remove(container)


def _wait_healthy(engine: Engine, container: str) -> None:
    deadline = time.monotonic() + HEALTHY_S
    while engine.inspect(container)["State"]["Health"]["Status"] != "healthy":
        if time.monotonic() > deadline:
            raise LabError(f"{container[:12]} is not healthy after {HEALTHY_S:g} s")
        time.sleep(LOOK_S)
