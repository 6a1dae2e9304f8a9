"""How dreams are painted."""

from __future__ import annotations

import pytest
import torch

from fermodels.xai.dream.parameterisations import (
    PARAMETERISATIONS,
    render,
    resize,
    rms,
    shift,
    total_variation_gradient,
)


@pytest.mark.parametrize("name", PARAMETERISATIONS)
@pytest.mark.parametrize("side", [17, 24, 48])
def test_a_parameterisation_can_write_any_detail(name: str, side: int) -> None:
    kind = PARAMETERISATIONS[name]
    detail = torch.randn(1, 1, side, side)
    torch.testing.assert_close(kind.decode(kind.encode(detail)), detail, rtol=1e-4, atol=1e-4)


def test_fourier_makes_long_waves_easy() -> None:
    kind = PARAMETERISATIONS["fourier"]
    parameters = kind.encode(torch.zeros(1, 1, 48, 48)).requires_grad_()
    noise = torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    (uphill,) = torch.autograd.grad(kind.decode(parameters), parameters, noise)
    step = kind.decode(uphill)
    assert rms(step.diff(dim=3)) / rms(step) < 0.5 * rms(noise.diff(dim=3)) / rms(noise)


def test_pictures_stay_in_range_and_keep_their_size() -> None:
    picture = render(torch.rand(1, 1, 48, 48), 5 * torch.randn(1, 1, 24, 24))
    assert picture.shape == (1, 1, 48, 48)
    assert picture.min() >= 0 and picture.max() <= 1
    assert resize(picture, 48) is picture


def test_a_shift_moves_by_at_most_its_reach() -> None:
    image = torch.zeros(1, 1, 48, 48)
    image[0, 0, 24, 24] = 1
    random = torch.Generator().manual_seed(0)
    seen = {tuple(shift(image, 2, random)[0, 0].nonzero()[0].tolist()) for _ in range(300)}
    assert {max(abs(r - 24), abs(c - 24)) for r, c in seen} == {0, 1, 2}
    assert len(seen) == 25
    assert shift(image, 0, random) is image


def test_total_variation_gradient_points_away_from_smoothness() -> None:
    detail = torch.randn(1, 1, 24, 24)
    smoother = detail - 0.05 * total_variation_gradient(detail)
    assert smoother.diff(dim=2).abs().sum() < detail.diff(dim=2).abs().sum()
    assert total_variation_gradient(torch.ones(1, 1, 24, 24)).abs().max() == 0
