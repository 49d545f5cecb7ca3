"""200 open dashboards on 1,000 nodes and 10,000 replicas of which 200 change each second: what it costs the Center, and
how soon people see a change.

The agents are one light process (`crowd`), most of the pages another (`audience`); two are real ones in Chromium, in
which a change counts as seen when it is in the DOM. Not among the quick benchmarks: it needs Chromium.
"""

import http.client
import http.cookies
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import msgspec
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks import machine
from benchmarks.audience import Audience, Hall, Seen, audience
from benchmarks.center import TOKEN, Center, center
from benchmarks.churn import MARKED
from benchmarks.crowd import Crowd, crowd
from benchmarks.row import Row, percentile, row
from benchmarks.sample import name

NODES, REPLICAS, CHANGES_PER_S = 1_000, 10_000, 200.0
JOIN_S = 4.0
SETTLE_S = 5.0
OVERVIEWS = {"en": 70, "zh": 50}
PROJECTS, NODE_PAGES, LISTS, EVENTS = 40, 20, 10, 10
"""Other pages among the 200: of projects and nodes (each of another), of all nodes, of all events."""
LIMIT_MS, SERVED_MS = 400.0, 100.0
ASKED = 60
SLOW_COMMIT_S = 0.1
COOKIE = "rope"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
LOOK = f"""
window.seen = {{took: [], frames: 0, mark: ""}};
document.addEventListener("htmx:ws:after:message:incoming", () => {{ seen.frames++; }});
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {{
  const told = document.querySelector("#project-{MARKED} .sentence, #state .sentence");
  const mark = /mark ([0-9.]+)/.exec(told ? told.textContent : "");
  if (mark && mark[1] !== seen.mark) {{ seen.mark = mark[1]; seen.took.push(Date.now() - mark[1] * 1000); }}
}}).observe(document.documentElement, {{childList: true, subtree: true, characterData: true}}));
"""


class Watched(msgspec.Struct, kw_only=True):
    """Figures of one window. `took_ms`: for each page in Chromium, the times from an agent's word to the DOM."""

    seen: Seen
    cpu: float
    lag_ms: float
    slow_commits: float
    """Share of commits that took more than `SLOW_COMMIT_S`: what the disk adds to the time until a change is seen."""
    changes: int
    took_ms: list[list[float]]
    frames: list[int]
    served_ms: list[float]
    page_bytes: int


def measure(window_s: float = 30.0) -> list[Row]:
    """All rows, about 80 s."""
    with center(NODES, REPLICAS) as ours, crowd(ours.crew) as ropes:
        ropes.join(JOIN_S)
        ours.until_metric('ropeteam_nodes{state="online"}', NODES, 20.0)
        cookie = _sign_in(ours.url)
        ropes.watch(SETTLE_S)
        without = _cpu(ours, ropes, SETTLE_S)
        ropes.churn(CHANGES_PER_S)
        ropes.watch(SETTLE_S)
        changing = _cpu(ours, ropes, SETTLE_S)
        with audience(Hall(url=ours.url, cookie=cookie, pages=_pages())) as crowd_of_pages, _browser() as browser:
            opened = crowd_of_pages.open()
            contexts = [_context(browser, ours.url, cookie) for _ in range(2)]
            pages = [_open(c, ours.url + path) for c, path in zip(contexts, ("/", f"/projects/{MARKED}"), strict=True)]
            time.sleep(SETTLE_S)
            with machine.lateness() as late:
                watched = _watch(ours, ropes, crowd_of_pages, pages, cookie, window_s)
    return [*_costs(watched, without, changing, opened, late), *_times(watched)]


def _costs(watched: Watched, without: float, changing: float, opened: Seen, late: Sequence[float]) -> list[Row]:
    seen = watched.seen
    return [
        row("dashboards: Center CPU, 1,000 agents, no change, no page", [without], "% of a core"),
        row("dashboards: … with 200 changes/s", [changing], "% of a core"),
        row(
            "dashboards: … and 200 pages open",
            [watched.cpu],
            "% of a core",
            note=f"{watched.changes / seen.took_s:.0f} changes/s, {seen.bytes / seen.took_s / 1e6:.1f} MB/s sent",
        ),
        row(
            f"dashboards: commits that took more than {SLOW_COMMIT_S * 1e3:.0f} ms",
            [watched.slow_commits * 100],
            "%",
            note="the disk's part in the times below",
        ),
        row("dashboards: 200 pages opened", [opened.took_s], "s", note="until each had its first frame"),
        row(
            "dashboards: longest block of the loop",
            [watched.lag_ms],
            "ms",
            note=f"a process that does nothing: {max(late):.0f} ms",
        ),
    ]


def _times(watched: Watched) -> list[Row]:
    seen, rows = watched.seen, []
    rates = [n / seen.took_s for n in watched.seen.frames]
    split = len(_overviews())
    for what, found in (("overviews", rates[:split]), ("other pages", rates[split:])):
        rows.append(
            row(f"dashboards: frames/s per page, {what}", found, "1/s", note=f"most {max(found):.2f}; 4 allowed")
        )
    rows.append(
        row(
            "dashboards: event to page, p95, light pages",
            [seen.p95_ms],
            "ms",
            note=f"{seen.marks} seen; p50 {seen.p50_ms:.0f} ms, longest {seen.max_ms:.0f} ms; "
            + _judged(seen.p95_ms, LIMIT_MS),
        )
    )
    for what, took, frames in zip(("the overview", "a project"), watched.took_ms, watched.frames, strict=True):
        p95 = percentile(took, 0.95)
        note = f"{len(took)} seen, {frames / seen.took_s:.1f} frames/s; p50 {percentile(took, 0.5):.0f} ms"
        rows.append(
            row(
                f"dashboards: event to DOM, p95, Chromium, {what}",
                [p95],
                "ms",
                note=f"{note}; {_judged(p95, LIMIT_MS)}",
            )
        )
    worst = percentile(watched.served_ms, 0.95)
    rows.append(
        row(
            "dashboards: overview served under this load",
            watched.served_ms,
            "ms",
            note=f"p95 {worst:.0f} ms, {watched.page_bytes / 1024:.0f} KB compressed; {_judged(worst, SERVED_MS)}",
        )
    )
    return rows


def _judged(figure: float, limit: float) -> str:
    return f"limit {limit:.0f}" if figure < limit else f"MORE THAN the limit of {limit:.0f}"


def _overviews() -> list[str]:
    return [f"view=overview&lang={lang}" for lang, many in OVERVIEWS.items() for _ in range(many)]


def _pages() -> list[str]:
    made = _overviews()
    made += [f"view=project&of=p{i}&lang={('en', 'zh')[i % 2]}" for i in range(PROJECTS)]
    made += [f"view=node&of={name(i)}&lang=en" for i in range(NODE_PAGES)]
    made += [f"view=nodes&lang={('en', 'zh')[i % 2]}" for i in range(LISTS)]
    return made + ["view=events&lang=en"] * EVENTS


def _sign_in(url: str) -> str:
    """Through the form, as a browser; gives the cookie."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/login")
    form = connection.getresponse()
    found = re.search(r'name="csrf" value="([^"]+)"', form.read().decode())
    assert found is not None
    body = urlencode({"csrf": found[1], "token": TOKEN})
    headers = {"origin": url, "content-type": "application/x-www-form-urlencoded", "cookie": _cookies(form)}
    connection.request("POST", "/login", body, headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 303:
        raise RuntimeError(f"signing in: {answer.status}")
    return next(c for c in _cookies(answer).split("; ") if c.startswith(f"{COOKIE}="))


def _cookies(answer: http.client.HTTPResponse) -> str:
    jar = http.cookies.SimpleCookie()
    for line in answer.headers.get_all("set-cookie") or ():
        jar.load(line)
    return "; ".join(f"{k}={v.value}" for k, v in jar.items())


def _cpu(ours: Center, ropes: Crowd, seconds: float) -> float:
    """Percent of a core that the Center uses."""
    before, begun = ours.child.cpu_s(), time.perf_counter()
    ropes.watch(seconds)
    return (ours.child.cpu_s() - before) / (time.perf_counter() - begun) * 100


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def _context(browser: Browser, url: str, cookie: str) -> BrowserContext:
    made = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    made.add_cookies([{"name": COOKIE, "value": cookie.partition("=")[2], "url": url}])
    made.add_init_script(LOOK)
    return made


def _open(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("body[data-ui-conn=live]", timeout=30_000)
    return page


def _watch(
    ours: Center, ropes: Crowd, listeners: Audience, pages: Sequence[Page], cookie: str, seconds: float
) -> Watched:
    for page in pages:
        page.evaluate("seen.took.length = 0, seen.frames = 0")
    ours.lag_ms()
    ropes.churn(CHANGES_PER_S)
    slow_before, all_before = _commits(ours)
    before, begun = ours.child.cpu_s(), time.perf_counter()
    seen = listeners.watch(seconds)
    cpu = (ours.child.cpu_s() - before) / (time.perf_counter() - begun) * 100
    changes = ropes.churn(CHANGES_PER_S).changes
    lag_ms = ours.lag_ms()
    slow, commits = _commits(ours)
    found = [page.evaluate("[seen.took, seen.frames]") for page in pages]
    served_ms, size = _served(ours.url, cookie)
    if seen.closed:
        raise RuntimeError(f"{seen.closed} pages were closed")
    return Watched(
        seen=seen,
        cpu=cpu,
        lag_ms=lag_ms,
        slow_commits=(slow - slow_before) / max(1.0, commits - all_before),
        changes=changes,
        took_ms=[took for took, _ in found],
        frames=[frames for _, frames in found],
        served_ms=served_ms,
        page_bytes=size,
    )


def _commits(ours: Center) -> tuple[float, float]:
    """So far: those that took more than `SLOW_COMMIT_S`, and all."""
    count = ours.metric("ropeteam_commit_duration_seconds_count")
    return count - ours.metric(f'ropeteam_commit_duration_seconds_bucket{{le="{SLOW_COMMIT_S}"}}'), count


def _served(url: str, cookie: str) -> tuple[list[float], int]:
    """How long `GET /` takes, and how large it is."""
    took_ms, size = [], 0
    for _ in range(ASKED):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        begun = time.perf_counter()
        connection.request("GET", "/", headers={"cookie": cookie, "accept-encoding": "gzip"})
        answer = connection.getresponse()
        size = len(answer.read())
        took_ms.append((time.perf_counter() - begun) * 1e3)
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"GET /: {answer.status}")
        time.sleep(0.13)
    return took_ms, size
