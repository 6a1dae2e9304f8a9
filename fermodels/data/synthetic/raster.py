"""Small numeric tools of the renderer: soft steps, bumps, smooth noise, Gaussian blur."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array: TypeAlias = NDArray[np.floating]

SIZE = 48
"""Side of a finished face, in pixels."""
OVERSAMPLING = 3
"""Rendered samples along a pixel's side before area averaging."""
FINE = SIZE * OVERSAMPLING
"""Side of the fine grid."""


@lru_cache(maxsize=1)
def pixel_grid() -> tuple[Array, Array]:
    """Return x and y (FINE, FINE) of the fine samples, in pixels of the finished face."""
    centre = ((np.arange(FINE) + 0.5) / OVERSAMPLING).astype(np.float32)
    x, y = np.meshgrid(centre, centre)
    return x, y


def ramp(value: Array, width: float) -> Array:
    """Smoothstep from 0 at ``-width`` to 1 at ``+width``."""
    t = np.clip(value * np.float32(0.5 / width) + np.float32(0.5), 0.0, 1.0)
    out: Array = t * t * (3.0 - 2.0 * t)
    return out


def bump(x: Array, y: Array, centre: tuple[float, float], sigma: tuple[float, float]) -> Array:
    """Axis-aligned Gaussian of height 1."""
    dx = (x - np.float32(centre[0])) * np.float32(1.0 / sigma[0])
    dy = (y - np.float32(centre[1])) * np.float32(1.0 / sigma[1])
    out: Array = np.exp(-0.5 * (dx * dx + dy * dy))
    return out


def crease(x: Array, y: Array, path: list[tuple[float, float]], width: float) -> Array:
    """Gaussian ridge of height 1 along a polyline, fading with the distance from it."""
    best = np.full(x.shape, 1e9, np.float32)
    for (x0, y0), (x1, y1) in pairwise(path):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) * (1.0 / (dx * dx + dy * dy)), 0.0, 1.0)
        ex, ey = x - (x0 + t * dx), y - (y0 + t * dy)
        np.minimum(best, ex * ex + ey * ey, out=best)
    out: Array = np.exp(best * np.float32(-0.5 / width**2))
    return out


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur, edge samples repeated; ``sigma`` in pixels of the finished face."""
    out: Array = gaussian_filter(image, sigma * OVERSAMPLING, mode="nearest", truncate=2.5)
    return out


def average(image: Array) -> Array:
    """Area-average (FINE, FINE) to (SIZE, SIZE)."""
    cells = image.reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING)
    out: Array = cells.mean(axis=(1, 3))
    return out


@lru_cache(maxsize=32)
def _spline_matrix(knots: int) -> Array:
    """Cubic B-spline weights (FINE, knots + 3) that spread ``knots`` spans over the grid."""
    t = (np.arange(FINE) + 0.5) / FINE * knots
    span = np.floor(t).astype(int)
    f = t - span
    weights = np.stack(
        [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3], axis=1
    )
    matrix = np.zeros((FINE, knots + 3), np.float32)
    for offset in range(4):
        matrix[np.arange(FINE), span + offset] = weights[:, offset] / 6.0
    return matrix


def smooth_noise(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return smooth random (FINE, FINE) of unit variance at its knots: B-spline white noise."""
    knots = rng.standard_normal((rows + 3, columns + 3)).astype(np.float32) * np.float32(1.6)
    # einsum, not @: small products gain nothing from a threaded BLAS and suffer on a busy machine.
    across = np.einsum("ik,jk->ij", knots, _spline_matrix(columns))
    out: Array = np.einsum("ik,kj->ij", _spline_matrix(rows), across)
    return out


def sample_shift(image: Array, dx: int, dy: int) -> Array:
    """Return ``image`` read at (x + dx, y + dy) fine samples, edges repeated."""
    rows = np.clip(np.arange(FINE) + dy, 0, FINE - 1)
    columns = np.clip(np.arange(FINE) + dx, 0, FINE - 1)
    out: Array = image[rows][:, columns]
    return out
