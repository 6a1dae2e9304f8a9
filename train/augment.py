"""Random views of a batch of faces, as batched tensor code on the batch's device."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.config import TrainConfig


def _uniform(n: int, reach: float, generator: torch.Generator) -> Tensor:
    """Return ``(n,)`` numbers in [-reach, reach], drawn on the CPU so that devices agree."""
    return (torch.rand(n, generator=generator) * 2 - 1) * reach


def affine_matrices(n: int, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Return ``(n, 2, 3)`` random maps from output to input coordinates (mirror included)."""
    angle = _uniform(n, math.radians(config.rotate), generator)
    zoom = 1 / (1 + _uniform(n, config.scale, generator))
    mirror = torch.ones(n)
    if config.flip:
        mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.empty(n, 2, 3)
    theta[:, 0, 0] = angle.cos() * zoom * mirror
    theta[:, 0, 1] = -angle.sin() * zoom
    theta[:, 1, 0] = angle.sin() * zoom * mirror
    theta[:, 1, 1] = angle.cos() * zoom
    theta[:, 0, 2] = _uniform(n, 2 * config.shift, generator)  # the grid spans [-1, 1]
    theta[:, 1, 2] = _uniform(n, 2 * config.shift, generator)
    return theta


def _mirror(faces: Tensor, generator: torch.Generator) -> Tensor:
    chosen = (torch.rand(len(faces), generator=generator) < 0.5).to(faces.device)
    return torch.where(chosen[:, None, None, None], faces.flip(3), faces)


def _erase(faces: Tensor, side: int, mean_face: Tensor, generator: torch.Generator) -> Tensor:
    """Put the mean face into one random `side` x `side` square of each face."""
    n, _, height, width = faces.shape
    top = torch.randint(0, height - side + 1, (n, 1), generator=generator)
    left = torch.randint(0, width - side + 1, (n, 1), generator=generator)
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows = (rows >= top) & (rows < top + side)
    in_columns = (columns >= left) & (columns < left + side)
    hole = (in_rows[:, :, None] & in_columns[:, None, :])[:, None].to(faces.device)
    return torch.where(hole, mean_face, faces)


def augment(
    faces: Tensor, mean_face: Tensor, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    """Return random views of faces ``(N, 1, 48, 48)`` float in [0, 1], same shape and range.

    Rotation, zoom and shift are one bilinear resampling (border pixels repeat); a recipe with
    mirroring alone skips it and only copies.

    Args:
        faces: the batch, on any device.
        mean_face: what an erased square shows, ``(1, 1, 48, 48)`` in [0, 1].
        config: how far each change may go.
        generator: CPU generator; the only source of randomness.
    """
    n = len(faces)
    if config.rotate or config.scale or config.shift:
        theta = affine_matrices(n, config, generator).to(faces.device)
        grid = F.affine_grid(theta, list(faces.shape), align_corners=False)
        faces = F.grid_sample(faces, grid, padding_mode="border", align_corners=False)
    elif config.flip:
        faces = _mirror(faces, generator)
    if config.brightness:
        gain = 1 + _uniform(n, config.brightness, generator).to(faces.device)[:, None, None, None]
        offset = _uniform(n, config.brightness, generator).to(faces.device)[:, None, None, None]
        faces = (faces * gain + offset * 0.5).clamp(0, 1)
    if config.erase:
        faces = _erase(faces, config.erase, mean_face, generator)
    return faces
