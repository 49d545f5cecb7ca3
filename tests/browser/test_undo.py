"""Undo in Chromium: after a scale, a stop and an update one click brings back what was, by ordinary deployments."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import tab
from tests.browser.stage import Stage, staged
from tests.browser.test_overview import sign_in

pytestmark = pytest.mark.browser

LONG_MS = 20_000


def wanted(stage: Stage) -> int:
    cluster = stage.running.center.controller.cluster
    return cluster.revisions["shop", cluster.projects["shop"].revision].spec.services["web"].replicas


async def succeeded(page: Page) -> None:
    await expect(page.locator("#work")).to_contain_text("Succeeded", timeout=LONG_MS)


async def test_what_was_asked_last_is_taken_back(chromium: Browser, tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage, tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        await page.goto(f"{stage.url}/projects/shop")
        await expect(page.locator("#undo")).to_contain_text("Undo: Stop")  # it was deployed for the first time

        await page.fill("#scale-web", "2")
        await page.click("#service-web button")
        await succeeded(page)
        assert wanted(stage) == 2
        await page.click("text=Undo: web × 4")
        await succeeded(page)
        assert wanted(stage) == 4

        await page.click("#choices >> text=shop")
        await page.click("#choices >> text=Stop")
        await succeeded(page)
        await page.click("#choices >> text=shop")
        await expect(page.locator("#state")).to_contain_text("Stopped")
        await expect(page.locator("#choices")).to_contain_text("Start")
        await page.click("text=Undo: Start web × 4")
        await succeeded(page)

        await page.goto(f"{stage.url}/projects/shop")
        await stage.deploy(2)
        await page.click("text=/Undo: back to revision/", timeout=LONG_MS)
        await expect(page.locator("h1")).to_contain_text("Deployment")
        cluster = stage.running.center.controller.cluster
        newest = cluster.deployments[max(cluster.deployments)]
        assert newest.kind == "rollback"
        now = cluster.revisions["shop", newest.revision].spec.services["web"]
        assert (now.image, now.replicas) == ("web:1", 4)


async def test_what_is_under_way_is_ended_and_an_old_page_undoes_nothing(chromium: Browser, tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage, tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        stage.hold(1)
        await stage.deploy(2)
        await page.goto(f"{stage.url}/projects/shop")
        await expect(page.locator("#undo")).to_contain_text("under way")
        await page.click("text=Undo: as it was before")
        await expect(page.locator("#work")).to_contain_text("Rolled back", timeout=LONG_MS)
        stage.hold(0)
        await stage.deploy(1, replicas=3)
        await page.goto(f"{stage.url}/deployments/3")
        await expect(page.locator("#undo button")).to_be_visible(timeout=LONG_MS)
        await page.locator("#undo button").evaluate("b => b.setAttribute('formaction', '/deployments/1/undo')")
        await page.click("#undo button")
        await expect(page.locator("[role=alert]")).to_contain_text("there is nothing to undo")
        await page.click("[data-dismiss]")
        await expect(page.locator("[role=alert]")).to_have_count(0)
        made.complaints.clear()  # the browser tells of the refusal's status, too
