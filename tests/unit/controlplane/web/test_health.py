"""Health, readiness, the loop's lateness."""

import asyncio
import time

from controlplane.web.health import Pulse
from tests.unit.controlplane.web.fake_center import FakeCenter


def test_serving_is_healthy_even_when_not_ready(center: FakeCenter) -> None:
    center.faults = ["the disk is full"]
    client = center.client(Authorization="")
    assert client.get("/healthz").json() == {"status": "ok", "version": "0"}
    got = client.get("/readyz")
    assert got.status_code == 503
    assert got.json()["error"]["details"] == [{"message": "the disk is full"}]
    center.faults = []
    assert client.get("/readyz").json() == {"status": "ready"}


async def test_the_pulse_sees_a_blocked_loop() -> None:
    pulse = Pulse(period_s=0.001)
    async with asyncio.TaskGroup() as tasks:
        beat = tasks.create_task(pulse.run())
        await asyncio.sleep(0.005)
        block(0.03)
        await asyncio.sleep(0.005)
        beat.cancel()
    assert 0.02 < pulse.lag_s() < 1


def block(seconds: float) -> None:
    """Hold the loop up."""
    time.sleep(seconds)
