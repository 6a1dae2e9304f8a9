"""How alike two maps are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fermodels.explain.trust_maps import Maps


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


def alike(first: Maps, second: Maps) -> NDArray[np.float64]:
    """Return how alike each pair of maps is, ``(N,)``, -1 to 1: `spearman`, but equal maps get 1.

    Two blank maps are alike, or a method that draws nothing would seem to depend on all it is
    given.
    """
    equal = (first == second).all((1, 2))
    return np.where(equal, 1.0, spearman(first, second))
