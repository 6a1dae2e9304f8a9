"""Toy networks' names, a photo with a face and one without, for the tests of the Classify tab."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from fermodels.data.samples import sample_photos

NAMES = ("shallow", "deep")
HEAT = 2.0
"""The temperature of the toy `shallow`; the toy `deep` is uncalibrated."""


def jpeg(pixels: np.ndarray) -> bytes:
    """Encode a picture."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=92)
    return buffer.getvalue()


ASTRONAUT = jpeg(sample_photos()["astronaut"])
NOBODY = jpeg(np.full((300, 400, 3), 120, dtype=np.uint8))
