"""Similarity, against a plain way to compute it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from fermodels.xai.trust.judge import map_similarity, spearman


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


def test_two_blank_maps_are_alike(pair) -> None:
    blank = np.zeros_like(pair[0])
    assert map_similarity(blank, blank).tolist() == [1, 1, 1] and map_similarity(
        blank, pair[0]
    ).tolist() == [0, 0, 0]
    np.testing.assert_array_equal(map_similarity(*pair), spearman(*pair))
