"""A small HOG and pieces of a photograph, for the tests of HOG."""

from __future__ import annotations

import numpy as np
import skimage.data
from numpy.typing import NDArray

from fermodels.nets.hog import HogConfig

SMALL = HogConfig(cell=4, image_size=16)


def photo_patches(count: int = 32) -> NDArray[np.uint8]:
    """Square 48x48 pieces of the photograph that scikit-image bundles, for any machine."""
    photo = skimage.data.camera()
    corners = np.random.default_rng(0).integers(0, 512 - 48, size=(count, 2))
    return np.stack([photo[y : y + 48, x : x + 48] for y, x in corners])
