"""What is taken home of a figure: its numbers, its pictures, and code that makes them again."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fermodels
from fermodels.data import edits
from fermodels.data.readers.discover import read_faces
from studio import explanations, networks, snippets
from studio.components import epoch_slider
from studio.explanations import MapRequest
from studio.figures import charts, heatmaps, images, tables
from studio.rooms.activations import layers
from studio.state import SelectedFace
from tests.studio.shelf_of_toys import numbers_of
from tests.studio.toy_studio import open_room, write_studio


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelf, folder = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(shelf))
    monkeypatch.setattr(snippets, "source", lambda: str(folder))
    return folder


def held(folder: Path) -> SelectedFace:
    every = read_faces(folder)
    return SelectedFace(str(every.ids[3]), every.images[3], int(every.labels[3]), "test")


def run(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(code, "snippet", "exec"), found)
    return found


def test_a_snippet_makes_the_map_that_is_drawn(faces: Path) -> None:
    face = held(faces)
    asked = MapRequest("integrated-gradients", 2, "black", 4, None, (("steps", 20),))
    found = run(snippets.attribution_code("shallow", face, asked))["why"]
    drawn = explanations.attribution("shallow", face.image, asked)
    assert np.allclose(found.attribution[0], drawn.attribution, atol=1e-6)
    assert found.options["steps"] == 20


def test_a_snippet_makes_the_maps_of_a_layer(faces: Path) -> None:
    face = held(faces)
    found = run(snippets.activations_code("shallow", face, "conv2.relu"))["maps"]
    assert np.allclose(found, layers.responses("shallow", face.image).maps["conv2.relu"])


def test_a_snippet_gives_the_probabilities_that_are_drawn(faces: Path) -> None:
    face = held(faces)
    found = run(snippets.probabilities_code(["shallow", "hybrid-shallow"], face))["predictions"]
    for name, values in found.items():
        assert np.allclose(values, networks.probabilities(name, face.image), atol=1e-6)


def test_a_snippet_edits_the_face_as_the_canvas_does(faces: Path) -> None:
    face, chain = held(faces), edits.read("erase:5.20.5.20,paste:30.40.10.40:happy")
    donor = read_faces(faces)
    row = int(np.flatnonzero(donor.labels == fermodels.EMOTIONS.index("happy"))[0])
    found = run(snippets.edited(["shallow"], face, chain, {"happy": str(donor.ids[row])}))
    again = edits.apply(face.image, chain, {"happy": donor.images[row]})
    assert (found["changed"] == again).all()


def test_a_snippet_dreams_the_same_dream(faces: Path) -> None:
    from studio.rooms.deepdream import Wish

    wish = Wish("quick", target="sad", seed=1)
    film = run(snippets.dream_code("shallow", held(faces), None, wish.keywords()))["film"]
    again = fermodels.dream(fermodels.load("shallow"), held(faces).image, **wish.keywords())
    assert (film.frames == again.frames).all()


def test_a_snippet_reads_an_epochs_evidence() -> None:
    code = snippets.evidence_code("shallow", 3)
    found = run(code)
    record = epoch_slider.record("shallow")
    at = record.index(3)
    assert record.confusion_matrix is not None
    assert (found["confusion_matrix"] == record.confusion_matrix[at]).all()
    assert found["filters"].shape[1] == 1
    assert np.allclose(found["row"]["sparsity"], record.sparsity[at])


@pytest.mark.parametrize("room", ["saliency", "activations", "filters"])
def test_every_snippet_on_a_page_runs(room: str, faces: Path) -> None:
    codes = {block.value for block in open_room(room, faces).code}
    assert codes
    for code in codes:
        if "confusion_matrix" not in code:  # the toys keep none
            run(code)


def test_a_figures_table_holds_every_point_drawn_and_no_click_targets() -> None:
    cells = np.arange(49).reshape(7, 7)
    table = tables.of_figure(heatmaps.matrix(cells, shares=False))
    assert len(table) == 49
    picked = table[(table["y"] == "fear") & (table["x"] == "sad")]["z"]
    assert picked.tolist() == [cells[2, 4]]
    bar = tables.of_figure(charts.probabilities(np.full(7, 1 / 7), fermodels.EMOTIONS))
    assert bar["x"].tolist() == pytest.approx([1 / 7] * 7)


def test_maps_in_long_form_go_back_to_the_same_maps() -> None:
    maps = {"a": np.random.default_rng(0).normal(size=(3, 4)), "b": np.zeros((3, 4))}
    table = tables.of_maps(maps, "weight")
    for name, values in maps.items():
        part = table[table["map"] == name].pivot(index="row", columns="column", values="weight")
        assert (part.to_numpy() == values).all()


def test_a_contact_sheet_holds_every_picture_enlarged() -> None:
    grey = [np.full((4, 4), 10 * n, np.uint8) for n in range(1, 4)]
    sheet = Image.open(
        io.BytesIO(images.contact_sheet([images.Tile(g, "", "") for g in grey], 3, 2))
    )
    assert sheet.size == (2 * 12 + 3 * 4, 2 * 12 + 3 * 4)
    pixels = np.asarray(sheet)
    assert pixels[5, 5, 0] == 10 and pixels[5, 21, 0] == 20 and pixels[21, 5, 0] == 30


def test_a_drawing_is_xml_with_every_picture_and_its_words() -> None:
    made = [images.Tile(np.zeros((4, 4), np.uint8), f"<{n}>", "", "a & b") for n in range(3)]
    root = ET.fromstring(images.drawing(made, columns=2))
    names = [child.tag.rpartition("}")[2] for child in root]
    assert names.count("image") == 3
    assert [t.text for t in root.iter() if t.tag.endswith("text")][:2] == ["<0>", "a & b"]
    assert re.fullmatch(r"0 0 \d+ \d+", root.attrib["viewBox"])


def test_curves_and_regions_draw_what_they_are_given() -> None:
    fig = charts.by_share(
        np.array([0.0, 1.0]), {"IG": [0.9, 0.1], "random": [0.9, 0.5]}, "deletion"
    )
    assert [line.name for line in fig.data] == ["IG", "random"]
    heat = heatmaps.by_region({"IG": {"eyes": -0.2, "mouth": 0.5}}, {"eyes": 0.1, "mouth": 0.2})
    assert heat.data[0].z.tolist() == [[-20.0, 50.0], [10.0, 20.0]]
    assert (heat.data[0].zmin, heat.data[0].zmax) == (-50.0, 50.0)
    written = numbers_of(heat.to_plotly_json()["data"])
    assert (written["IG", "eyes"], written[heatmaps.AREA, "eyes"]) == ("-20", "10")


def test_a_sweep_names_the_best_trial_and_the_papers() -> None:
    trials = [{"number": n, "accuracies": [0.1 * n, 0.2], "state": "complete"} for n in range(3)]
    fig = charts.sweep_trials(trials, best=2, paper=0)
    shown = {line.name for line in fig.data if line.showlegend}
    assert shown == {"best, trial 2", "the paper's settings"}
