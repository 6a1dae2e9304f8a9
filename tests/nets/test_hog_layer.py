"""HOG as a layer of a network: gradients, precisions, awkward pictures, and what it refuses."""

import pytest
import torch
from torch import Tensor

from fermodels.errors import ConfigError, DataError
from fermodels.nets.hog import HOG, HogConfig, hog, hog_cells
from tests.nets.hog_toys import SMALL, photo_patches

pytestmark = pytest.mark.usefixtures("one_thread")


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
