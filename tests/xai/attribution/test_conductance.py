"""What flows through a layer: by hand, and against Captum."""

from __future__ import annotations

import numpy as np
import pytest
from captum.attr import InternalInfluence, LayerConductance
from torch import nn

from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.request import enlarge
from fermodels.xai.model_access import ROWS

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")  # Captum's own notice


def test_conductance_by_hand_where_an_affine_layer_follows(
    cnn: nn.Module, faces: np.ndarray
) -> None:
    found = explain(cnn, faces, "layer-conductance", 2, "black", layer="conv1.pool")
    x = to_pixels(faces).float() / 255
    cells = cnn.get_submodule("conv1")(x) * cnn.get_parameter("classifier.weight")[2].view(6, 6)
    wanted = enlarge(cells.detach()) / 64  # a cell covers 64 pixels, which share it
    np.testing.assert_allclose(found.attribution, wanted[:, 0], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(
        found.attribution.sum((1, 2)), cells.detach().sum((1, 2, 3)), rtol=1e-3
    )


def test_influence_by_hand_where_an_affine_layer_follows(cnn: nn.Module, faces: np.ndarray) -> None:
    found = explain(cnn, faces, "internal-influence", 2, "black", layer="conv1.pool")
    weight = cnn.get_parameter("classifier.weight")[2].detach().view(1, 1, 6, 6)
    np.testing.assert_allclose(found.attribution[1], enlarge(weight)[0, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["conv1.relu", "conv2.bn", "conv2.pool"])
def test_conductance_is_complete_at_any_layer(layer: str, net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, "layer-conductance", 1, layer=layer)
    drop = np.abs(found.attribution.sum((1, 2)))
    assert found.completeness_error is not None and found.layer == layer
    # relative to the largest: some faces' own change is all but zero
    assert (found.completeness_error * drop).max() < 0.02 * drop.max()


def test_a_hybrids_conductance_leaves_hogs_part_unexplained(
    hybrid: FERNet, faces: np.ndarray
) -> None:
    found = explain(hybrid, faces, "layer-conductance", 1)
    both = explain(hybrid, faces, "integrated-gradients", 1)
    near = 0.03 * np.abs(both.attribution.sum((1, 2))).max()
    np.testing.assert_allclose(
        found.attribution.sum((1, 2)), both.parts["conv"].sum((1, 2)), atol=near
    )
    assert any("conv branch only" in note for note in found.notes)


@pytest.mark.parametrize("layer", ["conv1.pool", "conv2.relu"])
def test_layer_methods_agree_with_captum(layer: str, net: FERNet, faces: np.ndarray) -> None:
    steps = 2 * ROWS  # three chunks
    x = to_pixels(faces[:1]).float() / 255
    theirs = {
        "layer-conductance": LayerConductance(net, net.get_submodule(layer)),
        "internal-influence": InternalInfluence(net, net.get_submodule(layer)),
    }
    for name, method in theirs.items():
        cells = method.attribute(x, net.mean_face, target=5, n_steps=400).sum(1, keepdim=True)
        wanted = enlarge(cells.detach())[0, 0].numpy()
        if name == "layer-conductance":
            wanted = wanted * (cells.numel() / 48**2)
        ours = explain(net, faces[:1], name, 5, layer=layer, steps=steps).attribution[0]
        assert np.linalg.norm(ours - wanted) < 0.03 * np.linalg.norm(wanted), name
