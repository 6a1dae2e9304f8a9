import json
import shutil
from pathlib import Path

import pytest

from fermodels import files
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.evaluation.calibration import read_temperature
from fermodels.evaluation.metrics import score
from fermodels.nets import catalog
from tests.train.claims.claim_toys import write_run
from train.calibrate import main
from train.export import as_written, model_card


def test_calibrating_adds_a_temperature_and_keeps_everything_else(tmp_path: Path) -> None:
    folder = tmp_path / "shallow"
    write_run(folder)
    old = catalog.read_metrics(folder)
    del old["calibration"], old["test"]["top2_accuracy"]
    (folder / catalog.METRICS).write_text(json.dumps(old))
    assert read_temperature(folder) is None
    assert main([str(folder)]) == 0
    new = catalog.read_metrics(folder)
    assert new["calibration"]["fitted_temperature"] > 0
    assert read_temperature(folder) == new["calibration"]["temperature"]
    assert {key: new[key] for key in ("best_epoch", "sanity", "provenance")} == {
        key: old[key] for key in ("best_epoch", "sanity", "provenance")
    }
    rows = catalog.read_predictions(folder).query("split == 'test'")
    again = score(rows["label"].to_numpy(), rows[PROBABILITY_COLUMNS].to_numpy())
    assert new["test"] == json.loads(json.dumps(again))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A copy of a bundled checkpoint's readable parts, its card among them."""
    source = catalog.find("shallow")
    (tmp_path / "shallow").mkdir()
    for name in (*catalog.RECORDS, catalog.CARD):
        shutil.copy(source / name, tmp_path / "shallow")
    return tmp_path / "shallow"


def test_the_card_follows_the_figures(shipped: Path) -> None:
    card = (shipped / catalog.CARD).read_text()
    metrics = catalog.read_metrics(shipped)
    del metrics["calibration"], metrics["without_copies"]
    (shipped / catalog.METRICS).write_text(json.dumps(metrics))
    assert main([str(shipped)]) == 0
    assert (shipped / catalog.CARD).read_text() == card, "bundled cards are as the command writes"
    counted = catalog.read_metrics(shipped)["without_copies"]["test"]
    assert f"| test, without copies of training faces | {counted['n']:,} |" in card
    assert f"{counted['share']:.1%}" in card


def test_a_card_that_was_edited_stays_and_that_is_said(
    shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = (shipped / catalog.CARD).read_text() + "And a word of mine.\n"
    (shipped / catalog.CARD).write_text(mine)
    assert main([str(shipped)]) == 0
    assert (shipped / catalog.CARD).read_text() == mine
    assert "stays as it is" in capsys.readouterr().err


def test_cards_of_another_version_are_known_by_their_mark(shipped: Path) -> None:
    text = model_card(files.read_json(shipped / catalog.CONFIG), catalog.read_metrics(shipped))
    assert as_written(text)
    assert not as_written(text.replace("MIT", "BSD"))
    assert not as_written(text + "more") and not as_written("# mine\n")


def test_every_bundled_card_is_as_its_metrics_say() -> None:
    for name, folder in catalog.available().items():
        metrics = catalog.read_metrics(folder)
        written = model_card(files.read_json(folder / catalog.CONFIG), metrics)
        assert (folder / catalog.CARD).read_text("utf-8") == written, f"train.calibrate {name}"
        counted = catalog.accuracy_without_copies(name, catalog.read_predictions(folder))
        assert metrics["without_copies"] == counted
        last = metrics["best_epoch"] == metrics["epochs"]
        assert (", its last)" in written) is last


def test_an_unknown_checkpoint_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-network"]) == 2
    assert "no-such-network" in capsys.readouterr().err
