"""Averages over noisy copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.model_access import ROWS
from tests.xai.conftest import SMALL, settle

SMOOTHABLE = [name for name, method in METHODS.items() if "smooth" in method.options]
QUICK = {
    name: {"steps": 4} | ({"refine": 0.0} if "refine" in METHODS[name].options else {})
    for name in SMOOTHABLE
    if "steps" in METHODS[name].options
}


@pytest.fixture(scope="module")
def net() -> FERNet:
    """Made once: no test here changes it."""
    return settle(SMALL)


@pytest.fixture(scope="module")
def hybrid() -> FERNet:
    """Made once: no test here changes it."""
    return settle(replace(SMALL, hog=True))


def test_every_method_by_gradients_can_be_smoothed() -> None:
    by_perturbation = {"occlusion", "feature-ablation", "kernel-shap", "lime", "score-cam"}
    with_noise_of_their_own = {"smoothgrad", "gradient-shap"}
    assert set(METHODS) - set(SMOOTHABLE) == by_perturbation | with_noise_of_their_own


@pytest.mark.parametrize("method", SMOOTHABLE)
def test_smoothing_without_noise_changes_nothing(
    method: str, hybrid: FERNet, faces: np.ndarray
) -> None:
    options = QUICK.get(method, {})
    plain = explain(hybrid, faces, method, 2, **options).attribution
    still = explain(hybrid, faces, method, 2, smooth=3, smooth_noise=0.0, **options).attribution
    np.testing.assert_allclose(still, plain, rtol=1e-3, atol=1e-4 * np.abs(plain).max())


@pytest.mark.parametrize("method", SMOOTHABLE)
def test_smoothing_averages_and_follows_the_seed(
    method: str, net: FERNet, faces: np.ndarray
) -> None:
    options = QUICK.get(method, {})
    plain = explain(net, faces, method, 2, **options).attribution
    first, again, other = (
        explain(net, faces, method, 2, smooth=4, seed=seed, **options).attribution
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other) and not np.allclose(first, plain)


def test_smoothed_saliency_is_smoothgrad_by_size(net: FERNet, faces: np.ndarray) -> None:
    """Two implementations: one batches copies of a question, the other only gradients."""
    copies = 2 * ROWS // len(faces) + 1  # three batches
    found = explain(net, faces, "saliency", 1, smooth=copies, smooth_noise=0.2, seed=5)
    wanted = explain(net, faces, "smoothgrad", 1, samples=copies, noise=0.2, seed=5)
    np.testing.assert_allclose(found.attribution, np.abs(wanted.attribution), rtol=1e-2, atol=1e-3)


def test_smoothing_equals_a_slow_loop(net: FERNet, faces: np.ndarray) -> None:
    x = torch.from_numpy(faces).float()[:, None] / 255
    noise = torch.randn(3, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    found = explain(net, faces, "input-x-gradient", 4, smooth=3).attribution
    for face, ours in zip(x, found, strict=True):
        total = torch.zeros(48, 48)
        for copy in noise:
            noisy = (face + 0.15 * (face.max() - face.min()) * copy)[None].requires_grad_()
            (gradient,) = torch.autograd.grad(net(noisy)[0, 4], noisy)
            total += ((noisy - net.mean_face) * gradient)[0, 0].detach()
        np.testing.assert_allclose(ours, total / 3, rtol=1e-3, atol=1e-4)


def test_a_linear_models_smoothed_gradient_is_its_weights(
    linear: nn.Module, faces: np.ndarray
) -> None:
    found = explain(linear, faces, "saliency", 2, smooth=10)
    weight = linear.get_parameter("weight")[2].detach().numpy().reshape(48, 48)
    np.testing.assert_allclose(found.attribution[0], np.abs(weight), rtol=1e-4, atol=1e-5)


def test_a_smoothed_sum_says_what_it_sums_to(net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, "deep-lift", smooth=3)
    assert any("noisy copies" in note for note in found.notes)


def test_methods_that_cannot_be_smoothed_say_so(net: FERNet, faces: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="occlusion has no option 'smooth'"):
        explain(net, faces, "occlusion", smooth=3)
