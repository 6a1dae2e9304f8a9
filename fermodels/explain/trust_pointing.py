"""Pointing: does a map point at what is known to matter?

On rendered faces the pixels that each facial muscle moves are known; on a face with a planted
cue, the cue's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fermodels.data.samples import sample_set
from fermodels.explain.trust_maps import Faces, Maps, ranks

Masks = NDArray[np.bool_]
"""bool ``(N, 48, 48)``."""


@dataclass(frozen=True, eq=False)
class KnownFaces:
    """Faces of which one knows where the expression is."""

    faces: Faces
    """uint8 ``(N, 48, 48)``."""
    labels: NDArray[np.int64]
    """``(N,)``: the expression worn."""
    regions: Masks
    """``(N, 48, 48)``: the pixels that any active muscle moved."""


@lru_cache(maxsize=4)
def known_faces(n: int, seed: int = 0) -> KnownFaces:
    """Return sample faces of the test split with the regions of their active action units.

    Neutral faces have none and are left out.

    Args:
        n: how many; at most as many as the split has that are not neutral.
        seed: which.
    """
    from fermodels.data.emotions import EMOTIONS
    from fermodels.data.synthetic import random_spec, render

    samples = sample_set()
    faces = samples.faces
    neutral = EMOTIONS.index("neutral")
    rows = np.flatnonzero((faces.splits == "test") & (faces.labels != neutral))
    rows = np.random.default_rng([seed, 6]).permutation(rows)[:n]
    worn = [render(random_spec(int(samples.seeds[r]), int(faces.labels[r]))) for r in rows]
    regions = np.stack([np.any(list(face.regions.values()), axis=0) for face in worn])
    return KnownFaces(faces.images[rows], faces.labels[rows], regions)


@dataclass(frozen=True, eq=False)
class Pointing:
    """Per face: whether, and how much of, a map lies in a region."""

    hit: NDArray[np.float64]
    """``(N,)``: 1 where the map's peak lies in the region, else 0."""
    mass: NDArray[np.float64]
    """``(N,)``: share of the positive values inside; 0 where there are none."""
    chance: NDArray[np.float64]
    """``(N,)``: the region's share of the face: what a random map scores on both."""


def pointing(importances: Maps, regions: Masks, seed: int = 0) -> Pointing:
    """Compare maps with regions.

    Args:
        importances: ``(N, 48, 48)``; see `trust_maps.importance`.
        regions: bool ``(N, 48, 48)``.
        seed: which of several equal peaks counts.
    """
    peak = ranks(importances, seed) == 0
    positive = np.clip(importances, 0, None).astype(np.float64)
    total = positive.sum((1, 2))
    return Pointing(
        hit=(peak & regions).any((1, 2)).astype(np.float64),
        mass=(positive * regions).sum((1, 2)) / np.where(total > 0, total, 1.0),
        chance=regions.mean((1, 2)),
    )
