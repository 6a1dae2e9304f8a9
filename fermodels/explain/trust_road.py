"""ROAD: remove pixels without leaving a hole that gives their place away.

Rong et al. 2022, "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
arXiv 2202.00449: a removed pixel becomes the weighted mean of its neighbours, all removed pixels
together (their section 4.2), plus a little noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.errors import DataError
from fermodels.explain.trust_forward import lent, target_probability, to_unit
from fermodels.explain.trust_maps import Classes, Faces, Maps, ranks

FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of removed pixels; they lie evenly about a half, so that a random order scores 0."""
NEIGHBOURS = tuple(
    (row, column, 1 / 6 if row == 0 or column == 0 else 1 / 12)
    for row in (-1, 0, 1)
    for column in (-1, 0, 1)
    if (row, column) != (0, 0)
)
"""(row step, column step, weight): beside 1/6, diagonal 1/12 (their equation 5)."""
NOISE = 0.01
"""Standard deviation of the noise on a filled pixel; 1 is black to white."""


@dataclass(frozen=True, eq=False)
class Road:
    """Probability of the explained class after pixels were removed in two opposite orders."""

    fractions: tuple[float, ...]
    most_first: NDArray[np.float64]
    """``(N, K)``: the map's best pixels removed first."""
    least_first: NDArray[np.float64]
    """``(N, K)``: the map's worst pixels removed first."""

    @property
    def score(self) -> NDArray[np.float64]:
        """Least- minus most-relevant-first, averaged over the shares, ``(N,)``, -1 to 1.

        Higher is better; a random order scores 0 on average.
        """
        return np.asarray((self.least_first - self.most_first).mean(1))


def impute(
    face: NDArray[np.floating], missing: NDArray[np.bool_], noise: NDArray[np.floating] | float = 0
) -> NDArray[np.float32]:
    """Fill missing pixels so that each is the weighted mean of its up to eight neighbours.

    Args:
        face: grey levels ``(H, W)``; what stands at missing pixels is not looked at.
        missing: bool ``(H, W)``.
        noise: added to missing pixels, ``(H, W)`` or one number.

    Returns:
        float32 ``(H, W)``; pixels that are not missing are unchanged.

    Raises:
        DataError: every pixel is missing.
    """
    from scipy.sparse.linalg import splu

    if missing.all():
        raise DataError("every pixel is missing: leave at least one to fill the others from")
    filled = np.array(face, np.float64)
    if not missing.any():
        return filled.astype(np.float32)
    matrix, known = _system(filled, missing)
    # the matrix is symmetric and diagonally dominant: this ordering is ten times as fast
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    filled[missing] = solver.solve(known)
    return np.where(missing, filled + noise, filled).astype(np.float32)


def _system(
    face: NDArray[np.float64], missing: NDArray[np.bool_]
) -> tuple[Any, NDArray[np.float64]]:
    """Return the sparse matrix (M, M) and right-hand side (M,) of the missing pixels' values."""
    from scipy.sparse import csc_matrix

    count = int(missing.sum())
    number = np.full(np.add(face.shape, 2), -2)  # -2 outside, -1 known, else the unknown's number
    number[1:-1, 1:-1] = -1
    number[1:-1, 1:-1][missing] = np.arange(count)
    values = np.pad(np.where(missing, 0.0, face), 1)
    at = np.nonzero(missing)
    rows, columns, weights = [np.arange(count)], [np.arange(count)], [np.zeros(count)]
    known = np.zeros(count)
    for down, right, weight in NEIGHBOURS:
        place = at[0] + 1 + down, at[1] + 1 + right
        other = number[place]
        weights[0] += weight * (other > -2)
        known += weight * values[place]
        linked = np.flatnonzero(other >= 0)
        rows.append(linked)
        columns.append(other[linked])
        weights.append(np.full(len(linked), -weight))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return csc_matrix(entries, shape=(count, count)), known


def road(
    model: nn.Module,
    faces: Faces,
    importances: Maps,
    target_class: Classes,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Road:
    """Remove and fill in pixels in the map's order and in its reverse.

    Args:
        model: as for `fermodels.explain.attribution.explain`; it is not touched.
        faces: uint8 ``(N, 48, 48)``.
        importances: ``(N, 48, 48)``; see `trust_maps.importance`.
        target_class: ``(N,)`` class indices.
        fractions: shares of the pixels to remove, each above 0 and below 1.
        seed: order of equally important pixels, and the noise.
    """
    places, pixels = ranks(importances, seed), faces[0].size
    noise = NOISE * np.random.default_rng([seed, 3]).standard_normal(faces[0].shape)
    grey = faces / 255.0
    images = [
        impute(face, mask, noise)
        for share in fractions
        for masks in (places < round(share * pixels), places >= pixels - round(share * pixels))
        for face, mask in zip(grey, masks, strict=True)
    ]
    with lent(model) as net:
        x = torch.from_numpy(np.stack(images)).clamp(0, 1)[:, None].to(to_unit(net, faces[:1]))
        found = target_probability(net, x, np.tile(target_class, 2 * len(fractions)))
    by_order = found.reshape(len(fractions), 2, len(faces))
    return Road(tuple(fractions), by_order[:, 0].T, by_order[:, 1].T)
