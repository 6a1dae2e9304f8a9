"""Methods that rewrite what ReLUs and max-pools pass back."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import DeepLift
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.nets.variants import VARIANTS
from fermodels.xai.attribution.explain import explain


class Chain(nn.Module):
    """logit 0 = relu(a) - relu(b) + relu(-c) of three pixels: every rule differs somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.register_buffer("mean_face", torch.zeros(1, 1, 48, 48))

    def forward(self, x: Tensor) -> Tensor:
        a, b, c = x[:, 0, 0, :3].unbind(1)
        units = self.relu(torch.stack([a, b, -c], 1))
        logit = units[:, 0] - units[:, 1] + units[:, 2]
        return torch.stack([logit, *[torch.zeros_like(a)] * 6], 1)


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x.flatten(1)[:, :7])


def test_relu_rules_by_hand() -> None:
    face = np.zeros((48, 48), np.uint8)
    face[0, :3] = 100  # units fire, fire, do not fire; their gradients are +1, -1, +1
    wanted = {
        "guided-backprop": [1, 0, 0],  # fired and positive
        "deconvolution": [1, 0, -1],  # positive, fired or not
        "deep-lift": [100 / 255, -100 / 255, 0],
    }
    for method, values in wanted.items():
        found = explain(Chain().eval(), face, method, 0).attribution[0]
        np.testing.assert_allclose(found[0, :3], values, atol=1e-6, err_msg=method)
        assert np.abs(found[1:]).max() == 0


def test_guided_backprop_is_not_the_gradient(net: FERNet, faces: np.ndarray) -> None:
    guided = explain(net, faces, "guided-backprop").attribution
    deconvolved = explain(net, faces, "deconvolution").attribution
    gradient = explain(net, faces, "smoothgrad", noise=0.0, samples=1).attribution
    for one, other in ((guided, gradient), (deconvolved, gradient), (guided, deconvolved)):
        assert np.linalg.norm(one - other) > 0.1 * np.linalg.norm(other)


@pytest.mark.parametrize("method", ["guided-backprop", "deconvolution", "deep-lift"])
def test_functional_relus_are_refused_rather_than_ignored(method: str) -> None:
    face = np.full((48, 48), 9, np.uint8)
    with pytest.raises(ConfigError, match=r"no nn\.ReLU module"):
        explain(Functional().eval(), face, method, 0, "black")


def test_an_in_place_relu_changes_no_answer(cnn: nn.Module, faces: np.ndarray) -> None:
    for method in ("guided-backprop", "deep-lift", "grad-cam"):
        plain = explain(cnn, faces, method, 1, "black").attribution
        cnn.get_submodule("conv1.relu").inplace = True
        in_place = explain(cnn, faces, method, 1, "black").attribution
        cnn.get_submodule("conv1.relu").inplace = False
        np.testing.assert_array_equal(in_place, plain)


@pytest.mark.parametrize("variant", ["shallow", "deep", "deep-6"])
def test_deep_lift_is_complete_through_max_pools(variant, build, faces: np.ndarray) -> None:
    found = explain(build(VARIANTS[variant].config), faces, "deep-lift", 1)
    assert found.completeness_error is not None
    assert found.completeness_error.max() < 1e-3


def test_bare_captum_is_not_complete_where_ours_is(build, faces: np.ndarray) -> None:
    """If this fails, Captum has mended issue 1104 and `_own_inputs` can go."""
    net = build(VARIANTS["deep"].config)
    x = to_pixels(faces).float() / 255
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, delta = DeepLift(net).attribute(
            x, net.mean_face.expand_as(x), target=1, return_convergence_delta=True
        )
    with torch.no_grad():
        drop = (net(x) - net(net.mean_face))[:, 1]
        worst = float((delta.abs() / drop.abs()).max())
    assert worst > 0.01


def test_captums_notices_do_not_reach_the_user(net: FERNet, faces: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in ("guided-backprop", "deconvolution", "deep-lift"):
            explain(net, faces, method)
