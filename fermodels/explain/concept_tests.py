"""The statistics of concept vectors: the classifier, the sign score, the tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind_from_stats

from fermodels.data.emotions import EMOTIONS
from fermodels.nets.paired import holm

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConceptScores:
    """What was found out about one concept."""

    concept: str
    """Name of the action unit."""
    accuracies: Floats
    """``(R,)``: share of held-out faces that each vector's classifier gets right; chance 0.5."""
    scores: Floats
    """``(R, 7)``: sign score per vector and class, 0 to 1; NaN for a class without faces."""
    random: Floats
    """``(R, 7)``: the same for concepts that are none."""
    p: Floats
    """``(7,)``: of Welch's test that both have the same mean, corrected by Holm; NaN likewise."""
    alpha: float
    """Family-wise error at which `significant` decides."""

    @property
    def accuracy(self) -> float:
        """Mean held-out accuracy; near 0.5 the layer does not hold the concept linearly."""
        return float(self.accuracies.mean())

    @property
    def mean(self) -> Floats:
        """``(7,)``: mean sign score per class."""
        mean: Floats = self.scores.mean(0)
        return mean

    @property
    def significant(self) -> NDArray[np.bool_]:
        """``(7,)``: whether the score differs from a random concept's."""
        return np.nan_to_num(self.p, nan=1.0) < self.alpha

    def figures(self) -> dict[str, Any]:
        """Return everything as JSON types; None where a class has no face."""
        classes = {
            name: {
                "score": _number(self.mean[k]),
                "spread": _number(self.scores[:, k].std(ddof=1)),
                "random": _number(self.random[:, k].mean()),
                "random_spread": _number(self.random[:, k].std(ddof=1)),
                "p_holm": _number(self.p[k]),
                "significant": bool(self.significant[k]),
            }
            for k, name in enumerate(EMOTIONS)
        }
        spread = float(self.accuracies.std(ddof=1))
        return {"accuracy": self.accuracy, "accuracy_spread": spread, "classes": classes}


def _number(value: np.floating[Any]) -> float | None:
    return None if math.isnan(value) else float(value)


def ridge_direction(
    gram: NDArray[np.floating],
    positive: NDArray[np.integer],
    negative: NDArray[np.integer],
    ridge: float,
) -> tuple[Floats, float]:
    """Fit a linear classifier by ridge regression of +1 and -1, in dual form.

    Args:
        gram: ``(N, N)``: products of all rows of activations with each other.
        positive: rows with the concept.
        negative: as many rows without.
        ridge: penalty as a share of the mean squared length of the centred rows.

    Returns:
        Weights ``(N,)`` such that the direction is ``weights @ activations``, and the border:
        the mean of the projections of the rows learned from.
    """
    rows = np.concatenate([positive, negative])
    signs = np.concatenate([np.ones(len(positive)), -np.ones(len(negative))])
    k = gram[np.ix_(rows, rows)].astype(np.float64)
    k += k.mean() - k.mean(0) - k.mean(1)[:, None]  # rows centred
    penalty = ridge * max(float(np.trace(k)) / len(rows), np.finfo(float).tiny)
    dual = np.linalg.solve(k + penalty * np.eye(len(rows)), signs - signs.mean())
    weights = np.zeros(len(gram))
    weights[rows] = dual - dual.mean()
    return weights, float((gram[rows] @ weights).mean())


def sign_scores(slopes: NDArray[np.floating], labels: NDArray[np.integer]) -> Floats:
    """Return per class the share of its faces whose logit rises along the direction.

    Kim et al. 2018, equation 2. A slope of exactly 0 counts as not rising.

    Args:
        slopes: ``(M,)``: directional derivative of each face's own class logit.
        labels: ``(M,)``: class indices.

    Returns:
        ``(7,)`` in 0..1; NaN for a class without faces.
    """
    rising = slopes > 0
    return np.array(
        [rising[labels == k].mean() if (labels == k).any() else np.nan for k in range(7)]
    )


def welch(first: Floats, second: Floats) -> Floats:
    """Return two-sided p-values ``(7,)`` of Welch's t test per column; NaN where a column is NaN.

    Columns that do not vary at all have no t: equal means give 1, different ones 0.
    """
    means, spreads = zip(*((s.mean(0), s.std(0, ddof=1)) for s in (first, second)), strict=True)
    found = np.where(means[0] == means[1], 1.0, 0.0)
    varies = (spreads[0] > 0) | (spreads[1] > 0)
    sides = [
        (m[varies], s[varies], n)
        for m, s, n in zip(means, spreads, map(len, (first, second)), strict=True)
    ]
    found[varies] = ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue
    found[np.isnan(means[0])] = np.nan
    return found


def judge(
    found: Sequence[tuple[str, Floats, Floats]], random: Floats, alpha: float
) -> tuple[ConceptScores, ...]:
    """Test all concepts and classes together.

    Args:
        found: concept, accuracies ``(R,)`` and scores ``(R, 7)`` each.
        random: scores ``(R, 7)`` of random concepts.
        alpha: family-wise error.
    """
    p = np.array([welch(scores, random) for _, _, scores in found])
    known = np.isfinite(p)
    p[known] = holm(p[known].tolist())
    return tuple(
        ConceptScores(concept, accuracies, scores, random, p[row], alpha)
        for row, (concept, accuracies, scores) in enumerate(found)
    )
