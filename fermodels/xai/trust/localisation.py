"""Pointing: does a map point at what is known to matter?

On rendered faces the pixels that each facial muscle moves are known; on a face with a planted
cue, the cue's pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_set
from fermodels.data.synthetic import random_spec, render
from fermodels.xai.trust.maps import Faces, Maps, ranks

Masks = NDArray[np.bool_]
"""bool ``(N, 48, 48)``."""


ENOUGH = 12
"""Faces without which pointing says nothing: there is not enough evidence."""


@dataclass(frozen=True, eq=False)
class KnownFaces:
    """Faces of which one knows where the expression is."""

    faces: Faces
    """uint8 ``(N, 48, 48)``."""
    labels: NDArray[np.int64]
    """``(N,)``: the expression worn."""
    regions: Masks
    """``(N, 48, 48)``: the pixels that any active muscle moved."""


def read_right(net: nn.Module, faces: Faces, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which faces the network takes for what they show, ``(N,)``."""
    with torch.no_grad():
        predictions = net.predict(faces).argmax(1)  # type: ignore[operator]
    right: NDArray[np.bool_] = np.asarray(predictions) == labels
    return right


def known_faces(n: int, seed: int = 0, net: nn.Module | None = None) -> KnownFaces:
    """Return sample faces of the test split with the regions of their active action units.

    Neutral faces have none and are left out. So are, given a network, faces that it takes for
    another expression: where it sees no disgust, "why disgust?" has no answer to point at.

    Args:
        n: how many; fewer where the split has not so many.
        seed: which.
        net: a FERNet: only faces that it reads right.
    """
    samples = sample_set()
    faces = samples.faces
    wanted = (faces.splits == "test") & (faces.labels != EMOTIONS.index("neutral"))
    if net is not None:
        wanted[wanted] = read_right(net, faces.images[wanted], faces.labels[wanted])
    order = np.random.default_rng([seed, 6]).permutation(len(faces.labels))
    rows = order[wanted[order]][:n]
    regions = np.zeros((len(rows), *faces.images.shape[1:]), bool)
    for place, row in enumerate(rows):
        regions[place] = _region(int(samples.seeds[row]), int(faces.labels[row]))
    return KnownFaces(faces.images[rows], faces.labels[rows], regions)


@lru_cache(maxsize=512)
def _region(seed: int, label: int) -> NDArray[np.bool_]:
    """Cache what muscles moved: the networks of one process are tested on the same faces."""
    moved: NDArray[np.bool_] = np.stack(list(render(random_spec(seed, label)).regions.values()))
    return np.asarray(moved.any(0))


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
        importances: ``(N, 48, 48)``; see `maps.importance`.
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
