"""``python -m train.rescore``: averages over views stand beside the figures of one view."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import fermodels
from fermodels.evaluation.metrics import wilson_interval
from fermodels.evaluation.tta import predict_views
from fermodels.nets import catalog
from tests.toys import run_training, striped_faces, write_csv
from train.rescore import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    csv = write_csv(folder / "fer2013.csv", striped_faces(490))
    done = run_training("--data", str(csv), "--epochs", "1", "--run-dir", str(folder / "r"))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained / "r" / "checkpoint", tmp_path / "toy"))


def test_metrics_gain_the_averages_and_keep_everything_else(trained: Path, copied: Path) -> None:
    old = catalog.read_metrics(copied)
    assert main([str(copied), "--data", str(trained / "fer2013.csv")]) == 0
    new = catalog.read_metrics(copied)
    assert {key: new[key] for key in old} == old
    assert new["views"]["provenance"]["data_hash"] == striped_faces(490).content_hash
    net = fermodels.load(copied)
    for split in ("validation", "test"):
        part = striped_faces(490).split(split)
        for views in ("mirrored", "ten"):
            right = int((predict_views(net, part.images, views).argmax(1) == part.labels).sum())
            found = new["views"][views][split]
            assert (found["correct"], found["n"]) == (right, len(part))
            assert found["accuracy"] == right / len(part)
            np.testing.assert_allclose(found["interval"], wilson_interval(right, len(part)))
    card = (copied / "README.md").read_text("utf-8")
    assert (
        f"| test, ten views | {len(part):,} | {new['views']['ten']['test']['accuracy']:.1%} |"
        in card
    )


def test_other_data_than_it_was_trained_on_is_refused(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (copied / catalog.METRICS).read_bytes()
    other = write_csv(tmp_path / "other.csv", striped_faces(70))
    assert main([str(copied), "--data", str(other)]) == 2
    assert "pass the same data" in capsys.readouterr().err
    assert (copied / catalog.METRICS).read_bytes() == before
