"""Packed convolutions are the same function, and never outlive the weights they came from."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.explain import explain
from fermodels.xai.fast_forward import convolution
from fermodels.xai.fast_forward.convolution import PackedConv2d, pack
from fermodels.xai.model_access import locked_copy


def small() -> FERNet:
    torch.manual_seed(5)
    return FERNet(NetConfig(conv=(ConvSpec(4), ConvSpec(6, kernel=5)), fc=(FCSpec(8),))).eval()


def answer(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return maps and the gradient of their weighted sum at the input."""
    x = x.clone().requires_grad_()
    maps = net(x)
    weights = torch.linspace(-1, 1, maps.numel()).view_as(maps)
    return maps.detach(), torch.autograd.grad((maps * weights).sum(), x)[0]


@pytest.mark.parametrize("kernel", [1, 3, 5, (3, 5)])
@pytest.mark.parametrize("padding", [0, "half"])
@pytest.mark.parametrize("channels", [1, 3, 16])
def test_packed_convolution_and_its_gradient_equal_torch(
    kernel: int | tuple[int, int], padding: int | str, channels: int
) -> None:
    torch.manual_seed(1)
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    pad = (sides[0] // 2, sides[1] // 2) if padding == "half" else 0
    model = nn.Sequential(nn.Conv2d(channels, 7, sides, padding=pad)).eval()
    with locked_copy(model) as net:
        pack(net, model)
        assert isinstance(net[0], PackedConv2d)
        for shape in ((3, channels, 11, 9), (1, channels, 11, 9), (2, channels, 8, 8)):
            x = torch.randn(shape)
            assert torch.equal(net(x), answer(net, x)[0])  # without a graph and with one
            for got, expected in zip(answer(net, x), answer(model, x), strict=True):
                torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, stride=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 1, padding=2),
        nn.ConvTranspose2d(4, 4, 3),
    ],
)
def test_other_layers_stay_as_they_are(layer: nn.Module) -> None:
    model = nn.Sequential(layer).eval()
    with locked_copy(model) as net:
        pack(net, model)
        assert type(net[0]) is type(layer)


def test_a_hooked_layer_keeps_its_hook() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3)).eval()
    model[0].register_forward_hook(lambda _layer, _inputs, maps: maps * 2)
    x = torch.randn(1, 1, 8, 8)
    with locked_copy(model) as net:
        pack(net, model)
        torch.testing.assert_close(net(x), model(x))


def through_data(weight: nn.Parameter) -> None:
    weight.data[0, 0] += 1  # the version counter does not see this


def in_place(weight: nn.Parameter) -> None:
    with torch.no_grad():
        weight.mul_(-1)


def mirrored(weight: nn.Parameter) -> None:
    with torch.no_grad():
        weight.copy_(weight.flip(3))  # every filter's sum stays


def replaced(weight: nn.Parameter) -> None:
    weight.data = weight.detach() + 1


def by_an_optimizer(weight: nn.Parameter) -> None:
    weight.grad = torch.ones_like(weight)
    torch.optim.SGD([weight], lr=0.1).step()


@pytest.mark.parametrize("change", [through_data, in_place, mirrored, replaced, by_an_optimizer])
def test_changed_weights_are_noticed(change: Callable[[nn.Parameter], None]) -> None:
    net = small()
    face = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    explain(net, face, "saliency", 3)
    change(net.get_submodule("conv2.conv").weight)
    kept = explain(net, face, "saliency", 3)
    anew = small()
    anew.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(kept.attribution, explain(anew, face, "saliency", 3).attribution)
    np.testing.assert_allclose(kept.logits[0], plain_logits(net, face), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def plain_logits(net: FERNet, face: np.ndarray) -> np.ndarray:
    """Return what the network itself says."""
    logits: np.ndarray = net(torch.from_numpy(face)[None, None].float() / 255)[0].numpy()
    return logits


def test_blocks_are_kept_between_calls_and_go_with_the_model() -> None:
    net = small()
    face = np.full((48, 48), 90, np.uint8)
    explain(net, face, "saliency", 3)
    (name,) = [key for key in convolution._CACHE[net] if key.endswith("of conv2.conv")]
    first = convolution._CACHE[net][name].made
    explain(net, face, "grad-cam", 3)
    assert convolution._CACHE[net][name].made is first
    held = len(convolution._CACHE)
    del net
    gc.collect()
    assert len(convolution._CACHE) == held - 1


def test_one_face_and_several_have_blocks_of_their_own() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1)).eval()
    with locked_copy(model) as net:
        pack(net, model)
        for count in (1, 5, 3, 1):
            net(torch.zeros(count, 2, 6, 6))
    assert sorted(convolution._CACHE[model]) == [
        "blocks (1, 2, 6, 6) of 0",
        "blocks (2, 2, 6, 6) of 0",
    ]


def test_the_model_itself_keeps_plain_convolutions() -> None:
    net = small()
    explain(net, np.full((48, 48), 90, np.uint8), "saliency", 3)
    assert not any(isinstance(layer, PackedConv2d) for layer in net.modules())
