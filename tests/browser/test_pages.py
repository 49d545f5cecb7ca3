"""Pages about one thing in Chromium: from a pasted file to a deployment, and what changes there by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import tab
from tests.browser.stage import Stage, staged
from tests.browser.test_overview import overflow, sign_in
from tests.loopback.center import until

pytestmark = pytest.mark.browser

FILE = """services:
  front:
    image: front:1
    ports: ["80"]
    deploy: {replicas: 3}
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "data") as made:
        yield made


async def test_a_pasted_file_is_planned_deployed_scaled_and_rolled_back(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        await page.click("nav.nav >> text=Deploy")
        await page.fill("[name=code]", "blog")
        await page.fill("#compose", FILE)
        await page.click("text=Show the plan")
        await expect(page.locator(".plan.start")).to_have_count(3)
        await page.click("button[value=deploy]")
        await expect(page.locator("h1")).to_have_text("Deployment #2")
        await expect(page.locator("#work")).to_contain_text("Succeeded", timeout=20_000)
        await page.click("#choices >> text=blog")
        await expect(page.locator("#replicas tr")).to_have_count(3)
        await page.fill("#scale-front", "5")
        await page.click("#service-front button")
        await expect(page.locator("#work")).to_contain_text("Succeeded", timeout=20_000)
        await page.goto(f"{stage.url}/projects/blog")
        await expect(page.locator("#replicas tr")).to_have_count(5)
        await page.go_back()
        await expect(page.locator("h1")).to_have_text("Deployment #3")
        await page.goto(f"{stage.url}/projects/blog/edit")
        assert await page.input_value("#compose") == FILE


async def test_a_power_loss_is_told_on_the_pages_that_are_open(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        await page.goto(f"{stage.url}/nodes/node-1")
        await expect(page.locator("#tasks tr")).to_have_count(2)
        await expect(page.locator("#choices")).not_to_contain_text("really down")
        stage.members["node-1"].cut()
        await expect(page.locator("#card")).to_contain_text("Suspect")
        await expect(page.locator("#choices")).to_contain_text("really down")
        await page.locator("#events a").first.click()
        await expect(page.locator("h1")).to_have_text("The whole story")
        await expect(page.locator("#story")).to_contain_text("node-1")


async def test_a_node_is_drained_and_a_join_line_made(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="zh-CN") as made:
        page = await sign_in(made, stage)
        await page.goto(f"{stage.url}/nodes/node-2")
        await page.click("#choices >> text=排空")
        await expect(page.locator("main")).to_contain_text("哪些副本迁往何处")
        await page.click("main button.primary")
        await expect(page.locator("#tasks")).to_contain_text("无副本", timeout=20_000)
        await page.click("#choices >> text=恢复接受副本")
        await expect(page.locator("#choices")).to_contain_text("排空")
        await page.goto(f"{stage.url}/join")
        await page.click("text=生成加入命令")
        await expect(page.locator("#join-line")).to_contain_text("rope agent --center")


async def test_pages_fit_a_phone(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="zh-CN", viewport={"width": 390, "height": 800}, color_scheme="dark") as made:
        page = await sign_in(made, stage)
        for path in (
            "/projects/shop",
            "/nodes/node-1",
            "/deployments/1",
            "/nodes",
            "/events",
            "/new",
            "/projects",
            "/settings",
            "/join",
        ):
            await page.goto(stage.url + path)
            await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
            assert await overflow(page) == 0, path


async def test_a_restart_of_the_center_is_lived_through(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        await page.goto(f"{stage.url}/projects/shop")
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
        stage.line.cut()
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "lost")
        stage.line.mend()
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
        await stage.deploy(2)
        cluster = stage.running.center.controller.cluster
        await until(lambda: 2 in cluster.deployments, "the update")
        await expect(page.locator("#deployments")).to_contain_text("#2")
        made.complaints.clear()  # the browser tells of the cut line
        await asyncio.sleep(0)
