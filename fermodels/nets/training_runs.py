"""What a training run shows of itself while it trains; read without torch.

A run's folder holds, besides its resumable state, a ``history.parquet`` as a checkpoint has it,
grown by every epoch, and a ``progress.json`` that says how far the run has come.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from fermodels.errors import CheckpointError
from fermodels.files import not_json_with, read_json, write_json
from fermodels.nets.catalog import HISTORY

PROGRESS = "progress.json"
KEYS = ("epoch", "epochs", "seconds", "best_epoch", "best_accuracy")
"""What it says; see `Run`."""
PATIENCE = 3.0
"""A run that is this many epochs' time late is called silent."""


@dataclass(frozen=True)
class TrainingRun:
    """A training run as its folder tells it."""

    name: str
    """The folder's name."""
    folder: Path
    epoch: int
    """Epochs finished."""
    epochs: int
    """Epochs planned."""
    seconds: float
    """Time spent so far."""
    best_epoch: int
    """Epoch whose weights would be kept now."""
    best_accuracy: float
    """Its validation accuracy, 0..1."""
    age: float
    """Seconds since the last epoch was written."""

    @property
    def finished(self) -> bool:
        """Whether all planned epochs are done."""
        return self.epoch >= self.epochs

    @property
    def seconds_left(self) -> float:
        """Time that the remaining epochs take at the pace so far."""
        return (self.epochs - self.epoch) * self.seconds / self.epoch

    @property
    def silent(self) -> bool:
        """Whether it should have written long ago: it was stopped, or its machine is busy."""
        return not self.finished and self.age > PATIENCE * self.seconds / self.epoch + 60


def runs_dir() -> Path:
    """Return the folder of training runs (``FER_RUNS`` overrides it)."""
    chosen = os.environ.get("FER_RUNS")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[2] / "runs"


def write_progress(folder: Path, about: dict[str, float]) -> None:
    """Say how far a run has come; `about` holds KEYS."""
    write_json(folder / PROGRESS, {key: about[key] for key in KEYS}, not_json_with(*KEYS))


def available_runs() -> list[TrainingRun]:
    """Return the runs that keep a record, the one written last first.

    Raises:
        CheckpointError: a record is damaged.
    """
    root = runs_dir()
    folders = [path.parent for path in root.glob(f"*/{PROGRESS}")] if root.is_dir() else []
    runs = [read_run(folder) for folder in folders if (folder / HISTORY).is_file()]
    return sorted(runs, key=lambda run: run.age)


def read_run(folder: Path) -> TrainingRun:
    """Read how far a run has come.

    Raises:
        CheckpointError: its record is missing or damaged.
    """
    about = read_json(folder / PROGRESS)
    age = max(0.0, time.time() - (folder / PROGRESS).stat().st_mtime)
    if missing := [key for key in KEYS if not isinstance(about.get(key), int | float)]:
        raise CheckpointError(
            f"{folder / PROGRESS} lacks the numbers {', '.join(missing)}: "
            "remove it, and the run's next epoch writes it anew"
        )
    return TrainingRun(
        name=folder.name,
        folder=folder,
        epoch=int(about["epoch"]),
        epochs=int(about["epochs"]),
        seconds=float(about["seconds"]),
        best_epoch=int(about["best_epoch"]),
        best_accuracy=float(about["best_accuracy"]),
        age=age,
    )
