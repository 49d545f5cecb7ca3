"""Logs and a terminal of the dashboard on real engines: what containers write is shown, and a shell is one."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.conftest import CHROMIUM, FLAGS, tab
from tests.docker.cluster.cluster import WEB, Cluster

WRITES = r'BEGIN { for (i = 1; ; i++) { printf "\033[32mline\033[0m %d\n", i; fflush(); system("usleep 50000") } }'


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


async def test_logs_are_followed_and_a_shell_is_used(chromium: Browser, cluster: Cluster) -> None:
    service = {"image": WEB, "command": ["awk", WRITES], "init": True, "stop_grace_period": "1s"}
    await asyncio.to_thread(cluster.deploy, "pages", {"w": {**service, "deploy": {"replicas": 2}}})
    async with tab(chromium, locale="en-US") as made:
        page = made.page
        await page.goto(f"{cluster.url}/login")
        await page.fill("#token", cluster.token)
        await page.press("#token", "Enter")
        await expect(page.locator("body")).to_have_attribute("data-ui-conn", "live")
        await page.goto(f"{cluster.url}/projects/pages/logs")
        await expect(page.locator("#who button")).to_have_text(["w/1", "w/2"])
        await asyncio.sleep(2)
        await page.press("#lines", "p")
        texts = await page.locator("#lines > div").evaluate_all(
            "rows => rows.map(r => [r.querySelector('.from').firstChild.data, r.querySelector('.said').textContent])"
        )
        for name in ("w/1", "w/2"):
            numbers = [int(said.removeprefix("line ")) for who, said in texts if who == name]
            assert len(numbers) > 20 and numbers == list(range(numbers[0], numbers[0] + len(numbers))), name
        await expect(page.locator(".said .f2").first).to_have_text("line")
        await page.goto(f"{cluster.url}/projects/pages")
        await page.locator("#replicas >> text=Terminal").first.click()
        await expect(page.locator("#start")).to_be_focused()
        await page.keyboard.press("Enter")
        screen = page.locator(".xterm-rows")
        await expect(screen).to_contain_text(re.compile(r"[#$] "))
        await page.keyboard.type("stty size; echo $((6 * 7))\r")
        await expect(screen).to_contain_text(re.compile(r"[2-9]\d 1\d\d\s*42"))
        await page.keyboard.type("echo 'be''gun'; sleep 60\r")
        await expect(screen).to_contain_text("begun")
        await asyncio.sleep(0.3)  # the shell gives the terminal to the command
        await page.keyboard.press("Control+c")
        await page.keyboard.type("exit 3\r")
        await expect(page.locator("#told")).to_have_text("ended with exit code 3")
    assert [e.text for e in cluster.story(0, "exec.started")][-1].endswith(": sh")
