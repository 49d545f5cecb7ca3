"""The heartbeat's frame, from what was measured last and what the core knows: built at once, without waiting (§3.3).

Measures nothing: `meters` does, beside it. Called by `session` through `app`.
"""

from collections.abc import Mapping
from typing import Protocol

from nodeagent.core.container import Usage
from nodeagent.core.node import NodeState
from protocol.messages import Heartbeat

PORTS_MAX = 2000
"""Ports in one heartbeat, so that the frame keeps its limit."""


class Readings(Protocol):
    """What the meters measured last. `usage`: container id -> what it uses."""

    @property
    def cpu_percent(self) -> float: ...
    @property
    def mem_free_mb(self) -> float: ...
    @property
    def mem_total_mb(self) -> float: ...
    @property
    def disk_free_gb(self) -> float: ...
    @property
    def disk_total_gb(self) -> float: ...
    @property
    def load(self) -> float: ...
    @property
    def net_in_kb(self) -> float: ...
    @property
    def net_out_kb(self) -> float: ...
    @property
    def ports(self) -> tuple[int, ...]: ...
    @property
    def usage(self) -> Mapping[str, Usage]: ...


def make_heartbeat(
    seq: int, agent_id: str, readings: Readings, state: NodeState, *, revision: int, wall: float
) -> Heartbeat:
    """The frame as of now. `revision`: the newest one that is on disk. `wall`: wall seconds, for uptimes."""
    return Heartbeat(
        agent_id=agent_id,
        seq=seq,
        cpu_usage=round(readings.cpu_percent, 1),
        mem_free_mb=round(readings.mem_free_mb, 1),
        disk_free_gb=round(readings.disk_free_gb, 2),
        load=round(readings.load, 2),
        mem_total_mb=round(readings.mem_total_mb, 1),
        disk_total_gb=round(readings.disk_total_gb, 2),
        engine_ok=state.engine_answers,
        ports=readings.ports[:PORTS_MAX],
        containers=state.voice.beats(readings.usage, wall),
        revision=revision,
        net_in_kb=readings.net_in_kb,
        net_out_kb=readings.net_out_kb,
    )
