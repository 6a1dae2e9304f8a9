import pytest
import torch

from train.augment import augment
from train.config import TrainConfig

MEAN = torch.full((1, 1, 48, 48), 0.25)


def faces(n: int = 8) -> torch.Tensor:
    return torch.rand(n, 1, 48, 48, generator=torch.Generator().manual_seed(1))


def view(config: TrainConfig, seed: int = 0, n: int = 8) -> torch.Tensor:
    return augment(faces(n), MEAN, config, torch.Generator().manual_seed(seed))


def test_no_augmentation_changes_nothing() -> None:
    assert torch.equal(view(TrainConfig(flip=False)), faces())


def test_flip_mirrors_about_half_and_keeps_the_rest() -> None:
    seen = view(TrainConfig(flip=True), n=400)
    mirrored = (seen == faces(400).flip(3)).all(dim=(1, 2, 3))
    kept = (seen == faces(400)).all(dim=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 150 < mirrored.sum() < 250


def test_a_whole_pixel_shift_is_an_exact_shift() -> None:
    config = TrainConfig(flip=False, shift=1 / 12)
    generator = torch.Generator().manual_seed(0)
    blob = torch.zeros(64, 1, 48, 48)
    blob[:, :, 20:28, 20:28] = 1
    seen = augment(blob, MEAN, config, generator)
    rows = torch.arange(48.0)
    centre = (seen.sum(3).squeeze(1) * rows).sum(1) / seen.sum((1, 2, 3))
    reach = (centre - 23.5).abs()
    assert reach.max() <= 4 + 1e-3  # a twelfth of 48 pixels
    assert reach.max() > 3
    assert seen.sum((1, 2, 3)).allclose(torch.tensor(64.0), atol=1e-2)


def test_erasing_puts_one_mean_square_in_each_face() -> None:
    seen = view(TrainConfig(flip=False, erase=12))
    assert ((seen == 0.25).sum((1, 2, 3)) == 144).all()


@pytest.mark.parametrize("seed", range(3))
def test_views_stay_in_range_and_follow_the_seed(seed: int) -> None:
    config = TrainConfig(rotate=30, scale=0.2, shift=0.1, brightness=0.5, erase=8)
    first, again, other = view(config, seed), view(config, seed), view(config, seed + 1)
    assert first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
