"""Balanced sets of synthetic faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic.action_units import AU_NAMES
from fermodels.data.synthetic.render import render_image
from fermodels.data.synthetic.spec import FaceSpec, random_spec


@dataclass(frozen=True, eq=False)
class SyntheticFaces:
    """Rendered faces in the form of every other dataset, with what only a renderer knows."""

    faces: FaceDataset
    action_units: NDArray[np.float32]
    """Intensities 0..1, float32 (N, A), columns as AU_NAMES, rows as ``faces``."""
    seeds: NDArray[np.int64]
    """The seed of each face's specification, int64 (N,)."""

    def spec(self, row: int) -> FaceSpec:
        """Return the specification that renders this row."""
        return random_spec(int(self.seeds[row]), int(self.faces.labels[row]))


def face_seed(seed: int, split: str, label: int, index: int) -> int:
    """Return the specification seed of one face; every face shows another person."""
    entropy = [seed, *split.encode(), label, index]
    return int(np.random.default_rng(entropy).integers(2**31))


def synthetic_faces(n_per_class: int, seed: int = 0, split: str = "train") -> SyntheticFaces:
    """Render ``n_per_class`` faces of each of the seven expressions.

    Args:
        n_per_class: faces per expression, at least 1.
        seed: equal seeds give equal sets.
        split: ``train``, ``validation`` or ``test``; splits share no seed.
    """
    labels = np.repeat(np.arange(len(EMOTIONS), dtype=np.int64), n_per_class)
    indices = np.tile(np.arange(n_per_class), len(EMOTIONS))
    seeds = np.array(
        [face_seed(seed, split, int(k), int(i)) for k, i in zip(labels, indices, strict=True)],
        np.int64,
    )
    specs = [random_spec(int(s), int(k)) for s, k in zip(seeds, labels, strict=True)]
    faces = FaceDataset(
        images=np.stack([render_image(spec) for spec in specs]),
        labels=labels,
        splits=np.full(len(labels), split),
        name=f"synthetic faces, seed {seed}",
        notes=("Rendered from FACS action units: invented people, not photographs.",),
    )
    units = [[spec.action_units[name] for name in AU_NAMES] for spec in specs]
    return SyntheticFaces(faces, np.array(units, np.float32), seeds)
