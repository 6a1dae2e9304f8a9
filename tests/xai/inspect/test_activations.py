"""Maps of every layer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.inspect.activations import (
    activation_maps,
    activations,
    sparsity,
    spatial_entropy,
)
from fermodels.xai.model_access import layer_names


def test_activations_equal_layers_applied_by_hand(net: FERNet, faces: np.ndarray) -> None:
    found = activations(net, faces[0])
    assert list(found) == layer_names(net)
    x = torch.from_numpy(faces[:1]).float()[None] / 255 - net.mean_face
    with torch.no_grad():
        conv = F.conv2d(x, net.get_parameter("conv1.conv.weight"), padding=1)
        relu = net.get_submodule("conv1.bn")(conv).clamp_min(0)
        pool = F.max_pool2d(relu, 2)
    for name, wanted in (("conv", conv), ("relu", relu), ("pool", pool)):
        np.testing.assert_allclose(found[f"conv1.{name}"], wanted[0], rtol=1e-4, atol=1e-5)
    assert all(maps.dtype == np.float32 and maps.ndim == 3 for maps in found.values())


def test_maps_come_strongest_first_with_their_channel_numbers(
    net: FERNet, faces: np.ndarray
) -> None:
    plain = activations(net, faces[0])["conv2.relu"]
    found = activation_maps(net, faces[0], "conv2.relu")
    assert (np.diff(found.responses) <= 0).all()
    np.testing.assert_array_equal(found.maps, plain[found.channels])
    assert found.sparsity == pytest.approx((plain == 0).mean())
    by_number = activation_maps(net, faces[0], "conv2.relu", order="channel")
    np.testing.assert_array_equal(by_number.maps, plain)


def test_entropy_is_zero_for_a_point_and_one_for_a_flat_map() -> None:
    point = torch.zeros(1, 1, 6, 6)
    point[0, 0, 2, 3] = 5.0
    assert spatial_entropy(point) == pytest.approx(0, abs=1e-6)
    assert spatial_entropy(torch.full((1, 2, 6, 6), 0.3)) == pytest.approx(1, abs=1e-5)
    assert math.isnan(spatial_entropy(torch.zeros(1, 1, 6, 6)))
    half = torch.zeros(1, 2, 2, 2)
    half[0, 0, 0] = 1.0  # two of four places; the silent second map does not count
    assert spatial_entropy(half) == pytest.approx(math.log(2) / math.log(4))


def test_entropy_equals_a_slow_loop_over_living_maps() -> None:
    maps = torch.rand(3, 4, 5, 5).sub(0.5).relu()
    maps[0, 0] = 0
    slow = []
    for row in maps.flatten(0, 1):
        if row.sum() > 0:
            shares = [float(v / row.sum()) for v in row.flatten() if v > 0]
            slow.append(-sum(s * math.log(s) for s in shares) / math.log(25))
    assert spatial_entropy(maps) == pytest.approx(np.mean(slow), abs=1e-5)


def test_sparsity_counts_exact_zeros() -> None:
    assert sparsity(np.array([[0.0, 1.0], [0.0, 1e-30]], np.float32)) == 0.5


def test_mistakes_are_named(net: FERNet, faces: np.ndarray) -> None:
    with pytest.raises(DataError, match="3 faces given"):
        activations(net, faces)
    with pytest.raises(ConfigError, match="expected one of"):
        activation_maps(net, faces[0], "conv7.relu")
    with pytest.raises(ConfigError, match="response or channel"):
        activation_maps(net, faces[0], "conv1.relu", order="size")  # type: ignore[arg-type]
