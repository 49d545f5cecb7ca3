"""The palette and the keyboard in Chromium: they find and do, and leave typing and Chinese input alone."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import tab
from tests.browser.stage import staged
from tests.browser.test_overview import overflow, sign_in

pytestmark = pytest.mark.browser

COMPOSING = """([selector, key]) => document.querySelector(selector).dispatchEvent(
    new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true, isComposing: true}))"""


async def selected(page: Page) -> str:
    return await page.locator("#palette-found [aria-selected]").inner_text()


async def test_one_finds_does_and_goes(chromium: Browser, tmp_path: Path) -> None:
    async with staged(tmp_path / "data") as stage, tab(chromium, locale="en-US") as made:
        page = await sign_in(made, stage)
        await page.keyboard.press("Control+k")
        await expect(page.locator("#palette-ask")).to_be_focused()
        await expect(page.locator("#palette-found [role=option]").first).to_contain_text("Overview")
        await page.keyboard.type("node")
        await expect(page.locator("#palette-found [aria-selected]")).to_contain_text("Nodes")
        first = await selected(page)
        await page.keyboard.press("ArrowDown")
        assert await selected(page) != first
        await page.keyboard.press("ArrowUp")
        assert await selected(page) == first
        assert await page.get_attribute("#palette-ask", "aria-activedescendant") == "option-1"
        await page.fill("#palette-ask", "node-2")
        await expect(page.locator("#palette-found [aria-selected]")).to_contain_text("node-2")
        await page.evaluate(COMPOSING, ["#palette-ask", "Enter"])
        assert page.url == f"{stage.url}/", "Enter belonged to the input method"
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{stage.url}/nodes/node-2")

        await page.keyboard.press("g")
        await page.keyboard.press("p")
        await expect(page).to_have_url(f"{stage.url}/projects")
        await page.keyboard.press("?")
        await expect(page.locator("#shortcuts")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#shortcuts")).to_be_hidden()
        await page.keyboard.press("/")
        await expect(page.locator("[data-filter]")).to_be_focused()
        await page.keyboard.type("gn?nothing")
        assert page.url == f"{stage.url}/projects", "what is typed is no shortcut"
        await expect(page.locator("#project-shop")).to_be_hidden()
        await stage.say(health="unhealthy")
        await expect(page.locator("#project-shop")).to_contain_text("Degraded")
        await expect(page.locator("#project-shop")).to_be_hidden()
        await page.fill("[data-filter]", "SHOP")
        await expect(page.locator("#project-shop")).to_be_visible()
        await page.evaluate("document.activeElement.blur()")
        await page.evaluate(COMPOSING, ["main", "?"])
        await expect(page.locator("#shortcuts")).to_be_hidden()
        await page.keyboard.press("j")
        assert await page.evaluate("document.activeElement.getAttribute('href')") == "/projects/shop"
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{stage.url}/projects/shop")

        await page.keyboard.press("Control+k")
        await page.keyboard.type("restart shop")
        await expect(page.locator("#palette-found [aria-selected]")).to_contain_text("Restart shop")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Deployment #2")
        await expect(page.locator("#work")).to_contain_text("Restart")


async def test_it_fits_a_phone_and_says_when_one_is_signed_out(chromium: Browser, tmp_path: Path) -> None:
    async with (
        staged(tmp_path / "data") as stage,
        tab(chromium, locale="zh-CN", viewport={"width": 390, "height": 800}, has_touch=True) as made,
    ):
        page = await sign_in(made, stage)
        await page.click("#palette-open")
        await page.keyboard.type("设置")
        await expect(page.locator("#palette-found [aria-selected]")).to_contain_text("设置")
        assert await overflow(page) == 0
        box = await page.locator("#palette").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
        await page.context.clear_cookies()
        await page.keyboard.type("x")
        await expect(page).to_have_url(f"{stage.url}/login")
