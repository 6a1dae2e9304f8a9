"""A convolution joined with its pooling is the same function, however few faces go at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fermodels.xai.fast_forward.convolution import FastConv2d, PackedConv2d, is_plain
from fermodels.xai.fast_forward.pooling import PooledConv2d, join_pooling
from fermodels.xai.fast_forward.winograd import WinogradConv2d
from fermodels.xai.model_access import locked_copy
from tests.xai.fast_forward.test_packed import answer

Joined = tuple[nn.Module, tuple[Tensor, Tensor]]


def joined(model: nn.Sequential, x: Tensor, kind: type[FastConv2d] = PackedConv2d) -> Joined:
    """Return the first layer of a joined twin and the twin's answer."""
    with locked_copy(nn.Sequential(model)) as net:
        block = net[0]
        assert isinstance(block, nn.Sequential)
        if is_plain(block[0]):
            block[0] = kind(block[0], model, "0")
        join_pooling(net)
        return block[0], answer(net, x)


@pytest.mark.parametrize(
    ("kind", "channels", "kernel"),
    [
        *[(PackedConv2d, channels, kernel) for channels in (1, 3) for kernel in (1, 3, (3, 5))],
        *[(WinogradConv2d, channels, kernel) for channels in (1, 3) for kernel in (3, 5)],
    ],
)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("faces_at_a_time", [1, 2, 5])
def test_joined_pooling_and_its_gradient_equal_torch(
    kind: type[FastConv2d],
    channels: int,
    kernel: int | tuple[int, int],
    padded: bool,
    faces_at_a_time: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(1)
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    pads = (sides[0] // 2, sides[1] // 2) if padded else 0
    conv = nn.Conv2d(channels, 7, sides, padding=pads)
    model = nn.Sequential(conv, nn.Dropout2d(0.5), nn.MaxPool2d(2))
    x = torch.randn(5, channels, 13, 10)
    monkeypatch.setattr(kind, "faces_at_a_time", lambda _conv, _sides: faces_at_a_time)
    layer, found = joined(model.eval(), x, kind)
    assert type(layer) is PooledConv2d
    rounding = 1e-4 if kind is WinogradConv2d else 1e-5
    for got, expected in zip(found, answer(model, x), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=rounding)


def test_among_equal_values_the_same_one_gets_the_gradient() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2)).eval()
    x = torch.ones(1, 1, 4, 4)
    torch.testing.assert_close(joined(model, x)[1][1], answer(model, x)[1])


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 2, 3), nn.MaxPool2d(3)],
        [nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, stride=1)],
        [nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, padding=1)],
        [nn.Conv2d(1, 2, 3), nn.MaxPool2d(2, ceil_mode=True)],
        [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)],
        [nn.Conv2d(1, 2, 3, stride=2), nn.MaxPool2d(2)],
    ],
)
def test_other_pairs_stay_as_they_are(layers: list[nn.Module]) -> None:
    model = nn.Sequential(*layers).eval()
    x = torch.randn(1, 1, 11, 11)
    layer, found = joined(model, x)
    assert type(layer) is (PackedConv2d if is_plain(model[0]) else nn.Conv2d)
    assert torch.equal(found[0], answer(nn.Sequential(layer, *model[1:]), x)[0])
    torch.testing.assert_close(found[0], answer(model, x)[0])


@pytest.mark.parametrize("which", [0, 1])
def test_a_hooked_layer_keeps_its_hook(which: int) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)).eval()
    model[which].register_forward_hook(lambda _layer, _inputs, maps: maps * 2)
    x = torch.randn(1, 1, 8, 8)
    layer, found = joined(model, x)
    assert type(layer) is (PackedConv2d if is_plain(model[0]) else nn.Conv2d)
    torch.testing.assert_close(found[0], answer(model, x)[0])
