"""HTTP bodies about what was used over time. Part of `protocol.api`."""

from typing import Literal

from protocol.body import Body

UsageRange = Literal["1h", "7d"]


class UsageHistory(Body, frozen=True, kw_only=True):
    """`GET /api/v1/nodes/{name}/usage` and `GET /api/v1/projects/{code}/usage`: figures in equal steps, oldest first.

    null where nothing was heard. A step of `7d` is a mean. A project's figures are sums over its copies on nodes that
    are heard.
    """

    range: UsageRange
    start: str
    """Of the first step."""
    step_s: int
    cpu_usage: tuple[float | None, ...]
    """Percent: of the machine for a node, of one core for a project."""
    mem_mb: tuple[float | None, ...]
    """Used, MiB."""
    cpus: float | None = None
    """Cores of a node."""
    mem_total_mb: float | None = None
    """Memory of a node, MiB."""
