"""Checkpoints as files: where they are and what their readable parts say, without torch.

The studio's first page opens before torch can load; it reads here. Weights: `checkpoint`.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.data.readers.bounded_parquet import Limit
from fermodels.errors import CheckpointError
from fermodels.files import ROOT, called, read_json, read_table
from fermodels.nets.variants import VARIANTS
from fermodels.results import DUPLICATES, results_dir

WEIGHTS, CONFIG, METRICS = "model.safetensors", "config.json", "metrics.json"
HISTORY, PREDICTIONS, CARD = "history.parquet", "predictions.parquet", "README.md"
FILES = (WEIGHTS, CONFIG, METRICS, HISTORY, PREDICTIONS, CARD)
"""The whole of a checkpoint; nothing else is written, pulled or read."""
RECORDS = (CONFIG, METRICS, HISTORY, PREDICTIONS)
"""What is kept of a run whose weights are not shipped."""
HISTORY_LIMIT = Limit(rows=1_000_000, bytes=200_000_000)
"""FER-2013's longest history here has 13,500 rows and 2 MB, a thousand epochs 225,000 and 35 MB."""
PREDICTIONS_LIMIT = Limit(rows=500_000, bytes=64_000_000)
"""FER-2013 has 7,178 rows and 0.6 MB."""


@dataclass(frozen=True)
class History:
    """How a network learned."""

    steps: pd.DataFrame
    """Per training step: step, epoch, loss, accuracy, learning_rate, gradient_norm."""
    epochs: pd.DataFrame
    """Per epoch: losses, accuracies and the evidence of `train.evidence`."""


def checkpoints_dir() -> Path:
    """Return the folder of bundled checkpoints (``FER_CHECKPOINTS`` overrides it)."""
    chosen = os.environ.get("FER_CHECKPOINTS")
    return Path(chosen) if chosen else ROOT / "checkpoints"


def accuracy_without_copies(name: str, predictions: pd.DataFrame) -> dict[str, Any] | None:
    """Return a network's accuracy on faces that are no exact copies of training faces.

    Split -> n, count, share and interval, as `train.labels` counted them; None if it did not, or
    counted other answers than these.

    Args:
        name: a bundled checkpoint, or ``paper-runs/NAME``.
        predictions: the network's, see `read_predictions`.

    Raises:
        CheckpointError: the result is damaged.
    """

    def parse(copies: dict[str, Any]) -> dict[str, Any] | None:
        if copies.get("answers", {}).get(name) != predictions_hash(predictions):
            return None
        counted = copies["accuracy"][name]
        return {split: counted[split]["without_exact_copies"] for split in counted}

    return DUPLICATES.read(parse)


def paper_runs_dir() -> Path:
    """Return the folder of filed records: runs of the paper's recipe whose weights went."""
    return results_dir() / "paper-runs"


def paper_run(name: str) -> Path | None:
    """Return where a variant's run by the paper's recipe is recorded, None if nowhere.

    Its filed records come first (`train.records`), then the bundled checkpoint, if that was
    trained by the paper's recipe. The folder holds at least RECORDS.

    Args:
        name: a variant.

    Raises:
        CheckpointError: the checkpoint's config is damaged.
    """
    filed = paper_runs_dir() / name
    if (filed / CONFIG).is_file():
        return filed
    bundled = available().get(name)
    if bundled is not None and read_json(bundled / CONFIG).get("recipe") == "paper":
        return bundled
    return None


def available() -> dict[str, Path]:
    """Return the bundled checkpoints: name -> folder, in the order of VARIANTS, then by name."""
    root = checkpoints_dir()
    names = [p.name for p in root.iterdir() if (p / CONFIG).is_file()] if root.is_dir() else []
    order = {name: rank for rank, name in enumerate(VARIANTS)}
    return {name: root / name for name in sorted(names, key=lambda n: (order.get(n, 99), n))}


def find(name: str | Path) -> Path:
    """Return the folder of a bundled checkpoint's name, or of a path.

    Raises:
        CheckpointError: neither exists.
    """
    with suppress(OSError, RuntimeError, ValueError):  # a NUL, ~nobody, 300 characters: no folder
        path = Path(name).expanduser()
        bundled = checkpoints_dir() / path
        if path.name == str(name) and (bundled / CONFIG).is_file():
            return bundled
        if (path / CONFIG).is_file():
            return path
    raise CheckpointError(
        f"no checkpoint {str(name)[:200]!r}: bundled are {', '.join(available()) or 'none'}; "
        "give one of these, a folder with config.json, or hub:owner/repo"
    )


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights, hexadecimal; scorecards carry it."""
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_history(folder: Path) -> History:
    """Read a checkpoint's training history.

    Raises:
        CheckpointError: the file is missing or not a history.
    """
    from fermodels.nets import record_checks as checks

    path = folder / HISTORY
    table = read_table(path, HISTORY_LIMIT, partial(checks.check_schema, checks.HISTORY))
    if checks.KIND not in table:
        raise CheckpointError(f"{called(path)} has no column 'kind': not a training history")
    parts = []
    for kind, needed in (("step", checks.STEPS), ("epoch", checks.EPOCHS)):
        part = table[table[checks.KIND] == kind].drop(columns=checks.KIND)
        there = [name for name in part if name in needed or part[name].notna().any()]
        parts.append(part[there].reset_index(drop=True))
    checks.check_history(parts[0], parts[1], called(path))
    parts[0]["step"] = parts[0]["step"].astype(int)
    return History(parts[0], parts[1])


def read_predictions(folder: Path) -> pd.DataFrame:
    """Read split, sample_id, label and seven probabilities (p_angry .. p_neutral) per face.

    Raises:
        CheckpointError: the file is missing or unreadable, or a row is no prediction.
    """
    from fermodels.nets import record_checks as checks

    path = folder / PREDICTIONS
    table = read_table(
        path, PREDICTIONS_LIMIT, partial(checks.check_schema, tuple(checks.PREDICTIONS))
    )
    checks.check_predictions(table, called(path))
    return table


def predictions_hash(predictions: pd.DataFrame) -> str:
    """Return the SHA-256 of what a network predicts for which faces, whatever the rows' order.

    Results computed from predictions carry it, so that they are not shown of other weights.

    Args:
        predictions: see `read_predictions`.
    """
    table = predictions.sort_values("sample_id")
    probabilities = np.ascontiguousarray(table[PROBABILITY_COLUMNS], np.float32).tobytes()
    return hashlib.sha256("\n".join(table["sample_id"]).encode() + probabilities).hexdigest()


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's figures and provenance; asking for an entry it lacks is an error too.

    Raises:
        CheckpointError: the file is missing, not JSON, or an entry is not as `train.export` writes.
    """
    from fermodels.nets.record_checks import check_metrics

    path = folder / METRICS
    return check_metrics(read_json(path), called(path))
