"""The Compare room's tables: models side by side, and beside what the paper reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.faces import FaceDataset
from fermodels.nets import shelf
from fermodels.nets.paper import REPORTED, reported
from fermodels.nets.variants import VARIANTS
from studio import models
from studio.figures.confusion import PAPER_SUFFIX, Accuracies
from studio.theme import model_color

NEEDS = (shelf.METRICS, shelf.PREDICTIONS)
"""The records a network must bring to be compared."""


def confusion(name: str, split: str) -> NDArray[np.int64]:
    """Return a checkpoint's confusion counts ``(7, 7)`` on a split."""
    return np.array(models.metrics(name)[split]["confusion_matrix"], dtype=np.int64)


def accuracies(names: list[str], split: str, *, with_paper: bool) -> dict[str, Accuracies]:
    """Return accuracy per expression of each model, and of the paper's nets of the same name."""
    found: dict[str, Accuracies] = {}
    for name in names:
        rows: dict[str, Any] = models.metrics(name)[split]["per_class"]
        color = model_color(names, name)
        found[name] = Accuracies(
            {e: rows[e]["accuracy"] for e in EMOTIONS},
            {e: (rows[e]["interval"][0], rows[e]["interval"][1]) for e in EMOTIONS},
            color,
        )
        if with_paper and name in REPORTED:
            quoted = REPORTED[name].per_expression
            found[name + PAPER_SUFFIX] = Accuracies(quoted, {}, color, quoted=True)
    return found


def overall(names: list[str], split: str) -> pd.DataFrame:
    """Return one row per model: accuracy, n, macro F1, views, without copies, paper's, origin."""
    rows = []
    for name in names:
        about = models.metrics(name)
        scores = about[split]
        paper = reported(name, split)
        rows.append(
            {
                "model": name,
                "accuracy [95%]": _with_interval(scores),
                "n": scores["n"],
                "macro F1, %": scores["macro_f1"] * 100,
                "with mirror image": averaged(name, split, "mirrored"),
                "ten views": averaged(name, split, "ten"),
                "without copies": _without_copies(about, split),
                "paper": _beside(paper, str(about["recipe"])),
                "recipe": about["recipe"],
                "parameters": f"{about['parameters'] / 1e6:.1f} M",
                "training": f"{about['epochs']} epochs, {about['training_seconds'] / 60:.0f} min",
            }
        )
    return pd.DataFrame(rows)


def _without_copies(about: dict[str, Any], split: str) -> str:
    counted = about.get("without_copies")
    if counted is None:
        return "not computed"
    return _with_interval(counted[split] | {"accuracy": counted[split]["share"]})


def _beside(paper: float | None, recipe: str) -> str:
    """Return the paper's figure, which stands beside networks of its own recipe alone."""
    if paper is None:
        return "not given"
    return f"{paper:.0%}" if recipe == "paper" else "of another recipe"


def averaged(name: str, split: str, views: str) -> str:
    """Return a model's accuracy on averages over views with its interval (`train.views`)."""
    viewed = models.metrics(name).get("views")
    if viewed is None:
        return "not computed"
    return _with_interval(viewed[views][split])


def _with_interval(scores: dict[str, Any]) -> str:
    low, high = (100 * end for end in scores["interval"])
    return f"{scores['accuracy']:.1%} [{low:.1f}, {high:.1f}]"


def table_3(names: list[str], split: str) -> pd.DataFrame:
    """Return the paper's Table 3, ours and theirs: one row per expression, percent."""
    table = pd.DataFrame({"expression": list(EMOTIONS)})
    for name in names:
        rows = models.metrics(name)[split]["per_class"]
        table["n"] = [rows[e]["n"] for e in EMOTIONS]
        table[f"{name}, %"] = [rows[e]["accuracy"] * 100 for e in EMOTIONS]
        table[f"{name}, 95% interval"] = [
            f"{rows[e]['interval'][0] * 100:.1f} to {rows[e]['interval'][1] * 100:.1f}"
            for e in EMOTIONS
        ]
        if name in REPORTED:
            quoted = REPORTED[name].per_expression
            table[f"{name}, paper, %"] = [quoted[e] * 100 for e in EMOTIONS]
    return table


def untrained() -> list[str]:
    """Return the variants that have no checkpoint here."""
    return [name for name in VARIANTS if name not in models.names()]


def faces_in_cell(
    name: str, split: str, truth: str, guess: str, faces: FaceDataset
) -> tuple[NDArray[np.intp], int]:
    """Return the rows of `faces` that fell into a cell, surest first, and how many fell there.

    The count can exceed the rows: the data at hand need not be the data the model was scored on.
    """
    table = models.predictions(name)
    guesses = table[models.PROBABILITY_COLUMNS].to_numpy()
    inside = (
        (table["split"] == split).to_numpy()
        & (table["label"] == EMOTIONS.index(truth)).to_numpy()
        & (guesses.argmax(1) == EMOTIONS.index(guess))
    )
    surest = np.argsort(-guesses[inside].max(1), kind="stable")
    order = {str(i): k for k, i in enumerate(table.loc[inside, "sample_id"].to_numpy()[surest])}
    rows = [row for row, i in enumerate(faces.ids) if i in order]
    rows.sort(key=lambda row: order[str(faces.ids[row])])
    return np.array(rows, dtype=np.intp), int(inside.sum())
