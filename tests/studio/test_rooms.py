"""Home, Dataset, Compare and Training, walked through on toy checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.evaluation.paper import REPORTED
from studio import networks, predictions
from studio.components import widgets
from studio.rooms import training
from studio.rooms.compare import tables
from tests.studio.shelf_of_toys import numbers_of, open_room, text_of, write_faces, write_shelf


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    write_shelf(folder / "shelf", write_faces(folder / "faces"))
    return folder


@pytest.fixture(autouse=True)
def _shelf(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_CHECKPOINTS", str(place / "shelf"))


@pytest.fixture
def faces(place: Path) -> FaceDataset:
    return read_faces(place / "faces")


def test_home_shows_each_models_test_accuracy_beside_the_papers(place: Path) -> None:
    words = text_of(open_room("home", place / "faces"))
    for name in ("shallow", "deep"):
        assert f"{networks.metrics(name)['test']['accuracy']:.1%}" in words
        assert f"paper {REPORTED[name].test:.0%}" in words
    assert "An expression is not an emotion" in words


@pytest.mark.parametrize("room", ["home", "dataset", "compare", "training"])
def test_rooms_stand_without_any_checkpoint(
    room: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    words = text_of(open_room(room, place / "faces"))
    assert room == "dataset" or "No trained network here yet" in words


def test_a_missing_data_source_is_one_sentence_and_samples_are_shown(tmp_path: Path) -> None:
    app = open_room("dataset", tmp_path / "nowhere")
    assert len(app.error) == 1
    assert "nowhere" in app.error[0].value
    assert "showing the sample set" in text_of(app)


def test_dataset_link_opens_the_same_filters(place: Path) -> None:
    query = {"split": "test", "expression": "fear", "asked": "deep", "outcome": "wrong"}
    app = open_room("dataset", place / "faces", **query)
    table = networks.predictions("deep")
    guesses = table[networks.PROBABILITY_COLUMNS].to_numpy().argmax(1)
    fear = (table["split"] == "test") & (table["label"] == EMOTIONS.index("fear"))
    wrong = int((fear & (guesses != table["label"])).sum())
    words = text_of(app)
    assert f"**{wrong}** faces" in words or (wrong == 0 and "No face passes" in words)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "for 21 faces (the training split)"),
        ({"expression": "fear"}, "for 3 faces (3 of 21 in the training split)"),
        ({"asked": "shallow", "split": "train"}, "for 21 faces (the training split)"),
    ],
)
def test_dataset_says_of_which_split_predictions_are_not_stored(
    place: Path, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(predictions, "AT_ONCE", 2)
    app = open_room("dataset", place / "faces", **{"asked": "deep"} | query)
    assert f"{told}." in text_of(app)


def test_the_way_to_the_scored_faces_is_one_that_the_visitor_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "in the sidebar" in widgets.how_to_see_scored()
    monkeypatch.setenv("FER_STUDIO_PUBLIC", "1")
    assert "sidebar" not in widgets.how_to_see_scored()
    assert "on your machine" in widgets.how_to_see_scored()


def test_a_face_in_the_url_is_the_face_in_hand(place: Path, faces: FaceDataset) -> None:
    app = open_room("dataset", place / "faces", face=str(faces.ids[5]))
    assert f"`{faces.ids[5]}`" in text_of(app)


def test_an_unknown_face_in_the_url_is_said(place: Path) -> None:
    assert "is not in" in text_of(open_room("dataset", place / "faces", face="test-000000000000"))


def test_compare_draws_one_matrix_per_model_with_its_counts(place: Path) -> None:
    app = open_room("compare", place / "faces", view="counts")
    specs = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    heats = [spec["data"][0] for spec in specs if spec["data"][0]["type"] == "heatmap"]
    assert len(heats) == 2
    expected = networks.metrics("shallow")["test"]["confusion_matrix"]
    written = numbers_of(specs[0]["data"])
    assert written == {
        (true, said): str(expected[r][c])
        for r, true in enumerate(EMOTIONS)
        for c, said in enumerate(EMOTIONS)
    }


def test_compare_opens_the_faces_of_a_clicked_cell(place: Path, faces: FaceDataset) -> None:
    app = open_room("compare", place / "faces")
    point = {"x": "happy", "y": "fear", "point_index": 0}
    app.session_state["confusion-shallow"] = {"selection": {"points": [point]}}
    app.run()
    rows, fell = tables.faces_in_cell("shallow", "test", "fear", "happy", faces)
    assert f"**fear** faces that shallow called **happy**: {fell}" in text_of(app)
    assert len(rows) == fell


def test_compare_quotes_the_paper_only_for_its_networks_and_recipe(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tables.accuracies_of(["shallow", "deep"], "test", with_paper=True)
    assert [name for name, entry in found.items() if entry.quoted] == [
        "shallow, paper",
        "deep, paper",
    ]
    known = networks.metrics("shallow")
    for recipe, beside in (("paper", "54%"), ("strong", "of another recipe")):
        about = known | {"recipe": recipe}
        monkeypatch.setattr(tables.networks, "metrics", lambda _, about=about: about)
        table = tables.overall(["shallow"], "test")
        assert table["paper"].tolist() == [beside]
        assert table["without copies"].tolist() == ["not computed"]
    counted = {"test": {"n": 50, "count": 35, "share": 0.7, "interval": [0.562, 0.809]}}
    monkeypatch.setattr(tables.networks, "metrics", lambda _: known | {"without_copies": counted})
    assert tables.overall(["shallow"], "test")["without copies"].tolist() == ["70.0% [56.2, 80.9]"]


def test_compare_shows_averages_over_views_where_they_were_computed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"n": 50, "correct": 35, "accuracy": 0.7, "interval": [0.562, 0.809]}
    known = networks.metrics("shallow") | {"views": {"ten": {"test": figures}, "mirrored": {}}}
    monkeypatch.setattr(tables.networks, "metrics", lambda name: known)
    assert tables.averaged("shallow", "test", "ten") == "70.0% [56.2, 80.9]"
    monkeypatch.undo()
    monkeypatch.setenv("FER_CHECKPOINTS", str(place / "shelf"))
    table = tables.overall(["shallow", "deep"], "test")
    assert (
        set(table["ten-crop averaging (TTA)"]) == set(table["flip averaging"]) == {"not computed"}
    )


def test_compare_names_the_variants_without_checkpoint(place: Path) -> None:
    assert "hybrid-deep" in text_of(open_room("compare", place / "faces"))


def test_training_shows_histories_sanity_and_provenance(place: Path) -> None:
    app = open_room("training", place / "faces", models="deep")
    drawn = [chart.key for chart in app.get("plotly_chart")]
    assert drawn.count("sweep-trials") == bool(training.available())
    assert len(drawn) - drawn.count("sweep-trials") == 8
    assert app.table[0].value.index.tolist() == ["deep"]
    assert "seed 7" in text_of(app)


def test_filters_agree_with_a_loop_over_the_faces(faces: FaceDataset) -> None:
    answers = predictions.stored("shallow", faces)
    wanted = predictions.Filter(("test",), ("sad", "happy"), "wrong", (0.5, 1.0), "original")
    by_hand = [
        row
        for row in range(len(faces))
        if faces.splits[row] == "test"
        and EMOTIONS[faces.labels[row]] in ("sad", "happy")
        and answers[row].argmax() != faces.labels[row]
        and answers[row].max() >= 0.5
    ]
    assert predictions.choose(faces, wanted, answers).tolist() == by_hand


def test_stored_answers_are_missing_where_the_model_was_not_scored(faces: FaceDataset) -> None:
    asked = np.isfinite(predictions.stored("deep", faces)[:, 0])
    assert (asked == (faces.splits != "train")).all()


def test_mixed_order_keeps_every_face_and_is_the_same_each_time(faces: FaceDataset) -> None:
    first = predictions.choose(faces, predictions.Filter(), None)
    assert sorted(first) == list(range(len(faces)))
    assert first.tolist() == predictions.choose(faces, predictions.Filter(), None).tolist()
    assert len(set(faces.labels[first[:12]])) > 2
