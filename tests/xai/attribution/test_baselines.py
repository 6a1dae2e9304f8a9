"""Faces that stand for nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.baselines import BASELINES, baseline_faces, gaussian_blur
from fermodels.xai.attribution.explain import explain


@pytest.mark.parametrize("sigma", [0.6, 1.0, 4.0])
def test_blur_equals_scipys(sigma: float) -> None:
    images = torch.rand(2, 1, 48, 48, dtype=torch.float64)
    wanted = [gaussian_filter(i, sigma, mode="nearest", truncate=4) for i in images[:, 0].numpy()]
    np.testing.assert_allclose(gaussian_blur(images, sigma)[:, 0], wanted, atol=2e-4)


def test_named_baselines_are_faces_in_range(net: FERNet) -> None:
    x = torch.rand(2, 1, 48, 48)
    for baseline in BASELINES.values():
        built = baseline.build(net, x)
        assert built.shape == x.shape and built.min() >= 0 and built.max() <= 1
        assert len(baseline.help) > 40
    torch.testing.assert_close(BASELINES["mean-face"].build(net, x)[1:], net.mean_face)


def test_an_array_baseline_equals_the_named_one(net: FERNet, faces: np.ndarray) -> None:
    named = explain(net, faces, baseline="black", steps=4).attribution
    for zeros in (np.zeros((48, 48), np.uint8), np.zeros((3, 48, 48), np.float64)):
        np.testing.assert_array_equal(
            explain(net, faces, baseline=zeros, steps=4).attribution, named
        )


@pytest.mark.parametrize(
    "wrong",
    [
        np.full((48, 48), 1.5),
        np.full((48, 48), np.nan),
        np.zeros((48, 47)),
        np.zeros((48, 48), np.int64),
        np.zeros((0, 48, 48)),
    ],
)
def test_wrong_arrays_are_refused(wrong: np.ndarray, net: FERNet) -> None:
    with pytest.raises(DataError, match="baseline"):
        baseline_faces(net, torch.rand(1, 1, 48, 48), wrong)


def test_a_model_without_a_mean_face_says_so() -> None:
    with pytest.raises(ConfigError, match="no mean_face"):
        baseline_faces(nn.Linear(1, 1), torch.rand(1, 1, 48, 48), "mean-face")
