"""Walk every room of a running studio and keep a picture of each, wide and narrow, dark and light.

python docs/screenshots.py --url http://127.0.0.1:8501 --out docs/images

Pictures that are kept in the project show the sample faces: start the studio without FER-2013.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from functools import partial
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fermodels.errors import exit_status
from fermodels.files import check_output, not_our_picture, png_mark, write_atomically
from studio.navigation import open_rooms

Scheme = Literal["light", "dark"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HEIGHTS = {1440: 1000, 390: 844}
TALLEST = 6000
READY = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const shown = '[data-testid=stMain] [data-testid=stElementContainer]';
  const waiting = document.querySelector('[data-testid=stMain] [data-testid=stSkeleton]');
  const running = !app || app.dataset.testScriptState !== 'notRunning' || waiting;
  if (running || !document.querySelector(shown)) { window.since = null; return false; }
  window.since ??= performance.now();
  return performance.now() - window.since > 400;
}"""
CONTENT_HEIGHT = "() => document.querySelector('[data-testid=stMain]').scrollHeight"


def settle(page: Page, timeout: float) -> None:
    """Wait until the script has run, every part is drawn and it stayed so for 0.4 s.

    A part whose code the browser still fetches stands as a skeleton after the script has ended.
    """
    page.wait_for_function(READY, timeout=timeout * 1000, polling=100)


def stretch(page: Page, timeout: float) -> None:
    """Make the window as tall as the room: Streamlit scrolls an inner pane."""
    width = page.viewport_size["width"] if page.viewport_size else 1440
    tall = 0
    while True:  # galleries and figures grow after the script has ended
        time.sleep(1.0)
        content = int(page.evaluate(CONTENT_HEIGHT))
        if content <= tall or tall >= TALLEST:
            return
        tall = min(TALLEST, max(HEIGHTS.get(width, 900), content))
        page.set_viewport_size({"width": width, "height": tall})
        settle(page, timeout)


def picture(page: Page, address: str, out: Path, timeout: float) -> list[str]:
    """Open an address, photograph all of it and return what went wrong, in words."""
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.goto(address, timeout=timeout * 1000)
    try:
        settle(page, timeout)
    except TimeoutError:
        troubles.append(f"not settled after {timeout:.0f} s")
    stretch(page, timeout)
    shot = Image.open(io.BytesIO(page.screenshot(timeout=timeout * 1000)))
    write_atomically(
        out, partial(shot.save, format="PNG", pnginfo=png_mark()), objection=not_our_picture
    )
    if page.locator("[data-testid=stException]").count():
        troubles.append("shows an exception")
    overflow = page.evaluate(
        "() => { const m = document.querySelector('[data-testid=stMain]');"
        " return m.scrollWidth - m.clientWidth; }"
    )
    if overflow > 1:
        troubles.append(f"{overflow} px wider than the screen")
    return troubles


def planned(options: argparse.Namespace) -> dict[Path, tuple[int, Scheme, str]]:
    """Return the picture's path -> width, scheme and room's file, for all that is asked for.

    Raises:
        ConfigError: something else is where a picture should go.
    """
    files = [room.file for rooms in open_rooms().values() for room in rooms]
    shots = {
        options.out / f"{file}-{width}-{scheme}.png": (width, scheme, file)
        for width in options.widths
        for scheme in options.schemes
        for file in files
        if not options.rooms or file in options.rooms
    }
    for out in shots:
        check_output(out, not_our_picture)
    return shots


def walk(browser: Browser, options: argparse.Namespace) -> int:
    """Photograph the rooms asked for in all their forms; return how many had troubles."""
    wrong = 0
    for out, (width, scheme, file) in planned(options).items():
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHTS.get(width, 900)}, color_scheme=scheme
        )
        path = "" if file == "home" else file
        address = f"{options.url.rstrip('/')}/{path}{options.query}"
        troubles = picture(context.new_page(), address, out, options.timeout)
        print(out.name, *(troubles or ["fine"]), sep="; ", flush=True)
        wrong += bool(troubles)
        context.close()
    return wrong


def main() -> int:
    """Parse the command line, walk and report; 1 if any room had troubles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--rooms", nargs="*", help="only these, by file name")
    parser.add_argument("--widths", nargs="*", type=int, default=[1440, 390])
    parser.add_argument("--schemes", nargs="*", default=["light", "dark"])
    parser.add_argument("--query", default="", help="appended to every address, as ?model=deep")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds per room")
    options = parser.parse_args()
    if status := exit_status(lambda: planned(options)):
        return status
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        wrong = walk(browser, options)
        browser.close()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
