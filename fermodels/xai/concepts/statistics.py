"""The statistics of concept vectors: direction, effect, score, and tests that can fail.

After TCAV (Kim et al. 2018, ICML, arXiv 1711.11279), with three differences, each for a reason:

- **Direction.** The mean difference of activations with and without the concept, not a
  classifier's normal: the normal also turns away from whatever disturbs the classifier, the mean
  difference is the concept's own pattern (Haufe et al. 2014, NeuroImage 87; Pahde et al. 2025,
  ICLR, arXiv 2202.03482). It has a closed form when labels are swapped.
- **Statistic.** The mean directional derivative along the whole difference, in logits: by how much
  the class's logit moves, to first order, when the activations move by what the concept changes
  in them. The share of faces that rise (the TCAV score) is reported, but cannot be tested by
  swapping labels: it does not depend on the vector's length, swapped labels still make a vector,
  and one that nearly all faces of a class follow, or nearly none. A concept that acts alike on
  everyone even gives one and the same line under every swap: its p would be 1.
- **Test.** Two-sided permutation tests instead of a t test over refits, whose refits share their
  people, so that labels swapped by lot "differ" in a quarter of the cases. Swapping the labels
  within a person's pair turns the sign of that person's difference; a person has one pair, so
  people are exchanged independently. The measured faces are a sample, too: a second test turns the
  signs of their slopes. An effect must pass both (the larger p counts), then Holm's correction
  over all concepts and classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import wilson_interval
from fermodels.evaluation.paired_tests import holm

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Confidence of the intervals, and share of the swaps that `ConceptScores.by_chance` covers."""
CHUNK = 1000
"""Permutations drawn at a time: a bound on memory, not on the result."""


@dataclass(frozen=True, eq=False)
class ConceptScores:
    """The measurements of one concept."""

    concept: str
    """Name of the action unit."""
    separated: NDArray[np.bool_]
    """``(P,)``: whether the other half's direction separates a person's two faces."""
    faces: NDArray[np.int64]
    """``(7,)``: faces of each class."""
    score: Floats
    """``(7,)``: share of a class's faces whose logit rises (TCAV score); NaN without faces."""
    effect: Floats
    """``(7,)``: mean change of the class's logit for the mean with-without difference."""
    low: Floats
    """``(7,)``: lower end of the effect's 95% interval; people and faces drawn anew."""
    high: Floats
    """``(7,)``: its upper end."""
    by_chance: Floats
    """``(7,)``: size of effect that 95% of the label swaps stay below."""
    p_people: Floats
    """``(7,)``: of the test that swaps labels within people."""
    p_faces: Floats
    """``(7,)``: of the test that turns the signs of faces' slopes."""
    p_holm: Floats
    """``(7,)``: the larger of both, corrected over all concepts and classes by `judge`."""
    alpha: float
    """Family-wise error at which `significant` decides."""

    @property
    def accuracy(self) -> float:
        """Share of people whose faces are separated; near 0.5 the concept is not linear here."""
        return float(self.separated.mean())

    @property
    def p(self) -> Floats:
        """``(7,)``: uncorrected: the larger of both tests."""
        return np.maximum(self.p_people, self.p_faces)

    @property
    def significant(self) -> NDArray[np.bool_]:
        """``(7,)``: whether the effect differs from those of swapped labels."""
        return np.nan_to_num(self.p_holm, nan=1.0) < self.alpha

    def figures(self) -> dict[str, Any]:
        """Return everything as JSON types; None where a class has no face."""
        names = ("score", "effect", "low", "high", "by_chance", "p_people", "p_faces", "p_holm")
        classes = {
            emotion: {name: _number(getattr(self, name)[k]) for name in names}
            | {"faces": int(self.faces[k]), "significant": bool(self.significant[k])}
            for k, emotion in enumerate(EMOTIONS)
        }
        right, people = int(self.separated.sum()), len(self.separated)
        low, high = wilson_interval(right, people)
        return {
            "accuracy": right / people, "accuracy_low": low, "accuracy_high": high,
            "classes": classes,
        }  # fmt: skip


def _number(value: np.floating[Any]) -> float | None:
    return None if math.isnan(value) else float(value)


def separable_pairs(differences: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return whether each person's two faces are separated by other people's direction.

    Two folds, every other person: a person's difference, projected on the sum of the other
    fold's, must be above zero. Chance is one half.

    Args:
        differences: ``(P, D)``: activations with the concept minus without, per person.
    """
    separated = np.empty(len(differences), bool)
    for fold in (0, 1):
        separated[fold::2] = differences[fold::2] @ differences[1 - fold :: 2].sum(0) > 0
    return separated


def sign_flip_test(
    values: NDArray[np.floating], permutations: int, seed: Sequence[int]
) -> tuple[Floats, Floats]:
    """Test, two-sided, whether the sum of each column is larger than signs by lot make it.

    Exact for values as likely as their negatives: p = (1 + permutations at least as far from
    zero) / (1 + permutations) (Phipson and Smyth 2010).

    Args:
        values: ``(N, K)``: one row per unit that is exchanged as a whole.
        permutations: how many times signs are drawn, for all columns together.
        seed: equal seeds draw equal signs.

    Returns:
        p-values ``(K,)``, and the size of sum ``(K,)`` that LEVEL of the permutations stay below.
    """
    values, rng = np.asarray(values, np.float64), np.random.default_rng(seed)
    sizes = [rng.integers(0, 2, (n, len(values)), np.int8) for n in _chunks(permutations)]
    by_lot = np.abs(np.concatenate([(2.0 * drawn - 1) @ values for drawn in sizes]))
    # swaps of everyone at once equal the observed sum but for rounding
    reached = by_lot >= np.abs(values.sum(0)) * (1 - 1e-9)
    p: Floats = (1 + reached.sum(0)) / (1 + permutations)
    return p, np.quantile(by_lot, LEVEL, axis=0)


def _chunks(total: int) -> list[int]:
    return [min(CHUNK, total - start) for start in range(0, total, CHUNK)]


def two_way_interval(
    changes: NDArray[np.floating], resamples: int, seed: Sequence[int]
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a table's mean, rows and columns drawn anew.

    Every face meets every person, so neither alone is the sample: both are resampled, each as a
    whole (Owen 2007, Annals of Applied Statistics 1, 386), which is on the safe side.

    Args:
        changes: ``(n, P)``: faces by people.
        resamples: how many times both are drawn.
        seed: equal seeds draw equally.
    """
    rng = np.random.default_rng(seed)
    rows, columns = (rng.multinomial(n, np.full(n, 1 / n), resamples) / n for n in changes.shape)
    means = ((rows @ changes) * columns).sum(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def score_concept(
    concept: str,
    differences: NDArray[np.floating],
    gradients: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    permutations: int,
    resamples: int,
    seed: int,
    alpha: float,
) -> ConceptScores:
    """Score and test one concept for every class; `judge` corrects over all concepts.

    Args:
        concept: its name.
        differences: ``(P, D)``: activations with the concept minus without, one row per person.
        gradients: ``(M, D)``: gradient of each measured face's own class logit.
        labels: ``(M,)``: class indices.
        permutations: label swaps, and sign flips of faces.
        resamples: of the intervals.
        seed: draws all of them; the same for every concept.
        alpha: family-wise error.
    """
    changes = np.asarray(gradients @ differences.T, np.float64)  # (M, P), logits
    classes = range(len(EMOTIONS))
    of = [changes[labels == k] for k in classes]
    faces = np.array([len(part) for part in of])
    missing = np.where(faces > 0, 0.0, np.nan)
    slopes = changes.mean(1)
    by_face = np.where(labels[:, None] == np.array(classes), slopes[:, None], 0.0)
    by_person = np.stack([part.sum(0) / max(1, len(part)) for part in of], axis=1)
    p_people, by_chance = sign_flip_test(by_person, permutations, [seed, 2])
    p_faces, _ = sign_flip_test(by_face, permutations, [seed, 3])
    ends = [
        two_way_interval(part, resamples, [seed, 5]) if len(part) else (np.nan, np.nan)
        for part in of
    ]
    low, high = np.array(ends).T
    return ConceptScores(
        concept=concept,
        separated=separable_pairs(differences),
        faces=faces,
        score=((by_face > 0).sum(0) / np.maximum(1, faces)) + missing,
        effect=by_person.mean(0) + missing,
        low=low,
        high=high,
        by_chance=by_chance / len(differences) + missing,
        p_people=p_people + missing,
        p_faces=p_faces + missing,
        p_holm=np.maximum(p_people, p_faces) + missing,
        alpha=alpha,
    )


def judge(concepts: Sequence[ConceptScores]) -> tuple[ConceptScores, ...]:
    """Correct the p-values of all concepts and classes together (Holm 1979).

    Valid however the concepts depend on each other: they share their people.
    """
    p = np.array([scores.p for scores in concepts])
    known = np.isfinite(p)
    p[known] = holm(p[known].tolist())
    return tuple(replace(s, p_holm=row) for s, row in zip(concepts, p, strict=True))
