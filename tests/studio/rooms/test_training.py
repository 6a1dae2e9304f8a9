"""Training runs followed and overlaid, the epoch slider, and sweeps."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from fermodels.data.emotions import EMOTIONS
from fermodels.nets import catalog, checkpoint, training_runs
from fermodels.nets.catalog import History
from studio.components import epoch_slider
from studio.rooms import training
from tests.studio.shelf_of_toys import (
    history,
    numbers_of,
    open_room,
    text_of,
    write_faces,
    write_shelf,
)
from tests.studio.toy_studio import chart, healthy


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_shelf(tmp_path / "shelf", write_faces(tmp_path / "faces"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "shelf"))
    monkeypatch.setenv("FER_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    return tmp_path


def write_run(place: Path, name: str, epochs: int = 9) -> Path:
    folder = place / "runs" / name
    folder.mkdir(parents=True)
    table = history(3)
    parts = [table[table["kind"] == kind].drop(columns="kind") for kind in ("step", "epoch")]
    checkpoint.write_history(folder / catalog.HISTORY, History(*parts))
    about = {"epoch": 3, "epochs": epochs, "seconds": 90.0, "best_epoch": 2, "best_accuracy": 0.4}
    training_runs.write_progress(folder, about)
    return folder


def test_a_chosen_run_is_overlaid_and_its_end_foretold(place: Path) -> None:
    write_run(place, "deep-s1")
    app = open_room("training", place / "faces", runs="deep-s1", models="shallow")
    names = {line.get("name") for line in chart(app, 2)["data"]}
    assert {"shallow, training", "deep-s1, training"} <= names
    assert training.running(["deep-s1"])
    progress = app.get("progress")[0].proto
    assert progress.value == 33 and "about 3 min left" in progress.text


def test_runs_are_not_shown_unless_chosen(place: Path) -> None:
    write_run(place, "deep-s1")
    app = open_room("training", place / "faces", models="shallow")
    assert "deep-s1" not in json.dumps(chart(app, 2))
    assert not training.running([])


def test_a_finished_run_and_a_silent_one_are_said_and_not_followed(place: Path) -> None:
    write_run(place, "done", epochs=3)
    late = write_run(place, "late")
    past = time.time() - 7200
    os.utime(late / training_runs.PROGRESS, (past, past))
    words = text_of(open_room("training", place / "faces", runs=["done", "late"]))
    assert "**done** is finished" in words and "**late** stands at epoch 3 of 9" in words
    assert not training.running(["done", "late"])


def test_a_first_training_can_be_followed_before_any_checkpoint(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_CHECKPOINTS", str(place / "empty"))
    write_run(place, "first")
    app = open_room("training", place / "faces", runs="first")
    assert "No trained network" not in text_of(app)
    assert {line.get("name") for line in chart(app, 2)["data"]} >= {"first, training"}


def test_the_slider_drives_confusion_matrix_sparsity_and_spread(place: Path) -> None:
    app = open_room("training", place / "faces", models="deep", epoch="2")
    record = epoch_slider.record("deep")
    assert record.confusion_matrix is not None
    cells = record.confusion_matrix[1]
    shares = 100 * cells / cells.sum(1, keepdims=True)
    written = numbers_of(chart(app, 6)["data"])
    assert written == {
        (EMOTIONS[r], EMOTIONS[c]): f"{shares[r, c]:.0f}" for r, c in np.ndindex(7, 7)
    }
    sparsity, spread = chart(app, 5)["data"][:2]
    assert sparsity["name"] == "sparsity, epoch 2" and sparsity["y"] == [0.5, 0.6]
    assert (
        spread["name"] == "spatial entropy, epoch 2" and spread["y"] == record.entropy[1].tolist()
    )
    healthy(app.slider(key="epoch").set_value(1).run())
    assert chart(app, 5)["data"][1]["y"] == [0.9, 0.8]


def test_accuracy_of_a_record_belongs_to_its_epoch(place: Path) -> None:
    record = epoch_slider.record("shallow")
    assert record.accuracy.tolist() == [0.2, 0.4, 0.5]
    assert [record.index(n) for n in (0, 1, 3, 99)] == [0, 0, 2, 2]
    assert record.sparsity.shape == record.entropy.shape == (3, 2)


def test_without_a_sweep_the_room_says_how_to_run_one(place: Path) -> None:
    assert "No sweep was run yet" in text_of(open_room("training", place / "faces"))


def test_a_sweeps_trials_are_drawn_and_listed(place: Path) -> None:
    (place / "results").mkdir()
    trials = [trial(0, [0.2, 0.3], paper=True), trial(1, [0.2, 0.5]), trial(2, [])]
    content = {
        "trials": trials, "best_trial": 1, "paper_trial": 0, "caution": "beware",
        "training": {"epochs": 2}, "training_faces": 1200, "n": 100, "judged_on": "validation",
    }  # fmt: skip
    (place / "results" / "sweep-shallow.json").write_text(json.dumps(content))
    app = open_room("training", place / "faces", models="deep")
    table = app.dataframe[0].value
    assert table["best accuracy"].tolist() == ["30.0%", "50.0%", "none"]
    assert table["the paper's"].tolist() == ["yes", "", ""]
    assert table.columns[1] == "learning rate"
    spent = (
        "3 trials of at most 2 epochs on 1,200 training faces, 1 ended early; accuracy on 100 "
        "validation faces. beware"
    )
    assert spent in text_of(app)


def trial(number: int, accuracies: list[float], *, paper: bool = False) -> dict[str, object]:
    best = max(accuracies, default=None)
    return {
        "number": number, "state": "complete" if accuracies else "pruned",
        "parameters": {"learning_rate": 10.0**-number}, "is_paper": paper,
        "epochs": len(accuracies), "accuracies": accuracies, "n": 100, "accuracy": best,
        "interval": None if best is None else [best - 0.1, float(np.clip(best + 0.1, 0, 1))],
    }  # fmt: skip
