"""Figures with their uncertainty, and how alike two maps are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fermodels.explain.scorecard_record import Estimate
from fermodels.explain.trust_maps import Maps, ranks

RESAMPLES = 2000
"""Bootstrap resamples behind an interval."""


def estimate(values: NDArray[np.floating]) -> Estimate:
    """Return the mean of one value per face with its 95% bootstrap interval (percentile).

    Resampling is seeded. Where all values agree the interval is that value.
    """
    from scipy.stats import bootstrap

    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean, len(values))
    found = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Estimate(mean, float(found.low), float(found.high), len(values))


def spearman(first: Maps, second: Maps) -> NDArray[np.float64]:
    """Return the rank correlation of each pair of maps, ``(N,)``, -1 to 1.

    A map of one value throughout resembles nothing: 0.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    length = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    found: NDArray[np.float64] = (a * b).sum(1) / np.where(length > 0, length, 1.0)
    return found


def ssim(first: Maps, second: Maps) -> NDArray[np.float64]:
    """Return the structural similarity of each pair of maps, ``(N,)``, -1 to 1.

    Maps are compared as they are drawn: zero is mid grey, the largest size black or white, so
    that neither unit nor sign is lost (of two maps about zero, one the other's negative, SSIM
    would multiply two minus signs). Wang et al. 2004, windows of 7 pixels, by scikit-image.
    """
    from skimage.metrics import structural_similarity

    a, b = (
        0.5 + 0.5 * maps / np.abs(maps).max((1, 2), keepdims=True).clip(1e-30)
        for maps in (first, second)
    )
    pairs = zip(a, b, strict=True)
    found = [structural_similarity(x, y, data_range=1.0) for x, y in pairs]  # type: ignore[no-untyped-call]
    return np.array(found)


def top_overlap(first: Maps, second: Maps, share: float = 0.1) -> NDArray[np.float64]:
    """Return how many of each pair's most important pixels are the same, ``(N,)``, 0 to 1.

    Args:
        first: importances ``(N, 48, 48)``.
        second: importances ``(N, 48, 48)``.
        share: share of the pixels that counts as most important; also what chance scores.
    """
    count = round(share * first[0].size)
    # other dice for each, or equal pixels would agree by their shared order
    both = (ranks(first, seed=0) < count) & (ranks(second, seed=1) < count)
    return np.asarray(both.sum((1, 2)) / count)
