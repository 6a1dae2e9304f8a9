"""Class activation maps point where they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from torch import nn

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.nets.variants import VARIANTS
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.request import enlarge
from fermodels.xai.model_access import layer_names, target_layer

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")  # Captum's own notice


@pytest.mark.parametrize(
    "method", ["grad-cam", "hires-cam", "grad-cam-plus-plus", "layer-cam", "score-cam"]
)
@pytest.mark.parametrize("cell", [(0, 0), (2, 3), (5, 5)])
def test_a_cam_peaks_inside_a_planted_bright_cell(
    method: str, cell: tuple[int, int], cnn: nn.Module
) -> None:
    face = np.full((48, 48), 20, np.uint8)
    row, column = cell[0] * 8, cell[1] * 8
    face[row : row + 8, column : column + 8] = 250
    with torch.no_grad():
        cnn.get_parameter("classifier.weight").fill_(0.5)
    found = explain(cnn, face, method, 3, "black", layer="conv1.pool").attribution[0]
    peak = np.unravel_index(found.argmax(), found.shape)
    assert row <= peak[0] < row + 8 and column <= peak[1] < column + 8


def test_hires_cam_sums_to_the_logit_where_an_affine_layer_follows(
    cnn: nn.Module, faces: np.ndarray
) -> None:
    found = explain(cnn, faces, "hires-cam", 2, layer="conv1.pool")
    bias = cnn.get_parameter("classifier.bias")[2].item()
    maps = F.avg_pool2d(torch.from_numpy(found.attribution)[:, None], 1)
    # enlarging keeps the mean of interior cells; compare on the cells' own grid instead
    x = to_pixels(faces).float() / 255
    pooled = cnn.get_submodule("conv1")(x)
    by_hand = pooled * cnn.get_parameter("classifier.weight")[2].view(1, 1, 6, 6)
    np.testing.assert_allclose(maps, enlarge(by_hand.detach()), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        by_hand.sum((1, 2, 3)).detach() + bias, found.logits[:, 2], rtol=1e-4
    )


@pytest.mark.parametrize("layer", ["conv1.conv", "conv2.bn", "conv2.relu", "conv1.pool"])
def test_grad_cam_equals_captums_at_any_layer(layer: str, net: FERNet, faces: np.ndarray) -> None:
    x = (to_pixels(faces).float() / 255).requires_grad_()
    theirs = LayerGradCam(net, net.get_submodule(layer)).attribute(x, 5, relu_attributions=True)
    wanted = F.interpolate(theirs, (48, 48), mode="bilinear", align_corners=False)
    ours = explain(net, faces, "grad-cam", 5, layer=layer)
    np.testing.assert_allclose(ours.attribution, wanted[:, 0].detach(), rtol=1e-3, atol=1e-5)
    assert ours.layer == layer and not ours.signed


def test_relu_is_a_choice_and_sets_the_sign(net: FERNet, faces: np.ndarray) -> None:
    signed = explain(net, faces, "grad-cam", 0, relu=False)
    clipped = explain(net, faces, "grad-cam", 0)
    assert signed.signed and not clipped.signed
    assert clipped.attribution.min() >= 0 > signed.attribution.min()


def test_a_blank_cam_says_why(cnn: nn.Module, faces: np.ndarray) -> None:
    with torch.no_grad():
        cnn.get_parameter("classifier.weight").fill_(-1.0)
    found = explain(cnn, faces, "grad-cam", 0)
    assert found.attribution.max() == 0
    assert any("Blank for 3 of 3" in note and "relu=False" in note for note in found.notes)


def test_enlarging_keeps_cells_where_they_are() -> None:
    cells = torch.zeros(1, 1, 6, 6)
    cells[0, 0, 0, 5] = 1.0
    where = (enlarge(cells)[0, 0] == 1).nonzero()
    assert where[:, 0].max() < 8 and where[:, 1].min() >= 40


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_default_layer_is_the_last_conv_relu(variant, build) -> None:
    config = VARIANTS[variant].config
    assert target_layer(build(config)) == f"conv{len(config.conv)}.relu"


def test_unknown_layers_are_refused_with_the_choices(net: FERNet, faces: np.ndarray) -> None:
    for layer in ("conv9.relu", "fc1.relu", "classifier", "conv1"):
        with pytest.raises(ConfigError, match=r"conv1\.conv, conv1\.bn"):
            explain(net, faces, "grad-cam", layer=layer)


def test_layer_names_are_in_order_and_all_give_maps(net: FERNet) -> None:
    parts = ("conv", "bn", "relu", "pool")
    assert layer_names(net) == [f"conv{i}.{part}" for i in (1, 2) for part in parts]


def test_layer_cam_and_grad_cam_plus_plus_equal_slow_loops(net: FERNet, faces: np.ndarray) -> None:
    x = to_pixels(faces).float() / 255
    kept: list[torch.Tensor] = []
    handle = net.get_submodule("conv2.relu").register_forward_hook(lambda *a: kept.append(a[2]))
    score = net(x)[:, 5]
    handle.remove()
    (gradients,) = torch.autograd.grad(score.sum(), kept[0])
    maps = kept[0].detach()
    layer_cam, plus_plus = torch.zeros(2, 3, 1, 24, 24)
    for i in range(3):
        for a, g in zip(maps[i], gradients[i], strict=True):
            layer_cam[i, 0] += g.clamp_min(0) * a
            below = 2 * g**2 + a.sum() * g**3
            alpha = torch.where(below != 0, g**2 / below.where(below != 0, torch.ones(())), 0)
            plus_plus[i, 0] += (alpha * g.clamp_min(0)).sum() * a
    for name, cells in (("layer-cam", layer_cam), ("grad-cam-plus-plus", plus_plus)):
        found = explain(net, faces, name, 5, layer="conv2.relu").attribution
        wanted = enlarge(cells.clamp_min(0))[:, 0]
        near = 1e-4 * float(wanted.max())
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=near, err_msg=name)


def test_score_cam_equals_a_slow_loop(net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, "score-cam", 5, layer="conv2.relu", channels=99).attribution
    kept: list[torch.Tensor] = []
    handle = net.get_submodule("conv2.relu").register_forward_hook(lambda *a: kept.append(a[2]))
    with torch.no_grad():
        x = to_pixels(faces).float() / 255
        net(x)
        handle.remove()
        for i in range(3):
            maps, scores = kept[0][i], []
            for one in maps:
                veil = (one - one.min()) / (one.max() - one.min()) if one.std() > 0 else 0 * one
                veil = F.interpolate(veil[None, None], (48, 48), mode="bilinear")
                scores.append(net(veil * x[i] + (1 - veil) * net.mean_face)[0, 5])
            weights = (torch.stack(scores) - net(net.mean_face)[0, 5]).softmax(0)
            cam = (weights[:, None, None] * maps).sum(0).clamp_min(0)
            wanted = enlarge(cam[None, None])[0, 0]
            np.testing.assert_allclose(found[i], wanted, rtol=1e-3, atol=1e-4)


def test_score_cam_asks_about_the_channels_that_vary_most(net: FERNet, faces: np.ndarray) -> None:
    all_of_them, some = (
        explain(net, faces, "score-cam", 5, channels=channels).attribution for channels in (99, 3)
    )
    assert not np.allclose(all_of_them, some) and some.any()


def test_a_hybrids_score_cam_leaves_hog_the_whole_face(hybrid: FERNet, faces: np.ndarray) -> None:
    """With the conv branch silenced every channel keeps the same score: all weigh alike."""
    found = explain(hybrid, faces, "score-cam", 5, layer="conv2.relu", channels=99)
    with torch.no_grad():
        weight = hybrid.get_parameter("fc1.linear.weight")
        weight[:, : hybrid.config.conv_features] = 0
    silent = explain(hybrid, faces, "score-cam", 5, layer="conv2.relu", channels=99).attribution
    kept: list[torch.Tensor] = []
    hybrid.get_submodule("conv2.relu").register_forward_hook(lambda *a: kept.append(a[2]))
    with torch.no_grad():
        hybrid(to_pixels(faces).float() / 255)
    np.testing.assert_allclose(silent, enlarge(kept[0].mean(1, keepdim=True))[:, 0], rtol=1e-3)
    assert not np.allclose(silent, found.attribution)
