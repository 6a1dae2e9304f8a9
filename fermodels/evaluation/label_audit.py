"""The same face twice: exact copies by pixel bytes, near copies by correlation.

Near copies are found without comparing all pixels of all pairs. Faces are standardised and turned
into cosine waves, an orthonormal change of basis in which most of a face is in the long waves. By
Cauchy and Schwarz the correlation of two faces is at most the product over the long waves plus
the product of what is left of each; pairs below the threshold there need no further look. So the
answer is that of comparing all, at a tenth of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.ferplus import VOTE_LABELS
from fermodels.errors import ConfigError, DataError

THRESHOLD = 0.97
"""Pearson correlation of pixels above which two faces count as near copies."""

LONG_WAVES = 12
"""Waves per side that the first look compares."""

BLOCK = 2048
"""Faces compared at a time with all others, which bounds memory."""

Faces = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DuplicatePairs:
    """Pairs of faces that are nearly the same picture."""

    first: NDArray[np.intp]
    """Row of one face, ``(P,)``."""
    second: NDArray[np.intp]
    """Row of the other, larger than `first`."""
    correlation: NDArray[np.float32]
    """Pearson correlation of their pixels, ``(P,)``."""
    flipped: NDArray[np.bool_]
    """Whether one face matches the other's horizontal flip, ``(P,)``."""

    def __len__(self) -> int:
        return len(self.first)


def exact_groups(images: Faces) -> NDArray[np.intp]:
    """Return for each face the first row that holds the same bytes, ``(N,)``; its own if new.

    Args:
        images: uint8 ``(N, 48, 48)``.
    """
    first_row: dict[bytes, int] = {}
    rows = [first_row.setdefault(image.tobytes(), row) for row, image in enumerate(images)]
    return np.array(rows, np.intp)


def near_pairs(
    images: Faces, threshold: float = THRESHOLD, *, flips: bool = False
) -> DuplicatePairs:
    """Return all pairs of faces whose pixels correlate above a threshold.

    Faces of one grey level have no correlation with anything and are in no pair.

    Args:
        images: uint8 ``(N, 48, 48)``.
        threshold: correlation that a pair must exceed, 0 to 1.
        flips: also compare each face with the others' horizontal flips; a pair that matches both
            is reported once, with the higher correlation.

    Raises:
        ConfigError: the threshold is outside 0 to 1.
        DataError: the images are not uint8 faces.
    """
    if not 0 < threshold < 1:
        raise ConfigError(f"threshold is {threshold}: expected a correlation between 0 and 1")
    if images.dtype != np.uint8 or images.ndim != 3:
        raise DataError(f"images are {images.dtype} {images.shape}: expected uint8 (N, 48, 48)")
    faces = _standardised(images)
    pairs = [_pairs(faces, faces, threshold)]
    if flips:
        flipped = np.ascontiguousarray(faces[:, :, ::-1])
        pairs.append(_pairs(faces, flipped, threshold))
    return _joined(pairs)


def _standardised(images: Faces) -> NDArray[np.float32]:
    """Return faces of mean 0 and length 1, so that a dot product is a correlation."""
    faces = images.astype(np.float32)
    faces -= faces.mean((1, 2), keepdims=True)
    length = np.sqrt((faces**2).sum((1, 2), keepdims=True))
    np.divide(faces, length, out=faces, where=length > 0)
    return faces


def _pairs(
    one: NDArray[np.float32], other: NDArray[np.float32], threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return rows i < j with the correlation of ``one[i]`` and ``other[j]`` above the threshold."""
    rows, columns, values = [], [], []
    for i, j in _candidates(_screens(one), _screens(other), threshold):
        r = np.einsum("nij,nij->n", one[i], other[j], dtype=np.float32)
        keep = r > threshold
        rows.append(i[keep])
        columns.append(j[keep])
        values.append(r[keep])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _screens(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each face's long waves and the length of the rest: their dot product is a bound."""
    from scipy.fft import dctn

    long = np.empty((len(faces), LONG_WAVES**2 + 1), np.float32)
    for start in range(0, len(faces), BLOCK):
        rows = slice(start, start + BLOCK)
        waves = dctn(faces[rows], axes=(1, 2), norm="ortho")
        waves = waves[:, :LONG_WAVES, :LONG_WAVES].reshape(len(waves), -1)
        total = (faces[rows] ** 2).sum((1, 2))
        long[rows, :-1] = waves
        long[rows, -1] = np.sqrt(np.maximum(total - (waves**2).sum(1), 0))
    return long


def _candidates(
    one: NDArray[np.float32], other: NDArray[np.float32], threshold: float
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield, block by block, rows i < j whose bound reaches the threshold."""
    reach = threshold - 1e-4  # a margin for float32 rounding; the second look is exact
    for start in range(0, len(one), BLOCK):
        bound = one[start : start + BLOCK] @ other[start:].T
        i, j = np.nonzero(bound > reach)
        later = j > i
        yield i[later] + start, j[later] + start


def _joined(
    pairs: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]],
) -> DuplicatePairs:
    """Put plain and flipped pairs together, each pair once, in row order."""
    first, second, r = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    flipped = np.repeat(np.arange(len(pairs)) == 1, [len(part[0]) for part in pairs])
    order = np.lexsort((-r, second, first))
    first, second, r, flipped = first[order], second[order], r[order], flipped[order]
    new = np.ones(len(first), bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return DuplicatePairs(first[new], second[new], r[new], flipped[new])


def groups(n: int, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each of n faces the smallest row it is linked to by pairs, ``(n,)``.

    Links add up: a copy of a copy belongs to the same group, however unlike its ends are.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    _, component = connected_components(links, directed=False)
    smallest = np.full(n, n, np.intp)
    np.minimum.at(smallest, component, np.arange(n))
    return np.asarray(smallest[component], np.intp)


# --- Likely label errors: confident learning, and FER+'s votes
#
# C. Northcutt, L. Jiang, I. Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels,
# JAIR 70, 2021; through `cleanlab`, its authors' library.


Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class LabelQuality:
    """How far each label is believed."""

    score: NDArray[np.float64]
    """Label quality ``(N,)``, 0 to 1: the probability of the given label."""
    suggested: NDArray[np.int64]
    """The most probable class, ``(N,)``."""
    likely_error: NDArray[np.bool_]
    """Whether the confident joint counts the face under another class than its label, ``(N,)``."""


def find_label_errors(labels: Labels, probabilities: NDArray[np.floating[Any]]) -> LabelQuality:
    """Find labels that are likely wrong, from probabilities of a model that never saw them.

    A face counts as class j where p_j reaches the mean p_j of the faces labelled j (Northcutt et
    al., eq. 1 and 2); its label is a likely error where that class, or the most probable of
    several, is another.

    Args:
        labels: given classes ``(N,)``; each of the seven must occur.
        probabilities: out of sample, ``(N, 7)``, rows summing to 1.

    Raises:
        DataError: a class has no face, so that its threshold does not exist.
    """
    missing = [name for k, name in enumerate(EMOTIONS) if not (labels == k).any()]
    if missing:
        raise DataError(
            f"no face is labelled {', '.join(missing)}: the search needs all seven classes"
        )
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]
    from cleanlab.rank import get_label_quality_scores  # type: ignore[import-untyped]

    p = np.asarray(probabilities, float)
    likely_error = find_label_issues(labels, p, filter_by="confident_learning", n_jobs=1)
    score = get_label_quality_scores(labels, p, method="self_confidence")
    return LabelQuality(
        np.asarray(score, float), p.argmax(1).astype(np.int64), np.asarray(likely_error, bool)
    )


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
