"""Test-time augmentation (TTA): probabilities averaged over flips or crops of one face.

Accuracy rises a little; the time grows with the number of views.

One view is what every figure here is of unless it says otherwise; published FER-2013 figures
often average over ten.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet, to_pixels

CROP = 44
"""Side of the ten-crop's squares, in pixels."""


def horizontal_flip(faces: Tensor) -> Tensor:
    """Return each face and its horizontal flip: ``(N, 1, 48, 48)`` to ``(2, N, 1, 48, 48)``."""
    return torch.stack([faces, faces.flip(3)])


def ten_crop(faces: Tensor) -> Tensor:
    """Return the ten-crop of each face: squares at four corners and the centre, and their flips.

    Krizhevsky et al. 2012, section 4.1; squares of 44 pixels, as is usual for FER-2013.
    ``(N, 1, 48, 48)`` to ``(10, N, 1, 48, 48)``.
    """
    far, middle = FACE_SIDE - CROP, (FACE_SIDE - CROP) // 2
    corners = [(row, column) for row in (0, far) for column in (0, far)]
    squares = [
        faces[:, :, row : row + CROP, column : column + CROP]
        for row, column in [*corners, (middle, middle)]
    ]
    size = (FACE_SIDE, FACE_SIDE)
    whole = [F.interpolate(square, size, mode="bilinear") for square in squares]
    return horizontal_flip(torch.cat(whole)).reshape(10, *faces.shape)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "one": lambda faces: faces.unsqueeze(0),
    "mirrored": horizontal_flip,
    "ten": ten_crop,
}
"""Name (a key of stored metrics) -> views of each face,
``(N, 1, 48, 48)`` to ``(V, N, 1, 48, 48)``."""


@torch.no_grad()
def predict_views(
    net: FERNet, faces: NDArray[np.uint8], views: str, batch_size: int = 64
) -> NDArray[np.float32]:
    """Return probabilities ``(N, 7)``, averaged over the views of each face; rows sum to 1.

    Args:
        net: in eval mode.
        faces: uint8 ``(N, 48, 48)``, or one face ``(48, 48)``.
        views: a name in VIEWS.
        batch_size: faces at a time, each with all its views.

    Raises:
        ConfigError: unknown views, or a network in training mode.
        DataError: wrong shape or dtype.
    """
    if views not in VIEWS:
        raise ConfigError(f"views is {views!r}: expected one of {', '.join(VIEWS)}")
    if net.training:
        raise ConfigError("the model is in training mode: call model.eval() before predict_views")
    averages = []
    for batch in to_pixels(faces).split(batch_size):
        cut = VIEWS[views](batch.to(net.mean_face.device).float() / 255)
        probabilities = [net(view).float().softmax(1) for view in cut]
        averages.append(torch.stack(probabilities).mean(0))
    return torch.cat(averages).cpu().numpy()
