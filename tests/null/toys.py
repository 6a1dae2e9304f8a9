"""A network that can be solved by hand, and faces with a cue planted in them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

CELL = 4
"""Side of a cell in pixels."""
OWN = 16
"""Cells of each class; half of them are lit in a face of that class."""


def cells_of_classes() -> NDArray[np.bool_]:
    """Return which cells each class owns, ``(7, 12, 12)``, none of them two classes'."""
    order = np.random.default_rng(5).permutation(144)[: 7 * OWN].reshape(7, OWN)
    owned = np.zeros((7, 144), bool)
    np.put_along_axis(owned, order, True, axis=1)
    return owned.reshape(7, 12, 12)


def grown(cells: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return cells as pixels, ``(..., 48, 48)``."""
    return cells.repeat(CELL, -2).repeat(CELL, -1)


class Cells(nn.Module):
    """A class's logit grows with the light in its cells: every contribution is known."""

    mean_face: Tensor

    def __init__(self, gain: float = 0.12) -> None:
        super().__init__()
        weights = gain * grown(cells_of_classes()).reshape(7, -1)
        self.weight = nn.Parameter(torch.from_numpy(weights).float())
        self.register_buffer("mean_face", torch.full((1, 1, 48, 48), 0.4))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.4) @ self.weight.T


def lit_faces(n: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return faces of noise in which half of the cells of their class are lit, and the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 7
    owned = cells_of_classes()
    light = np.zeros((n, 144))
    for face, label in zip(light, labels, strict=True):
        face[rng.permutation(np.flatnonzero(owned[label]))[: OWN // 2]] = 1
    faces = 102 + 70 * grown(light.reshape(n, 12, 12)) + rng.normal(0, 25, (n, 48, 48))
    return faces.clip(0, 255).astype(np.uint8), labels
