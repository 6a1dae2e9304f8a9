"""Every room opens in a real browser on what the repository ships, and is accessible."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.steps import open_room, settle
from tests.toys import ROOT

pytestmark = pytest.mark.browser

ROOMS = {
    "": "What has a network learned",
    "dataset": "What do the faces look like?",
    "compare": "Which network errs where?",
    "training": "How did the networks learn?",
    "filters": "What does the first layer look for?",
    "activations": "What does each layer keep",
    "saliency": "Which pixels explain the prediction?",
    "deepdream": "What picture maximises an answer?",
    "puppet": "What happens when a muscle moves?",
    "paper": "Which of the paper",
    "classify": "What do the networks see",
}
"""Address -> how the room's question begins."""
AXE = "axe-core@4.14.1"
NAVIGATION = "[data-testid=stSidebarNav]"
"""Streamlit's own list of pages: its items are no children of its list."""
SERIOUS = ("serious", "critical")
# A deep link makes the browser ask for these below the room's path; Streamlit answers at the root
HARMLESS = ("_stcore/health", "_stcore/host-config", "favicon")


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
