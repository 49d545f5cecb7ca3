"""The overview in Chromium: first paint, live changes, what the reader does survives them, and honesty when cut off."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import Tab, tab
from tests.browser.stage import Stage, staged
from tests.loopback.center import ADMIN_TOKEN, until

pytestmark = pytest.mark.browser

HOSTILE = "exit 7: <script>document.title='taken'</script><b>bold</b>"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path / "data") as made:
        yield made


async def sign_in(made: Tab, stage: Stage, query: str = "") -> Page:
    page = made.page
    await page.goto(f"{stage.url}/login{query}")
    await page.fill("#token", ADMIN_TOKEN)
    await page.press("#token", "Enter")
    await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
    return page


async def overflow(page: Page) -> int:
    """How many pixels the page is wider than the window."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found


async def test_it_shows_the_cluster_and_changes_by_itself(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="en-US", timezone_id="Asia/Shanghai") as made:
        page = await sign_in(made, stage)
        await expect(page.locator("#map .node")).to_have_count(3)
        await expect(page.locator("#project-shop")).to_contain_text("4 of 4 healthy")
        await expect(page.locator("#attention")).to_contain_text("All well")
        await expect(page.locator("#project-shop .cells i.up")).to_have_count(4)
        await page.evaluate("document.getElementById('map').dataset.uiMark = 'same page'")

        await stage.say(health="unhealthy", reason=HOSTILE)
        row = page.locator("#project-shop")
        await expect(row).to_contain_text("Degraded")
        await expect(page.locator("#trouble-project-shop")).to_contain_text("3 of 4 healthy; web/2")
        await expect(row.locator(".cells i.bad")).to_have_count(1)
        assert "<b>bold</b>" in await row.inner_text() and await page.title() == "Overview · Ropeteam"

        await stage.say()
        await expect(page.locator("#attention")).to_contain_text("All well")
        stage.members["node.10"].cut()
        card = page.locator("#node-node_d10")
        await expect(card).to_contain_text("Suspect")
        seen = card.locator(".seen time")
        stamp, shown = await seen.get_attribute("datetime"), await seen.inner_text()
        assert stamp is not None and (int(shown[:2]) - int(stamp[11:13])) % 24 == 8, "in the reader's time zone"
        await expect(page.locator("#events")).to_contain_text("node.10 suspect")
        assert await page.evaluate("document.getElementById('map').dataset.uiMark") == "same page"


async def test_what_the_reader_does_survives(chromium: Browser, stage: Stage) -> None:
    await stage.deploy(1, replicas=10)
    cluster = stage.running.center.controller.cluster
    await until(lambda: not cluster.open_deployments, "ten replicas")
    stage.hold(8)
    await stage.deploy(2, replicas=10)
    async with tab(chromium, viewport={"width": 1000, "height": 500}) as made:
        page = await sign_in(made, stage)
        work = page.locator("#deployment-3")
        await expect(work).to_contain_text("8 of 11 steps done")
        await page.locator("#deployment-3-behind summary").click()
        await page.locator("#project-shop .addresses a").first.focus()
        await page.evaluate("""() => {
            document.activeElement.mark = 1;
            const text = document.querySelector('#node-node-1 header b a').firstChild;
            getSelection().setBaseAndExtent(text, 1, text, 4);
            scrollTo(0, 120);
        }""")
        stage.hold(9)
        for member in stage.members.values():
            await member.look()
        await expect(work).to_contain_text("9 of 11 steps done")
        await expect(page.locator("#deployment-3-behind")).to_have_attribute("open", "")
        stage.hold(0)
        for member in stage.members.values():
            await member.look()
        await expect(work).to_contain_text("Succeeded", timeout=15_000)  # it watches the new copies for 5 s
        await expect(page.locator("#project-shop")).to_contain_text("10 of 10 healthy")
        kept = await page.evaluate("[document.activeElement.mark, getSelection().toString(), scrollY]")
        assert kept == [1, "ode", 120], "the focused element, the selected text, the place"


async def test_cut_off_it_says_so_and_comes_back(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium) as made:
        page = await sign_in(made, stage)
        body, conn = page.locator("body"), page.locator("#conn")
        stage.line.cut()
        await expect(body).to_have_attribute("data-ui-conn", "lost")
        await expect(conn).to_have_text(re.compile(r"No connection, as of \d\d:\d\d:\d\d"))
        await expect(page.locator("main")).to_have_css("filter", "grayscale(1)")
        await stage.say(health="unhealthy")
        stage.line.mend()
        await expect(body).to_have_attribute("data-ui-conn", "live")
        await expect(page.locator("main")).to_have_css("filter", "none")
        await expect(page.locator("#project-shop")).to_contain_text("Degraded")
        made.complaints = [c for c in made.complaints if "WebSocket connection to" not in c]


async def test_a_line_that_falls_silent_is_not_taken_for_a_quiet_cluster(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium) as made:
        await made.page.clock.install()
        page = await sign_in(made, stage)
        stage.line.flows.clear()
        await page.clock.fast_forward(13_000)
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "lost")
        stage.line.mend()


async def test_a_session_that_is_over_leads_to_sign_in(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium) as made, tab(chromium) as other:
        page = await sign_in(made, stage)
        second = await made.page.context.new_page()
        await second.goto(stage.url)
        await expect(second.locator("body")).to_have_attribute("data-ui-conn", "live")
        stranger = await sign_in(other, stage)
        await page.locator("#menu summary").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(f"{stage.url}/login")
        await expect(second).to_have_url(f"{stage.url}/login")
        await expect(stranger.locator("body")).to_have_attribute("data-ui-conn", "live")
        await page.go_back()
        await expect(page).to_have_url(f"{stage.url}/login")


async def test_a_script_that_comes_late_does_not_leave_the_page_dead(chromium: Browser, stage: Stage) -> None:
    async def late(route: Route) -> None:
        await asyncio.sleep(0.4)
        await route.continue_()

    async with tab(chromium) as made:
        await made.page.route("**/hx-ws.min.js*", late)
        await sign_in(made, stage)


async def test_languages_and_themes(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, locale="zh-CN", color_scheme="light", viewport={"width": 1280, "height": 900}) as made:
        page = await sign_in(made, stage)
        await expect(page.locator("#map-title")).to_have_text("节点")
        await expect(page.locator("#project-shop")).to_contain_text("4/4 健康")
        await expect(page.locator("#conn")).to_have_text("实时")
        light = await background(page)
        await page.locator("#menu summary").click()
        await page.get_by_role("link", name="深色").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        dark = await background(page)
        assert sum(light) > 700 and sum(dark) < 100
        await stage.say(health="unhealthy")
        await expect(page.locator("#project-shop")).to_contain_text("不健康")
        await page.get_by_role("link", name="English").click()
        await expect(page.locator("#project-shop")).to_contain_text("unhealthy")
        assert sum(await background(page)) < 100, "the theme stays"
        await page.goto(stage.url)
        await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_the_system_decides_the_theme_unless_told(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium, color_scheme="dark") as made:
        await made.page.goto(f"{stage.url}/login")
        assert sum(await background(made.page)) < 100
        await made.page.goto(f"{stage.url}/login?theme=light")
        assert sum(await background(made.page)) > 700


async def test_a_phone_needs_no_sideways_scrolling(chromium: Browser, stage: Stage) -> None:
    await stage.say(health="unhealthy", reason="connection refused at " + "very-long-name." * 12)
    for lang in ("en", "zh"):
        async with tab(chromium, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True) as made:
            await made.page.goto(f"{stage.url}/login?lang={lang}")
            assert await overflow(made.page) == 0
            page = await sign_in(made, stage, f"?lang={lang}")
            await expect(page.locator("#project-shop .cells i.bad")).to_have_count(1)
            assert await overflow(page) == 0
            await page.locator("#menu summary").click()
            box = await page.locator(".panel").bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390


async def test_the_keyboard_alone_is_enough(chromium: Browser, stage: Stage) -> None:
    async with tab(chromium) as made:
        page = await sign_in(made, stage)
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("#main$"))
        for _ in range(12):
            await page.keyboard.press("Shift+Tab")
            if await page.evaluate("document.activeElement.tagName") == "SUMMARY":
                break
        await page.keyboard.press("Enter")
        await expect(page.locator(".panel")).to_be_visible()


async def background(page: Page) -> list[int]:
    """Red, green and blue of the page."""
    found: str = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return [int(n) for n in re.findall(r"\d+", found)[:3]]
