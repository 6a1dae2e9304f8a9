"""The studio in a real browser beside a hello-world Streamlit app, in the same run.

python -m benchmarks.ui                       # first paint, warm clicks, ten visitors
python -m benchmarks.ui --only paint clicks --rounds 5 --clicks 20

Targets: first paint of Home at most 1.5 times hello-world's; a warm click settled within 500 ms
or 3 times hello-world's at the 95th percentile; ten visitors for two minutes without an error,
under 2 GB. Run it on a quiet machine: ratios survive load, milliseconds do not.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

from benchmarks.browser import SETTLED, STUDIO, Server, serving
from docs.screenshots import FLAGS
from studio.navigation import open_rooms

HELLO = """
import streamlit as st
st.title("Hello")
if st.button("Again"):
    st.session_state.clicks = st.session_state.get("clicks", 0) + 1
st.write(f"World {st.session_state.get('clicks', 0)}")
"""
PAINTED = "[data-testid=stMain] h1"
PATIENCE = 60_000
"""Milliseconds after which a page counts as hung."""
PAINT_RATIO, CLICK_MS, CLICK_RATIO, MOST_BYTES = 1.5, 500.0, 3.0, 2e9
"""The targets."""


@dataclass(frozen=True)
class Click:
    """One thing a visitor does over and over in a room."""

    there: str
    """CSS selector of what is clicked, or focused if `key` is given."""
    back: str
    """What undoes it."""
    key: tuple[str, str] = ("", "")
    """Keys pressed instead of clicks, there and back."""


SLIDER = "[data-testid=stMain] [data-testid=stSlider] input"
FACE = Click(".st-key-face-next button", ".st-key-face-prev button")
CLICKS = {
    "hello": Click("[data-testid=stMain] button", "[data-testid=stMain] button"),
    "dataset": Click(".st-key-expression button >> nth=0", ".st-key-expression button >> nth=0"),
    "compare": Click(".st-key-view button >> nth=1", ".st-key-view button >> nth=0"),
    "training": Click(SLIDER, SLIDER, ("ArrowLeft", "ArrowRight")),
    "filters": Click(SLIDER, SLIDER, ("ArrowLeft", "ArrowRight")),
    "activations": FACE,
    "saliency": FACE,
    "puppet": Click(SLIDER, SLIDER, ("ArrowRight", "ArrowLeft")),
}
"""Room -> its click; rooms without an entry (DeepDream, Paper, Classify) are only visited."""


async def new_page(browser: Browser) -> Page:
    """Return a page of a new visitor."""
    context = await browser.new_context(viewport={"width": 1440, "height": 1000})
    page = await context.new_page()
    await page.add_init_script(f"({SETTLED})()")
    return page


async def paint(browser: Browser, address: str) -> float:
    """Return the seconds from asking for a page to its title being there."""
    page = await new_page(browser)
    began = time.perf_counter()
    await page.goto(address, timeout=PATIENCE)
    await page.wait_for_selector(PAINTED, timeout=PATIENCE)
    took = time.perf_counter() - began
    await page.context.close()
    return took


async def settle(page: Page) -> None:
    """Wait until the page shows something and its script has been still for a while."""
    await page.wait_for_selector(PAINTED, timeout=PATIENCE)
    if await page.evaluate(f"settled({PATIENCE}, false)") is None:
        raise TimeoutError(f"{page.url} did not settle in {PATIENCE / 1000:.0f} s")


async def act(page: Page, selector: str, key: str) -> float:
    """Click, or press a key, and return the milliseconds until the page has settled."""
    target = page.locator(selector).first
    await target.scroll_into_view_if_needed(timeout=PATIENCE)
    await target.evaluate("element => element.focus()")
    await page.evaluate(f"() => {{ window.pending = settled({PATIENCE}, true); }}")
    await (page.keyboard.press(key) if key else target.click(timeout=PATIENCE))
    took = await page.evaluate("window.pending")
    if took is None:
        raise TimeoutError(f"a click on {selector} of {page.url} did not settle")
    return float(took)


async def warm_clicks(browser: Browser, address: str, click: Click, count: int) -> list[float]:
    """Return the milliseconds of `count` clicks there and back, both states visited before."""
    page = await new_page(browser)
    await page.goto(address, timeout=PATIENCE)
    await settle(page)
    moves = [(click.there, click.key[0]), (click.back, click.key[1])]
    times = [await act(page, *moves[number % 2]) for number in range(count + 4)]
    await page.context.close()
    return times[4:]


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile, the smallest value that 95% do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


async def measure_paint(browser: Browser, hello: Server, ours: Server, rounds: int) -> None:
    """Print first paint, hello-world and Home in turn."""
    took: dict[str, list[float]] = {hello.address: [], ours.address: []}
    for number in range(rounds + 1):  # the first visit pays for the server's imports
        for address, values in took.items():
            values.append(await paint(browser, address))
            if number == 0:
                values.clear()
    theirs, own = (statistics.median(values) for values in took.values())
    verdict = "met" if own <= PAINT_RATIO * theirs else "MISSED"
    print(f"first paint (median of {rounds}): hello {theirs:.2f} s, Home {own:.2f} s, "
          f"ratio {own / theirs:.2f} (target {PAINT_RATIO}): {verdict}", flush=True)  # fmt: skip


async def measure_clicks(browser: Browser, hello: Server, ours: Server, count: int) -> None:
    """Print the 95th percentile of a warm click in each room."""
    theirs = p95(await warm_clicks(browser, hello.address, CLICKS["hello"], count))
    limit = max(CLICK_MS, CLICK_RATIO * theirs)
    print(f"warm click, p95 of {count}: hello {theirs:.0f} ms; target {limit:.0f} ms", flush=True)
    for room in (room.file for rooms in open_rooms().values() for room in rooms):
        if room not in CLICKS:
            continue
        values = await warm_clicks(browser, f"{ours.address}/{room}", CLICKS[room], count)
        verdict = "met" if p95(values) <= limit else "MISSED"
        print(f"  {room:12} median {statistics.median(values):5.0f} ms, p95 {p95(values):5.0f} ms: "
              f"{verdict}", flush=True)  # fmt: skip


async def visit(browser: Browser, ours: Server, until: float, seed: int) -> tuple[int, list[str]]:
    """Walk through rooms at random as one visitor; return visits and what went wrong."""
    choose, troubles, visits = random.Random(seed), list[str](), 0
    page = await new_page(browser)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    rooms = [room.file for rooms in open_rooms().values() for room in rooms]
    while time.monotonic() < until:
        room = choose.choice(rooms)
        await page.goto(f"{ours.address}/{'' if room == 'home' else room}", timeout=PATIENCE)
        await settle(page)
        if room in CLICKS:
            try:
                await act(page, CLICKS[room].there, CLICKS[room].key[0])
            except (TimeoutError, PlaywrightError) as error:
                troubles.append(f"in {room}: {str(error).splitlines()[0]}")
        if await page.locator("[data-testid=stException]").count():
            troubles.append(f"exception in {room}")
        visits += 1
    await page.context.close()
    return visits, troubles


async def measure_crowd(browser: Browser, ours: Server, sessions: int, seconds: float) -> None:
    """Print errors and memory while several visitors walk about."""
    until = time.monotonic() + seconds
    walks = [asyncio.create_task(visit(browser, ours, until, seed)) for seed in range(sessions)]
    most = ours.memory()
    while not all(walk.done() for walk in walks):
        await asyncio.sleep(1)
        most = max(most, ours.memory())
    done = await asyncio.gather(*walks, return_exceptions=True)
    failed = [str(one) for one in done if isinstance(one, BaseException)]
    ended = [one for one in done if not isinstance(one, BaseException)]
    troubles = failed + [trouble for _, troubles_of_one in ended for trouble in troubles_of_one]
    verdict = "met" if not troubles and most <= MOST_BYTES else "MISSED"
    rooms = sum(count for count, _ in ended)
    print(f"{sessions} visitors for {seconds:.0f} s: {rooms} rooms, {len(troubles)} errors, "
          f"at most {most / 1e6:.0f} MB: {verdict}", flush=True)  # fmt: skip
    for trouble in sorted(set(troubles)):
        print(f"  {trouble}")


async def run(options: argparse.Namespace, hello: Server, ours: Server) -> None:
    """Measure what was asked for."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        if "paint" in options.only:
            await measure_paint(browser, hello, ours, options.rounds)
        if "clicks" in options.only:
            await measure_clicks(browser, hello, ours, options.clicks)
        if "crowd" in options.only:
            await measure_crowd(browser, ours, options.sessions, options.seconds)
        await browser.close()


def main() -> None:
    """Serve both apps and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts = ("paint", "clicks", "crowd")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=7, help="first paints of each app")
    parser.add_argument("--clicks", type=int, default=20, help="per room")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120.0, help="of the crowd")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hello.py").write_text(HELLO)
        with (
            serving(folder / "hello.py", folder / "hello.log") as hello,
            serving(STUDIO, folder / "studio.log") as ours,
        ):
            asyncio.run(run(options, hello, ours))


if __name__ == "__main__":
    main()
