"""Logs and a terminal in Chromium, from real agents with engines in memory: followed, searched, saved, typed into."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Tab, tab
from tests.browser.stage import Line, center_behind
from tests.browser.test_overview import overflow
from tests.loopback.center import ADMIN_TOKEN
from tests.loopback.test_cluster import Team
from tests.loopback.test_streams import deployed, placed, write

pytestmark = pytest.mark.browser

HOSTILE = "\x1b[31mred\x1b[0m <b>bold</b><script>document.title='taken'</script> \x1b[2J\x1b]0;t\x07 \u202eabc \x08 end"


class Scene(NamedTuple):
    """A Center with two real agents, each with one replica of shop/web on an engine in memory."""

    team: Team
    line: Line

    @property
    def url(self) -> str:
        return self.line.url


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    line = Line()
    async with line.laid(), center_behind(line, folder / "data") as center, asyncio.TaskGroup() as tasks:
        made = Team(center, folder, tasks)
        for name in ("node-1", "node-2"):
            await made.join(name)
        await made.until(lambda: made.states() == {"online"}, "all nodes online")
        await deployed(made)
        yield Scene(made, line)
        for life in made.lives.values():
            life.cancel()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as made:
        yield made


async def opened(made: Tab, stage: Scene, path: str, query: str = "") -> Page:
    """Signed in, on this page."""
    page = made.page
    await page.goto(f"{stage.url}/login{query}")
    await page.fill("#token", ADMIN_TOKEN)
    await page.press("#token", "Enter")
    await expect(page.locator("h1")).to_be_attached()
    await page.goto(stage.url + path)
    await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
    return page


async def test_logs_are_merged_coloured_followed_and_harmless(chromium: Browser, stage: Scene) -> None:
    write(stage.team, "before")
    async with tab(chromium, locale="en-US") as made:
        page = await opened(made, stage, "/projects/shop")
        await page.click("header.title >> text=Logs")
        lines = page.locator("#lines > div")
        await expect(lines).to_have_count(2)
        await expect(page.locator("#who button")).to_have_text(["web/1", "web/2"])
        await expect(page.locator("#trouble")).to_be_hidden()
        colours = {await page.locator("#who button").nth(n).get_attribute("class") for n in (0, 1)}
        assert len(colours) == 2
        write(stage.team, HOSTILE)
        await expect(lines).to_have_count(4)
        said = lines.last.locator(".said")
        await expect(said).to_have_text("red <b>bold</b><script>document.title='taken'</script>   \\u202eabc \\x08 end")
        await expect(said.locator(".f1")).to_have_text("red")
        assert "taken" not in await page.title()
        stage.team.engines["node-1"].write(next(iter(stage.team.engines["node-1"].held)), "oh no", channel=2)
        await expect(page.locator("#lines > .stderr")).to_contain_text("oh no")
        one = placed(stage.team)["node-2"]
        await page.click(f"#who >> text=web/{one}")
        await expect(page.locator("#lines > div:visible")).to_have_count(3)
        await page.click(".scope >> text=web")
        await page.click(f".scope >> text=web/{one}")
        await expect(lines).to_have_count(2)
        await expect(lines.first).to_have_attribute("title", re.compile(rf"web/{one} #1 · node-2"))
        await page.click("header.title >> text=Terminal")
        await expect(page.locator("h1")).to_have_text(f"Terminal shop/web/{one}")


async def test_a_pause_holds_and_a_search_finds(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await opened(made, stage, "/projects/shop/logs/web/1")
        await expect(page.locator("#nothing")).to_contain_text("rope logs shop/web/1 -f")
        write(stage.team, *(f"\x1b[32mok\x1b[0m request {n}" for n in range(200)))
        lines = page.locator("#lines > div")
        await expect(lines).to_have_count(200)
        await page.press("#lines", "p")
        write(stage.team, "while it is paused")
        await expect(page.locator("#follow")).to_have_text("Continue (1 new)")
        await expect(lines).to_have_count(200)
        await page.keyboard.press("/")
        await page.keyboard.type("OK REQUEST 19")
        await expect(page.locator("#lines > div:visible")).to_have_count(11)
        await expect(page.locator("#count")).to_have_text("11 / 200 lines")
        assert await page.locator("mark").first.text_content() == "ok", "marked on both sides of a colour"
        await page.keyboard.press("Escape")
        await expect(page.locator("#lines > div:visible")).to_have_count(200)
        await page.keyboard.press("End")
        await expect(lines).to_have_count(201)
        await expect(page.locator("#follow")).to_have_text("Pause")
        await page.hover("#lines")
        await page.mouse.wheel(0, -600)
        await expect(page.locator("#follow")).to_have_text("Continue")


async def test_the_page_stays_small_and_says_what_it_dropped(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await opened(made, stage, "/projects/shop/logs/web/1")
        for start in range(0, 6000, 500):
            write(stage.team, *(f"line {n} " + "x" * 100 for n in range(start, start + 500)))
            await asyncio.sleep(0.05)
        await expect(page.locator("#lines > div").last).to_contain_text("line 5999", timeout=20_000)
        await expect(page.locator("#count")).to_have_text(
            "5,000 lines · 1,000 earlier lines were dropped from this page", timeout=20_000
        )
        assert await page.locator("#lines > div").count() == 5000
        async with page.expect_download() as saving:
            await page.select_option("#since", "n-1")
            await page.click("#download")
        saved = await saving.value
        assert saved.suggested_filename == "shop-web-1.log"
        text = await asyncio.to_thread((await saved.path()).read_text)
        numbers = [int(n) for n in re.findall(r"line (\d+) ", text)]
        assert numbers == list(range(6000)), "all there is, in order"
        assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z web/1 node-\d stdout line 0 x", text)


async def test_a_cut_line_is_said_and_nothing_comes_twice(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="zh-CN") as made:
        page = await opened(made, stage, "/projects/shop/logs")
        write(stage.team, "before")
        await expect(page.locator("#lines > div")).to_have_count(2)
        stage.line.cut()
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "lost")
        write(stage.team, "meanwhile")
        stage.line.mend()
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live", timeout=15_000)
        await expect(page.locator("#lines > div")).to_have_count(4)
        stage.team.cut("node-2")
        await expect(page.locator("#lines > .note")).to_contain_text("node-2 不在线 – 节点恢复后继续")
        await page.goto(f"{stage.url}/projects/nothing/logs")
        await expect(page.locator("#trouble")).to_contain_text("没有项目 'nothing'，也没有它的日志")
        made.complaints.clear()  # the browser tells of the cut line


async def test_a_terminal_runs_what_is_typed_and_tells_its_end(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="en-US", viewport={"width": 1200, "height": 700}) as made:
        page = await opened(made, stage, "/projects/shop/terminal/web/1")
        assert not any(engine.execs for engine in stage.team.engines.values()), "opening it runs nothing"
        await expect(page.locator("#start")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#told")).to_contain_text("runs on node-")
        rows = page.locator(".xterm-rows")
        await expect(rows).to_contain_text("$")
        await page.keyboard.type("echo hello there\r")
        await expect(rows).to_contain_text("hello there")
        await page.keyboard.type("stty size\r")
        (running,) = [e for engine in stage.team.engines.values() for e in engine.execs]
        wide = running.size
        await expect(rows).to_contain_text(f"{wide[1]} {wide[0]}")
        assert wide[0] > 100
        await page.set_viewport_size({"width": 700, "height": 600})
        await stage.team.until(lambda: running.size[0] < wide[0] - 30, "the terminal is told its size")
        await page.keyboard.press("Control+Shift+ArrowUp")
        await expect(page.locator("#end")).to_be_focused()
        await page.click(".xterm")
        await page.keyboard.type("exit 3\r")
        await expect(page.locator("#told")).to_have_text("ended with exit code 3")
        await expect(page.locator("#start")).to_be_focused()
        await page.fill("#command", "sh -c 'exit 7'")
        await page.keyboard.press("Enter")
        await expect(page.locator("#told")).to_have_text("ended with exit code 7")


async def test_colours_of_a_program_are_drawn_without_breaking_the_policy(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="en-US", color_scheme="dark") as made:
        page = await opened(made, stage, "/projects/shop/terminal/web/1")
        await page.fill("#command", "echo \x1b[38;2;1;200;3mgreen\x1b[0m \x1b[41mground\x1b[0m 中文")
        await page.keyboard.press("Enter")
        await expect(page.locator(".xterm-rows")).to_contain_text("green ground 中文")
        green = page.locator(".xterm-rows span", has_text="green")
        assert await green.evaluate("e => getComputedStyle(e).color") == "rgb(1, 200, 3)"


async def test_a_terminal_left_or_cut_is_over(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="zh-CN") as made:
        page = await opened(made, stage, "/projects/shop/terminal/web/2", "?lang=zh")
        await page.fill("#command", "cat")
        await page.keyboard.press("Enter")
        await expect(page.locator("#told")).to_contain_text("运行于 node-")
        stage.line.cut()
        await expect(page.locator("#trouble")).to_contain_text("连接已断开")
        (cat,) = [e for engine in stage.team.engines.values() for e in engine.execs]
        await stage.team.until(lambda: cat.closed, "the agent let go of it")
        stage.line.mend()
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live", timeout=15_000)
        await page.click("#start")
        await expect(page.locator("#told")).to_contain_text("运行于 node-")
        await page.click("#end")
        await stage.team.until(lambda: stage.team.center.center.relay.open_streams() == 0, "it is ended")
        made.complaints.clear()  # the browser tells of the cut line


async def test_signing_out_elsewhere_ends_what_is_open(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await opened(made, stage, "/projects/shop/terminal/web/1")
        await page.fill("#command", "cat")
        await page.keyboard.press("Enter")
        await expect(page.locator("#told")).to_contain_text("runs on node-")
        other = await page.context.new_page()
        await other.goto(f"{stage.url}/projects/shop/logs")
        await expect(other.locator("body")).to_have_attribute("data-ui-conn", "live")
        await other.click("#menu summary")
        await other.click("text=Sign out")
        await page.wait_for_url("**/login")
        await stage.team.until(lambda: stage.team.center.center.relay.open_streams() == 0, "nothing runs on")


async def test_the_palette_leaves_the_terminal_its_keys(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium, locale="en-US") as made:
        page = await opened(made, stage, "/projects/shop/terminal/web/1")
        await page.keyboard.press("Enter")
        await expect(page.locator(".xterm-rows")).to_contain_text("$")
        await page.keyboard.press("Control+k")
        await expect(page.locator("#palette")).to_be_hidden()
        await page.keyboard.type("?jk/p\r")
        await expect(page.locator(".xterm-rows")).to_contain_text("?jk/p: not found")
        await page.keyboard.press("Control+Shift+ArrowUp")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("logs shop")
        await expect(page.locator("#palette-found")).to_contain_text("Logs")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Logs shop")


@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "zh")])
async def test_they_fit_a_phone(theme: str, language: str, chromium: Browser, stage: Scene) -> None:
    write(stage.team, "a line that is rather longer than a phone is wide " * 4, "\x1b[33mwarning\x1b[0m")
    async with tab(chromium, viewport={"width": 390, "height": 800}) as made:
        page = await opened(made, stage, f"/projects/shop/logs?theme={theme}&lang={language}")
        await expect(page.locator("#lines > div")).to_have_count(4)
        assert await overflow(page) == 0
        await page.goto(f"{stage.url}/projects/shop/terminal/web/1")
        await page.click("#start")
        await expect(page.locator(".xterm-rows")).to_contain_text("$")
        assert await overflow(page) == 0


async def test_ansi_is_limited_to_colours(chromium: Browser, stage: Scene) -> None:
    async with tab(chromium) as made:
        page = await opened(made, stage, "/projects/shop/logs")
        cases = {
            "plain\ttext\r": [["plain\ttext", ""]],
            "\x1b[1;31ma\x1b[22mb\x1b[39mc": [["a", "bold f1"], ["b", "f1"], ["c", ""]],
            "\x1b[38;5;196mx\x1b[48;5;22my\x1b[mz": [["x", "f9"], ["y", "f9 k2"], ["z", ""]],
            "\x1b[38;2;250;250;250mw\x1b[97;104mv": [["w", "f15"], ["v", "f15 k12"]],
            "a\x1b[2Kb\x1b]8;;http://evil/\x07c\x1b(Bd\x1bPq\x1b\\e": [["abcde", ""]],
            "\x9b31mx\x1b": [["x", "f1"]],
            "\x07\x85\u2066\u200b": [["\\x07\\x85\\u2066\\u200b", ""]],
            "\x1b[38;5;999mx\x1b[38;9mx\x1b[99999mx": [["xxx", ""]],
            "<i>&amp;": [["<i>&amp;", ""]],
        }
        asked = "async text => (await import('/static/ansi.js')).parts(text).map(p => [p.text, p.style])"
        for text, found in cases.items():
            assert await page.evaluate(asked, text) == found, text
        split = "async text => (await import('/static/lines.js')).place(text, '5')"
        assert await page.evaluate(split, [{"at": a} for a in "1559"]) == 3
