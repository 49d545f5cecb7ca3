"""A day in Chromium, with two tabs open: deploy, update, take back, a power loss, a drain, the Center restarted."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Tab, tab
from tests.browser.crew import crew
from tests.browser.stage import Line, Stage, center_behind
from tests.browser.test_overview import sign_in
from tests.loopback.center import until

pytestmark = pytest.mark.browser

NODES = ("node-1", "node-2", "node-3")
FILE = """services:
  api:
    image: api:{version}
    ports: ["80"]
    healthcheck: {{test: [CMD, "true"]}}
    deploy: {{replicas: 3}}
"""
LONG_MS = 20_000
LOST_MS = 40_000
"""15 s of silence, and the machine may be busy."""


async def deploy(page: Page, stage: Stage, path: str, version: int) -> None:
    """By the form, to the end of the deployment."""
    await page.goto(stage.url + path)
    if path == "/new":
        await page.fill("[name=code]", "shop")
    await page.fill("#compose", FILE.format(version=version))
    await page.click("button[value=plan]")
    await expect(page.locator(".plan").first).to_be_visible()
    await page.click("button[value=deploy]")
    await expect(page.locator("#work")).to_contain_text("Succeeded", timeout=LONG_MS)


async def second(made: Tab, stage: Stage) -> Page:
    """Another tab of the same person, on the overview."""
    page = await made.page.context.new_page()
    page.on("console", lambda m: made.note(m.type, m.text))
    page.on("pageerror", lambda e: made.note("error", str(e)))
    await page.goto(stage.url)
    await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
    return page


async def test_a_day(chromium: Browser, tmp_path: Path) -> None:
    line = Line()
    async with AsyncExitStack() as stack, tab(chromium, locale="en-US") as made:
        await stack.enter_async_context(line.laid())
        center = AsyncExitStack()
        running = await center.enter_async_context(center_behind(line, tmp_path / "data"))
        members = await center.enter_async_context(crew(running, *NODES))
        cluster = running.center.controller.cluster
        await until(lambda: [n.state for n in cluster.nodes.values()] == ["online"] * 3, "all nodes online")
        stage = Stage(running, members, line)

        page = await sign_in(made, stage)
        overview = await second(made, stage)
        await deploy(page, stage, "/new", 1)
        await expect(overview.locator("#project-shop")).to_contain_text("3 of 3 healthy")
        await deploy(page, stage, "/projects/shop/edit", 2)
        assert cluster.projects["shop"].revision == 2
        await page.goto(f"{stage.url}/projects/shop")
        await page.get_by_role("button", name="Roll back").first.click()
        await expect(page.locator("#work")).to_contain_text("Succeeded", timeout=LONG_MS)
        await expect(overview.locator("#deployments")).to_contain_text("Rollback")

        await page.goto(f"{stage.url}/projects/shop")
        await expect(page.locator("#replicas")).to_contain_text("node-1")
        members["node-1"].cut()
        await expect(overview.locator("#node-node-1")).to_contain_text("Suspect")
        await expect(overview.locator("#node-node-1")).to_contain_text("Offline", timeout=LOST_MS)
        await expect(page.locator("#replicas")).not_to_contain_text("node-1", timeout=LOST_MS)
        await expect(page.locator("#state")).to_contain_text("3 of 3 healthy", timeout=LONG_MS)
        await expect(page.locator("#events")).to_contain_text("node-1")
        await expect(overview.locator("#trouble-node-node-1")).to_contain_text("unreachable, last seen")
        await page.goto(f"{stage.url}/events?node=node-1")
        await page.get_by_title("The whole story").first.click()
        await expect(page.locator("main")).to_contain_text("node-1 offline")
        await page.go_back()
        await expect(page).to_have_url(f"{stage.url}/events?node=node-1")
        await page.go_back()
        await expect(page.locator("#replicas tr")).to_have_count(3)

        await page.goto(f"{stage.url}/nodes/node-2/drain")
        await page.locator("main").get_by_role("button", name="Drain").click()
        await expect(page).to_have_url(f"{stage.url}/nodes/node-2")
        await expect(page.locator("#tasks")).to_contain_text("no replicas", timeout=LOST_MS)
        await expect(overview.locator("#project-shop")).to_contain_text("3 of 3 healthy", timeout=LONG_MS)
        assert made.complaints == []

        await center.aclose()
        for one in (page, overview):
            await expect(one.locator("body")).to_have_attribute("data-ui-conn", "lost")
        async with center_behind(line, tmp_path / "data"):
            for one in (page, overview):
                await expect(one).to_have_url(f"{stage.url}/login", timeout=LONG_MS)  # sessions end with the Center
            await sign_in(made, stage)
            await expect(page.locator("#project-shop")).to_be_visible()
            made.complaints = [c for c in made.complaints if "WebSocket connection to" not in c]
