"""Winograd's convolutions are the definition's, and never outlive the weights they came from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fermodels.xai.fast_forward.winograd import (
    WinogradConv2d,
    WinogradFilters,
    best_tile,
    fits,
    minimal_filter,
    tile_sizes,
)
from fermodels.xai.model_access import locked_copy

CASES = [(tile, kernel_size) for kernel_size in range(2, 6) for tile in tile_sizes(kernel_size)]
SIDES = torch.Size((6, 6))


@pytest.mark.parametrize(("tile", "kernel_size"), CASES)
def test_a_minimal_filter_is_the_filter_slid_over_the_data(tile: int, kernel_size: int) -> None:
    random = np.random.default_rng(0)
    data, weights = random.normal(size=tile + kernel_size - 1), random.normal(size=kernel_size)
    a_t, g, b_t = minimal_filter(tile, kernel_size)
    found = a_t @ ((g @ weights) * (b_t @ data))
    np.testing.assert_allclose(found, np.correlate(data, weights, "valid"), atol=1e-12)


def test_f_2_3_is_the_one_in_the_paper() -> None:
    """Lavin & Gray, eq. 7, up to signs that cancel."""
    a_t, g, b_t = minimal_filter(2, 3)
    np.testing.assert_array_equal(np.abs(a_t), [[1, 1, 1, 0], [0, 1, 1, 1]])
    halves = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]]
    np.testing.assert_array_equal(np.abs(g), halves)
    ones = [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]]
    np.testing.assert_array_equal(np.abs(b_t), ones)


@pytest.mark.parametrize(
    ("side", "kernel_size", "expected"), [(6, 3, 6), (12, 3, 6), (24, 5, 4), (48, 3, 6), (5, 2, 5)]
)
def test_the_tile_takes_the_fewest_multiplications(
    side: int, kernel_size: int, expected: int
) -> None:
    def work(tile: int) -> int:
        """Count multiplications tile by tile."""
        corners = [(y, x) for y in range(0, side, tile) for x in range(0, side, tile)]
        return sum((tile + kernel_size - 1) ** 2 for _ in corners)

    assert best_tile(side, side, kernel_size) == expected
    assert work(expected) == min(map(work, tile_sizes(kernel_size)))


def layer(
    ins: int, outs: int, kernel_size: int, padding: int | tuple[int, int], bias: bool
) -> nn.Conv2d:
    torch.manual_seed(kernel_size)
    return nn.Conv2d(ins, outs, kernel_size, padding=padding, bias=bias).requires_grad_(False)


@pytest.mark.parametrize("sides", [(24, 24), (12, 13), (7, 5), (6, 6)])
@pytest.mark.parametrize("padding", [0, 1, (2, 1)])
@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_maps_and_gradients_equal_the_definition(
    kernel_size: int, padding: int | tuple[int, int], sides: tuple[int, int], bias: bool
) -> None:
    pads = (padding, padding) if isinstance(padding, int) else padding
    plain = layer(5, 7, kernel_size, tuple(min(pad, kernel_size - 1) for pad in pads), bias)
    model = nn.Sequential(plain)
    quick = WinogradConv2d(plain, model, "0")
    x = torch.randn(3, 5, *sides, dtype=torch.float64).requires_grad_()
    maps = plain.double()(x)
    towards = torch.randn_like(maps)
    expected = torch.autograd.grad((maps * towards).sum(), x)[0]
    plain.float()
    quick.weight = plain.weight.detach()
    single = x.detach().float().requires_grad_()
    found = quick(single)
    gradient = torch.autograd.grad((found * towards.float()).sum(), single)[0]
    for got, want in ((found, maps), (gradient, expected)):
        assert got.shape == want.shape
        assert float((got - want).detach().abs().max() / want.detach().abs().max()) < 5e-5


def test_the_gradient_is_exactly_that_of_the_maps() -> None:
    """Adjoint: <maps(x), y> = <x, gradient(y)>, to the last digits in float64."""
    torch.manual_seed(0)
    filters = WinogradFilters.of(torch.randn(6, 4, 3, 3, dtype=torch.float64), None, 3)
    x = torch.randn(2, 8, 11, 4, dtype=torch.float64)
    y = torch.randn(2, 2, 3, 3, 3, 6, dtype=torch.float64)
    found = filters.correlate(x)
    assert found.shape == y.shape
    tiles = x.unfold(1, 5, 3).unfold(2, 5, 3).permute(0, 1, 4, 2, 5, 3)
    torch.testing.assert_close((found * y).sum(), (tiles * filters.backward_input(y)).sum())


def test_faces_in_several_steps_are_faces_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = layer(64, 64, 3, 1, bias=True)
    quick = WinogradConv2d(plain, nn.Sequential(plain), "0")
    x = torch.randn(9, 64, 6, 6).requires_grad_()

    def answer() -> tuple[Tensor, Tensor]:
        maps = quick(x)
        return maps.detach(), torch.autograd.grad(maps.square().sum(), x)[0]

    whole = answer()
    monkeypatch.setattr("fermodels.xai.fast_forward.winograd.WORKSPACE", 40_000)
    assert quick.faces_at_a_time(SIDES) == 2
    for one, other in zip(whole, answer(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (nn.Conv2d(64, 64, 3, stride=2), "stride"),
        (nn.Conv2d(64, 64, 7), "kernel_size"),
        (nn.Conv2d(64, 64, 1), "nothing to save"),
        (nn.Conv2d(64, 64, (3, 5)), "not square"),
        (nn.Conv2d(1, 64, 3), "few channels"),
        (nn.Linear(64, 64), "no convolution"),
    ],
)
def test_other_layers_do_not_fit(other: nn.Module, why: str) -> None:
    assert fits(nn.Conv2d(64, 64, 3))
    assert not fits(other), why


@pytest.mark.parametrize("changed", ["weight", "bias"])
def test_changed_weights_are_noticed_and_others_kept(changed: str) -> None:
    model = nn.Sequential(layer(64, 64, 3, 1, bias=True))
    x = torch.randn(2, 64, 6, 6)

    def filters() -> WinogradFilters:
        with locked_copy(model) as net:
            quick = WinogradConv2d(net[0], model, "0")
            torch.testing.assert_close(quick(x), model(x), rtol=1e-3, atol=1e-4)
            return quick.filters(SIDES)

    first = filters()
    assert filters() is first
    getattr(model[0], changed).mul_(-1)
    assert filters() is not first
