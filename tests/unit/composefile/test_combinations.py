"""Combinations that cannot be are errors with their line and a way out."""

import pytest

from composefile.errors import ComposeError
from tests.unit.composefile.sample import compose, errors, service, web, web_error

FIXED = 'ports: ["8080:80"]\n'
PINNED = "deploy: {placement: {constraints: [node.hostname == h1]}%s}\n"
START_FIRST = ", update_config: {order: start-first}"
DATA = "volumes:\n  data:\n"


def test_a_canary_is_at_most_the_service() -> None:
    problem = web_error("deploy: {replicas: 2}\nx-rope:\n  canary: {replicas: 3}")
    assert (problem.line, problem.field) == (6, "services.web.x-rope.canary")
    assert problem.message == 'a canary of 3 replicas, but "web" has only 2'
    assert problem.fix == "Write replicas: 2 or less, or percent."
    assert web("deploy: {replicas: 2}\nx-rope: {canary: {replicas: 2}}").canary is not None
    assert web("deploy: {replicas: 0}\nx-rope: {canary: {replicas: 2}}").canary is not None


def test_the_projects_canary_is_judged_for_each_service() -> None:
    text = "x-rope: {canary: {replicas: 2}}\n" + service("deploy: {replicas: 2}", "  db: {image: x}\n")
    (problem,) = errors(text)
    assert (problem.line, problem.field) == (1, "x-rope.canary") and '"db" has only 1' in problem.message


def test_a_canary_and_blue_green_exclude_each_other() -> None:
    problem = web_error("x-rope: {canary: {percent: 10}, release: blue_green}")
    assert problem.field == "services.web.x-rope.canary" and "canary: false" in problem.fix
    text = "x-rope: {canary: {percent: 10}}\n" + service("x-rope: {release: blue_green, canary: false}")
    assert compose(text).spec.services["web"].release == "blue_green"


@pytest.mark.parametrize(
    ("body", "field", "line"),
    [
        (FIXED + PINNED % START_FIRST, "deploy.update_config.order", 5),
        (FIXED + PINNED % "" + "x-rope: {release: blue_green}", "x-rope.release", 6),
        (FIXED + PINNED % "" + "x-rope: {canary: {replicas: 1}}", "x-rope.canary", 6),
        (
            FIXED + "volumes: ['data:/data']\ndeploy: {update_config: {order: start-first}}",
            "deploy.update_config.order",
            6,
        ),
    ],
)
def test_two_copies_with_one_fixed_port_need_two_nodes(body: str, field: str, line: int) -> None:
    (problem,) = errors(service(body, DATA))
    assert (problem.line, problem.field) == (line, f"services.web.{field}")
    assert "host port 8080 is fixed" in problem.message and problem.fix.startswith("Use order: stop-first")


@pytest.mark.parametrize(
    "body",
    [
        PINNED % START_FIRST,
        FIXED + PINNED % "",
        FIXED + "deploy: {update_config: {order: start-first}}",
        FIXED + "volumes: ['data:/data']\nx-rope: {movable: true}\ndeploy: {update_config: {order: start-first}}",
        'ports: ["8080-8090:80"]\n' + PINNED % START_FIRST,
        FIXED + "deploy: {placement: {constraints: [node.hostname != h1]}, update_config: {order: start-first}}",
    ],
)
def test_what_may_find_a_second_node_or_port_is_left_to_the_plan(body: str) -> None:
    try:
        compose(service(body, DATA))
    except ComposeError as error:
        pytest.fail(str(error))


def test_one_node_takes_one_replica_with_a_fixed_port() -> None:
    problem = web_error(FIXED + PINNED % ", replicas: 2")
    assert (problem.line, problem.field) == (4, "services.web.ports")
    assert problem.message == '2 replicas, but host port 8080 is fixed and only the node "h1" will do'
