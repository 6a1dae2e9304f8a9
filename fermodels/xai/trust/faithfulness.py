"""Deletion and insertion: does the class go, and come, with the pixels that a map ranks first?

Petsiuk et al. 2018 (RISE), arXiv 1806.07421, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.errors import DataError
from fermodels.xai.attribution.baselines import BaselineLike, baseline_faces
from fermodels.xai.trust.maps import (
    CONTROLS,
    Classes,
    Faces,
    Maps,
    forward_copy,
    importance,
    ranks,
    target_probability,
    to_unit,
)

FRACTIONS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)
"""Shares of replaced pixels at which a curve is known: dense where curves bend."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Probability of the explained class while ranked pixels are replaced, and while restored."""

    fractions: NDArray[np.float64]
    """``(K,)`` from 0 to 1: the share of the pixels, most important first."""
    deletion: NDArray[np.float64]
    """``(N, K)``: after that share gave way to the baseline. The lower, the better the map."""
    insertion: NDArray[np.float64]
    """``(N, K)``: after that share returned to the baseline. The higher, the better the map."""

    @property
    def deletion_auc(self) -> NDArray[np.float64]:
        """Area under each deletion curve, ``(N,)``, 0 to 1; lower is better."""
        return np.asarray(np.trapezoid(self.deletion, self.fractions, axis=1))

    @property
    def insertion_auc(self) -> NDArray[np.float64]:
        """Area under each insertion curve, ``(N,)``, 0 to 1; higher is better."""
        return np.asarray(np.trapezoid(self.insertion, self.fractions, axis=1))

    @property
    def gap(self) -> NDArray[np.float64]:
        """Insertion minus deletion area, ``(N,)``, -1 to 1; higher is better.

        A random order scores 0 on average whatever the network makes of scattered pixels:
        what it deletes first is as random as what it would insert last.
        """
        return self.insertion_auc - self.deletion_auc


def deletion_insertion(
    model: nn.Module,
    faces: Faces,
    importances: Maps,
    target_class: Classes,
    baseline: BaselineLike = "mean-face",
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
) -> Curves:
    """Follow each face's class while its pixels are replaced, and restored, in order.

    Args:
        model: as for `fermodels.xai.attribution.explain.explain`; it is not touched.
        faces: uint8 ``(N, 48, 48)``.
        importances: ``(N, 48, 48)``; larger goes first. See `maps.importance`.
        target_class: ``(N,)`` class indices.
        baseline: what replaces a pixel; a name in BASELINES, or faces.
        fractions: shares of the pixels, ascending from 0 to 1.
        seed: order of equally important pixels.

    Raises:
        DataError: fewer maps or classes than faces, or fractions not ascending from 0 to 1.
    """
    _check(faces, importances, target_class, fractions)
    places = torch.from_numpy(ranks(importances, seed))[:, None]
    with forward_copy(model) as net:
        x = to_unit(net, faces)
        baselines = baseline_faces(net, x, baseline).expand_as(x)
        images = _altered(x, baselines, places.to(x.device), fractions[1:-1])
        rows = torch.cat([x, baselines, *images])
        repeats = len(rows) // len(x)
        probabilities = target_probability(net, rows, np.tile(target_class, repeats))
    whole, none, *inner = probabilities.reshape(repeats, len(x))
    steps = len(fractions) - 2
    deletion = [whole, *inner[:steps], none]
    insertion = [none, *inner[steps:], whole]
    return Curves(np.array(fractions), np.stack(deletion, 1), np.stack(insertion, 1))


def _altered(
    faces: Tensor, baselines: Tensor, places: Tensor, fractions: Sequence[float]
) -> list[Tensor]:
    """Return the faces with each share deleted, then with each share inserted."""
    pixels = faces[0].numel()
    masks = [places < round(share * pixels) for share in fractions]
    deleted = [torch.where(mask, baselines, faces) for mask in masks]
    return deleted + [torch.where(mask, faces, baselines) for mask in masks]


def _check(
    faces: Faces, importances: Maps, target_class: Classes, fractions: Sequence[float]
) -> None:
    if importances.shape != faces.shape or len(target_class) != len(faces):
        raise DataError(
            f"{faces.shape} faces, {importances.shape} maps, {len(target_class)} classes: "
            "expected one map (48, 48) and one class per face"
        )
    if list(fractions[:1]) != [0.0] or fractions[-1] != 1.0 or list(fractions) != sorted(fractions):
        raise DataError(f"fractions are {tuple(fractions)}: expected ascending from 0.0 to 1.0")


def face_curves(
    model: nn.Module,
    face: NDArray[np.uint8],
    attribution: NDArray[np.float32],
    target_class: int,
    method: str,
    baseline: BaselineLike = "mean-face",
) -> dict[str, Curves]:
    """Return one face's curves for a method's map and for the controls, all at once.

    For a room that shows a map: 50 forward passes in all, so it answers while one looks.

    Args:
        model: as for `deletion_insertion`.
        face: uint8 ``(48, 48)``.
        attribution: the method's map of this face, ``(48, 48)``.
        target_class: the class it explains.
        method: a name in METHODS; says whether the map holds contributions or slopes.
        baseline: what replaces a pixel.

    Returns:
        Curves of one face each, by name: ``method``, then those of CONTROLS.
    """
    classes = np.array([target_class])
    maps = {"method": importance(attribution[None], method)}
    maps |= {name: control(model, face[None], classes) for name, control in CONTROLS.items()}
    count = len(maps)
    curves = deletion_insertion(
        model,
        np.repeat(face[None], count, axis=0),
        np.concatenate(list(maps.values())),
        np.repeat(classes, count),
        baseline,
    )
    return {
        name: Curves(curves.fractions, curves.deletion[i : i + 1], curves.insertion[i : i + 1])
        for i, name in enumerate(maps)
    }


# --- ROAD: remove pixels without leaving a hole that gives their place away
#
# Rong et al. 2022, "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
# arXiv 2202.00449: a removed pixel becomes the weighted mean of its neighbours, all removed pixels
# together (their section 4.2), plus a little noise.


ROAD_FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
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
    fractions: Sequence[float] = ROAD_FRACTIONS,
    seed: int = 0,
) -> Road:
    """Remove and fill in pixels in the map's order and in its reverse.

    Args:
        model: as for `fermodels.xai.attribution.explain.explain`; it is not touched.
        faces: uint8 ``(N, 48, 48)``.
        importances: ``(N, 48, 48)``; see `maps.importance`.
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
    with forward_copy(model) as net:
        x = torch.from_numpy(np.stack(images)).clamp(0, 1)[:, None].to(to_unit(net, faces[:1]))
        probabilities = target_probability(net, x, np.tile(target_class, 2 * len(fractions)))
    by_order = probabilities.reshape(len(fractions), 2, len(faces))
    return Road(tuple(fractions), by_order[:, 0].T, by_order[:, 1].T)
