"""A quickened twin is the same function, and only the twin is rearranged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.fernet import FERNet
from fermodels.nets.variants import VARIANTS
from fermodels.xai.fast_forward.convolution import PackedConv2d
from fermodels.xai.fast_forward.pooling import PooledConv2d
from fermodels.xai.fast_forward.prepare import fold_batch_norms, pool_first, quicken
from fermodels.xai.fast_forward.winograd import WinogradConv2d
from fermodels.xai.model_access import locked_copy


def lively(config: NetConfig) -> FERNet:
    """Return a network whose batch norms do something and whose logits differ."""
    torch.manual_seed(2)
    net = FERNet(config).eval()
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    nn.init.normal_(net.classifier.weight)
    return net.requires_grad_(False)


def answer(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    logits = net(x)
    return logits.detach(), torch.autograd.grad(logits[:, 3].sum(), x)[0]


def wide() -> NetConfig:
    """Return the deep net's kinds of layers at an eighth of its arithmetic."""
    return NetConfig(
        (ConvSpec(64), ConvSpec(64, kernel=5), ConvSpec(96, pool=0), ConvSpec(64)), (FCSpec(8),)
    )


@pytest.mark.parametrize("config", [wide(), VARIANTS["hybrid-shallow"].config])
def test_a_quickened_twin_answers_as_its_model(config: NetConfig) -> None:
    model = lively(config)
    x = torch.rand(3, 1, 48, 48)
    expected = answer(model, x)
    for _ in range(2):  # made, then kept
        with locked_copy(model) as net:
            quicken(net, model)
            found = answer(net, x)
        for got, want in zip(found, expected, strict=True):
            assert float((got - want).abs().max() / want.abs().max()) < 1e-3
    for got, want in zip(answer(model, x), expected, strict=True):
        assert torch.equal(got, want)


def test_each_convolution_is_computed_as_suits_it() -> None:
    model = lively(wide())
    with locked_copy(model) as net:
        quicken(net, model)
        layers = [net.get_submodule(f"{name}.conv") for name in model.conv_layers]
    kinds = [type(one.conv) if isinstance(one, PooledConv2d) else type(one) for one in layers]
    assert kinds == [PackedConv2d, *[WinogradConv2d] * 3]
    assert [isinstance(one, PooledConv2d) for one in layers] == [True, True, False, True]
    assert all(type(m) is not WinogradConv2d for m in model.modules())


def test_moved_statistics_are_noticed() -> None:
    model = lively(wide())
    x = torch.rand(1, 1, 48, 48)
    for change in (0.0, 0.5):
        model.conv2.bn.running_mean.add_(change)
        with locked_copy(model) as net:
            quicken(net, model)
            found = answer(net, x)[0]
        torch.testing.assert_close(found, answer(model, x)[0], rtol=1e-3, atol=1e-3)


def test_merged_weights_are_kept_for_the_model() -> None:
    model = lively(wide())
    merged = []
    for _ in range(2):
        with locked_copy(model) as net:
            fold_batch_norms(net, model)
            fold_batch_norms(net, model)
            assert isinstance(net.conv2.bn, nn.Identity)
            merged.append(net.conv2.conv)
    assert merged[0] is merged[1] is not model.conv2.conv


def test_a_hooked_layer_stays_where_it_is() -> None:
    model = lively(wide())
    seen: list[Tensor] = []
    model.conv1.bn.register_forward_hook(lambda _m, _i, maps: seen.append(maps))
    model.conv2.relu.register_forward_hook(lambda _m, _i, maps: seen.append(maps))
    x = torch.rand(1, 1, 48, 48)
    model(x)
    with locked_copy(model) as net:
        quicken(net, model)
        net(x)
    assert len(seen) == 4
    for plain, quick in zip(seen[:2], seen[2:], strict=True):
        torch.testing.assert_close(quick, plain, rtol=1e-3, atol=1e-4)


def test_without_a_model_hooked_layers_are_merged_too() -> None:
    model = lively(wide())
    model.conv1.conv.register_forward_pre_hook(lambda _m, _i: None)
    with locked_copy(model) as net:
        fold_batch_norms(net)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, stride=2, padding=1), nn.MaxPool2d(2, ceil_mode=True)]
)
def test_pooling_first_is_the_same_function_with_the_same_gradient(pool: nn.MaxPool2d) -> None:
    block = nn.Sequential(nn.ReLU(), nn.Dropout(0.5), pool).eval()
    x = torch.randn(2, 3, 7, 7)
    x[0, 0] = -1  # a map without any response
    before = [t.clone() for t in _map_and_gradient(block, x)]
    pool_first(block)
    assert [type(layer) for layer in block] == [nn.MaxPool2d, nn.Dropout, nn.ReLU]
    for got, want in zip(_map_and_gradient(block, x), before, strict=True):
        assert torch.equal(got, want)


def _map_and_gradient(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    maps = block(x)
    return maps.detach(), torch.autograd.grad((maps * 2).sum(), x)[0]


def test_other_pairs_stay_in_order() -> None:
    block = nn.Sequential(
        nn.ReLU(), nn.AvgPool2d(2), nn.ReLU(), nn.MaxPool2d(2, return_indices=True)
    )
    kinds = [type(layer) for layer in block]
    pool_first(block)
    assert [type(layer) for layer in block] == kinds
