"""Histograms of oriented gradients as a batched, differentiable torch module.

Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.

`binning="hard"` is `skimage.feature.hog`, number for number. Its votes jump when a gradient
crosses a bin or cell edge, so attributions along a path do not add up. `binning="soft"` lets each
gradient vote for its neighbouring bins and cells in proportion to nearness, as the paper describes
in section 6.3: features are then continuous in the pixels, with kinks where a gradient passes the
middle of a bin or a value reaches the clip. Networks use the soft form.

A pixel has few non-zero votes, so they are scattered straight into (cell row, column, orientation)
ballots; one small matmul then pools the columns. No dense (N, orientations, H, W) tensor exists.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError, DataError

# --- What a histogram of oriented gradients counts, where, and how it is normalised


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

    image_size: int = FACE_SIDE
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


_SPARE_BINS = 4
"""Unwrapped slots beyond `orientations`: angles end half a bin, and rounding, past each side."""

_TINY_ENERGY = 1e-24
"""Squared gradient under which an angle has no meaning; its square still exists in float32."""

_NO_SOFTENING = 1e-15
"""Softening where a slope is needed and none was asked: far below a rounding of one grey level."""

_FACES_AT_ONCE = 128
"""Faces of 48x48 whose intermediate arrays still fit a processor's cache."""


class HOG(nn.Module):
    """Batched HOG features, differentiable with respect to the pixels; no parameters, no state.

    Computes in float64 for float64 images and in float32 otherwise, under autocast too.
    """

    middle_slots: Tensor
    next_row_share: Tensor
    columns: Tensor
    rows: Tensor
    fold: Tensor

    def __init__(self, config: HogConfig | None = None) -> None:
        """Prepare the geometry of `config` (soft 48x48 HOG by default)."""
        super().__init__()
        self.config = config or HogConfig()
        # Integers, so that casting the network to half precision leaves them exact.
        for name, value in _geometry(self.config).items():
            self.register_buffer(name, value, persistent=False)
        self.last_ballot = int(self.middle_slots.max()) + _reach(self.config) - 2

    @property
    def num_features(self) -> int:
        """Length of one image's feature vector."""
        return self.config.num_features

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of `images`.

        Args:
            images: float (N, 1, H, W) or (N, H, W) in [0, 1], H = W = `config.image_size`.

        Returns:
            float (N, num_features) in [0, 1], ordered (block row, block column, cell row in block,
            cell column in block, orientation) as scikit-image orders them.

        Raises:
            DataError: if the images have another shape or are not floating point.
        """
        _require_images(images, self.config)
        dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
        with torch.autocast(device_type=images.device.type, enabled=False):
            faces = images.reshape(-1, *images.shape[-2:]).to(dtype)
            return torch.cat([self._features(part) for part in faces.split(_FACES_AT_ONCE)])

    def extra_repr(self) -> str:
        """Show the configuration in `print(model)`."""
        return str(self.config)

    def _features(self, faces: Tensor) -> Tensor:
        return _normalised_blocks(self._cell_histograms(faces), self.config)

    def _cell_histograms(self, faces: Tensor) -> Tensor:
        """(N, H, W) -> mean magnitude per cell and bin, (N, cells, cells, orientations)."""
        config = self.config
        soft = config.binning == "soft"
        magnitude, angle = _gradients(faces, config.magnitude_softening if soft else 0.0)
        position = angle.mul_(config.orientations / (2 * math.pi))
        fold = self.fold.to(faces.dtype) / config.cell**2
        if not soft:
            return self._hard_votes(magnitude, position) @ fold
        columns = self.columns.to(faces.dtype) / (2 * config.cell)
        by_row = (columns @ self._soft_votes(magnitude, position)) @ fold
        return torch.einsum("rs,nsco->nrco", self.rows.to(faces.dtype), by_row)

    def _hard_votes(self, magnitude: Tensor, position: Tensor) -> Tensor:
        """Each pixel votes once, for its bin in its cell: (N, cells, cells, slots)."""
        votes = _no_votes(magnitude, self.config.cells, self.config.cells, self.config)
        index = self._vote_index(position.detach().floor())
        votes.flatten(1).scatter_add_(1, index, magnitude.flatten(1))
        return votes

    def _soft_votes(self, magnitude: Tensor, position: Tensor) -> Tensor:
        """Each pixel votes four times, in two bins of two cell rows: (N, cells + 2, W, slots)."""
        config = self.config
        position = position - 0.5  # bin centres on the integers
        bin_below = position.detach().floor()
        index = self._vote_index(bin_below)
        upper_vote = magnitude * (position - bin_below)
        lower_vote = magnitude - upper_vote
        share = self.next_row_share.to(magnitude.dtype) / (2 * config.cell)
        next_lower, next_upper = lower_vote * share, upper_vote * share
        votes = _no_votes(magnitude, config.cells + 2, config.image_size, config)
        ballots, next_row = votes.flatten(1), votes.shape[2] * votes.shape[3]
        # The next bin is one slot on and the next row one row on, so one index serves all four.
        ballots.scatter_add_(1, index, (lower_vote - next_lower).flatten(1))
        ballots[:, 1:].scatter_add_(1, index, (upper_vote - next_upper).flatten(1))
        ballots[:, next_row:].scatter_add_(1, index, next_lower.flatten(1))
        ballots[:, next_row + 1 :].scatter_add_(1, index, next_upper.flatten(1))
        return votes

    def _vote_index(self, unwrapped_bin: Tensor) -> Tensor:
        """Whole bin numbers (N, H, W) -> which ballot each pixel fills in, (N, H * W)."""
        slots = unwrapped_bin.flatten(1) + self.middle_slots.to(unwrapped_bin.dtype)
        # A NaN pixel has no bin: keep its index legal, its NaN magnitude shows in the features.
        return slots.long().clamp_(0, self.last_ballot)


def hog(images: Tensor | NDArray[np.generic], config: HogConfig | None = None) -> Tensor:
    """Return the HOG features of faces held in a tensor or an array.

    Args:
        images: (N, H, W) or (N, 1, H, W); float in [0, 1], or uint8 grey levels.
        config: what to compute; soft 48x48 HOG by default, 900 features.

    Returns:
        float (N, num_features) on the device of `images`, differentiable for float tensors.
        Feature order and meaning: see `HOG.forward`.

    Raises:
        DataError: if the images have another shape or type, or values far outside [0, 1].
    """
    faces = torch.as_tensor(images)
    if faces.dtype == torch.uint8:
        faces = faces.float() / 255
    module = _shared_module(config or HogConfig(), faces.device)
    if faces.is_floating_point() and faces.numel() and faces.detach().amax() > 2:
        raise DataError(
            f"Pixels reach {float(faces.detach().amax()):.4g}; hog wants floats in [0, 1]. "
            "Divide grey levels by 255 or pass them as uint8."
        )
    return cast(Tensor, module(faces))


def hog_cells(features: Tensor, config: HogConfig | None = None) -> Tensor:
    """Fold features back to the cells they describe, for drawing orientation glyphs.

    Each cell's normalised histogram is averaged over the blocks that the cell belongs to. Works on
    anything with one value per feature, such as an attribution.

    Args:
        features: float (N, num_features), from `HOG` or `hog` with the same `config`.

    Returns:
        float (N, cells, cells, orientations): cell rows, cell columns, orientation bins; bin o is
        centred at (o + 0.5) * 180 / orientations degrees of gradient direction, from the column
        axis towards growing rows. Edges run at right angles to it.

    Raises:
        DataError: if `features` are not (N, num_features).
    """
    config = config or HogConfig()
    if features.ndim != 2 or features.shape[1] != config.num_features:
        raise DataError(
            f"features have shape {tuple(features.shape)}; expected (N, {config.num_features}) "
            "for this HogConfig. Pass the config that made them."
        )
    blocks, block = config.blocks, config.block
    grid = features.reshape(-1, blocks, blocks, block, block, config.orientations)
    columns = grid.permute(0, 5, 3, 4, 1, 2).reshape(grid.shape[0], -1, blocks**2)
    size = (config.cells, config.cells)
    memberships = F.fold(columns.new_ones(1, block**2, blocks**2), size, block)
    return (F.fold(columns, size, block) / memberships).permute(0, 2, 3, 1)


def _gradients(faces: Tensor, softening: float) -> tuple[Tensor, Tensor]:
    """Central differences, zero at the borders as in scikit-image; all (N, H, W).

    Returns the softened magnitude and twice the gradient's angle, in [-pi, pi]: doubling maps
    opposite gradients to one unsigned orientation without a modulo.
    """
    # Reflected, a border pixel's two neighbours are one and the same: its difference is 0.
    rows = torch.cat([faces[:, 1:2], faces, faces[:, -2:-1]], 1)
    columns = torch.cat([faces[:, :, 1:2], faces, faces[:, :, -2:-1]], 2)
    vertical, horizontal = rows[:, 2:] - rows[:, :-2], columns[:, :, 2:] - columns[:, :, :-2]
    vertical_squared, horizontal_squared = vertical * vertical, horizontal * horizontal
    energy, cosine = horizontal_squared + vertical_squared, horizontal_squared - vertical_squared
    if softening == 0 and not energy.requires_grad:
        magnitude = energy.sqrt()
    else:  # sqrt(energy + s^2) - s, written without its cancellation; its slope exists at 0
        softening = max(softening, _NO_SOFTENING)
        magnitude = energy / ((energy + softening**2).sqrt_() + softening)
    if cosine.requires_grad:
        # The angle's derivative is 0/0 where the gradient vanishes; its vote there weighs nothing,
        # so any constant angle will do. The forward pass needs no such care.
        cosine = cosine.masked_fill(energy < _TINY_ENERGY, 1.0)
    return magnitude, torch.atan2((horizontal * vertical).mul_(2), cosine)


def _normalised_blocks(cells: Tensor, config: HogConfig) -> Tensor:
    """L2-Hys over overlapping blocks: (N, cells, cells, orientations) -> (N, num_features).

    Soft bins treat the contrast floor as one more component of each block, carried through both
    normalisations. With scikit-image's constants alone the second root undoes what the first one
    spared, and a patch with one grey level of noise becomes a unit vector.
    """
    windows = cells.unfold(1, config.block, 1).unfold(2, config.block, 1)
    blocks = windows.permute(0, 1, 2, 4, 5, 3).flatten(3)
    floor = (config.contrast_floor if config.binning == "soft" else config.epsilon) ** 2
    length = (blocks * blocks).sum(-1, keepdim=True) + floor
    clipped = (blocks * length.rsqrt()).clamp(max=config.clip)
    rest = floor / length if config.binning == "soft" else floor
    return (clipped * ((clipped * clipped).sum(-1, keepdim=True) + rest).rsqrt()).flatten(1)


def _reach(config: HogConfig) -> int:
    """Slots before bin 0."""
    return config.orientations // 2 + 2


def _no_votes(like: Tensor, rows: int, columns: int, config: HogConfig) -> Tensor:
    """Empty ballots, (N, rows, columns, slots)."""
    return like.new_zeros(like.shape[0], rows, columns, config.orientations + _SPARE_BINS)


def _geometry(config: HogConfig) -> dict[str, Tensor]:
    """Which cells and slots every pixel may vote for, as integers.

    `middle_slots` (H * W,): ballot index of the pixel's bin 0, in the first row of cells near it;
    `next_row_share` (H, 1): share of the row after it, in units of 1 / (2 cell);
    `columns` (cells, W): share of every column of cells, same units;
    `rows` (cells, cells + 2): the row each ballot row counts for, margins for the border cells, so
    that a vote that would fall outside the grid stays in it;
    `fold` (slots, orientations): which bin each unwrapped slot counts for.
    """
    size, cell, cells, bins = config.image_size, config.cell, config.cells, config.orientations
    slots = torch.arange(bins + _SPARE_BINS)
    pixel = torch.arange(size)
    # Pixel centre (2 p + 1) / 2 against cell centres (2 c + 1) cell / 2, in units of 1 / (2 cell).
    phase = 2 * pixel + 1 - cell
    share = phase % (2 * cell)
    first = torch.div(phase, 2 * cell, rounding_mode="floor")
    near = F.one_hot(torch.stack([first, first + 1]).clamp(0, cells - 1), cells)
    if config.binning == "soft":
        ballot = (first[:, None] + 1) * size + pixel
    else:
        ballot = (pixel // cell)[:, None] * cells + pixel // cell
    return {
        "middle_slots": ballot.flatten() * len(slots) + _reach(config),
        "next_row_share": share[:, None],
        "columns": (near[0] * (2 * cell - share)[:, None] + near[1] * share[:, None]).T,
        "rows": F.one_hot(torch.arange(-1, cells + 1).clamp(0, cells - 1), cells).T,
        "fold": F.one_hot((slots - _reach(config)) % bins, bins),
    }


@lru_cache(maxsize=16)
def _shared_module(config: HogConfig, device: torch.device) -> HOG:
    """One module per configuration and device; it holds constants only, so threads may share it."""
    return HOG(config).to(device)


def _require_images(images: Tensor, config: HogConfig) -> None:
    size = (config.image_size, config.image_size)
    grey = images.ndim == 3 or (images.ndim == 4 and images.shape[1] == 1)
    if not grey or tuple(images.shape[-2:]) != size:
        raise DataError(
            f"images have shape {tuple(images.shape)}; expected (N, {size[0]}, {size[1]}) or "
            f"(N, 1, {size[0]}, {size[1]}). Resize them or set HogConfig(image_size=...)."
        )
    if not images.is_floating_point():
        raise DataError(
            f"images have dtype {images.dtype}; expected floats in [0, 1]. Divide grey levels by "
            "255, or call fermodels.hog, which accepts uint8."
        )
