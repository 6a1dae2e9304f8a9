"""Relevance is handed on by the rules: by hand, by conservation, and against Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LRP
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.modified_backprop import alpha_beta_rule, epsilon_rule


def relevance(layer: nn.Module, x: Tensor, rule, given: Tensor) -> Tensor:
    """What the inputs get if the outputs have the relevance `given`."""
    x = x.clone().requires_grad_()
    z = layer(x)
    out = rule(layer, x, z)
    torch.testing.assert_close(out, z)  # a rule changes gradients, not values
    (gradient,) = torch.autograd.grad(out, x, given / z.detach())
    return x.detach() * gradient


def by_loops(w: np.ndarray, x: np.ndarray, given: np.ndarray, alpha: int) -> np.ndarray:
    """Bach et al. 2015, eq. 60, contribution by contribution."""
    found = np.zeros_like(x)
    for j, row in enumerate(w):
        z = row * x
        up, down = z[z > 0].sum(), z[z < 0].sum()
        for i, part in enumerate(z):
            share = alpha * part / up if part > 0 else (1 - alpha) * part / down if part else 0.0
            found[i] += share * given[j]
    return found


@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_the_alpha_beta_rule_by_hand(alpha: int) -> None:
    weights = np.array([[1.0, -2.0, 3.0, 0.5], [-1.0, 1.0, 2.0, 3.0]])
    inputs, given = np.array([2.0, 1.0, -1.0, 4.0]), np.array([5.0, -7.0])
    layer = nn.Conv2d(4, 2, 1).double()  # a 1x1 convolution of one pixel is a linear layer
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights)[:, :, None, None])
        layer.bias.copy_(torch.tensor([0.3, -0.2]))  # type: ignore[union-attr]
    found = relevance(
        layer,
        torch.from_numpy(inputs).view(1, 4, 1, 1),
        alpha_beta_rule(alpha),
        torch.from_numpy(given).view(1, 2, 1, 1),
    )
    wanted = by_loops(weights, inputs, given, alpha)
    np.testing.assert_allclose(found.flatten(), wanted, rtol=1e-9)
    assert wanted.sum() == pytest.approx(given.sum())


def test_the_epsilon_rule_by_hand() -> None:
    layer = nn.Linear(2, 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, -1.0]]))
        layer.bias.fill_(1.0)
    x = torch.tensor([[3.0, 4.0]]).double()  # z = 6 - 4 + 1 = 3
    found = relevance(layer, x, epsilon_rule(0.5), torch.tensor([[7.0]]).double())
    np.testing.assert_allclose(found, [[6 / 3.5 * 7, -4 / 3.5 * 7]])


class Small(nn.Module):
    """Two convolutions with pools and two linear layers; flattening is no module, for Captum."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(4)
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(4)
        )
        self.fc1 = nn.Sequential(nn.Linear(54, 8, bias=bias), nn.ReLU())
        self.classifier = nn.Linear(8, 7, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.fc1(self.conv2(self.conv1(x)).flatten(1)))
        return logits


def small(bias: bool) -> Small:
    return Small(bias).eval()


@pytest.mark.parametrize("alpha", [0, 1, 2])
def test_relevance_is_conserved_without_biases(alpha: int, faces: np.ndarray) -> None:
    found = explain(small(bias=False), faces, "lrp", 3, epsilon=0.0, alpha=alpha)
    np.testing.assert_allclose(found.attribution.sum((1, 2)), found.logits[:, 3], rtol=1e-3)


def test_conv_layers_conserve_what_they_get_despite_biases(faces: np.ndarray) -> None:
    net = small(bias=True)
    found = explain(net, faces, "lrp", 3, epsilon=0.0)
    x = to_pixels(faces).float() / 255
    features = net.conv2(net.conv1(x)).flatten(1).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net.classifier(net.fc1(features))[:, 3].sum(), features)
    arrived = (features * gradient).sum(1).detach()
    np.testing.assert_allclose(found.attribution.sum((1, 2)), arrived, rtol=1e-3)


@pytest.mark.parametrize("bias", [True, False])
def test_the_epsilon_rule_alone_is_input_times_gradient(bias: bool, faces: np.ndarray) -> None:
    """Ancona et al. 2018, arXiv 1711.06104: so it is for ReLU networks as epsilon vanishes."""
    net = small(bias)
    ours = explain(net, faces, "lrp", 1, alpha=0, epsilon=0.0).attribution
    wanted = explain(net, faces, "input-x-gradient", 1, "black").attribution
    np.testing.assert_allclose(ours, wanted, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("alpha", [0, 1])
def test_lrp_equals_captums_where_captum_can(alpha: int, faces: np.ndarray) -> None:
    net = small(bias=False)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.rule = EpsilonRule(1e-9) if alpha == 0 else Alpha1_Beta0_Rule()  # type: ignore[assignment]
        elif isinstance(module, (nn.Linear, nn.MaxPool2d)):
            module.rule = EpsilonRule(1e-9)  # type: ignore[assignment]
    x = (to_pixels(faces).float() / 255).requires_grad_()
    theirs = LRP(net).attribute(x, target=4)[:, 0].detach().numpy()
    ours = explain(small(bias=False), faces, "lrp", 4, alpha=alpha, epsilon=0.0).attribution
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


def test_merged_batch_norms_change_no_answer_and_not_the_model(
    net: FERNet, faces: np.ndarray
) -> None:
    before = net.predict(faces)
    first = explain(net, faces, "lrp", 2)
    np.testing.assert_allclose(first.logits, explain(net, faces, "saliency", 2).logits, rtol=1e-4)
    assert isinstance(net.get_submodule("conv1.bn"), nn.BatchNorm2d)
    np.testing.assert_array_equal(net.predict(faces), before)
    batch = np.concatenate([faces] * 12)  # two chunks: the second meets merged layers
    again = explain(net, batch, "lrp", 2).attribution
    np.testing.assert_allclose(again[-3:], first.attribution, rtol=1e-3, atol=1e-5)


def test_alpha_rules_see_the_merged_weights(net: FERNet, faces: np.ndarray) -> None:
    """Flipping a filter and the sign of its batch norm's scale is the same network."""
    wanted = explain(net, faces, "lrp", 2).attribution
    with torch.no_grad():
        net.get_parameter("conv1.conv.weight")[0] *= -1
        net.get_parameter("conv1.bn.weight")[0] *= -1
        net.get_buffer("conv1.bn.running_mean")[0] *= -1
    found = explain(net, faces, "lrp", 2).attribution
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_networks_without_rules_are_refused(linear: nn.Module, faces: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="Linear with weights: LRP has rules for Conv2d and"):
        explain(linear, faces, "lrp", 0)
    stray = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(2304, 7)).eval()
    with pytest.raises(ConfigError, match="does not follow a Conv2d"):
        explain(stray, faces, "lrp", 0)
