"""A finished run becomes a checkpoint: weights, figures, history, predictions and card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from fermodels.data.faces import FaceDataset
from fermodels.nets import checkpoint, shelf
from fermodels.nets.calibration import calibrate
from fermodels.nets.evaluate import score
from fermodels.nets.files import Objection
from fermodels.nets.networks import FERNet
from train.card import model_card
from train.state import Progress

SCORED = ("validation", "test")
Card = Callable[[dict[str, Any], dict[str, Any]], str]
"""``(identity, metrics)`` -> the text of a checkpoint's card."""


def predictions_of(net: FERNet, faces: FaceDataset) -> pd.DataFrame:
    """Return split, sample_id, label and seven probabilities for validation and test faces."""
    tables = []
    for name in SCORED:
        part = faces.split(name)
        table = pd.DataFrame({"split": name, "sample_id": part.ids, "label": part.labels})
        probabilities = pd.DataFrame(net.predict(part.images), columns=probability_columns())
        tables.append(pd.concat([table, probabilities], axis=1))
    return pd.concat(tables, ignore_index=True)


def probability_columns() -> list[str]:
    """Return the seven column names of predictions, in class order."""
    return list(shelf.PROBABILITY_COLUMNS)


def figures_of(predictions: pd.DataFrame) -> dict[str, Any]:
    """Return what the metrics say of stored predictions: each split's figures and calibration.

    Args:
        predictions: as `predictions_of` makes them.
    """
    pairs = {}
    for name in SCORED:
        rows = predictions[predictions["split"] == name]
        pairs[name] = rows["label"].to_numpy(), rows[probability_columns()].to_numpy()
    scores: dict[str, Any] = {name: score(*pair) for name, pair in pairs.items()}
    return {**scores, "calibration": calibrate(pairs)}


def half_precision_twin(net: FERNet, progress: Progress) -> FERNet:
    """Return the kept weights as a loaded checkpoint will have them: through float16 and back."""
    twin = FERNet(net.config)
    twin.load_state_dict(progress.best_weights)
    rounded = {
        k: v.to(twin.state_dict()[k].dtype) for k, v in checkpoint.half_weights(twin).items()
    }
    twin.load_state_dict(rounded)
    return twin.eval()


def export(
    folder: Path,
    net: FERNet,
    faces: FaceDataset,
    progress: Progress,
    identity: dict[str, Any],
    about: dict[str, Any],
    card: Card = model_card,
    objection: Objection = checkpoint.any_checkpoint,
) -> dict[str, Any]:
    """Score validation and test once, on the weights as stored, and write the checkpoint.

    Args:
        folder: where the checkpoint goes.
        net: the trained network (its config; the kept weights come from `progress`).
        faces: all splits.
        progress: the finished run.
        identity: variant, recipe name and settings, for ``config.json``.
        about: sanity checks and provenance, for ``metrics.json``.
        card: writes ``README.md`` from identity and metrics.
        objection: whether an earlier checkpoint may be replaced, see `checkpoint.save`.

    Returns:
        The metrics, as written.
    """
    twin = half_precision_twin(net, progress)
    predictions = predictions_of(twin, faces)
    metrics: dict[str, Any] = {
        "variant": identity["variant"],
        "recipe": identity["recipe"],
        "parameters": twin.parameter_count,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "training_seconds": progress.seconds,
        "images_per_second": _rate(progress, identity),
        **about,
    }
    metrics |= figures_of(predictions)
    history = checkpoint.History(pd.DataFrame(progress.steps), pd.DataFrame(progress.epochs))
    text = card(identity, metrics)
    checkpoint.save(folder, twin, identity, metrics, history, predictions, text, objection)
    return metrics


def _rate(progress: Progress, identity: dict[str, Any]) -> float:
    faces = len(progress.steps) * int(identity["training"]["batch_size"])
    return faces / progress.step_seconds
