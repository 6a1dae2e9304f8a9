"""BASELINES: faces that stand for "nothing to see", against which attributions are counted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError, DataError

BLUR_SIGMA = 4.0
"""Standard deviation in pixels of the blurred baseline."""

BaselineLike = str | NDArray[np.uint8] | NDArray[np.floating]
"""A name in BASELINES, or faces: uint8, or float in [0, 1]; ``(48, 48)`` or ``(B, 48, 48)``."""


@dataclass(frozen=True)
class Baseline:
    """One way to make a face that says nothing."""

    name: str
    title: str
    help: str
    """For a person who picks: what it is, and when it misleads."""
    build: Callable[[nn.Module, Tensor], Tensor]
    """``(model, faces (N, 1, 48, 48) in [0, 1])`` -> baselines of the same shape and range."""


def mean_face(model: nn.Module, faces: Tensor) -> Tensor:
    """The average of the training faces: what the network subtracts from every face.

    Pixels are credited for how this face differs from an average one. It is not flat, so the
    HOG branch has edges to start from; the right choice for hybrids.
    """
    face = getattr(model, "mean_face", None)
    if not isinstance(face, Tensor):
        raise ConfigError(
            f"{type(model).__name__} has no mean_face: choose the baseline 'black' or 'blur', "
            "or pass one as an array"
        )
    return face.detach().to(faces).expand_as(faces)


def black(_model: nn.Module, faces: Tensor) -> Tensor:
    """A black square.

    Dark pixels (pupils, brows, an open mouth) equal the baseline and so earn next to no credit.
    It has no edges, which leaves the HOG branch without a gradient to follow.
    """
    return torch.zeros_like(faces)


def blur(_model: nn.Module, faces: Tensor) -> Tensor:
    """The same face under a Gaussian blur of 4 pixels.

    Brightness and pose stay, detail goes: pixels are credited for their fine structure.
    """
    return gaussian_blur(faces, BLUR_SIGMA)


def gaussian_kernel(sigma: float, like: Tensor) -> Tensor:
    """Return a normalised 1-D Gaussian, cut at 4 sigma."""
    radius = max(1, round(4 * sigma))
    at = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    weights = torch.exp(-(at**2) / (2 * sigma**2))
    return weights / weights.sum()


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blur ``(N, 1, H, W)`` by `sigma` pixels, edges repeated; equals scipy's mode ``nearest``."""
    kernel = gaussian_kernel(sigma, images)
    pad = len(kernel) // 2
    padded = F.pad(images, (pad, pad, pad, pad), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _baseline(title: str, build: Callable[[nn.Module, Tensor], Tensor]) -> Baseline:
    name = build.__name__.replace("_", "-")
    return Baseline(name, title, inspect.getdoc(build) or "", build)


BASELINES: dict[str, Baseline] = {
    entry.name: entry
    for entry in (
        _baseline("Mean face", mean_face),
        _baseline("Black", black),
        _baseline("Blurred face", blur),
    )
}


def baseline_faces(model: nn.Module, faces: Tensor, baseline: BaselineLike) -> Tensor:
    """Return baselines ``(B, 1, 48, 48)`` float32 in [0, 1]: B is N for names, else as passed.

    Raises:
        ConfigError: an unknown name.
        DataError: an array of the wrong shape, type or range.
    """
    if isinstance(baseline, str):
        if baseline not in BASELINES:
            raise ConfigError(
                f"baseline {baseline!r} is unknown: expected {', '.join(BASELINES)}, or an array"
            )
        return BASELINES[baseline].build(model, faces)
    pixels = np.asarray(baseline)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[1:] != (FACE_SIDE, FACE_SIDE) or len(pixels) == 0:
        raise DataError(
            f"baseline has shape {pixels.shape}: expected (48, 48) or (B, 48, 48), B at least 1"
        )
    if pixels.dtype == np.uint8:
        return torch.from_numpy(pixels.astype(np.float32) / 255).unsqueeze(1).to(faces)
    if not (np.issubdtype(pixels.dtype, np.floating) and pixels.min() >= 0 and pixels.max() <= 1):
        raise DataError(
            f"baseline is {pixels.dtype} from {pixels.min()} to {pixels.max()}: "
            "expected uint8, or float between 0 and 1"
        )
    return torch.from_numpy(pixels.astype(np.float32)).unsqueeze(1).to(faces)
