"""Placement, resources and x-rope."""

import pytest

from protocol.spec import Constraint, Resources
from tests.unit.composefile.sample import errors, service, web, web_error


def placement(text: str) -> str:
    return f"deploy: {{placement: {{{text}}}}}"


@pytest.mark.parametrize(
    ("written", "constraint"),
    [
        ("node.labels.disk == ssd", Constraint(key="labels.disk", value="ssd")),
        ("node.labels.disk!=ssd", Constraint(key="labels.disk", value="ssd", equal=False)),
        ("node.labels.a.b/c == two words", Constraint(key="labels.a.b/c", value="two words")),
        ("node.hostname == h1", Constraint(key="hostname", value="h1")),
        ("node.id != n1", Constraint(key="name", value="n1", equal=False)),
        ("node.platform.os == linux", Constraint(key="platform.os", value="linux")),
        ("node.platform.arch == amd64", Constraint(key="platform.arch", value="amd64")),
        ("node.labels.region == 北京", Constraint(key="labels.region", value="北京")),
    ],
)
def test_constraints(written: str, constraint: Constraint) -> None:
    assert web(placement(f"constraints: ['{written}']")).placement.constraints == (constraint,)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("node.role == manager", "no roles"),
        ("engine.labels.a == b", "labels of the engine"),
        ("node.name == b", "unknown condition"),
        ("node.labels. == b", "no name of a node label"),
        ("node.labels.a = b", "is no constraint"),
        ("node.labels.a ==", "is no constraint"),
        ("node.labels.a == " + "x" * 300, "longer than 256"),
        ("a", "is no constraint"),
    ],
)
def test_constraints_that_are_refused(written: str, why: str) -> None:
    problem = web_error(placement(f"constraints: ['{written}']"))
    assert problem.field == "services.web.deploy.placement.constraints[0]" and why in problem.message


def test_preferences_and_maximum() -> None:
    written = "preferences: [{spread: node.labels.zone}, {spread: node.labels.rack}], max_replicas_per_node: 2"
    spec = web(placement(written)).placement
    assert (spec.spread, spec.max_per_node) == (("zone", "rack"), 2)
    assert web_error(placement("preferences: [{spread: zone}]")).fix == "Write spread: node.labels.KEY."
    assert web_error(placement("preferences: [{pack: x}]")).message == "unknown key"
    assert web_error(placement("max_replicas_per_node: -1")).message


def test_resources() -> None:
    written = "{limits: {cpus: '1.5', memory: 1g, pids: 50}, reservations: {cpus: 0.5, memory: 512m}}"
    assert web(f"deploy: {{resources: {written}}}").resources == Resources(
        cpus_limit=1.5, memory_limit=1 << 30, pids_limit=50, cpus_reserved=0.5, memory_reserved=512 << 20
    )
    assert web("deploy: {resources: {limits: {pids: -1}}}").resources.pids_limit == 0


@pytest.mark.parametrize(
    "written",
    [
        "{limits: {cpus: 1}, reservations: {cpus: 2}}",
        "{limits: {memory: 64m}, reservations: {memory: 65m}}",
        "{limits: {memory: 5m}}",
        "{limits: {cpus: 0}}",
        "{limits: {devices: []}}",
        "{reservations: {devices: []}}",
        "{limit: {}}",
    ],
)
def test_resources_that_are_refused(written: str) -> None:
    assert web_error(f"deploy: {{resources: {written}}}").field.startswith("services.web.deploy.resources")


def test_x_rope_labels_are_required_unless_told() -> None:
    plain = web("x-rope: {labels: {gpu: true, zone: 2}}").placement
    assert plain.constraints == (
        Constraint(key="labels.gpu", value="true"),
        Constraint(key="labels.zone", value="2"),
    )
    both = web("x-rope: {labels: {required: {gpu: true}, preferred: {zone: a}}}").placement
    assert (both.constraints, both.preferred) == ((Constraint(key="labels.gpu", value="true"),), {"zone": "a"})


def test_a_label_may_be_called_required() -> None:
    assert web("x-rope: {labels: {required: a}}").placement.constraints == (
        Constraint(key="labels.required", value="a"),
    )


def test_a_condition_given_twice_counts_once() -> None:
    written = placement("constraints: [node.labels.gpu == true]") + "\nx-rope: {labels: {gpu: true}}"
    assert len(web(written).placement.constraints) == 1


def test_strategy_and_movable() -> None:
    assert web("x-rope: {strategy: affinity, movable: false}").placement.strategy == "affinity"
    assert web("x-rope: {movable: false}").movable is False
    assert web("").movable is None and web("").placement.strategy is None


@pytest.mark.parametrize(
    "written",
    [
        "{strategy: fastest}",
        "{movable: maybe}",
        "{labels: {'a b': c}}",
        "{labels: {a: [b]}}",
        "{labels: {a: }}",
        "{labels: [a]}",
        "{labels: {required: {a: b}, preferred: {a: c}}}",
        "{labels: {required: {a: b}, c: d}}",
        "{node: a}",
        "3",
    ],
)
def test_x_rope_errors(written: str) -> None:
    assert web_error(f"x-rope: {written}").field.startswith("services.web.x-rope")


def test_errors_of_the_project_are_told_once() -> None:
    (problem,) = errors(service("", "x-rope: {strategy: fastest}\n  \n"))
    assert problem.field == "x-rope.strategy"
