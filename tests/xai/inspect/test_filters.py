"""First-layer filters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fermodels.errors import CheckpointError, ConfigError
from fermodels.nets.catalog import History
from fermodels.nets.fernet import FERNet
from fermodels.xai.inspect.filters import (
    WHITE_SMOOTHNESS,
    audit_filters,
    dead_filters,
    duplicate_filters,
    epoch_filters,
    first_layer_filters,
    kernel_norms,
    never_active,
    smoothness,
)


def test_filters_are_the_first_kernels_and_a_copy(net: FERNet) -> None:
    weight = net.get_parameter("conv1.conv.weight")
    filters = first_layer_filters(net)
    np.testing.assert_array_equal(filters, weight.detach()[:, 0])
    filters[:] = 0
    assert weight.abs().sum() > 0


def test_folding_gives_what_the_relu_sees(net: FERNet) -> None:
    conv, norm = net.get_submodule("conv1.conv"), net.get_submodule("conv1.bn")
    x = torch.rand(1, 1, 48, 48)
    with torch.no_grad():
        change = norm(conv(x)) - norm(conv(torch.zeros_like(x)))
        folded = torch.from_numpy(first_layer_filters(net, folded=True))[:, None]
        torch.testing.assert_close(nn.functional.conv2d(x, folded, padding=1), change)


def test_smoothness_tells_soft_edges_from_noise_and_checkerboards() -> None:
    board = np.indices((5, 5)).sum(0) % 2 * 2.0 - 1
    flat = np.ones((5, 5))
    noise = np.random.default_rng(0).normal(size=(4000, 5, 5))
    assert smoothness(flat) > 0.8 > 0.1 > smoothness(board)
    assert smoothness(noise).mean() == pytest.approx(WHITE_SMOOTHNESS, abs=0.01)
    assert smoothness(noise.reshape(40, 100, 5, 5)).shape == (40, 100)
    assert np.isnan(smoothness(np.zeros((1, 3, 3)))[0])
    np.testing.assert_allclose(smoothness(7 * noise[:5]), smoothness(noise[:5]), rtol=1e-5)


def test_dead_and_duplicate_filters_are_found() -> None:
    filters = np.random.default_rng(1).normal(size=(6, 3, 3))
    filters[2] = 1e-4
    filters[4] = -2 * filters[1]
    assert dead_filters(filters) == (2,)
    pairs = duplicate_filters(filters, 0.99)
    assert [(i, j) for i, j, _ in pairs] == [(1, 4)]
    assert pairs[0][2] == pytest.approx(-1)
    assert dead_filters(np.zeros((2, 3, 3))) == (0, 1)


def test_a_channel_that_never_fires_is_found(net: FERNet, faces: np.ndarray) -> None:
    with torch.no_grad():
        net.get_parameter("conv1.bn.bias")[1] = -1e4
    assert never_active(net, faces) == (1,)
    audit = audit_filters(net, faces)
    assert audit.dead == (1,) and audit.smoothness.shape == (4,)


def test_filters_of_every_epoch_come_from_the_history() -> None:
    filters = np.arange(2 * 3 * 9, dtype=np.float32).reshape(2, 3, 1, 3, 3)
    epochs = pd.DataFrame(
        {"filters": [f.ravel().tolist() for f in filters], "filters_shape": [[3, 1, 3, 3]] * 2}
    )
    found = epoch_filters(History(pd.DataFrame(), epochs))
    np.testing.assert_array_equal(found, filters[:, :, 0])
    with pytest.raises(CheckpointError, match="no filters"):
        epoch_filters(History(pd.DataFrame(), pd.DataFrame({"epoch": [1]})))


def test_a_model_that_reads_colour_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(filters, 1, k, k\)"):
        first_layer_filters(nn.Conv2d(3, 4, 3))


def test_kernel_norms_are_those_of_the_folded_filters(net: FERNet) -> None:
    first, second = kernel_norms(net)
    assert (first.layer, second.layer) == ("conv1.conv", "conv2.conv")
    folded = first_layer_filters(net, folded=True)
    np.testing.assert_allclose(first.gained, np.linalg.norm(folded, axis=(1, 2)), rtol=1e-5)
    weight = net.get_parameter("conv2.conv.weight").detach().numpy()
    slow = [np.sqrt((kernel**2).sum()) for kernel in weight]
    np.testing.assert_allclose(second.norms, slow, rtol=1e-5)


def test_a_filter_without_gain_is_dead_however_large_its_weights(net: FERNet) -> None:
    with torch.no_grad():
        net.get_parameter("conv2.bn.weight")[2] = 0
    assert kernel_norms(net)[1].dead == (2,)
