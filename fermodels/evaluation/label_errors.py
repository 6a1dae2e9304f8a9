"""Which labels are doubtful: confident learning, and what FER+'s ten raters say.

C. Northcutt, L. Jiang, I. Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels,
JAIR 70, 2021; through `cleanlab`, its authors' library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.ferplus import VOTE_LABELS
from fermodels.errors import DataError

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Doubt:
    """How far each label is believed."""

    score: NDArray[np.float64]
    """Label quality ``(N,)``, 0 to 1: the probability of the given label; low is doubtful."""
    suggested: NDArray[np.int64]
    """The most probable class, ``(N,)``."""
    doubted: NDArray[np.bool_]
    """Whether the confident joint counts the face under another class than its label, ``(N,)``."""


def doubt(labels: Labels, probabilities: NDArray[np.floating[Any]]) -> Doubt:
    """Find labels that are likely wrong, from probabilities of a model that never saw them.

    A face counts as class j where p_j reaches the mean p_j of the faces labelled j (Northcutt et
    al., eq. 1 and 2); it is doubted where that class, or the most probable of several, is not
    its label.

    Args:
        labels: given classes ``(N,)``; each of the seven must occur.
        probabilities: out of sample, ``(N, 7)``, rows summing to 1.

    Raises:
        DataError: a class has no face, so that its threshold does not exist.
    """
    missing = [name for k, name in enumerate(EMOTIONS) if not (labels == k).any()]
    if missing:
        raise DataError(f"no face is labelled {', '.join(missing)}: doubt needs all seven classes")
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]
    from cleanlab.rank import get_label_quality_scores  # type: ignore[import-untyped]

    p = np.asarray(probabilities, float)
    doubted = find_label_issues(labels, p, filter_by="confident_learning", n_jobs=1)
    score = get_label_quality_scores(labels, p, method="self_confidence")
    return Doubt(np.asarray(score, float), p.argmax(1).astype(np.int64), np.asarray(doubted, bool))


def top_votes(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the class with most FER+ votes ``(N,)``; -1 for a tie or what is no expression.

    Args:
        votes: see `fermodels.data.readers.ferplus.VOTE_COLUMNS`, uint8 ``(N, 10)``.
    """
    most = votes.max(1)
    alone = (votes == most[:, None]).sum(1) == 1
    return np.where(alone, np.array(VOTE_LABELS)[votes.argmax(1)], -1)


def majority_votes(votes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the class that more than half of a face's FER+ votes name ``(N,)``; -1 for none."""
    more_than_half = 2 * votes.max(1).astype(int) > votes.sum(1, dtype=int)
    return np.where(more_than_half, top_votes(votes), -1)
