"""How much of HOG can be read, linearly, from what a network makes of a face.

Linear probes: Alain & Bengio, Understanding intermediate layers using linear classifier probes,
arXiv 1610.01644. The probe is a ridge regression in its dual form, as there are more features than
faces; its strength is chosen on validation faces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fermodels.data.faces import FaceDataset
from fermodels.nets.hog import HOG
from fermodels.nets.networks import FERNet, to_pixels

Table = NDArray[np.floating]
Parts = tuple[Table, Table, Table]
"""Training, validation and test faces, each ``(N, columns)``."""
Describe = Callable[[torch.Tensor], torch.Tensor]

STRENGTHS = tuple(float(10.0**power) for power in range(-5, 3))
"""Ridge penalties tried, as multiples of the mean eigenvalue of the Gram matrix."""

BATCH = 64


@dataclass(frozen=True, eq=False)
class Probe:
    """How well a linear map predicts targets on faces it was not fitted on."""

    r2: float
    """Share of the targets' variance explained on the test faces; 1 is perfect, 0 the mean."""
    unexplained: NDArray[np.float64]
    """Squared error per test face, ``(N,)``."""
    variance: NDArray[np.float64]
    """Squared distance from the training mean per test face, ``(N,)``."""
    strength: float
    """The chosen entry of STRENGTHS."""

    def on(self, faces: slice) -> Probe:
        """Return the same for some of the test faces."""
        unexplained, variance = self.unexplained[faces], self.variance[faces]
        r2 = 1 - float(unexplained.sum() / variance.sum())
        return Probe(r2, unexplained, variance, self.strength)


def describe(parts: Sequence[FaceDataset], how: Describe) -> list[Table]:
    """Return a flat float32 row per face of what `how` makes of pixels in [0, 1].

    Args:
        parts: faces, such as those of each split.
        how: from ``(N, 1, 48, 48)`` to ``(N, ...)``.
    """
    return [_rows(part, how) for part in parts]


def _rows(faces: FaceDataset, how: Describe) -> Table:
    batches = to_pixels(faces.images).split(BATCH)
    with torch.no_grad():
        rows = [how(batch.float() / 255).flatten(1) for batch in batches]
    return np.asarray(torch.cat(rows).numpy())


def conv_features(net: FERNet) -> Describe:
    """Return a function from faces to the maps of the last conv block."""
    return net.conv_maps


def hog_features() -> Describe:
    """Return a function from faces to the HOG features that hybrid networks use."""
    hog = HOG()
    return lambda faces: hog(faces)


def raw_pixels(faces: torch.Tensor) -> torch.Tensor:
    """Return faces as they are."""
    return faces


def ridge_probe(inputs: Parts, targets: Parts) -> Probe:
    """Fit on the first part, choose the strength on the second, judge on the third.

    Args:
        inputs: features.
        targets: what to predict.
    """
    middle, goal = inputs[0].mean(0), targets[0].mean(0)
    fitted, *held_out = (part - middle for part in inputs)
    values, vectors = np.linalg.eigh((fitted @ fitted.T).astype(float))
    inner = vectors.T @ (targets[0] - goal)
    scale = float(values.clip(0).mean()) or 1.0
    # one eigendecomposition serves all strengths: (K + s I)^-1 = V (L + s)^-1 V'
    near_validation, near_test = ((part @ fitted.T) @ vectors for part in held_out)

    def left_over(near: Table, truth: Table, strength: float) -> NDArray[np.float64]:
        damped = (values.clip(0) + strength * scale)[:, None]
        predicted = near @ (inner / damped)
        return np.asarray(((truth - goal - predicted) ** 2).sum(1), float)

    strength = min(STRENGTHS, key=lambda s: left_over(near_validation, targets[1], s).sum())
    unexplained = left_over(near_test, targets[2], strength)
    variance = ((targets[2] - goal) ** 2).sum(1)
    r2 = 1 - float(unexplained.sum() / variance.sum())
    return Probe(r2, unexplained, variance, strength)


def r2_interval(probes: Sequence[Probe], seed: int, rounds: int = 4000) -> tuple[float, float]:
    """Return the 95% bootstrap interval of R2 over test faces and the sets probes were fitted on.

    Args:
        probes: judged on the same faces, each fitted on faces of its own; each round draws one.
        seed: of the draws.
        rounds: how many.
    """
    rng = np.random.default_rng(seed)
    unexplained = np.stack([probe.unexplained for probe in probes])
    variance = np.stack([probe.variance for probe in probes])
    which = rng.integers(0, len(probes), (rounds, 1))
    rows = rng.integers(0, variance.shape[1], (rounds, variance.shape[1]))
    values = 1 - unexplained[which, rows].sum(1) / variance[which, rows].sum(1)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
