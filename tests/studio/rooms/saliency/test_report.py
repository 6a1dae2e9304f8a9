"""One face's report: one file, whole, with the figures that the room shows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fermodels import EMOTIONS
from studio import networks
from studio.rooms.saliency import comparison as saliency_comparison
from studio.rooms.saliency import report
from studio.rooms.saliency.settings import SHARES, Options
from studio.state import SelectedFace
from tests.studio.toy_studio import open_room, write_studio

FACE = SelectedFace("upload-1", np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8), None,
                   "upload")  # fmt: skip
OPTIONS = Options(3, "mean-face", None, SHARES, "both", 0.85, None)


class Balance(HTMLParser):
    """Counts what is opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shelf, _ = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    names, methods = ["shallow", "hybrid-shallow"], ["saliency", "integrated-gradients"]
    comparison = saliency_comparison.compute(FACE, names, methods, OPTIONS)
    return report.html(report.assemble(comparison), EMOTIONS)


def test_a_report_is_one_well_formed_file_that_asks_nobody(made: str) -> None:
    parser = Balance()
    parser.feed(made)
    assert parser.open == []
    assert parser.sources and all(source.startswith("data:") for source in parser.sources)
    assert "<script" not in made and "http" not in made


def test_a_report_holds_every_networks_answers_and_maps(made: str) -> None:
    for name in ("shallow", "hybrid-shallow"):
        for value in networks.probabilities(name, FACE.image):
            assert f"{value:.1%}" in made
    assert made.count("<figure") == 4
    assert made.count("completeness gap ") == 2
    assert len(re.findall(r"not scored", made)) == 4


def test_a_report_says_versions_and_what_one_may_not_conclude(made: str) -> None:
    assert re.search(r"captum \d", made) and re.search(r"torch \d", made)
    assert "An expression is not an emotion" in made


def test_the_room_offers_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, faces = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    app = open_room("saliency", faces, methods=["Saliency"])
    labels = [button.proto.label for button in app.get("download_button")]
    assert "Report of this face (HTML)" in labels
