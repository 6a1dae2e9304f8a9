"""A person's choices in a real browser: linked to, kept, taken home, drawn and uploaded."""

from __future__ import annotations

import io
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.browser.steps import at_rest, open_room, settle

pytestmark = pytest.mark.browser

WORDS = """() => {
    const main = document.querySelector('[data-testid=stMain]').cloneNode(true);
    const drawn = '[data-testid=stIconMaterial], .js-plotly-plot, style';
    main.querySelectorAll(drawn).forEach((node) => node.remove());
    return [main.textContent, [...main.querySelectorAll('img')].map((picture) => picture.src)];
}"""
"""A room's words and pictures; charts and icons come in their own time."""
LINKS = {
    "saliency": "target=fear&methods=Saliency&contrast=sad&opacity=40",
    "training": "smooth=10&epoch=4",
    "filters": "epoch=4",
    "activations": "layer=conv2&stage=pooling&sort=by+channel",
    "deepdream": "preset=Fast+preview&dream=sad&seed=3",
}


@pytest.mark.parametrize("room", LINKS)
def test_a_link_opens_the_same_room_in_another_browser(  # type: ignore[no-untyped-def]
    studio: str, page, browser, room: str
) -> None:
    open_room(page, f"{studio}/{room}?{LINKS[room]}")
    for word in LINKS[room].split("&"):
        assert word in page.url
    context = browser.new_context(viewport={"width": 1440, "height": 2600})
    other = context.new_page()
    open_room(other, page.url)
    until = time.monotonic() + 60  # pictures and icons come after the script has ended
    while page.evaluate(WORDS) != other.evaluate(WORDS) and time.monotonic() < until:
        time.sleep(0.5)
    assert page.evaluate(WORDS) == other.evaluate(WORDS)
    context.close()


def test_choices_outlive_a_walk_to_another_room_and_back(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/saliency?target=fear&methods=Saliency")
    for room in ("Filters", "Saliency"):
        page.locator("[data-testid=stSidebarNav]").get_by_role("link", name=room).click()
        page.wait_for_url(f"**/{room.lower()}*")
        settle(page)
    assert "target=fear" in page.url and "methods=Saliency" in page.url
    assert "Evidence for “fear”" in page.locator("[data-testid=stMain]").inner_text()


def taken_home(page, key: str, label: str) -> bytes:  # type: ignore[no-untyped-def]
    """Click one of a figure's downloads until it comes: a slow page may redraw under the click."""
    from playwright.sync_api import TimeoutError as TooLate

    button = page.locator("[data-testid=stPopoverBody]").get_by_role("button", name=label)
    for _ in range(8):
        if not button.is_visible():
            page.locator(f".st-key-take-{key} button").click()
            button.wait_for(timeout=30_000)
        try:
            with page.expect_download(timeout=8_000) as download:
                button.click(timeout=4_000)
        except TooLate:
            continue
        assert download.value.suggested_filename == f"{key}.{label.lower()}"
        return Path(download.value.path()).read_bytes()
    raise AssertionError(f"{label} did not come after eight clicks")


def test_a_chart_goes_home_as_picture_drawing_and_table(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/saliency?methods=Saliency")
    settle(page)
    kept = {}
    for label in ("PNG", "SVG", "CSV"):
        kept[label] = taken_home(page, "probabilities", label)
    picture = np.asarray(Image.open(io.BytesIO(kept["PNG"])).convert("RGB"))
    assert picture.shape[1] > 600 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 7
    drawing = ElementTree.fromstring(kept["SVG"])
    assert "happy" in "".join(drawing.itertext())
    assert kept["CSV"].decode().startswith("series,x,y")
    page.keyboard.press("Escape")
    assert taken_home(page, "saliency-maps", "PNG").startswith(b"\x89PNG")


def test_a_rectangle_drawn_on_the_face_moves_the_sliders(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/saliency?methods=Saliency&editing=true&edit=Erase")
    canvas = page.locator(".canvas")
    canvas.scroll_into_view_if_needed()
    box = at_rest(canvas)
    pixel = box["width"] / 48
    page.mouse.move(box["x"] + 10.5 * pixel, box["y"] + 12.5 * pixel)
    page.mouse.down()
    page.mouse.move(box["x"] + 29.5 * pixel, box["y"] + 19.5 * pixel, steps=4)
    page.mouse.up()
    page.wait_for_url("**rows=12&rows=20*", timeout=60_000)
    settle(page)
    assert "columns=10&columns=30" in page.url
    canvas.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**rows=13&rows=21*", timeout=60_000)


def test_an_upload_that_is_no_network_is_refused_in_a_sentence(  # type: ignore[no-untyped-def]
    studio: str, page, tmp_path: Path
) -> None:
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_bytes(b"junk")
    open_room(page, f"{studio}/activations")
    page.get_by_text("Your own network").click()
    chooser = page.locator("[data-testid=stSidebar] input[type=file]")
    chooser.set_input_files([str(tmp_path / "model.safetensors"), str(tmp_path / "config.json")])
    trouble = page.locator("[data-testid=stSidebar] [data-testid=stAlert]")
    trouble.wait_for(timeout=60_000)
    assert "cannot read config.json" in trouble.inner_text()
    assert page.locator("[data-testid=stException]").count() == 0
