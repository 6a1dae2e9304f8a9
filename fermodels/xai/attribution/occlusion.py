"""Attribution by covering parts of the face: squares, or the regions of a fixed face template."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.request import AttributionRequest, Parts, logits_of
from fermodels.xai.model_access import in_batches


def occlusion(q: AttributionRequest) -> Parts:
    """How much the score falls when a square of the face is replaced by the baseline.

    No gradients: the covered face goes through the model, so any branch is explained. A pixel's
    value is the average over the squares that cover it. Squares make the map blocky, and a
    covered face may look like none the model was trained on. In a hybrid the drop is shared
    out fairly (Shapley) between the branches, so their maps sum to the whole.
    """
    windows = windows_of(int(q.options["patch"]), int(q.options["stride"])).to(q.faces.device)
    with torch.no_grad():
        cover = windows.sum(0)
        area = windows.sum((1, 2))
        return q.parts([spread(drop * area, windows) / cover for drop in drops_of(q, windows)])


def drops_of(q: AttributionRequest, masks: Tensor) -> list[Tensor]:
    """Return how much the score falls when what a mask covers is replaced by the baseline.

    Args:
        q: the request, with paired baselines.
        masks: bool ``(W, 48, 48)``.

    Returns:
        ``(N, W)`` per branch. In a hybrid the drop is shared out (Shapley) between the two: each
        one's drop, averaged over which of them is covered first.
    """
    count = len(masks)
    drops: list[list[Tensor]] = [[] for _ in q.inputs]
    for rows in in_batches(torch.arange(len(q.faces) * count, device=q.faces.device)):
        face, mask = rows // count, rows % count
        covered = torch.where(masks[mask, None], q.baselines[face], q.faces[face])
        whole = q.scores[face]
        if len(q.inputs) == 2 and isinstance(q.net, FERNet):
            logits = crossed_logits(q.net, covered, q.faces, face)
            conv, hog, both = ((part * q.target_vector[face]).sum(1) for part in logits)
            drops[0].append(((whole - conv) + (hog - both)) / 2)
            drops[1].append(((whole - hog) + (conv - both)) / 2)
        else:
            drops[0].append(whole - q.score(covered, rows=face))
    return [torch.cat(values).view(-1, count) for values in drops]


def spread(values: Tensor, masks: Tensor) -> Tensor:
    """Spread values ``(N, W)`` evenly over their masks' pixels, which then sum to them.

    Args:
        values: one number per face and mask.
        masks: bool ``(W, 48, 48)``, none empty.

    Returns:
        ``(N, 1, 48, 48)``.
    """
    flat = masks.flatten(1).to(values)
    return ((values / flat.sum(1)) @ flat).view(-1, 1, FACE_SIDE, FACE_SIDE)


def windows_of(patch: int, stride: int) -> Tensor:
    """Return the squares as masks, bool ``(W, 48, 48)``; the last ones are cut at the border.

    Raises:
        ConfigError: the squares do not fit the face, or leave pixels between them uncovered.
    """
    if not 1 <= patch <= FACE_SIDE or not 1 <= stride <= patch:
        raise ConfigError(
            f"patch is {patch}, stride is {stride}: expected a patch of 1 to {FACE_SIDE} pixels "
            "and a stride of 1 to patch, so that no pixel stays uncovered"
        )
    at = torch.arange(FACE_SIDE)
    count = -(-(FACE_SIDE - patch) // stride) + 1
    starts = torch.arange(count) * stride
    spans = (at >= starts[:, None]) & (at < starts[:, None] + patch)  # (count, 48)
    return (spans[:, None, :, None] & spans[None, :, None, :]).flatten(0, 1)


def crossed_logits(net: FERNet, covered: Tensor, plain: Tensor, face: Tensor) -> list[Tensor]:
    """Return logits ``(M, 7)`` of ``f(covered, plain)``, ``f(plain, covered)`` and both covered.

    Each branch runs once on each different input; only the small fully connected part runs
    three times. `net` is a copy of a hybrid, since it is hooked: where the branches meet, rows are
    recombined. Row i of `covered` comes from ``plain[face[i]]``.
    """
    used, own = face.unique(return_inverse=True)

    def recombine(order: tuple[int, int, int]) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            either = output[: len(covered)], output[len(covered) :][own]
            return torch.cat([either[which] for which in order])

        return hook

    handles = [
        net.conv_norm.register_forward_hook(recombine((0, 1, 0))),
        net.hog_norm.register_forward_hook(recombine((1, 0, 0))),
    ]
    try:
        rows = torch.cat([covered, plain[used]])
        return list(logits_of(net, (rows, rows)).chunk(3))
    finally:
        for handle in handles:
            handle.remove()


# --- The parts of a face as FER-2013 frames it: a fixed template, and sums of a map over its parts
#
# FER-2013's faces were cut out by a face detector, so eyes, nose and mouth come to nearly the same
# place in each; the template follows the average face. It does not look at the face at hand: one
# that is turned, or cut otherwise, does not fit it.


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


def feature_ablation(q: AttributionRequest) -> Parts:
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
    left = np.minimum(column, FACE_SIDE - 1 - column)  # both halves are the same
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
