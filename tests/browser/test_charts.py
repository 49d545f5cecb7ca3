"""Charts of the last hour in Chromium: they go on by themselves, and leave what a person opened open."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from controlplane.store.rings import Sample
from tests.browser.conftest import tab
from tests.browser.stage import Stage, staged
from tests.browser.test_overview import sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "data") as made:
        yield made


async def test_a_chart_goes_on_by_itself_in_place(chromium: Browser, stage: Stage) -> None:
    center = stage.running.center
    await center.rings.loaded.wait()
    async with tab(chromium, locale="en-US", viewport={"width": 390, "height": 800}) as made:
        page = await sign_in(made, stage)
        await page.goto(f"{stage.url}/nodes/node-1")
        await page.click(".week summary")
        await expect(page.locator(".week svg").first).to_have_attribute(
            "aria-label", "CPU, The last 7 days: no figures yet"
        )
        center.rings.put({("node", "node-1"): Sample(77.7, 2048.0)}, center.clock.now().wall)
        cpu = page.locator("#charts figure").first
        await expect(cpu.locator("figcaption")).to_contain_text("highest 77.7 %", timeout=15_000)
        await expect(cpu.locator("svg")).to_have_attribute("aria-label", re.compile("The last hour: .*highest 77.7 %"))
        assert await cpu.locator("polyline").count() >= 1
        assert await page.locator("details.week").get_attribute("open") is not None
        box = await cpu.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390, "it fits a phone"
