"""HOG against scikit-image, against the paper written as loops, and at its awkward points."""

from collections.abc import Iterator
from math import atan2, degrees, floor, radians, sqrt
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import skimage.feature
import torch
from numpy.typing import NDArray
from torch import Tensor

from fermodels.errors import ConfigError, DataError
from fermodels.nets.hog import HOG, HogConfig, hog, hog_cells

SMALL = HogConfig(cell=4, image_size=16)
HARD = HogConfig(binning="hard")
LAYOUTS = [
    (9, 8, 2), (6, 8, 2), (8, 8, 2), (9, 6, 2), (9, 16, 2), (9, 8, 1), (9, 8, 3), (7, 3, 4)
]  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def photo_patches(count: int = 32) -> NDArray[np.uint8]:
    """Square 48x48 pieces of the photograph that scikit-image bundles, for any machine."""
    photo = skimage.data.camera()
    corners = np.random.default_rng(0).integers(0, 512 - 48, size=(count, 2))
    return np.stack([photo[y : y + 48, x : x + 48] for y, x in corners])


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


def awkward_images() -> dict[str, Tensor]:
    """Pictures with vanishing, one-sided or extreme gradients."""
    half = torch.zeros(48, 48)
    half[:, 24:] = 1
    checks = (torch.arange(48)[:, None] + torch.arange(48)) % 2
    dot = torch.zeros(48, 48)
    dot[20, 20] = 1e-6
    return {
        "black": torch.zeros(48, 48),
        "white": torch.ones(48, 48),
        "half-flat": half,
        "saturated": (torch.rand(48, 48, generator=torch.Generator().manual_seed(0)) > 0.5).float(),
        "checks": checks.float(),
        "faint-dot": dot,
    }


def test_hog_equals_skimage_on_real_faces(fer2013_dir: Path) -> None:
    from fermodels.data.faces import read_faces

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


def test_soft_gradients_pass_gradcheck() -> None:
    images = torch.rand(2, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(HOG(SMALL), images.requires_grad_())


def test_hard_gradients_pass_gradcheck_between_bin_edges() -> None:
    images = torch.rand(1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    hard = HOG(HogConfig(cell=4, image_size=16, binning="hard"))
    assert torch.autograd.gradcheck(hard, images.requires_grad_())


@pytest.mark.parametrize("binning", ["soft", "hard"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", awkward_images())
def test_features_and_gradients_stay_finite(name: str, dtype: torch.dtype, binning: str) -> None:
    image = awkward_images()[name].to(dtype)[None].requires_grad_()
    features = hog(image, HogConfig(binning=binning))  # type: ignore[arg-type]
    weights = torch.linspace(-1, 1, features.shape[1], dtype=dtype)
    (gradient,) = torch.autograd.grad((features * weights).sum(), image)
    assert features.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_flat_patches_have_no_features_and_no_soft_gradient(level: float) -> None:
    image = torch.full((1, 48, 48), level, requires_grad=True)
    features = hog(image)
    (gradient,) = torch.autograd.grad(features.sum(), image)
    assert not features.any()
    assert not gradient.any()


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


def test_features_do_not_depend_on_the_rest_of_the_batch() -> None:
    images = torch.from_numpy(photo_patches(8) / 255)
    alone = torch.cat([hog(image[None]) for image in images])
    assert torch.allclose(hog(images), alone, atol=1e-12)


def test_autocast_and_half_precision_modules_leave_features_in_float32() -> None:
    images = torch.from_numpy(photo_patches(4) / 255).float()
    expected = hog(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(HOG()(images), expected)
    assert torch.equal(HOG().to(torch.bfloat16)(images), expected)
    assert HOG()(images.bfloat16()).dtype == torch.float32


def test_hog_compiles_as_one_graph() -> None:
    torch._dynamo.reset()
    images = torch.from_numpy(photo_patches(4) / 255).float()
    compiled = torch.compile(HOG(), backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(images), hog(images), atol=1e-6)


def test_training_without_pixel_gradients_records_no_graph() -> None:
    model = torch.nn.Sequential(HOG(), torch.nn.Linear(900, 7))
    images = torch.from_numpy(photo_patches(2) / 255).float()
    assert model[0](images).grad_fn is None
    assert model(images).requires_grad


def test_hog_takes_uint8_arrays_and_channel_axes() -> None:
    faces = photo_patches(3)
    expected = hog(torch.from_numpy(faces).float() / 255)
    assert torch.equal(hog(faces), expected)
    assert torch.equal(hog(torch.from_numpy(faces)[:, None]), expected)
    assert expected.shape == (3, HOG().num_features) == (3, 900)
    assert hog(faces[:0]).shape == (0, 900)


def test_hog_keeps_nothing_in_a_checkpoint() -> None:
    assert HOG().state_dict() == {}


@pytest.mark.parametrize("binning", ["soft", "hard"])
def test_nan_pixels_show_up_as_nan_features(binning: str) -> None:
    images = torch.rand(2, 48, 48, generator=torch.Generator().manual_seed(4))
    images[0, 5, 5] = torch.nan
    features = hog(images, HogConfig(binning=binning))  # type: ignore[arg-type]
    assert features[0].isnan().any()
    assert features[1].isfinite().all()


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


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({"orientations": 1}, "orientations is 1"),
        ({"cell": 7}, "cell is 7"),
        ({"cell": 2.0}, "cell is 2.0"),
        ({"cell": 24, "block": 3}, "block is 3"),
        ({"binning": "fuzzy"}, "'fuzzy'"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"contrast_floor": float("nan")}, "contrast_floor is nan"),
        ({"magnitude_softening": -1.0}, "magnitude_softening is -1.0"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, object], seen: str) -> None:
    with pytest.raises(ConfigError, match=seen):
        HogConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("images", "seen"),
    [
        (torch.rand(2, 32, 32), r"\(2, 32, 32\).*image_size"),
        (torch.rand(2, 3, 48, 48), r"\(2, 3, 48, 48\)"),
        (torch.rand(48, 48), r"\(48, 48\)"),
        (torch.ones(1, 48, 48, dtype=torch.int64), "int64"),
        (torch.full((1, 48, 48), 200.0), "reach 200"),
    ],
)
def test_images_that_are_not_faces_are_refused(images: Tensor, seen: str) -> None:
    with pytest.raises(DataError, match=seen):
        hog(images)


def test_features_of_another_configuration_are_refused() -> None:
    with pytest.raises(DataError, match="expected \\(N, 900\\)"):
        hog_cells(torch.zeros(2, 899))
