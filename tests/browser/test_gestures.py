"""Every gesture that a room speaks of is performed, and has its effect: pointer, finger, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fermodels.data.emotions import EMOTIONS
from tests.browser.conftest import EXCEPTION
from tests.browser.steps import at_rest, cell_of, open_room, settle, until

pytestmark = pytest.mark.browser

MAIN = "[data-testid=stMain]"
DESK = {"viewport": {"width": 1440, "height": 2600}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
EXPLAINED = "[aria-label='Maps of the two networks and their difference'] img"
"""The maps of the disagreement lab."""


@pytest.fixture(params=["pointer", "finger"])
def hand(request: pytest.FixtureRequest, browser) -> Iterator[Hand]:  # type: ignore[no-untyped-def]
    """A page and how one points at it: a mouse at a desk, a finger on a phone 390 px wide."""
    phone = request.param == "finger"
    context = browser.new_context(**(PHONE if phone else DESK))
    page = context.new_page()
    yield Hand(page, phone)
    assert page.locator(EXCEPTION).count() == 0
    context.close()


class Hand:
    """A page and how a person points at it."""

    def __init__(self, page, finger: bool) -> None:  # type: ignore[no-untyped-def]
        self.page, self.finger = page, finger
        self.point = page.touchscreen.tap if finger else page.mouse.click

    def draw(self, places: list[tuple[float, float]]) -> None:
        """Press at the first place, move over the others and let go."""
        if self.finger:
            swipe(self.page, places)
            return
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for x, y in places[1:]:
            self.page.mouse.move(x, y, steps=3)
        self.page.mouse.up()

    def touch_cell(self, chart: str, row: str, column: str) -> None:
        """Point at the middle of a cell of a matrix."""
        self.point(*cell_of(self.page, chart, row, column))
        settle(self.page)

    def touch(self, element) -> None:  # type: ignore[no-untyped-def]
        """Point at the middle of an element."""
        element.scroll_into_view_if_needed()
        box = at_rest(element)
        self.point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        settle(self.page)


def words(page) -> str:  # type: ignore[no-untyped-def]
    return str(page.locator(MAIN).inner_text())


def faces_of(page):  # type: ignore[no-untyped-def]
    return page.locator(f"{MAIN} .face")


def test_a_cell_of_a_matrix_opens_faces_one_of_which_can_be_carried(  # type: ignore[no-untyped-def]
    studio: str, hand: Hand
) -> None:
    page = hand.page
    open_room(page, f"{studio}/compare?models=deep")
    hand.touch_cell("confusion-deep", "fear", "surprise")
    faces_of(page).first.wait_for(timeout=60_000)
    count = faces_of(page).count()
    assert f"fear test faces of samples it calls {count} surprise" in words(page)
    assert all("surprise" in note for note in faces_of(page).all_inner_texts())
    assert "under Dataset in the sidebar" in words(page)
    chosen = faces_of(page).last
    name = chosen.get_attribute("aria-label").rpartition("(")[2].rstrip(")")
    hand.touch(chosen)
    page.wait_for_url(f"**face={name}*", timeout=30_000)


def test_a_cell_of_the_difference_opens_the_faces_on_which_the_two_differ(  # type: ignore[no-untyped-def]
    studio: str, hand: Hand
) -> None:
    page = hand.page
    open_room(page, f"{studio}/compare?models=deep&view=difference&first=deep&second=shallow")
    hand.touch_cell("difference", "fear", "fear")
    faces_of(page).first.wait_for(timeout=60_000)
    for note in faces_of(page).all_inner_texts():
        said = dict(line.split(": ") for line in note.splitlines())
        assert set(said) == {"deep", "shallow"}
        assert list(said.values()).count("fear") == 1
    hand.touch(faces_of(page).first)
    page.get_by_role("heading", name="Why fear rather than").wait_for(timeout=60_000)
    page.locator(EXPLAINED).nth(3).wait_for(timeout=60_000)


def test_a_cell_on_which_sample_faces_do_not_differ_shows_those_that_do(  # type: ignore[no-untyped-def]
    studio: str, page
) -> None:
    open_room(page, f"{studio}/compare?models=deep&view=difference&first=deep&second=shallow")
    page.mouse.click(*cell_of(page, "difference", "happy", "disgust"))
    faces_of(page).first.wait_for(timeout=60_000)
    assert "Of the faces that the networks were scored on it is" in words(page)
    assert "under Dataset in the sidebar" in words(page)
    for note in faces_of(page).all_inner_texts():
        assert len({line.partition(": ")[2] for line in note.splitlines()}) == 2
    first, second = (
        line.partition(": ")[2] for line in faces_of(page).first.inner_text().splitlines()
    )
    faces_of(page).first.click()
    page.get_by_role("heading", name=f"Why {first} rather than {second}?").wait_for(timeout=60_000)


def test_a_finger_that_swipes_over_a_matrix_scrolls_the_page(studio: str, browser) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context(**PHONE)
    page = context.new_page()
    open_room(page, f"{studio}/compare?models=deep")
    x, y = cell_of(page, "confusion-deep", "sad", "sad")
    scrolled = f"document.querySelector('{MAIN}').scrollTop"
    before = page.evaluate(scrolled)
    swipe(page, [(x, y), (x, y - 60), (x, y - 120), (x, y - 180)])
    until(lambda: page.evaluate(scrolled) > before + 100)
    context.close()


def swipe(page, places) -> None:  # type: ignore[no-untyped-def]
    """Put a finger down at the first place, move it over the others and take it off."""
    finger = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(places):
        points = {
            "type": "touchMove" if number else "touchStart",
            "touchPoints": [{"x": x, "y": y}],
        }
        finger.send("Input.dispatchTouchEvent", points)
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_pointer_over_a_matrix_reads_a_cell_and_finds_the_bar_that_saves_it(  # type: ignore[no-untyped-def]
    studio: str, page
) -> None:
    open_room(page, f"{studio}/compare?models=deep")
    page.mouse.move(*cell_of(page, "confusion-deep", "fear", "sad"))
    chart = page.locator(".st-key-confusion-deep")
    label = chart.locator(".hoverlayer .hovertext")
    label.wait_for(timeout=10_000)
    assert "true fear, predicted sad" in label.text_content()
    button = chart.locator("[data-title^='Download plot']")
    assert b"<svg" in downloaded(page, button, "confusion-deep.svg")[:400]


def test_a_cell_opens_again_after_one_of_another_matrix(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/compare?models=deep&models=shallow")
    for name, guess in (("deep", "surprise"), ("shallow", "sad"), ("deep", "surprise")):
        page.mouse.click(*cell_of(page, f"confusion-{name}", "fear", guess))
        page.get_by_text(f"fear faces that {name} called {guess}").wait_for(timeout=60_000)
        settle(page)


def in_hand(page) -> str:  # type: ignore[no-untyped-def]
    """Return the id of the face in hand as the address has it."""
    return str(page.evaluate("new URLSearchParams(location.search).get('face')"))


def test_a_face_of_the_gallery_is_carried_into_other_rooms(studio: str, hand: Hand) -> None:
    page = hand.page
    open_room(page, f"{studio}/dataset")
    before, chosen = in_hand(page), faces_of(page).nth(7)
    name = chosen.get_attribute("aria-label").rpartition("(")[2].rstrip(")")
    hand.touch(chosen)
    until(lambda: in_hand(page) == name != before)
    if page.viewport_size["width"] < 500:
        page.locator("[data-testid=stExpandSidebarButton]").tap()
    page.locator("[data-testid=stSidebarNav]").get_by_role("link", name="Saliency").click()
    page.wait_for_url("**/saliency*")
    settle(page)
    assert in_hand(page) == name and name in words(page)


def test_arrow_keys_walk_the_gallery_and_enter_takes_a_face(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/dataset")
    labels = [face.get_attribute("aria-label") for face in faces_of(page).all()[:40]]
    across = page.locator(f"{MAIN} .grid").evaluate(
        "grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length"
    )
    faces_of(page).first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    until(lambda: in_hand(page) in labels[across + 1])


def test_a_line_drawn_on_the_map_leaves_the_faces_inside_it(studio: str, hand: Hand) -> None:
    page = hand.page
    open_room(page, f"{studio}/dataset?mapped=true&split=test&map=deep")
    plot = page.locator(".st-key-feature-map .js-plotly-plot")
    plot.wait_for(timeout=60_000)
    plot.scroll_into_view_if_needed()
    at_rest(plot)
    box = plot.locator(".nsewdrag").first.bounding_box()
    left, top, wide, high = box["x"], box["y"], box["width"], box["height"]
    corners = [(0.1, 0.1), (0.3, 0.1), (0.5, 0.1), (0.5, 0.5), (0.5, 0.9), (0.1, 0.9), (0.1, 0.5)]
    hand.draw([(left + x * wide, top + y * high) for x, y in corners])

    def shown() -> int:
        found = re.search(r"(\d+) faces, 1 to", words(page))
        return int(found[1]) if found else 0

    until(lambda: 0 < shown() < 280)
    until(lambda: faces_of(page).count() == min(96, shown()))


def test_a_room_takes_another_face_by_button_and_gallery(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/activations?model=shallow")
    first = in_hand(page)

    def taken(element) -> str:  # type: ignore[no-untyped-def]
        before = in_hand(page)
        element.click()
        until(lambda: in_hand(page) != before)
        settle(page)
        assert in_hand(page) in words(page)
        return in_hand(page)

    assert taken(page.locator(".st-key-face-next button").first) != first
    assert taken(page.locator(".st-key-face-prev button").first) == first
    taken(page.locator(".st-key-face-random button").first)
    page.get_by_text("Choose another face").click()
    chosen = faces_of(page).nth(20)
    name = chosen.get_attribute("aria-label").rpartition("(")[2].rstrip(")")
    assert taken(chosen) == name


def slider(page, label: str):  # type: ignore[no-untyped-def]
    return page.locator(f"{MAIN} [data-testid=stSlider]").filter(has_text=label)


def drag_slider(page, label: str, share: float) -> None:  # type: ignore[no-untyped-def]
    """Drag a slider's thumb to a share of the track."""
    widget = slider(page, label)
    widget.scroll_into_view_if_needed()
    at_rest(widget)
    thumb, track = widget.get_by_role("slider").bounding_box(), widget.bounding_box()
    page.mouse.move(thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2)
    page.mouse.down()
    page.mouse.move(track["x"] + share * track["width"], thumb["y"] + 4, steps=5)
    page.mouse.up()
    settle(page)


BARS = """plots => {
  const drawn = plots.filter((plot) => plot.data).at(-1);  // an old one may linger
  return drawn ? JSON.stringify(drawn.data.map((trace) => [...(trace.x || [])])) : null;
}"""


def test_a_muscle_that_moves_changes_face_and_answers(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/puppet")
    face = page.locator("[aria-label='The puppet'] img")
    charts = page.locator(".st-key-puppet-answers .js-plotly-plot")
    until(lambda: charts.evaluate_all(BARS) is not None)
    seen = face.get_attribute("src"), charts.evaluate_all(BARS)
    drag_slider(page, "Lip corner puller", 0.9)
    until(lambda: face.get_attribute("src") != seen[0])
    until(lambda: charts.evaluate_all(BARS) not in (None, seen[1]))
    seen = face.get_attribute("src"), page.url
    page.locator(".st-key-wear-surprise button").click()
    until(lambda: face.get_attribute("src") != seen[0] and page.url != seen[1])
    settle(page)
    page.locator(".st-key-flip button").click()
    wear = page.locator(".st-key-wear-flip button")
    wear.wait_for(timeout=120_000)
    seen = face.get_attribute("src"), page.url
    wear.click()
    until(lambda: face.get_attribute("src") != seen[0] and page.url != seen[1])


def rectangle(page) -> tuple[int, ...]:  # type: ignore[no-untyped-def]
    """Return first and last row and column of the edit's rectangle as the address has them."""
    found = page.evaluate(
        "['rows', 'columns'].flatMap(k => new URLSearchParams(location.search).getAll(k))"
    )
    return tuple(int(end) for end in found)


def test_a_rectangle_is_moved_by_click_keys_and_sliders(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    room = "saliency?methods=Saliency&editing=true&edit=Erase"
    open_room(page, f"{studio}/{room}&rows=10&rows=20&columns=10&columns=20")
    canvas = page.locator(".canvas")
    canvas.scroll_into_view_if_needed()
    box = at_rest(canvas)
    pixel = box["width"] / 48
    page.mouse.click(box["x"] + 30.5 * pixel, box["y"] + 25.5 * pixel)
    until(lambda: rectangle(page) == (20, 30, 25, 35))
    canvas.focus()
    page.keyboard.press("Shift+ArrowRight")
    until(lambda: rectangle(page) == (20, 30, 25, 36))
    page.keyboard.press("ArrowUp")
    until(lambda: rectangle(page) == (19, 29, 25, 36))
    slider(page, "Rows").get_by_role("slider").first.focus()
    page.keyboard.press("ArrowLeft")
    until(lambda: rectangle(page) == (18, 29, 25, 36))


def test_a_finger_draws_a_rectangle_on_a_phone(studio: str, browser) -> None:  # type: ignore[no-untyped-def]
    context = browser.new_context(**PHONE)
    page = context.new_page()
    open_room(page, f"{studio}/saliency?methods=Saliency&editing=true&edit=Erase")
    canvas = page.locator(".canvas")
    canvas.scroll_into_view_if_needed()
    box = at_rest(canvas)
    pixel = box["width"] / 48
    path = [(6, 5), (14, 12), (29, 24)]
    swipe(
        page,
        [(box["x"] + (c + 0.5) * pixel, box["y"] + (r + 0.5) * pixel) for c, r in path],
    )
    until(lambda: rectangle(page) == (5, 25, 6, 30))
    context.close()


def test_a_dream_is_started_stopped_and_taken_home(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/deepdream?model=deep&preset=Fast+preview")
    for name, suffix, mark in (
        ("Last frame (PNG)", "png", b"\x89PNG"), ("Film (GIF)", "gif", b"GIF8"),
    ):  # fmt: skip
        body = downloaded(page, page.get_by_role("button", name=name), f"dream.{suffix}")
        assert body.startswith(mark)
    # a dream of some seconds, so that there is something to stop
    open_room(page, f"{studio}/deepdream?model=deep&preset=Portrait+of+an+expression")
    page.get_by_role("button", name="Dream", exact=True).click()
    page.get_by_text(" s left").wait_for(timeout=60_000)
    page.locator(MAIN).get_by_role("button", name="Stop", exact=True).click()
    settle(page)
    assert "Stopped after step" in words(page)
    assert page.locator("[aria-label='The dream, first frame to last'] img").count() > 0


def test_a_channel_is_dreamed_when_asked(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/activations?model=deep&channel=3&layer=conv1")
    page.get_by_role("button", name="Dream this channel").click()
    page.locator("[aria-label='What channel 3 of conv1.relu wants'] img").nth(1).wait_for(
        timeout=60_000
    )


def downloaded(page, button, name: str) -> bytes:  # type: ignore[no-untyped-def]
    """Click what offers a file and return the file's bytes."""
    with page.expect_download(timeout=60_000) as download:
        button.click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_bytes()


DOWNLOADS = {
    "paper": ("Download the claims table (CSV)", "claims.csv", b"number,sentence"),
    "compare": ("Download data (CSV)", "per-expression-test.csv", b"expression,"),
    "saliency?methods=Saliency": ("Report of this face (HTML)", "face-{face}.html", b"<!doctype"),
}
"""Room -> the button that offers a file, its name and how it begins."""


@pytest.mark.parametrize("room", DOWNLOADS)
def test_a_file_that_a_room_offers_comes(studio: str, page, room: str) -> None:  # type: ignore[no-untyped-def]
    label, name, begins = DOWNLOADS[room]
    open_room(page, f"{studio}/{room}")
    if room == "compare":
        page.get_by_text("As a table").click()
    button = page.get_by_role("button", name=label)
    body = downloaded(page, button, name.format(face=in_hand(page)))
    assert body.lower().startswith(begins.lower())


def test_one_epoch_holds_in_training_filters_and_activations(studio: str, page) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/filters?model=deep")
    thumb = slider(page, "Epoch").get_by_role("slider")
    for _ in range(2):
        thumb.press("ArrowLeft")
        settle(page)
    epoch = thumb.input_value()
    until(lambda: f"after epoch {epoch}" in words(page))
    for room in ("Training", "Activations"):
        page.locator("[data-testid=stSidebarNav]").get_by_role("link", name=room).click()
        page.wait_for_url(f"**/{room.lower()}*epoch={epoch}*", timeout=60_000)
        settle(page)
        assert slider(page, "Epoch").get_by_role("slider").input_value() == epoch


@pytest.mark.parametrize(
    ("room", "link", "to"), [("", "Puppet", "puppet"), ("paper", "Figure 10", "filters")]
)
def test_a_card_leads_to_its_room(studio: str, page, room: str, link: str, to: str) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/{room}")
    page.locator(MAIN).get_by_role("link", name=link).click()
    page.wait_for_url(f"**/{to}*", timeout=60_000)


def test_an_uploaded_network_can_be_chosen_and_let_go(  # type: ignore[no-untyped-def]
    studio: str, page, tmp_path: Path
) -> None:
    from fermodels.nets import checkpoint
    from tests.toys import tiny_history, tiny_net, tiny_predictions

    place = tmp_path / "mine"
    checkpoint.save(
        place, tiny_net(), {"variant": "mine", "recipe": "toy", "name": "mine"}, {},
        tiny_history(), tiny_predictions(), "toy",
    )  # fmt: skip
    open_room(page, f"{studio}/activations")
    page.get_by_text("Your own network").click()
    chooser = page.locator("[data-testid=stSidebar] input[type=file]")
    chooser.set_input_files([str(place / "model.safetensors"), str(place / "config.json")])
    leave = page.locator("[data-testid=stSidebar] [class*=st-key-dismiss-] button").first
    leave.wait_for(timeout=60_000)
    assert offered(page, "Model")[-1] not in EMOTIONS and len(offered(page, "Model")) == 7
    leave.click()
    leave.wait_for(state="detached", timeout=60_000)
    settle(page)
    assert len(offered(page, "Model")) == 6


def offered(page, label: str) -> list[str]:  # type: ignore[no-untyped-def]
    """Return what a picker offers."""
    box = page.locator(f"{MAIN} [data-testid=stSelectbox]").filter(has_text=label).first
    box.locator("input").click()
    options = page.locator("[data-testid=stSelectboxVirtualDropdown] [role=option]")
    options.first.wait_for(timeout=10_000)
    found = options.all_inner_texts()
    page.keyboard.press("Escape")
    return [str(text) for text in found]


CLASSIFIED = ".fer-result"


def classifier(page, studio: str):  # type: ignore[no-untyped-def]
    """Open the Classify room and return the frame that asks for a photo."""
    open_room(page, f"{studio}/classify")
    frame = page.frame_locator("iframe[src*='/gradio']")
    frame.get_by_text("Drop a photo here").wait_for(timeout=120_000)
    return frame


TRANSFER = """async ([bytes]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(bytes)], "photo.png", { type: "image/png" }));
  return carried;
}"""
COPY = """async ([bytes]) => {
  const picture = new Blob([Uint8Array.from(bytes)], { type: "image/png" });
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a photo of a smiling person."""
    from skimage.data import astronaut

    photo = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(astronaut()).resize((256, 256)).save(photo)
    return photo


@pytest.mark.parametrize("way", ["drop", "paste", "paste button", "click", "example", "camera"])
def test_a_photo_comes_to_the_classifier_in_every_way_it_names(  # type: ignore[no-untyped-def]
    studio: str, page, astronaut: Path, way: str
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write", "camera"])
    frame = classifier(page, studio)
    bytes_ = [list(astronaut.read_bytes())]
    asked = frame.get_by_text("Drop a photo here")
    if way == "drop":
        inside = asked.element_handle().owner_frame()
        carried = inside.evaluate_handle(TRANSFER, bytes_)
        asked.dispatch_event("drop", {"dataTransfer": carried})
    elif way == "click":
        with page.expect_file_chooser() as chooser:
            asked.click()
        chooser.value.set_files(str(astronaut))
    elif way == "example":
        frame.locator(".fer-examples").get_by_role("button").first.click()
    elif way == "camera":
        frame.get_by_role("button", name="Capture from camera").click()
        frame.get_by_text("Click to Access Webcam").click()
        frame.get_by_role("button", name="capture photo").click()
    else:
        page.evaluate(COPY, bytes_)
        if way == "paste":
            page.keyboard.press("Control+v")
        else:
            frame.get_by_role("button", name="Paste from clipboard").click()
    frame.locator(CLASSIFIED).first.wait_for(timeout=60_000)


def test_a_photo_is_explained_and_many_are_saved(  # type: ignore[no-untyped-def]
    studio: str, page, astronaut: Path
) -> None:
    frame = classifier(page, studio)
    frame.locator("input[type=file]").first.set_input_files(str(astronaut))
    frame.locator(CLASSIFIED).first.wait_for(timeout=60_000)
    pictures = frame.locator(".fer-answer img").count()
    frame.get_by_text("Explain the prediction").click()
    frame.get_by_role("button", name="Explain", exact=True).click()
    until(lambda: frame.locator(".fer-answer img").count() > pictures, 60)
    frame.get_by_role("tab").nth(1).click()
    frame.locator("input[type=file][multiple]").set_input_files(str(astronaut))
    frame.get_by_text("astronaut").last.wait_for(timeout=30_000)
    frame.get_by_role("button", name="Classify").click()
    body = downloaded(page, frame.get_by_text("Save as CSV"), "expressions.csv")
    assert b"happy" in body


MANY = 2500
"""Training faces of a set too large to be asked about without a button."""


@pytest.fixture(scope="module")
def large_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV in FER-2013's form: noise, most of it to train on."""
    rng = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for number, usage in enumerate(["Training"] * MANY + ["PublicTest", "PrivateTest"]):
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        lines.append(f"{number % 7},{pixels},{usage}")
    place = tmp_path_factory.mktemp("large") / "faces.csv"
    place.write_text("\n".join(lines))
    return place


def test_a_set_named_in_the_sidebar_is_shown_and_asked_about_when_told_to(  # type: ignore[no-untyped-def]
    studio: str, page, large_set: Path
) -> None:
    open_room(page, f"{studio}/dataset?asked=shallow&split=train")
    field = page.get_by_role("textbox", name="Dataset")
    field.fill(str(large_set))
    field.press("Enter")
    page.get_by_text(f"{MANY + 2:,} faces").wait_for(timeout=60_000)
    settle(page)
    lacking = f"for {MANY:,} faces (the training split)."
    assert lacking in words(page)
    assert not any("%" in note for note in faces_of(page).all_inner_texts())
    page.get_by_role("button", name=f"Predict {MANY:,} faces with shallow").click()
    until(lambda: all("%" in note for note in faces_of(page).all_inner_texts()), 90)


def test_a_long_look_that_was_stopped_goes_on(studio: str, page, large_set: Path) -> None:  # type: ignore[no-untyped-def]
    open_room(page, f"{studio}/saliency?data={large_set}&model=shallow&methods=Saliency&alike=true")
    begin = page.get_by_role("button", name=f"Let shallow look at {MANY:,} training faces")
    begin.click()
    watched = page.get_by_text("Stop, at the top right")
    watched.wait_for(timeout=60_000)
    page.get_by_test_id("stBaseButton-header").click()
    settle(page)
    switch = page.get_by_text("Show the nearest training faces")
    switch.click()
    watched.wait_for(state="detached", timeout=60_000)
    switch.click()
    begin.click()
    page.get_by_text("are labelled").wait_for(timeout=120_000)
