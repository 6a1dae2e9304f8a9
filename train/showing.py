"""What a run shows of itself after every epoch, for the studio to follow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fermodels.nets.checkpoint import HISTORY, History, write_history
from fermodels.nets.files import not_a_table_with, write_atomically
from fermodels.nets.runs import write_progress
from train.state import Progress


def show_progress(folder: Path, progress: Progress, epochs: int) -> None:
    """Write the history so far and how far the run has come, each in one step.

    Args:
        folder: the run's folder.
        progress: where the run stands.
        epochs: how many are planned.
    """
    history = History(pd.DataFrame(progress.steps), pd.DataFrame(progress.epochs))
    write_atomically(
        folder / HISTORY, lambda path: write_history(path, history), not_a_table_with("kind")
    )
    write_progress(
        folder,
        {
            "epoch": progress.epoch,
            "epochs": epochs,
            "seconds": progress.seconds,
            "best_epoch": progress.best_epoch,
            "best_accuracy": progress.best_accuracy,
        },
    )
