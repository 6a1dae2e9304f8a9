import json
from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.evaluation.metrics import score
from fermodels.nets import catalog
from tests.toys import run_training, striped_faces, write_csv


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    csv = write_csv(folder / "fer2013.csv", striped_faces(490))
    done = run_training(
        "--data", str(csv), "--epochs", "2", "--hog", "--run-dir", str(folder / "r")
    )
    assert done.returncode == 0, done.stderr
    return folder / "r" / "checkpoint"


def test_recorded_predictions_are_those_of_the_loaded_checkpoint(exported: Path) -> None:
    faces = striped_faces(490).split("test")
    table = catalog.read_predictions(exported).query("split == 'test'").set_index("sample_id")
    recorded = table.loc[faces.ids, PROBABILITY_COLUMNS].to_numpy()
    np.testing.assert_allclose(fermodels.load(exported).predict(faces.images), recorded, atol=1e-6)


def test_metrics_are_the_score_of_the_recorded_predictions(exported: Path) -> None:
    metrics, table = catalog.read_metrics(exported), catalog.read_predictions(exported)
    for split in ("validation", "test"):
        rows = table[table["split"] == split]
        again = score(rows["label"].to_numpy(), rows[PROBABILITY_COLUMNS].to_numpy())
        assert metrics[split] == json.loads(json.dumps(again))


def test_every_figure_has_its_origin(exported: Path) -> None:
    metrics = catalog.read_metrics(exported)
    origin = metrics["provenance"]
    assert origin["data_hash"] == striped_faces(490).content_hash
    assert {"seed", "git_revision", "versions", "created"} <= set(origin)
    assert metrics["sanity"]["initial_loss"] == pytest.approx(1.946, abs=0.05)
    card = (exported / "README.md").read_text()
    assert f"{metrics['test']['accuracy']:.1%}" in card
    assert origin["data_hash"] in card
