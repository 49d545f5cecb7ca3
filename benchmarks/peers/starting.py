"""(b) From the order to the last container that runs: by us, by hand, by Swarm, in turns on the same engines.

Our order is the last byte of the PUT; Swarm's is the answer to the service's creation. A container runs from the time
that its engine says it was started.
"""

import time

from benchmarks.peers import byhand, swarm
from benchmarks.peers.ground import IMAGE, Ground
from benchmarks.row import Row, row
from protocol import names
from tests.docker.cluster.cluster import web

ROUNDS = {1: 5, 10: 3, 30: 2}
"""Containers -> how often."""
CODE = "bench"


def measure(there: Ground) -> list[Row]:
    """All rows; about 2 min."""
    rows = []
    _ours(there, 1)  # the first of everything is not counted
    for count, rounds in ROUNDS.items():
        ours, hand, docker = [], [], []
        for _ in range(rounds):
            hand.append(_by_hand(there, count))
            ours.append(_ours(there, count))
            docker.append(_swarm(there, count))
        what = f"start: {count} on 3 engines"
        rows += [
            row(f"{what}, Ropeteam", ours, "s", beside=hand, reference="by hand"),
            row(f"{what}, by hand: the engines' API alone", hand, "s"),
            row(f"{what}, Docker Swarm", docker, "s", beside=hand, reference="by hand"),
        ]
    return rows


def _ours(there: Ground, count: int) -> float:
    api = there.center.api
    begun = time.time()
    status, answer = api.deploy(CODE, {"web": web(count, IMAGE)})
    if status != 202:
        raise RuntimeError(f"the deploy was answered {status}: {answer}")
    took = there.started_s(f"{names.LABEL_PROJECT}={CODE}", count, begun)
    if answer.deployment is not None:
        there.center.wait_ended(answer.deployment.id)
    api.remove(CODE)
    there.until(lambda: not api.projects() and not there.running(names.LABEL_PROJECT), "our project is gone")
    return took


def _by_hand(there: Ground, count: int) -> float:
    begun = time.time()
    byhand.deploy(there.hosts, IMAGE, count)
    took = there.started_s(byhand.LABEL, count, begun)
    byhand.remove(there.hosts)
    return took


def _swarm(there: Ground, count: int) -> float:
    label = f"{swarm.LABEL}={CODE}"
    begun = time.time()
    there.swarm.create(CODE, IMAGE, count)
    took = there.started_s(label, count, begun)
    there.swarm.remove(CODE)
    there.until(lambda: not there.running(label), "the service is gone")
    return took
