"""Paired tests, calibration and lab of the Compare room, on answers made up by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fermodels.data.dataset import FaceDataset
from fermodels.files import write_json
from fermodels.nets import catalog
from studio import networks, predictions
from studio.rooms.compare import disagreement, tables
from studio.rooms.compare.disagreement import PairPredictions
from studio.rooms.dataset import filters


def table(guesses: list[int], labels: list[int], sure: float = 0.8) -> pd.DataFrame:
    """Recorded answers of one split, one row per face."""
    p = np.full((len(labels), 7), (1 - sure) / 6)
    p[np.arange(len(labels)), guesses] = sure
    ids = [f"test-{i}" for i in range(len(labels))]
    head = pd.DataFrame({"split": "test", "sample_id": ids, "label": labels})
    return pd.concat([head, pd.DataFrame(p, columns=networks.PROBABILITY_COLUMNS)], axis=1)


LABELS = [0, 1, 2, 3, 4, 5, 6] * 10


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    worse = [(label + 1) % 7 if k < 30 else label for k, label in enumerate(LABELS)]
    shuffled = table(LABELS, LABELS).sample(frac=1, random_state=0)
    known = {"right": shuffled, "worse": table(worse, LABELS), "same": table(LABELS, LABELS)}
    monkeypatch.setattr(networks, "predictions", lambda name: known[name])
    monkeypatch.setattr(networks, "metrics", lambda name: {})
    monkeypatch.setattr(networks, "stamp", lambda name: "as made up here")
    monkeypatch.setattr(networks, "names", lambda: list(known))


def test_the_better_of_a_pair_is_named_whatever_the_order_of_rows() -> None:
    found = tables.paired(["right", "worse"], "test").iloc[0]
    assert found["only first right"] == 30 and found["only second right"] == 0
    assert found["verdict"] == "right is better" and float(found["p (Holm)"]) < 1e-6
    assert found["difference, points"] == pytest.approx(3000 / 70)


def test_equal_models_show_no_difference() -> None:
    assert tables.paired(["right", "same"], "test").iloc[0]["verdict"] == "no difference shown"


def test_holm_counts_all_pairs() -> None:
    three = tables.paired(["right", "worse", "same"], "test")
    two = tables.paired(["right", "worse"], "test")
    assert float(three["p (Holm)"].iloc[0]) > float(two["p (Holm)"].iloc[0])


def test_sureness_of_a_model_that_is_always_right_at_80_percent() -> None:
    found = tables.calibration_table(["right"], "test").iloc[0]
    assert found["top-2 accuracy, %"] == 100
    assert found["ECE, %"] == pytest.approx(20)


def test_other_ways_to_count_come_from_the_results_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert tables.other_counts(["right"], "test") is None
    share = {"n": 4, "count": 3, "share": 0.75, "interval": [0.3, 0.95]}
    ways = dict.fromkeys(tables.WAYS, share)
    origin = {"provenance": {"data_name": "toy", "data_hash": "00"}}
    counted = {"accuracy": {"right": {"test": ways}}} | origin
    write_json(tmp_path / "duplicates.json", counted | {"answers": {"right": "of other weights"}})
    assert tables.other_counts(["right"], "test") is None
    now = catalog.predictions_hash(table(LABELS, LABELS))
    write_json(tmp_path / "duplicates.json", counted | {"answers": {"right": now}})
    found = tables.other_counts(["right", "worse"], "test")
    assert found is not None and len(found) == len(ways)
    assert set(found["accuracy, %"]) == {75.0}


def test_a_flipped_face_is_one_that_only_one_network_puts_in_the_cell() -> None:
    eye = np.eye(7, dtype=np.float32)
    found = PairPredictions(np.arange(4), eye[[2, 2, 0, 0]], eye[[2, 0, 2, 0]])
    labels = np.array([0, 0, 0, 0])
    assert disagreement.flipped(found, labels, truth=0, guess=2).tolist() == [1, 2]
    assert disagreement.flipped(found, np.array([0, 1, 0, 0]), truth=0, guess=2).tolist() == [2]


def test_flipped_faces_are_counted_where_both_networks_were_scored() -> None:
    pair = ("right", "worse")
    hits = sum(label == 0 for label in LABELS[:30])
    assert disagreement.flipped_where_scored(pair, "test", "angry", "angry") == hits > 0
    assert disagreement.flipped_where_scored(pair, "test", "angry", "disgust") == hits
    assert disagreement.flipped_where_scored(pair, "validation", "angry", "angry") == 0
    assert disagreement.flipped_where_scored(("right", "same"), "test", "angry", "angry") == 0


def test_a_small_set_is_asked_about_and_a_large_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    some = faces(8)
    asked: list[int] = []

    def predict(name: str, images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return np.eye(7, dtype=np.float32)[np.zeros(len(images), int)]

    monkeypatch.setattr(networks, "has", lambda name, file: False)
    monkeypatch.setattr(networks, "probabilities", predict)
    found = predictions.of_rows("toy", some, np.arange(5))
    assert found is not None and found.shape == (5, 7) and asked == [5]
    monkeypatch.setattr(predictions, "AT_ONCE", 4)
    assert predictions.of_rows("toy", some, np.arange(5)) is None and asked == [5]


def faces(n: int) -> FaceDataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    return FaceDataset(images, np.arange(n) % 7, np.full(n, "test"), "toy")


@pytest.mark.parametrize("name", [n for n in filters.SLICES if n != "networks disagree"])
def test_a_slice_that_was_not_computed_for_these_faces_is_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert filters.SLICES[name].mask(faces(3)) is None
    strangers = pd.DataFrame({"sample_id": ["test-x"], "doubted": [True], "train_copy": ["y"]})
    for file in ("label_doubt", "duplicates"):
        strangers.to_parquet(tmp_path / f"{file}.parquet")
    assert filters.SLICES[name].mask(faces(3)) is None


def test_doubted_faces_are_those_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    some = faces(4)
    marks = pd.DataFrame({"sample_id": some.ids, "doubted": [False, True, False, True]})
    marks.to_parquet(tmp_path / "label_doubt.parquet")
    assert filters.label_errors(some).tolist() == [False, True, False, True]
