"""A person's walk through the studio in a real browser, on what the repository ships."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.toys import ROOT

pytestmark = pytest.mark.browser

ROOMS = {
    "": "What has a network learned",
    "dataset": "What do the faces look like?",
    "compare": "Which model errs where?",
    "training": "How did the networks learn?",
    "filters": "What does the first layer look for?",
    "activations": "What does each layer keep",
    "saliency": "Which pixels made the model say that?",
    "deepdream": "What would excite the network more?",
    "puppet": "What happens when a muscle moves?",
    "paper": "Which of the paper",
    "classify": "What does it say to your photo?",
}
"""Address -> how the room's question begins."""
AXE = "axe-core@4.14.1"
NAVIGATION = "[data-testid=stSidebarNav]"
"""Streamlit's own list of pages: its items are no children of its list."""
SERIOUS = ("serious", "critical")
# A deep link makes the browser ask for these below the room's path; Streamlit answers at the root
HARMLESS = ("_stcore/health", "_stcore/host-config", "favicon")


def find_chromium() -> str:
    """Return a Chromium's path, or skip."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip("no Chromium on this machine: install one or set CHROMIUM")
    return found


@pytest.fixture(scope="module")
def studio() -> Iterator[str]:
    """The real server, started as the README says; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "studio/Home.py",
               "--server.port", str(port), "--server.address", "127.0.0.1",
               "--server.headless", "true"]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "FER2013_DIR"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if process.poll() is not None:
            output = process.stdout.read().decode() if process.stdout else ""
            raise AssertionError(f"the studio stopped: {output}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the studio was not healthy after a minute")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    sync_api = pytest.importorskip("playwright.sync_api")
    from docs.screenshots import FLAGS

    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser) -> Iterator[object]:  # type: ignore[no-untyped-def]
    context = browser.new_context(viewport={"width": 1440, "height": 2600})
    page = context.new_page()
    page.complaints = []
    page.on(
        "console", lambda m: m.type == "error" and page.complaints.append(f"{m.text} {m.location}")
    )
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


def settle(page, seconds: float = 90) -> None:  # type: ignore[no-untyped-def]
    """Wait until the script has run and stays still for a quarter of a second."""
    page.wait_for_selector(
        "[data-testid=stMain] [data-testid=stElementContainer]", timeout=seconds * 1e3
    )
    quiet = """() => {
        const app = document.querySelector('[data-testid=stApp]');
        const still = app && app.getAttribute('data-test-script-state') === 'notRunning';
        if (!still) { window.stillSince = null; return false; }
        window.stillSince = window.stillSince || Date.now();
        return Date.now() - window.stillSince > 250;
    }"""
    page.wait_for_function(quiet, timeout=seconds * 1e3)


def complaints(page) -> list[str]:  # type: ignore[no-untyped-def]
    return [text for text in page.complaints if not any(word in text for word in HARMLESS)]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source, fetched by npm for this run."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on this machine: axe-core cannot be fetched")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--prefix", str(folder), AXE, "--no-audit", "--no-fund",
               "--ignore-scripts", "--prefer-offline"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm could not fetch {AXE}: {done.stderr[-200:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def open_room(page, address: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(address)
    settle(page)


def is_open(room: str) -> bool:
    return room == "" or (ROOT / "pages" / f"{room}.py").is_file()


OPEN = [room for room in ROOMS if is_open(room)]


@pytest.mark.parametrize("room", OPEN)
def test_every_room_opens_without_an_error(studio: str, page, room: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(f"{studio}/{room}")
    settle(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stAlertContentError]").count() == 0
    assert page.locator("[data-testid=stMain] h1").inner_text().startswith(ROOMS[room])
    assert complaints(page) == []


def test_a_trained_deep_explains_a_face(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    page.goto(f"{studio}/saliency?model=deep")
    settle(page)
    main = page.locator("[data-testid=stMain]")
    assert "deep" in main.inner_text()
    assert "Integrated gradients" in main.inner_text()
    assert page.locator("[data-testid=stException]").count() == 0
    assert main.locator("img").count() + main.locator(".js-plotly-plot").count() >= 3


def test_an_uploaded_photo_is_classified(studio: str, page, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from skimage.data import astronaut

    photo = tmp_path / "astronaut.png"
    stream = io.BytesIO()
    Image.fromarray(np.asarray(astronaut())).save(stream, "PNG")
    photo.write_bytes(stream.getvalue())
    page.goto(f"{studio}/classify")
    settle(page)
    frame = page.frame_locator("iframe[src*='/gradio']")
    frame.locator("input[type=file]").first.set_input_files(str(photo), timeout=120_000)
    frame.get_by_text("happy").first.wait_for(timeout=120_000)


LAB = "saliency?curves=true&editing=true&edit=Erase"


@pytest.mark.parametrize(
    ("room", "scheme"),
    [*((room, "light") for room in OPEN), (LAB, "light"), (LAB, "dark"), ("deepdream", "dark")],
)
def test_no_room_has_a_serious_accessibility_violation(  # type: ignore[no-untyped-def]
    studio: str, page, axe: str, room: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    open_room(page, f"{studio}/{room}")
    page.evaluate(axe)
    look = "(hidden) => axe.run({exclude: hidden}, {resultTypes: ['violations']})"
    found = page.evaluate(look, [NAVIGATION])["violations"]
    ours = {
        rule["id"]: [node["html"][:160] for node in rule["nodes"]]
        for rule in found
        if rule["impact"] in SERIOUS
    }
    assert ours == {}


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
    "activations": "layer=conv2&stage=pooling&order=by+channel",
    "deepdream": "preset=Quick+look&dream=sad&seed=3",
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
    assert "What speaks for fear?" in page.locator("[data-testid=stMain]").inner_text()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"not so after {seconds} s"
        time.sleep(0.1)


def at_rest(element) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Return an element's box once it has not moved for half a second: pictures load above it."""
    seen = [element.bounding_box()]

    def still() -> bool:
        seen.append(element.bounding_box())
        return len(seen) > 5 and all(box == seen[-1] for box in seen[-5:])

    until(still)
    return seen[-1]


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
    assert "cannot read the two files" in trouble.inner_text()
    assert page.locator("[data-testid=stException]").count() == 0
