"""What the repository ships: checkpoints that load and give the figures they record."""

import json
from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.evaluation.metrics import score
from fermodels.nets import catalog
from tests.toys import ROOT

BUNDLED = sorted(p.name for p in (ROOT / "checkpoints").iterdir() if p.is_dir())


def test_shallow_and_deep_are_bundled() -> None:
    assert {"shallow", "deep"} <= set(BUNDLED)


@pytest.mark.parametrize("name", BUNDLED)
def test_metrics_follow_from_the_committed_predictions(name: str) -> None:
    folder = ROOT / "checkpoints" / name
    metrics, table = catalog.read_metrics(folder), catalog.read_predictions(folder)
    for split in ("validation", "test"):
        rows = table[table["split"] == split]
        again = score(rows["label"].to_numpy(), rows[PROBABILITY_COLUMNS].to_numpy())
        assert metrics[split] == json.loads(json.dumps(again))


@pytest.mark.parametrize("name", BUNDLED)
def test_history_is_whole_and_the_best_epoch_is_the_validations(name: str) -> None:
    folder = ROOT / "checkpoints" / name
    metrics, history = catalog.read_metrics(folder), catalog.read_history(folder)
    accuracy = history.epochs["validation_accuracy"]
    assert len(accuracy) == metrics["epochs"]
    assert int(accuracy.argmax()) + 1 == metrics["best_epoch"]
    assert history.steps["step"].tolist() == list(range(1, len(history.steps) + 1))
    assert metrics["sanity"]["initial_loss"] == pytest.approx(1.946, abs=0.05)
    assert metrics["sanity"]["overfit_accuracy"] > 0.98


@pytest.mark.parametrize("name", BUNDLED)
def test_weights_reproduce_every_recorded_test_prediction(name: str, fer2013_dir: Path) -> None:
    faces = fermodels.read_faces(fer2013_dir).split("test")
    folder = ROOT / "checkpoints" / name
    table = catalog.read_predictions(folder).query("split == 'test'").set_index("sample_id")
    recorded = table.loc[faces.ids, PROBABILITY_COLUMNS].to_numpy()
    probabilities = fermodels.load(name).predict(faces.images)
    np.testing.assert_allclose(probabilities, recorded, atol=1e-3)
    accuracy = (probabilities.argmax(1) == faces.labels).mean()
    recorded_accuracy = catalog.read_metrics(folder)["test"]["accuracy"]
    assert accuracy == pytest.approx(recorded_accuracy, abs=0.001)  # within 0.1 point


def test_all_weights_together_stay_under_130_mb() -> None:
    sizes = [p.stat().st_size for p in (ROOT / "checkpoints").rglob("*.safetensors")]
    assert sum(sizes) < 130e6
