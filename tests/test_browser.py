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
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.toys import ROOT

pytestmark = pytest.mark.browser

ROOMS = {
    "": "FER Studio",
    "dataset": "Dataset",
    "compare": "Compare",
    "training": "Training",
    "filters": "Filters",
    "activations": "Activations",
    "saliency": "Saliency",
    "deepdream": "DeepDream",
    "classify": "Classify",
}
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
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
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
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


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_opens_without_an_error(studio: str, page, room: str) -> None:  # type: ignore[no-untyped-def]
    page.goto(f"{studio}/{room}")
    settle(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stAlertContentError]").count() == 0
    text = page.locator("[data-testid=stMain]").inner_text()
    assert ROOMS[room].lower() in text.lower()
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
