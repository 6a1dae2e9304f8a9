"""The paper's figures, drawn anew from a toy network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs import figures
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from studio import networks
from tests.studio.toy_studio import write_studio


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, _faces = write_studio(tmp_path)
    monkeypatch.setenv("FER_CHECKPOINTS", str(folder))
    return folder


def test_the_command_draws_three_figures_of_sample_faces(shelf: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures"
    assert figures.main(["--model", "shallow", "--seed", "3", "--out", str(out)]) == 0
    for number in (9, 10, 11):
        picture = Image.open(out / f"figure-{number}.png")
        assert picture.mode == "RGB" and len(picture.getcolors(1 << 20)) > 50
    about = json.loads((out / "figures.json").read_text())
    assert set(about["faces"].values()) <= set(read_faces("samples").ids)
    assert about["provenance"]["seed"] == 3 and about["model"] == "shallow"
    told = about["label_probability_before_and_after"]
    assert set(told) == set(EMOTIONS) and set(told["sad"]) == {"shallow", "hybrid-shallow"}


def test_a_wrong_model_is_one_sentence_and_status_2(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "figures"
    assert figures.main(["--model", "no-such-network", "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("error: no checkpoint 'no-such-network'")
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "nowhere"))
    assert figures.main(["--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no checkpoint is bundled") and said.count("\n") == 1
    assert not out.exists()


def test_the_best_network_is_chosen_on_validation_not_on_test(
    shelf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"shallow": (0.6, 0.1), "hybrid-shallow": (0.5, 0.9)}

    def metrics(name: str) -> dict[str, dict[str, float]]:
        validation, test = scores[name]
        return {"validation": {"accuracy": validation}, "test": {"accuracy": test}}

    monkeypatch.setattr(networks, "metrics", metrics)
    monkeypatch.setattr(networks, "has", lambda name, file: True)
    assert figures.best_on_validation() == "shallow"


def test_pixels_are_repeated_never_smoothed() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5), np.uint8)
    drawn = np.asarray(figures.crisp(pixels, 33))
    assert drawn.shape == (30, 30, 3)
    assert (drawn[::6, ::6, 0] == pixels).all()
    assert (drawn == drawn[::6, ::6].repeat(6, 0).repeat(6, 1)).all()
