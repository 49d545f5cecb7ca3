"""`python -m tests.torture.agent KNOBS ENGINE ARGUMENT…`: `python -m nodeagent ARGUMENT…` on an engine of the tests.

Points: around create, start, stop, restart, remove, around what is written to its disk, around each frame. `ENGINE`:
the socket of `tests.torture.engines`. Nothing else is changed.
"""

import sys
from pathlib import Path

from nodeagent import __main__ as product
from nodeagent import app
from nodeagent.core.container import Docker
from nodeagent.journal import Journal
from nodeagent.session import Session
from tests.torture.knobs import Knobs
from tests.torture.remote import RemoteDocker


def install(knobs: Knobs, engine: str) -> None:
    """Give the agent its engine, and put the points around the product's functions."""
    knobs.die_with_driver()
    knobs.bend_clock()

    def docker(self: app.Agent, cluster: str, node: str) -> Docker:
        return RemoteDocker(engine, cluster, node, knobs.hit)

    app.Agent._local_docker = docker  # type: ignore[method-assign]  # the engine that outlives it takes its place
    vars(app)["boot_id"] = knobs.boot_id
    for owner, method, point in (
        (Journal, "save_memory", "save-memory"),
        (Journal, "save_task", "save-task"),
        (Session, "_send", "frame"),
    ):
        setattr(owner, method, knobs.around_async(point, getattr(owner, method)))


if __name__ == "__main__":
    install(Knobs(Path(sys.argv[1])), sys.argv[2])
    sys.exit(product.main(sys.argv[3:]))
