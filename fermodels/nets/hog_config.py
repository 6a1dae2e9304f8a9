"""What a histogram of oriented gradients counts, where, and how it is normalised."""

import math
from dataclasses import dataclass
from typing import Literal

from fermodels.errors import ConfigError

Binning = Literal["soft", "hard"]


@dataclass(frozen=True)
class HogConfig:
    """What to count, where, and how to normalise it. Hashable; checked on creation.

    Raises:
        ConfigError: if a field is outside its range, or cells and blocks do not fit the image.
    """

    orientations: int = 9
    """Bins over 180 degrees; opposite gradients share a bin."""

    cell: int = 8
    """Side of a cell in pixels; it must divide `image_size`."""

    block: int = 2
    """Side of a block in cells; blocks overlap, one cell apart."""

    binning: Binning = "soft"
    """"soft" interpolates votes; "hard" is scikit-image's nearest bin and cell."""

    image_size: int = 48
    """Side of the square images in pixels."""

    clip: float = 0.2
    """Ceiling of a normalised value before the block is normalised again (L2-Hys)."""

    epsilon: float = 1e-5
    """Hard bins: what scikit-image adds (squared) under both roots of L2-Hys."""

    contrast_floor: float = 5e-3
    """Soft bins: block contrast, as the L2 norm of its histograms of pixels in [0, 1], at which
    features reach 0.71 of their full length. Flat patches fade to 0 instead of amplifying noise."""

    magnitude_softening: float = 1e-3
    """Soft bins: s in the magnitude sqrt(g^2 + s^2) - s, a quarter of a grey level; it makes votes
    differentiable where the gradient g vanishes."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot describe an image."""
        for name, least in (("orientations", 2), ("cell", 2), ("block", 1), ("image_size", 3)):
            _require_count(name, getattr(self, name), least)
        for name in ("clip", "epsilon", "contrast_floor", "magnitude_softening"):
            _require_positive(name, getattr(self, name))
        if self.binning not in ("soft", "hard"):
            raise ConfigError(f"binning is {self.binning!r}; choose 'soft' or 'hard'.")
        if self.image_size % self.cell:
            raise ConfigError(
                f"cell is {self.cell}, which does not divide image_size {self.image_size}; "
                "choose a divisor."
            )
        if self.block > self.cells:
            raise ConfigError(
                f"block is {self.block} cells but an image has only {self.cells}; "
                "choose a smaller block or cell."
            )

    @property
    def cells(self) -> int:
        """Cells along each side of the image."""
        return self.image_size // self.cell

    @property
    def blocks(self) -> int:
        """Blocks along each side of the image."""
        return self.cells - self.block + 1

    @property
    def num_features(self) -> int:
        """Length of one image's feature vector; 900 by default."""
        return self.blocks**2 * self.block**2 * self.orientations


def _require_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}; choose a whole number of at least {least}.")


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value!r}; choose a positive number.")
