"""The parts of a face as FER-2013 frames it: a fixed template, and sums of a map over its parts.

FER-2013's faces were cut out by a face detector, so eyes, nose and mouth come to nearly the same
place in each; the template follows the average face. It does not look at the face at hand: one
that is turned, or cut otherwise, does not fit it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fermodels.errors import DataError
from fermodels.explain.occlusion import drops_of, spread
from fermodels.explain.question import Parts, Question
from fermodels.nets.networks import FACE_SIDE

REGIONS: tuple[str, ...] = (
    "forehead", "brows", "eyes", "nose", "cheeks", "mouth", "chin", "outside",
)  # fmt: skip
"""Parts of the template from top to bottom; each pixel belongs to exactly one."""

_CENTRE = (22.5, 23.5)
"""Row and column of the middle of the face's oval."""
_RADII = (25.5, 18.5)
"""Half its height and half its width, in pixels."""
_BOXES = {
    "eyes": (14, 21, 9, 22),
    "brows": (9, 14, 8, 22),
    "nose": (14, 32, 19, 24),
    "mouth": (33, 43, 14, 24),
}
"""Part -> first row, row after the last, first column, column after the last, of its left half.
Where boxes overlap, the earlier one wins."""
_FOREHEAD_ENDS, _CHEEKS_END = 14, 43
"""Rows at which what no box claims turns from forehead to cheeks, and from cheeks to chin."""


def feature_ablation(q: Question) -> Parts:
    """How much the score falls when a part of the face is replaced by the baseline.

    Brows, eyes, nose, mouth, cheeks, forehead, chin and what is outside the face, by a fixed
    template for upright faces. Each part's fall is spread evenly over its pixels, so that they
    sum to it. Parts are covered one at a time: two that say the same thing can each seem not to
    matter. In a hybrid the fall is shared out fairly (Shapley) between the branches.
    """
    masks = torch.from_numpy(np.stack(list(region_masks().values()))).to(q.faces.device)
    with torch.no_grad():
        return q.parts([spread(drop, masks) for drop in drops_of(q, masks)])


@lru_cache(maxsize=1)
def _template() -> NDArray[np.int64]:
    """Return the index in REGIONS of every pixel, ``(48, 48)``."""
    row, column = np.mgrid[:FACE_SIDE, :FACE_SIDE]
    left = np.minimum(column, FACE_SIDE - 1 - column)  # both halves are alike
    rest = np.select([row < _FOREHEAD_ENDS, row < _CHEEKS_END], ["forehead", "cheeks"], "chin")
    boxes = [
        (row >= top) & (row < bottom) & (left >= first) & (left < end)
        for top, bottom, first, end in _BOXES.values()
    ]
    oval = ((row - _CENTRE[0]) / _RADII[0]) ** 2 + ((column - _CENTRE[1]) / _RADII[1]) ** 2 <= 1
    names = np.where(oval, np.select(boxes, list(_BOXES), rest), "outside")
    return np.array([[REGIONS.index(name) for name in line] for line in names], np.int64)


def region_masks() -> dict[str, NDArray[np.bool_]]:
    """Return the template: region -> its pixels, bool ``(48, 48)``; they tile the picture."""
    return {name: _template() == index for index, name in enumerate(REGIONS)}


def region_sums(attribution: NDArray[np.floating] | Tensor) -> dict[str, NDArray[np.float32]]:
    """Return how much of a map lies in each part of the face.

    Args:
        attribution: ``(48, 48)``, or ``(N, 48, 48)`` with any leading axes; in any unit.

    Returns:
        Region -> sum over its pixels, float32, of the leading axes' shape (``()`` for one map),
        in the map's unit. The sums over all regions add up to the sum of the map.

    Raises:
        DataError: the last two axes are not 48x48.
    """
    values = np.asarray(attribution, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2:] != (FACE_SIDE, FACE_SIDE):
        raise DataError(f"attribution has shape {values.shape}: expected (48, 48) or (N, 48, 48)")
    return {
        name: np.asarray((values * mask).sum((-2, -1)), np.float32)
        for name, mask in region_masks().items()
    }


def region_shares(attribution: NDArray[np.floating] | Tensor) -> dict[str, NDArray[np.float32]]:
    """Return each part's share of a map's absolute evidence, 0..1; shapes as `region_sums`.

    Compare it with the part's share of the picture: ``region_masks()[name].mean()``. A blank map
    has no shares, and gives NaN.

    Raises:
        DataError: the last two axes are not 48x48.
    """
    sums = region_sums(np.abs(np.asarray(attribution)))
    total = np.sum(list(sums.values()), axis=0)
    with np.errstate(invalid="ignore"):
        return {name: np.asarray(value / total, np.float32) for name, value in sums.items()}
