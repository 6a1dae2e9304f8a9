"""HOG's features equal scikit-image's, and the paper's formulas written as loops."""

from math import atan2, degrees, floor, radians, sqrt
from pathlib import Path

import numpy as np
import pytest
import skimage.feature
import torch
from numpy.typing import NDArray
from torch import Tensor

from fermodels.nets.hog import HogConfig, hog, hog_cells
from tests.nets.hog_toys import SMALL, photo_patches

pytestmark = pytest.mark.usefixtures("one_thread")

HARD = HogConfig(binning="hard")
LAYOUTS = [
    (9, 8, 2), (6, 8, 2), (8, 8, 2), (9, 6, 2), (9, 16, 2), (9, 8, 1), (9, 8, 3), (7, 3, 4)
]  # fmt: skip


def skimage_hog(
    images: NDArray[np.generic], orientations: int = 9, cell: int = 8, block: int = 2
) -> NDArray[np.float64]:
    """Features of every image by scikit-image, in its own float type."""
    return np.stack(
        [
            skimage.feature.hog(
                image,
                orientations=orientations,
                pixels_per_cell=(cell, cell),
                cells_per_block=(block, block),
                block_norm="L2-Hys",
                feature_vector=True,
            )
            for image in images
        ]
    )


def slow_dalal_triggs_hog(image: NDArray[np.float64], config: HogConfig) -> NDArray[np.float64]:
    """The soft form as loops: every pixel, its two bins, its two by two cells, every block."""
    size, cell, bins, cells = config.image_size, config.cell, config.orientations, config.cells
    histograms = np.zeros((cells, cells, bins))
    for y in range(size):
        for x in range(size):
            down = image[y + 1, x] - image[y - 1, x] if 0 < y < size - 1 else 0.0
            across = image[y, x + 1] - image[y, x - 1] if 0 < x < size - 1 else 0.0
            softening = config.magnitude_softening
            magnitude = sqrt(down**2 + across**2 + softening**2) - softening
            angle = degrees(atan2(down, across)) % 180
            for b, in_bin in neighbours(angle / (180 / bins) - 0.5):
                for cy, in_row in neighbours((y + 0.5) / cell - 0.5):
                    for cx, in_column in neighbours((x + 0.5) / cell - 0.5):
                        row, column = min(max(cy, 0), cells - 1), min(max(cx, 0), cells - 1)
                        vote = magnitude * in_bin * in_row * in_column / cell**2
                        histograms[row, column, b % bins] += vote
    features = []
    for by in range(config.blocks):
        for bx in range(config.blocks):
            piece = histograms[by : by + config.block, bx : bx + config.block].ravel()
            features.append(l2_hys_with_floor(piece, config.contrast_floor, config.clip))
    return np.concatenate(features)


def neighbours(position: float) -> list[tuple[int, float]]:
    """The two whole numbers around `position` and how near it is to each."""
    below = floor(position)
    return [(below, below + 1 - position), (below + 1, position - below)]


def l2_hys_with_floor(
    block: NDArray[np.float64], contrast_floor: float, clip: float
) -> NDArray[np.float64]:
    """L2-Hys of the block with the floor appended as one more component, never clipped."""
    whole = np.append(block, contrast_floor)
    whole /= np.linalg.norm(whole)
    whole[:-1] = np.minimum(whole[:-1], clip)
    return whole[:-1] / np.linalg.norm(whole)


def ramp(direction: float) -> Tensor:
    """A plane whose brightness grows along `direction` (degrees), float64 (1, 16, 16)."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    slope = 0.02 * (x * np.cos(radians(direction)) + y * np.sin(radians(direction)))
    return slope.double()[None] + 0.3


def test_hog_equals_skimage_on_real_faces(fer2013_dir: Path) -> None:
    from fermodels.data.readers.discover import read_faces

    faces = read_faces(fer2013_dir).split("validation").images[:300]
    ours = hog(faces, HARD).numpy()
    assert ours.shape == (300, 900)
    assert np.abs(ours - skimage_hog((faces / 255).astype(np.float32))).max() < 1e-5
    assert np.abs(ours - skimage_hog(faces)).max() < 1e-5


@pytest.mark.parametrize(("orientations", "cell", "block"), LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hard_bins_equal_skimage_in_every_layout(
    orientations: int, cell: int, block: int, dtype: type[np.floating]
) -> None:
    # 256ths, exact in binary: with 8 orientations a bin edge lies on 45 degrees, and there the
    # rounding of pixel / 255 decides, in scikit-image too (its uint8 and float answers differ).
    images = (photo_patches() / 256).astype(dtype)
    ours = hog(images, HogConfig(orientations, cell, block, binning="hard")).numpy()
    assert ours.dtype == dtype
    assert np.abs(ours - skimage_hog(images, orientations, cell, block)).max() < 1e-6


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        HogConfig(6, cell=4, block=1, image_size=16),
        HogConfig(8, cell=2, block=3, image_size=8),
        HogConfig(9, cell=3, image_size=9, contrast_floor=0.1, magnitude_softening=0.02),
        HogConfig(2, cell=5, image_size=10, clip=0.5),
    ],
)
def test_soft_bins_equal_dalal_and_triggs_as_loops(config: HogConfig) -> None:
    images = photo_patches(4)[:, : config.image_size, : config.image_size] / 255
    expected = np.stack([slow_dalal_triggs_hog(image, config) for image in images])
    assert np.abs(hog(images, config).numpy() - expected).max() < 1e-10
    assert np.abs(hog(images.astype(np.float32), config).numpy() - expected).max() < 2e-6


def test_soft_48x48_features_equal_the_loops_too() -> None:
    image = photo_patches(1) / 255
    expected = slow_dalal_triggs_hog(image[0], HogConfig())
    assert np.abs(hog(image).numpy()[0] - expected).max() < 1e-10


@pytest.mark.parametrize("edge", [0, 20, 90, 100, 180])
def test_soft_bins_are_continuous_where_hard_bins_jump(edge: int) -> None:
    before, after = ramp(edge - 1e-4 + 1e-9), ramp(edge + 1e-4)

    def change(config: HogConfig) -> float:
        return float((hog(after, config) - hog(before, config)).abs().max())

    hard = HogConfig(cell=4, image_size=16, binning="hard")
    assert change(SMALL) < 1e-3
    assert (change(hard) > 0.1) == (edge != 90)  # 90 degrees is the middle of the fifth bin


def test_a_gradient_between_two_bin_centres_votes_half_for_each() -> None:
    cells = hog_cells(hog(ramp(20.0), SMALL), SMALL)
    inner = cells[0, 1, 1]
    assert inner[0] == pytest.approx(inner[1].item(), rel=1e-6)
    assert inner[2:].abs().max() < 1e-9


def test_soft_bins_do_not_blow_noise_up_to_unit_vectors() -> None:
    noise = np.random.default_rng(0).integers(100, 102, size=(4, 48, 48), dtype=np.uint8)
    length = {
        binning: hog(noise, HogConfig(binning=binning)).view(4, 25, 36).norm(dim=-1)
        for binning in ("soft", "hard")
    }
    assert length["soft"].max() < 0.5
    assert length["hard"].min() > 0.99
    faces = hog(photo_patches(16)).view(16, 25, 36).norm(dim=-1)
    assert faces.median() > 0.95


@pytest.mark.parametrize("config", [HogConfig(), HogConfig(cell=6, block=3), HogConfig(block=1)])
def test_hog_cells_averages_over_the_blocks_of_each_cell(config: HogConfig) -> None:
    features = torch.rand(2, config.num_features, dtype=torch.float64)
    folded = hog_cells(features, config)
    sums = torch.zeros_like(folded)
    counts = torch.zeros(config.cells, config.cells, 1)
    grid = features.view(2, config.blocks, config.blocks, config.block, config.block, -1)
    for by, bx, cy, cx in np.ndindex(config.blocks, config.blocks, config.block, config.block):
        sums[:, by + cy, bx + cx] += grid[:, by, bx, cy, cx]
        counts[by + cy, bx + cx] += 1
    assert torch.allclose(folded, sums / counts)
