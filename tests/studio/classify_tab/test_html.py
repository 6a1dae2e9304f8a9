"""What the Classify tab draws of a photo: boxes, bars and sentences in sound HTML."""

import json
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fermodels.classify import sources
from fermodels.data.emotions import EMOTIONS
from fermodels.data.photos.crop import Face
from fermodels.data.samples import sample_photos
from fermodels.nets import catalog, checkpoint
from studio.classify_tab import html as classify_tab_html
from studio.classify_tab import reading as classify_tab_reading
from studio.classify_tab.reading import Reading, as_json, read
from studio.theme import EXPRESSION_COLORS
from tests.studio.classify_tab.photo_toys import ASTRONAUT, NAMES
from tests.toys import tiny_net


class _Tags(HTMLParser):
    """Collects tags, and fails on one that does not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def reading(boxes: list[tuple[int, int, int, int]], names: tuple[str, ...] = NAMES) -> Reading:
    faces = tuple(Face(np.zeros((48, 48), np.uint8), box, 1.0, False) for box in boxes)
    answer = np.array([0.001, 0.009, 0.04, 0.9, 0.02, 0.02, 0.01], dtype=np.float32)
    answers = dict.fromkeys(names, np.stack([answer] * len(faces))) if faces else {}
    return Reading(Image.new("RGB", (720, 540)), (800, 600), faces, answers)


def test_every_face_is_boxed_where_it_was_found(checkpoints: Path) -> None:
    tags = _Tags(
        classify_tab_html.reading_html(reading([(10, 20, 210, 220), (400, 50, 450, 100)]))
    ).seen
    first = next(a for t, a in tags if t == "rect" and a["class"] == "fer-first")
    assert [first[k] for k in ("x", "y", "width", "height")] == ["10", "20", "200", "200"]
    assert sum(t == "rect" and a["class"] == "fer-other" for t, a in tags) == 1
    assert sum(t == "text" for t, _ in tags) == 2
    assert next(a for t, a in tags if t == "svg")["viewbox"] == "0 0 800 600"


def test_bars_are_as_long_as_the_probabilities_in_the_one_palette(checkpoints: Path) -> None:
    html = classify_tab_html.reading_html(reading([(0, 0, 9, 9)], ("deep",)))
    for name, share in zip(EMOTIONS, (0.1, 0.9, 4, 90, 2, 2, 1), strict=True):
        assert html.count(f"width:{share:.2f}%;background:{EXPRESSION_COLORS[name]}") == 1
    assert "deep predicts <b>happy</b> (90%)" in html and html.count("&lt;1%") == 1
    assert "uncalibrated" in html


def test_a_calibrated_networks_bars_are_softer(checkpoints: Path) -> None:
    html = classify_tab_html.reading_html(reading([(0, 0, 9, 9)], ("shallow",)))
    assert "calibrated, temperature 2.00" in html
    powers = np.sqrt([0.001, 0.009, 0.04, 0.9, 0.02, 0.02, 0.01])
    assert f"width:{100 * powers[3] / powers.sum():.2f}%" in html


def test_other_faces_are_told_in_a_table_and_numbered(checkpoints: Path) -> None:
    html = classify_tab_html.reading_html(reading([(0, 0, 9, 9), (1, 2, 3, 4)]))
    _Tags(html)
    assert "The other faces" in html and "1, 2, 3, 4" in html
    assert html.count("happy 90%") == 1, "deep is uncalibrated, shallow is not"


def test_an_explanation_reads_aloud_and_closes_its_tags(checkpoints: Path) -> None:
    why = classify_tab_html.explain_photo(ASTRONAUT, "deep", "sad", "fear")
    html = classify_tab_html.why_html(why)
    _Tags(html)
    assert "Why sad, not fear?" in html and "evidence for sad" in html
    assert "adds up to the change from the baseline within" in html
    assert why.explanation.path_error is not None
    assert f"its pixels are off by about {why.explanation.path_error[0]:.1%} at most" in html
    assert classify_tab_html.why_json(why)["path_error"] == pytest.approx(
        why.explanation.path_error[0]
    )


def test_without_a_face_the_page_offers_the_whole_picture() -> None:
    html = classify_tab_html.reading_html(reading([]))
    assert "No face found" in html and "already a cropped face" in html
    _Tags(html)


def test_errors_and_names_cannot_inject_html(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<script" not in classify_tab_html.problem_html("<script>alert(1)</script>")
    evil = "a<img src=x onerror=1>"
    (tmp_path / evil).mkdir()
    for file in (catalog.CONFIG, catalog.METRICS):
        (tmp_path / evil / file).write_bytes((checkpoints / NAMES[0] / file).read_bytes())
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    assert "onerror=1>" not in classify_tab_html.reading_html(reading([(0, 0, 9, 9)], (evil,)))


def test_a_replaced_checkpoint_answers_at_the_next_photo(checkpoints: Path) -> None:
    before = read(ASTRONAUT).probabilities["deep"]
    assert before.shape == (1, 7)
    checkpoint.save(
        checkpoints / "deep", tiny_net(5), {"variant": "deep", "recipe": "toy"}, {},
        catalog.History(pd.DataFrame({"step": [1]}), pd.DataFrame({"step": [1]})),
        pd.DataFrame({"step": [1]}), "card", checkpoint.not_a_checkpoint,
    )  # fmt: skip
    assert not np.array_equal(before, read(ASTRONAUT).probabilities["deep"])


def test_the_answer_is_json_that_survives_a_round_trip() -> None:
    told = as_json(reading([(0, 0, 9, 9)]))
    assert json.loads(json.dumps(told)) == told


def test_a_photo_given_fifty_times_is_looked_at_once(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bytes] = []
    frames = sources.photo_frames
    monkeypatch.setattr(
        classify_tab_reading,
        "photo_frames",
        lambda data, limits: opened.append(data) or frames(data, limits),
    )
    photos = [(f"{number}.jpg", bytes(ASTRONAUT)) for number in range(49)] + [("junk", b"junk")]
    rows = classify_tab_reading.read_many(photos, "deep")
    assert opened == [ASTRONAUT, b"junk"]
    assert [row["file"] for row in rows] == [name for name, _ in photos]
    assert {row["prediction"] for row in rows[:49]} == {rows[0]["prediction"]} != {None}
    assert rows[-1]["error"]


def test_a_reading_keeps_a_small_picture_and_boxes_in_pixels_of_the_photo(
    checkpoints: Path,
) -> None:
    found = Image.fromarray(sample_photos()["astronaut"]).resize((4200, 4200))
    buffer = BytesIO()
    found.save(buffer, "JPEG", quality=70)
    small, large = read(ASTRONAUT, model="deep"), read(buffer.getvalue(), model="deep")
    assert max(large.picture.size) <= classify_tab_reading.SHOWN_SIDE
    assert large.size == (4200, 4200)
    assert small.face is not None and large.face is not None
    zoom = large.size[0] / small.size[0]
    side = (small.face.box[2] - small.face.box[0]) * zoom
    apart = np.subtract(large.face.box, np.multiply(small.face.box, zoom))
    assert np.abs(apart).max() < side / 8
    assert 'viewBox="0 0 4200 4200"' in classify_tab_html.reading_html(large)
    whole = read(buffer.getvalue(), whole=True, model="deep")
    assert whole.face is not None and whole.face.box == (0, 0, 4200, 4200)
