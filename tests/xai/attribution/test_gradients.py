"""Gradient methods against models whose answer is known, and against Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn

from fermodels.errors import DataError
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.registry import METHODS

pytestmark = pytest.mark.filterwarnings("ignore:Input Tensor")  # Captum's own notice


class Kink(nn.Module):
    """logit 0 = relu(2 a - b), logit 1 = max(a, b), of the first two pixels; the rest 0."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.register_buffer("mean_face", torch.full((1, 1, 48, 48), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        a, b = x[:, 0, 0, 0], x[:, 0, 0, 1]
        zero = torch.zeros_like(a)
        return torch.stack([self.relu(2 * a - b), torch.maximum(a, b), *[zero] * 5], 1)


def pixels(faces: np.ndarray) -> np.ndarray:
    return faces.astype(np.float32) / 255


def test_saliency_of_a_linear_model_is_its_weights_by_size(
    linear: nn.Module, faces: np.ndarray
) -> None:
    found = explain(linear, faces, "saliency", 2)
    weight = linear.get_parameter("weight")[2].detach().numpy().reshape(48, 48)
    np.testing.assert_allclose(found.attribution, np.abs(weight)[None].repeat(3, 0), rtol=1e-6)


def test_smoothgrad_of_a_linear_model_is_its_weights(linear: nn.Module, faces: np.ndarray) -> None:
    found = explain(linear, faces, "smoothgrad", 4)
    weight = linear.get_parameter("weight")[4].detach().numpy().reshape(48, 48)
    np.testing.assert_allclose(found.attribution[1], weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["integrated-gradients", "input-x-gradient", "gradient-shap"])
@pytest.mark.parametrize("baseline", ["mean-face", "black"])
def test_path_methods_are_exact_on_a_linear_model(
    method: str, baseline: str, linear: nn.Module, faces: np.ndarray
) -> None:
    found = explain(linear, faces, method, "sad", baseline)
    weight = linear.get_parameter("weight")[4].detach().numpy().reshape(48, 48)
    below = linear.get_buffer("mean_face").numpy()[0] if baseline == "mean-face" else 0.0
    np.testing.assert_allclose(
        found.attribution, weight * (pixels(faces) - below), rtol=1e-4, atol=1e-5
    )
    if found.completeness_error is not None:
        assert found.completeness_error.max() < 1e-3


def test_integrated_gradients_solve_a_kink_by_hand() -> None:
    face = np.zeros((48, 48), np.uint8)
    face[0, :2] = 204, 51  # a = 0.8, b = 0.2; the baseline is 0.1 everywhere
    found = explain(Kink().eval(), face, target_class=0, tolerance=0.0, refine=4.0)
    # 2a - b is positive all along the path, so the gradient is (2, -1) everywhere
    np.testing.assert_allclose(found.attribution[0, 0, :2], [1.4, -0.1], atol=1e-5)
    assert np.abs(found.attribution[0, 1:]).max() == 0


def test_added_points_find_a_kink_that_even_steps_miss() -> None:
    face = np.zeros((48, 48), np.uint8)
    face[0, :2] = 51, 204  # 2a - b falls from 0.1 to -0.4: the ReLU closes on the way, at 1/5
    plain = explain(Kink().eval(), face, target_class=0, steps=7, refine=0.0)
    added = explain(Kink().eval(), face, target_class=0, steps=7, refine=10.0, tolerance=0.001)
    assert plain.completeness_error is not None and added.completeness_error is not None
    assert plain.completeness_error[0] > 0.02
    assert added.completeness_error[0] < 0.002
    np.testing.assert_allclose(added.attribution[0, 0, :2], [0.04, -0.14], atol=1e-3)


def test_methods_agree_with_captum(net: FERNet, faces: np.ndarray) -> None:
    x = to_pixels(faces).float() / 255
    mean = net.mean_face.expand_as(x)
    target = torch.tensor([1, 4, 6])
    theirs = {
        "saliency": Saliency(net).attribute(x, target),
        "integrated-gradients": IntegratedGradients(net).attribute(
            x, mean, target, n_steps=300, internal_batch_size=64
        ),
    }
    for name, wanted in theirs.items():
        ours = explain(net, faces, name, target.numpy()).attribution
        difference = np.linalg.norm(ours - wanted[:, 0].detach().numpy())
        assert difference < 0.02 * np.linalg.norm(ours), name
    black = explain(net, faces, "input-x-gradient", target.numpy(), "black").attribution
    wanted = InputXGradient(net).attribute(x, target)[:, 0].detach().numpy()
    np.testing.assert_allclose(black, wanted, rtol=1e-3, atol=1e-5)


def test_smoothgrad_converges_to_captums(net: FERNet, faces: np.ndarray) -> None:
    x = to_pixels(faces[:1]).float() / 255
    spread = float(x.max() - x.min())
    torch.manual_seed(0)
    wanted = NoiseTunnel(Saliency(net)).attribute(
        x, nt_samples=400, nt_samples_batch_size=100, stdevs=0.15 * spread, target=3, abs=False
    )
    ours = explain(net, faces[:1], "smoothgrad", 3, samples=400)
    assert np.corrcoef(ours.attribution.ravel(), wanted.detach().numpy().ravel())[0, 1] > 0.95


def test_gradient_shap_averages_over_a_distribution(linear: nn.Module, faces: np.ndarray) -> None:
    below = np.stack([np.zeros((48, 48)), np.ones((48, 48))]).astype(np.float32)
    found = explain(linear, faces, "gradient-shap", 0, below, samples=400)
    weight = linear.get_parameter("weight")[0].detach().numpy().reshape(48, 48)
    assert found.baseline == "array"
    np.testing.assert_allclose(
        found.attribution, weight * (pixels(faces) - 0.5), atol=0.1 * np.abs(weight).max()
    )
    with pytest.raises(DataError, match="2 baselines for 3 faces"):
        explain(linear, faces, "integrated-gradients", 0, below)


def test_noise_follows_the_seed(net: FERNet, faces: np.ndarray) -> None:
    for method, options in (("smoothgrad", {}), ("gradient-shap", {"noise": 0.1})):
        first, again, other = (
            explain(net, faces, method, samples=4, seed=seed, **options).attribution
            for seed in (0, 0, 1)
        )
        assert np.array_equal(first, again) and not np.allclose(first, other)


@pytest.mark.parametrize(
    ("name", "given", "passes"),
    [
        ("saliency", {}, 1),
        ("saliency", {"smooth": 10}, 10),
        ("integrated-gradients", {"steps": 50, "refine": 6.0}, 350),
        ("integrated-gradients", {"steps": 1000, "refine": 20.0, "smooth": 1000}, 21_000_000),
        ("smoothgrad", {"samples": 25}, 25),
        ("occlusion", {"patch": 8, "stride": 4}, 169),
        ("score-cam", {"channels": 64}, 64),
        ("kernel-shap", {"samples": 256, "segments": 36}, 256),
    ],
)
def test_a_method_says_how_much_it_asks_of_the_network(
    name: str, given: dict[str, float], passes: int
) -> None:
    method = METHODS[name]
    assert method.passes(method.settings(given)) == passes
