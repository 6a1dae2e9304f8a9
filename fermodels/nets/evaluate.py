"""What a model's predictions are worth: confusion, per-class figures and their uncertainty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS

Z_95 = 1.959963984540054  # two-sided 95% point of the normal distribution


def wilson_interval(correct: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927), within [0, 1].

    Args:
        correct: number of successes, 0 to n.
        n: number of trials; with none, everything is possible: (0, 1).
        z: normal quantile; the default gives 95%.
    """
    if n == 0:
        return 0.0, 1.0
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def confusion_matrix(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Return counts ``(7, 7)``: rows are true labels, columns predictions."""
    classes = len(EMOTIONS)
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def per_class(confusion: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Return n, accuracy (recall) with its Wilson interval, precision and F1 per expression.

    A class never predicted has precision 0, one without faces accuracy 0 (scikit-learn's
    convention for undefined ratios).
    """
    rows, columns = confusion.sum(1), confusion.sum(0)
    found: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(EMOTIONS):
        hits, n = int(confusion[index, index]), int(rows[index])
        total = n + int(columns[index])
        found[name] = {
            "n": n,
            "correct": hits,
            "accuracy": hits / n if n else 0.0,
            "interval": list(wilson_interval(hits, n)),
            "precision": hits / int(columns[index]) if columns[index] else 0.0,
            "f1": 2 * hits / total if total else 0.0,
        }
    return found


def score(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]]
) -> dict[str, Any]:
    """Return one split's figures as JSON types.

    Args:
        labels: true classes, int ``(N,)``.
        probabilities: ``(N, 7)``; the most probable class is the prediction.
    """
    confusion = confusion_matrix(labels, probabilities.argmax(1))
    n, correct = int(confusion.sum()), int(np.trace(confusion))
    classes = per_class(confusion)
    return {
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
        "macro_f1": float(np.mean([row["f1"] for row in classes.values()])),
        "confusion_matrix": confusion.tolist(),
        "per_class": classes,
    }
