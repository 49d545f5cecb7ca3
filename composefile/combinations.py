"""What a service asks for that cannot go together: replicas, canaries, ports and places. Notes errors, decides nothing.

Only what the file alone shows; what depends on the nodes is the plan's to say. Called by `read`.
"""

from composefile.errors import quoted
from composefile.field import Field
from composefile.service import Draft
from protocol.spec import ServiceSpec


def check(draft: Draft) -> None:
    """Note every impossible combination of one service, at the key that asks for it."""
    canary = draft.rope.said.get("canary")
    if canary is not None and draft.spec.canary is not None:
        _check_canary(draft, canary)
    _check_room(draft)
    _check_fixed_port(draft)
    _check_metrics(draft)


def _check_metrics(draft: Draft) -> None:
    """Prometheus is on another machine: it reaches what is published, and nothing else."""
    spec, at = draft.spec, draft.rope.said.get("metrics", draft.field)
    if spec.metrics is None or any((p.container, p.protocol) == (spec.metrics.port, "tcp") for p in spec.ports):
        return
    message = f"{quoted(spec.name)} does not publish port {spec.metrics.port}, so Prometheus cannot reach it"
    at.error(message, f'Add "{spec.metrics.port}" to its ports:; metrics: false in a service removes the project\'s.')


def _check_fixed_port(draft: Draft) -> None:
    """A fixed host port is there once on each node, so one node takes one replica."""
    ports, spec = draft.entries.get("ports"), draft.spec
    fixed = next((port.host_from for port in spec.ports if port.fixed), None)
    node = _only_node(spec)
    if ports is not None and fixed is not None and node and spec.replicas > 1:
        message = f"{spec.replicas} replicas, but host port {fixed} is fixed and only the node {quoted(node)} will do"
        ports.error(message, "Let the host port be chosen (write only the container's), or allow more nodes.")


def _check_canary(draft: Draft, at: Field) -> None:
    spec = draft.spec
    wanted = spec.canary.replicas if spec.canary is not None else 0
    if 0 < spec.replicas < wanted:
        message = f"a canary of {wanted} replicas, but {quoted(spec.name)} has only {spec.replicas}"
        at.error(message, f"Write replicas: {spec.replicas} or less, or percent.")
    if spec.release == "blue_green":
        message = f"{quoted(spec.name)} has a canary, and release: blue_green switches all replicas at once"
        at.error(message, "Keep one of them; canary: false in a service removes the project's.")


def _check_room(draft: Draft) -> None:
    """A second copy beside the old one needs another node where a host port is fixed: is there one?"""
    asked = _asks_for_both(draft)
    port = next((port.host_from for port in draft.spec.ports if port.fixed), None)
    only = _only_place(draft.spec)
    if asked is None or port is None or not only:
        return
    at, what = asked
    message = f"{what} needs a second copy beside the old one, but host port {port} is fixed and {only}"
    at.error(message, "Use order: stop-first, or let the host port be chosen (write only the container's).")


def _asks_for_both(draft: Draft) -> tuple[Field, str] | None:
    """(where, what) asks for old and new side by side; None when nothing does."""
    said = draft.rope.said
    deploy = draft.entries.get("deploy")
    if draft.spec.update.order == "start-first" and deploy is not None:
        return _below(deploy, "update_config", "order"), "order: start-first"
    if draft.spec.release == "blue_green" and "release" in said:
        return said["release"], "release: blue_green"
    if draft.spec.canary is not None and "canary" in said:
        return said["canary"], "a canary"
    return None


def _below(field: Field, *names: str) -> Field:
    for name in names:
        field = next((pair for pair in field.pairs() if pair.name == name), field)
    return field


def _only_place(spec: ServiceSpec) -> str:
    """Why there is one node only for this service; "" when there may be others."""
    node = _only_node(spec)
    if node:
        return f"only the node {quoted(node)} will do"
    if spec.local_data and not spec.may_move:
        return f"the data in {quoted(spec.local_data[0])} ties it to its node"
    return ""


def _only_node(spec: ServiceSpec) -> str:
    """The one node that the constraints name; "" when they name none."""
    named = (c.value for c in spec.placement.constraints if c.equal and c.key in ("name", "hostname"))
    return next(named, "")
