"""Two models on the same faces: is one better, and by how much?

The faces are the same, so what counts is the faces on which the models differ: an exact McNemar
test says whether, a paired bootstrap by how much, Holm's correction how often one may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError, DataError

CLASSES = len(EMOTIONS)
Classes = NDArray[np.integer[Any]]
Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two models' accuracies on the same faces."""

    only_first: int
    """Faces that only the first model got right."""
    only_second: int
    """Faces that only the second model got right."""
    n: int
    """Faces both were asked about."""
    p_value: float
    """Probability of a split at least as uneven if both were equally good, 0 to 1."""


def mcnemar(
    labels: Classes, first: Classes, second: Classes, alternative: Alternative = "two-sided"
) -> McNemar:
    """Test whether two models are equally accurate on the same faces.

    Under equality each face that only one model got right is a toss of a fair coin (McNemar
    1947); the p-value is binomial, so it holds for any number of such faces.

    Args:
        labels: true classes ``(N,)``.
        first: the first model's classes ``(N,)``.
        second: the second model's.
        alternative: ``two-sided``, or ``greater`` / ``less`` for the first model's accuracy.

    Raises:
        DataError: the three are not of one length.
    """
    from scipy.stats import binomtest

    _check_lengths(labels, first, second)
    right, other = first == labels, second == labels
    one, two = int((right & ~other).sum()), int((other & ~right).sum())
    p_value = float(binomtest(one, one + two, alternative=alternative).pvalue) if one + two else 1.0
    return McNemar(one, two, len(labels), p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the size of their family (Holm 1979), in the given order.

    Those below 0.05 afterwards are wrong, any of them, with a probability of at most 0.05.
    """
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled)) if len(order) else scaled
    return [float(value) for value in adjusted]


def accuracies(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Return the accuracy of each of ``(..., 7, 7)`` confusion matrices."""
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum((-2, -1)), float)


def macro_f1s(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean F1 over the seven classes of each of ``(..., 7, 7)`` confusion matrices.

    A class without faces and never predicted counts 0, as in `metrics.score`.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    total = confusion.sum(-1) + confusion.sum(-2)
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return np.asarray(f1.mean(-1), float)


def relative_gains(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much larger the first accuracy is, as a fraction of the second."""
    return accuracies(first) / accuracies(second) - 1


Compare = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]

COMPARISONS: dict[str, Compare] = {
    "accuracy": lambda first, second: accuracies(first) - accuracies(second),
    "macro-f1": lambda first, second: macro_f1s(first) - macro_f1s(second),
    "relative-accuracy": relative_gains,
}
"""Name -> what is compared, as a function of two stacks of confusion matrices."""


@dataclass(frozen=True)
class Difference:
    """By how much the first model beats the second, with a paired bootstrap interval."""

    value: float
    """On the faces at hand; below zero where the second is better."""
    low: float
    high: float
    n: int
    """Faces."""
    comparison: str
    """A name in COMPARISONS."""
    level: float
    """Confidence of the interval, 0 to 1."""
    rounds: int
    seed: int


def bootstrap_difference(
    labels: Classes,
    first: Classes,
    second: Classes,
    comparison: str = "accuracy",
    *,
    level: float = 0.95,
    rounds: int = 4000,
    seed: int = 0,
) -> Difference:
    """Return the difference of two models on the same faces and its bootstrap interval.

    Faces are drawn with replacement, each with both models' answers (percentile interval, Efron
    1979). Only how often each triple (truth, first, second) is drawn matters, so a round is one
    multinomial draw of at most 343 counts.

    Args:
        labels: true classes ``(N,)``.
        first: the first model's classes ``(N,)``.
        second: the second model's.
        comparison: a name in COMPARISONS.
        level: confidence of the interval.
        rounds: how many times faces are drawn.
        seed: fixes the draws.

    Raises:
        ConfigError: unknown comparison.
        DataError: the three are not of one length, or empty.
    """
    if comparison not in COMPARISONS:
        raise ConfigError(f"comparison is {comparison!r}: expected one of {', '.join(COMPARISONS)}")
    _check_lengths(labels, first, second)
    triples = (labels * CLASSES + first) * CLASSES + second
    counts = np.bincount(triples, minlength=CLASSES**3)
    drawn = np.random.default_rng(seed).multinomial(len(labels), counts / counts.sum(), size=rounds)
    cells = np.concatenate([counts[None], drawn]).reshape(-1, CLASSES, CLASSES, CLASSES)
    values = COMPARISONS[comparison](cells.sum(3), cells.sum(2))
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
    return Difference(
        float(values[0]), float(low), float(high), len(labels), comparison, level, rounds, seed
    )


def _check_lengths(labels: Classes, first: Classes, second: Classes) -> None:
    lengths = len(labels), len(first), len(second)
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise DataError(
            f"{lengths[0]} labels, {lengths[1]} and {lengths[2]} predictions: a paired comparison "
            "needs the same faces for both models, at least one"
        )
