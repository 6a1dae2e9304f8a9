"""Linear stand-ins for the network, against slow re-implementations and known answers."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.surrogates import LIME_WIDTH, coalitions, patches_of

SQUARES = {"segments": 4, "follow": False}  # 2x2 squares of 24 pixels


def patch_sums(attribution: np.ndarray) -> np.ndarray:
    """Sums over the four quarters of a map, row by row."""
    return attribution.reshape(2, 24, 2, 24).sum((1, 3)).ravel()


def quarters(face: Tensor, below: Tensor, kept: tuple[int, ...]) -> Tensor:
    """The face in the kept quarters, the baseline elsewhere."""
    mixed = below.clone()
    for i in kept:
        square = (
            ...,
            slice(24 * (i // 2), 24 * (i // 2) + 24),
            slice(24 * (i % 2), 24 * (i % 2) + 24),
        )
        mixed[square] = face[square]
    return mixed


def slow_shapley(net: FERNet, face: np.ndarray, target: int) -> np.ndarray:
    """Average each player's gain over all orders of entry; a hybrid's branches are players."""
    x = torch.from_numpy(face).float()[None, None] / 255
    known: dict[frozenset[int], float] = {}

    def value(kept: frozenset[int]) -> float:
        if kept not in known:
            conv = quarters(x, net.mean_face, tuple(i for i in kept if i < 4))
            hog = quarters(x, net.mean_face, tuple(i - 4 for i in kept if i >= 4))
            known[kept] = net.forward_branches(conv, hog)[0, target].item()
        return known[kept]

    players = 8 if net.has_hog else 4
    orders = list(permutations(range(players)))
    gains = np.zeros(players)
    with torch.no_grad():
        for order in orders:
            for place, player in enumerate(order):
                before = frozenset(order[:place])
                gains[player] += value(before | {player}) - value(before)
    return gains / len(orders)


def test_all_coalitions_give_exact_shapley_values(net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, "kernel-shap", 3, samples=14, **SQUARES).attribution
    for face, ours in zip(faces, found, strict=True):
        wanted = slow_shapley(net, face, 3)
        np.testing.assert_allclose(patch_sums(ours), wanted, atol=1e-3 * np.abs(wanted).max())


def test_a_hybrids_branches_are_players_of_their_own(hybrid: FERNet, faces: np.ndarray) -> None:
    found = explain(hybrid, faces[:1], "kernel-shap", 3, samples=254, **SQUARES)
    ours = np.concatenate([patch_sums(found.parts[branch][0]) for branch in ("conv", "hog")])
    wanted = slow_shapley(hybrid, faces[0], 3)
    np.testing.assert_allclose(ours, wanted, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("follow", [True, False])
def test_kernel_shap_is_exact_on_a_linear_model(
    follow: bool, linear: nn.Module, faces: np.ndarray
) -> None:
    found = explain(linear, faces, "kernel-shap", 5, segments=20, samples=64, follow=follow)
    weight = linear.get_parameter("weight")[5].view(48, 48)
    for face, ours in zip(faces, found.attribution, strict=True):
        x = torch.from_numpy(face).float()[None] / 255
        by_pixel = weight * (x - linear.get_buffer("mean_face")[0])[0]
        for patch in patches_of(x, 20, follow):
            assert ours[patch].sum() == pytest.approx(by_pixel[patch].sum().item(), abs=2e-3)
            assert ours[patch].std() < 1e-5  # spread evenly
    assert found.completeness_error is not None and found.completeness_error.max() < 1e-3


def test_sampled_shapley_values_sum_exactly_and_come_near(net: FERNet, faces: np.ndarray) -> None:
    nine = {"segments": 9, "follow": False}
    exact = explain(net, faces, "kernel-shap", 3, samples=510, **nine)
    rough = explain(net, faces, "kernel-shap", 3, samples=200, **nine)
    for found in (exact, rough):
        assert found.completeness_error is not None and found.completeness_error.max() < 1e-3
    difference = np.linalg.norm(rough.attribution - exact.attribution)
    assert 0 < difference < 0.2 * np.linalg.norm(exact.attribution)


def test_coalitions_are_drawn_from_the_shapley_kernel() -> None:
    kept, weights = coalitions(12, 4000, seed=0)
    assert torch.equal(kept[0::2] + kept[1::2], torch.ones(2000, 12).double())
    assert (weights == 1).all()
    sizes = kept.sum(1).long()
    kernel = torch.tensor([1 / (k * (12 - k)) for k in range(1, 12)])
    drawn = torch.bincount(sizes, minlength=12)[1:] / 4000
    torch.testing.assert_close(drawn, kernel / kernel.sum(), atol=0.02, rtol=0)
    assert (kept.mean(0) - 0.5).abs().max() < 1e-9  # a pair keeps everybody once


def test_too_few_samples_are_refused(net: FERNet, hybrid: FERNet, faces: np.ndarray) -> None:
    for model, players in ((net, 36), (hybrid, 72)):
        with pytest.raises(ConfigError, match=f"samples is 36 for {players} patches"):
            explain(model, faces, "kernel-shap", segments=36, follow=False, samples=36)


def slow_lime(net: FERNet, face: np.ndarray, target: int, samples: int, ridge: float):
    """Weighted ridge regression with a free intercept, as extra rows of least squares."""
    x = torch.from_numpy(face).float()[None, None] / 255
    random = torch.Generator().manual_seed(0)
    kept = torch.randint(2, (samples, 4), generator=random).numpy().astype(float)
    kept[0] = 1
    with torch.no_grad():
        scores = [
            net(quarters(x, net.mean_face, tuple(np.flatnonzero(row))))[0, target].item()
            for row in kept
        ]
    cosine = kept.sum(1) / np.sqrt(4 * np.maximum(kept.sum(1), 1))
    root = np.sqrt(np.exp(-((1 - cosine) ** 2) / LIME_WIDTH**2))
    rows = np.column_stack([kept, np.ones(samples)]) * root[:, None]
    pull = np.column_stack([np.sqrt(ridge) * np.eye(4), np.zeros(4)])
    answers = np.concatenate([np.array(scores) * root, np.zeros(4)])
    return np.linalg.lstsq(np.vstack([rows, pull]), answers, rcond=None)[0][:4]


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_lime_equals_a_slow_ridge_regression(ridge: float, net: FERNet, faces: np.ndarray) -> None:
    found = explain(net, faces, "lime", 2, samples=40, ridge=ridge, **SQUARES).attribution
    for face, ours in zip(faces, found, strict=True):
        wanted = slow_lime(net, face, 2, 40, ridge)
        np.testing.assert_allclose(patch_sums(ours), wanted, atol=1e-3 * np.abs(wanted).max())


def test_lime_without_a_ridge_is_exact_on_a_linear_model(
    linear: nn.Module, faces: np.ndarray
) -> None:
    found = explain(linear, faces, "lime", 5, "black", ridge=0.0, **SQUARES).attribution
    weight = linear.get_parameter("weight")[5].detach().numpy().reshape(48, 48)
    for face, ours in zip(faces, found, strict=True):
        wanted = patch_sums(weight * face.astype(np.float32) / 255)
        np.testing.assert_allclose(patch_sums(ours), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", ["kernel-shap", "lime"])
def test_samples_follow_the_seed(method: str, net: FERNet, faces: np.ndarray) -> None:
    first, again, other = (
        explain(net, faces, method, 0, segments=16, samples=40, seed=seed).attribution
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.allclose(first, other)
