"""What a model's predictions are worth: confusion, per-class figures and their uncertainty.

Two models on the same faces: `paired_tests`. Whether probabilities mean what they say:
`calibration`.
"""

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


def newcombe_interval(
    first: tuple[int, int], second: tuple[int, int], z: float = Z_95
) -> tuple[float, float]:
    """Return an interval of the difference of two proportions on different faces.

    Newcombe 1998, method 10: the two Wilson intervals joined; it stays within [-1, 1].

    Args:
        first: successes and trials of the proportion from which the other is subtracted.
        second: successes and trials of the other.
        z: normal quantile; the default gives 95%.
    """
    if first[1] == 0 or second[1] == 0:
        return -1.0, 1.0
    (low1, high1), (low2, high2) = wilson_interval(*first, z), wilson_interval(*second, z)
    share1, share2 = first[0] / first[1], second[0] / second[1]
    down = math.hypot(share1 - low1, high2 - share2)
    up = math.hypot(high1 - share1, share2 - low2)
    return share1 - share2 - down, share1 - share2 + up


def confusion_matrix(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Return counts ``(7, 7)``: rows are true labels, columns predictions."""
    classes = len(EMOTIONS)
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def row_shares(confusion: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return shares ``(7, 7)``: of the faces of a row's class, how many were called each class.

    Rows sum to 1; those of a class without faces are NaN.
    """
    totals = confusion.sum(1, keepdims=True)
    shares = np.full(confusion.shape, np.nan)
    np.divide(confusion, totals, out=shares, where=totals > 0)
    return shares


def correct_within(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], k: int
) -> int:
    """Return how many faces have their true class among the k most probable.

    Of equally probable classes the first counts as more probable, as for a prediction.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return int((ranked == labels[:, None]).any(1).sum())


def per_class(confusion: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Return n, accuracy (recall) with its Wilson interval, precision and F1 per expression.

    A class never predicted has precision 0, one without faces accuracy 0 (scikit-learn's
    convention for undefined ratios).
    """
    rows, columns = confusion.sum(1), confusion.sum(0)
    by_class: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(EMOTIONS):
        hits, n = int(confusion[index, index]), int(rows[index])
        total = n + int(columns[index])
        by_class[name] = {
            "n": n,
            "correct": hits,
            "accuracy": hits / n if n else 0.0,
            "interval": list(wilson_interval(hits, n)),
            "precision": hits / int(columns[index]) if columns[index] else 0.0,
            "f1": 2 * hits / total if total else 0.0,
        }
    return by_class


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
    within_2 = correct_within(labels, probabilities, 2)
    classes = per_class(confusion)
    return {
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
        "top2_correct": within_2,
        "top2_accuracy": within_2 / n,
        "top2_interval": list(wilson_interval(within_2, n)),
        "macro_f1": float(np.mean([row["f1"] for row in classes.values()])),
        "confusion_matrix": confusion.tolist(),
        "per_class": classes,
    }
