"""A face cut into patches that are switched on and off together."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fermodels.nets.networks import FACE_SIDE

COMPACTNESS = 0.1
"""How square SLIC's patches are, against how closely they follow grey levels in [0, 1]."""


def patches_of(face: Tensor, wanted: int, follow: bool) -> Tensor:
    """Cut a face into about `wanted` patches.

    Args:
        face: ``(1, 48, 48)`` in [0, 1].
        wanted: number of patches; as near to it as a square grid, or SLIC, comes.
        follow: cut along the face's edges (SLIC: Achanta et al. 2012,
            doi 10.1109/TPAMI.2012.120); else into equal squares.

    Returns:
        Masks, bool ``(M, 48, 48)`` on the face's device; each pixel is in exactly one.
    """
    labels = _slic(face[0].cpu().numpy(), wanted) if follow else _squares(wanted)
    numbers = torch.from_numpy(np.unique(labels, return_inverse=True)[1].astype(np.int64))
    masks = torch.nn.functional.one_hot(numbers.view(FACE_SIDE, FACE_SIDE)).permute(2, 0, 1)
    return masks.bool().to(face.device)


def _slic(face: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
    from skimage.segmentation import slic

    labels: NDArray[np.int64] = slic(
        face.astype(np.float64),
        n_segments=wanted,
        compactness=COMPACTNESS,
        sigma=0.5,
        channel_axis=None,
        start_label=0,
    )
    return labels


def _squares(wanted: int) -> NDArray[np.int64]:
    side = max(1, round(math.sqrt(wanted)))
    strip = np.arange(FACE_SIDE) * side // FACE_SIDE
    return strip[:, None] * side + strip
