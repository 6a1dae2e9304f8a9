import json
from pathlib import Path

import pytest

from fermodels.nets import shelf
from fermodels.nets.calibration import read_temperature
from fermodels.nets.evaluate import score
from tests.train.claim_toys import write_run
from train.calibrate import main
from train.export import probability_columns


def test_calibrating_adds_a_temperature_and_keeps_everything_else(tmp_path: Path) -> None:
    folder = tmp_path / "shallow"
    write_run(folder)
    old = shelf.read_metrics(folder)
    del old["calibration"], old["test"]["top2_accuracy"]
    (folder / shelf.METRICS).write_text(json.dumps(old))
    assert read_temperature(folder) is None
    assert main([str(folder)]) == 0
    new = shelf.read_metrics(folder)
    assert read_temperature(folder) == new["calibration"]["temperature"] > 0
    assert {key: new[key] for key in ("best_epoch", "sanity", "provenance")} == {
        key: old[key] for key in ("best_epoch", "sanity", "provenance")
    }
    rows = shelf.read_predictions(folder).query("split == 'test'")
    again = score(rows["label"].to_numpy(), rows[probability_columns()].to_numpy())
    assert new["test"] == json.loads(json.dumps(again))


def test_an_unknown_checkpoint_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-network"]) == 2
    assert "no-such-network" in capsys.readouterr().err
