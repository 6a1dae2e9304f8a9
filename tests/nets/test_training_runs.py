"""What a training run shows of itself, and who reads it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pandas as pd
import pytest

from fermodels.errors import CheckpointError
from fermodels.nets import catalog, training_runs
from tests.toys import tiny_history
from train.state import Progress, show_progress

EPOCHS = 4


def progress(epoch: int) -> Progress:
    held = tiny_history(epoch)
    steps, rows = (part.to_dict("records") for part in (held.steps, held.epochs))
    return Progress(epoch, epoch, epoch / 10, 30.0 * epoch, 20.0, steps, rows)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FER_RUNS", str(tmp_path))
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def test_a_run_is_read_back_as_it_stands(folder: Path) -> None:
    for epoch in (1, 2, 3):
        show_progress(folder, progress(epoch), EPOCHS)
        (run,) = training_runs.available_runs()
        assert (run.name, run.epoch, run.epochs) == ("mine", epoch, EPOCHS)
        assert run.seconds_left == pytest.approx((EPOCHS - epoch) * 30)
        history = catalog.read_history(run.folder)
        assert len(history.steps) == 2 * epoch and len(history.epochs) == epoch
    assert not run.finished and not run.silent
    show_progress(folder, progress(EPOCHS), EPOCHS)
    assert training_runs.read_run(folder).finished


def test_the_history_is_what_the_trainer_holds(folder: Path) -> None:
    held = progress(2)
    show_progress(folder, held, EPOCHS)
    steps = catalog.read_history(folder).steps
    pd.testing.assert_frame_equal(steps, pd.DataFrame(held.steps), check_dtype=False)


def test_a_run_that_is_long_overdue_is_silent(folder: Path) -> None:
    show_progress(folder, progress(2), EPOCHS)
    past = time.time() - 3600
    os.utime(folder / training_runs.PROGRESS, (past, past))
    assert training_runs.read_run(folder).silent


def test_folders_without_a_record_are_no_runs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert training_runs.available_runs() == []


@pytest.mark.parametrize("content", ["", "[]", '{"epoch": 1}'])
def test_a_damaged_record_is_said(content: str, folder: Path) -> None:
    show_progress(folder, progress(1), EPOCHS)
    (folder / training_runs.PROGRESS).write_text(content)
    with pytest.raises(CheckpointError, match=r"progress\.json"):
        training_runs.available_runs()
