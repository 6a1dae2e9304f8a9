"""Everything a run needs to go on after a kill -9, in one file written atomically."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from fermodels.errors import CheckpointError, ConfigError
from fermodels.files import Objection, anything, check_output, not_a_table_with, write_atomically
from fermodels.nets.catalog import HISTORY, History
from fermodels.nets.checkpoint import write_history
from fermodels.nets.training_runs import write_progress

STATE_FILE = "state.pt"


@dataclass
class Progress:
    """Where a run stands; the only mutable value of the trainer."""

    epoch: int = 0
    """Epochs finished."""
    best_epoch: int = 0
    """Epoch (from 1) whose weights are kept; 0 before the first."""
    best_accuracy: float = -1.0
    """Validation accuracy of the kept weights, 0 to 1."""
    seconds: float = 0.0
    """Wall time spent in training steps and evaluation, over all sittings."""
    step_seconds: float = 0.0
    """The part of `seconds` spent in training steps."""
    steps: list[dict[str, float]] = field(default_factory=list)
    """One row per training step."""
    epochs: list[dict[str, Any]] = field(default_factory=list)
    """One row per epoch: the evidence that `train.evidence` gathers."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    """The kept weights, float32 on the CPU."""


def copy_of(net: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights and buffers, detached, copied to the CPU."""
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def not_a_state(path: Path) -> str | None:
    """Object to all but a run's state; only the first bytes of what it says are read."""
    head = b""
    try:
        if path.is_file():
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
                with archive.open(names[0]) as stream:
                    head = stream.read(200)
    except (OSError, IndexError, zipfile.BadZipFile):
        head = b""
    return None if b"settings" in head else "is no state of a training run"


def check_run_folder(folder: Path, parts: Mapping[str, Objection | None], proof: str) -> None:
    """Refuse a folder that is neither new, nor empty, nor that of a run of ours.

    Args:
        folder: where a run is to keep its files.
        parts: pattern of a name that a run may use -> who objects to a file there; None for
            names that are judged elsewhere, or never written to.
        proof: the file that makes a folder a run's; what else lies beside it is then let be.

    Raises:
        ConfigError: naming what is in the way.
    """
    if not folder.is_dir():
        check_output(folder, anything)
        return
    for path in sorted(folder.iterdir()):
        pattern = next((pattern for pattern in parts if fnmatch(path.name, pattern)), None)
        objection = parts[pattern] if pattern else None
        if objection:
            check_output(path, objection)
        elif not (pattern or path.name.startswith(".") or (folder / proof).exists()):
            raise ConfigError(
                f"{folder} holds {path.name!r}, which is no part of a run: choose a new or empty "
                "--run-dir"
            )


def save_state(
    folder: Path, settings: dict[str, Any], progress: Progress, parts: dict[str, Any]
) -> None:
    """Write the run's state.

    Args:
        folder: the run's folder.
        settings: what must be equal for a resume to be honest (network, recipe, data hash).
        progress: where the run stands.
        parts: state_dicts of network, optimiser and weight average.
    """
    content = {
        "settings": settings,
        "progress": {**asdict(progress), "best_weights": progress.best_weights},
        "parts": parts,
    }
    write_atomically(folder / STATE_FILE, lambda path: torch.save(content, path), not_a_state)


def load_state(folder: Path, settings: dict[str, Any]) -> tuple[Progress, dict[str, Any]]:
    """Read back what `save_state` wrote, with PyTorch's weights-only reader (no pickled code).

    Raises:
        CheckpointError: the state belongs to another network, recipe or data.
    """
    content = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
    theirs = content["settings"]
    differing = sorted(key for key in settings if settings[key] != theirs.get(key))
    if differing:
        changes = "; ".join(
            f"{key}: {theirs.get(key)!r} then, {settings[key]!r} now" for key in differing
        )
        raise CheckpointError(
            f"cannot resume {folder}: it was made with other settings ({changes}); "
            "repeat the first command's flags or choose another --run-dir"
        )
    return Progress(**content["progress"]), content["parts"]


# --- What a run shows of itself after every epoch, for the studio to follow


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
