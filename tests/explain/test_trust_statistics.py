"""Similarity and uncertainty, against plain ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from fermodels.explain.trust_statistics import estimate, spearman, ssim, top_overlap


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3, 48, 48)).astype(np.float32)
    second = (first + rng.normal(size=(3, 48, 48))).astype(np.float32)
    second[1, :20] = 0  # ties
    return first, second


def test_spearman_equals_scipys(pair) -> None:
    wanted = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(*pair, strict=True)]
    np.testing.assert_allclose(spearman(*pair), wanted, atol=1e-9)


def test_a_blank_map_resembles_nothing(pair) -> None:
    assert spearman(np.zeros_like(pair[0]), pair[0]).tolist() == [0, 0, 0]


def test_ssim_ignores_the_unit_but_not_the_sign(pair) -> None:
    np.testing.assert_allclose(ssim(pair[0], 1000 * pair[0]), 1, atol=1e-6)
    assert (ssim(pair[0], -pair[0]) < -0.5).all()


def test_overlap_of_unrelated_maps_is_the_share(pair) -> None:
    rng = np.random.default_rng(1)
    many = rng.random((60, 48, 48), dtype=np.float32)
    found = top_overlap(many, rng.random((60, 48, 48), dtype=np.float32), share=0.2)
    assert abs(found.mean() - 0.2) < 0.01
    np.testing.assert_allclose(top_overlap(pair[0], pair[0]), 1)


def test_blank_maps_do_not_agree_by_their_ties() -> None:
    blank = np.zeros((40, 48, 48), np.float32)
    assert abs(top_overlap(blank, blank).mean() - 0.1) < 0.02


def test_the_interval_covers_the_truth_in_about_19_of_20_samples() -> None:
    rng = np.random.default_rng(0)
    found = [estimate(rng.normal(3, 1, 40)) for _ in range(60)]
    assert 50 <= sum(one.low <= 3 <= one.high for one in found) <= 60
    assert all(one.low < one.mean < one.high and one.n == 40 for one in found)


def test_one_value_is_its_own_interval() -> None:
    alone = estimate(np.array([0.5]))
    assert (alone.mean, alone.low, alone.high, alone.n) == (0.5, 0.5, 0.5, 1)
