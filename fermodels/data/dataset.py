"""FaceDataset: labelled 48x48 grey faces with splits, stable ids and a content hash."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import DataError

SPLITS: tuple[str, ...] = ("train", "validation", "test")
FACE_SIDE = 48
"""Side of a FER-2013 face, in pixels."""
FACE_SHAPE = (FACE_SIDE, FACE_SIDE)


@dataclass(frozen=True, eq=False)
class FaceDataset:
    """Faces, labels and splits in the order of their source."""

    images: NDArray[np.uint8]
    """Grey levels, uint8 ``(N, 48, 48)``."""
    labels: NDArray[np.int64]
    """Class indices 0..6, int64 ``(N,)``; see EMOTIONS."""
    splits: NDArray[np.str_]
    """``train``, ``validation`` or ``test`` per face, ``(N,)``."""
    name: str
    """What a person calls this data, shown beside results."""
    votes: NDArray[np.uint8] | None = None
    """FER+ votes ``(N, 10)``: see `fermodels.data.readers.ferplus`; None when not joined."""
    notes: tuple[str, ...] = ()
    """What the reader had to decide, in sentences a person should see."""

    def __post_init__(self) -> None:
        n = len(self.images)
        if n == 0:
            raise DataError(f"{self.name}: no faces found; check the path and its layout")
        if self.images.dtype != np.uint8 or self.images.shape[1:] != FACE_SHAPE:
            raise DataError(
                f"{self.name}: images are {self.images.dtype} {self.images.shape}: "
                "expected uint8 (N, 48, 48)"
            )
        if len(self.labels) != n or len(self.splits) != n:
            raise DataError(
                f"{self.name}: {n} images, {len(self.labels)} labels, {len(self.splits)} splits: "
                "expected one each per face"
            )
        if self.labels.min() < 0 or self.labels.max() >= len(EMOTIONS):
            raise DataError(f"{self.name}: labels span {self.labels.min()}..{self.labels.max()}")
        unknown = set(np.unique(self.splits).tolist()) - set(SPLITS)
        if unknown:
            raise DataError(f"{self.name}: unknown splits {sorted(unknown)}: expected {SPLITS}")
        if self.votes is not None and self.votes.shape != (n, 10):
            raise DataError(f"{self.name}: votes are {self.votes.shape}: expected ({n}, 10)")

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def _row_hashes(self) -> list[str]:
        """One digest of (split, label, pixels) per face."""
        digests = []
        for split, label, image in zip(self.splits, self.labels, self.images, strict=True):
            head = f"{split} {label} ".encode()
            digests.append(hashlib.blake2b(head + image.tobytes(), digest_size=16).hexdigest())
        return digests

    @cached_property
    def ids(self) -> NDArray[np.str_]:
        """Sample ids ``(N,)`` such as ``test-3f9c0a2b71de``, the same in every form of the data.

        They come from the content (split, label, pixels), so row order and file names do not
        matter; the k-th exact repetition carries the suffix ``.k``.
        """
        count_of: Counter[str] = Counter()
        ids = []
        for split, digest in zip(self.splits, self._row_hashes, strict=True):
            base = f"{split}-{digest[:12]}"
            count_of[base] += 1
            ids.append(base if count_of[base] == 1 else f"{base}.{count_of[base]}")
        return np.array(ids)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over all rows (split, label, pixels), whatever their order."""
        return hashlib.sha256("\n".join(sorted(self._row_hashes)).encode()).hexdigest()

    def select(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> FaceDataset:
        """Return the chosen rows as a dataset of their own."""
        votes = None if self.votes is None else self.votes[rows]
        return FaceDataset(
            self.images[rows], self.labels[rows], self.splits[rows], self.name, votes, self.notes
        )

    def split(self, name: str) -> FaceDataset:
        """Return one split.

        Raises:
            DataError: the split is empty or has no such name.
        """
        rows = self.splits == name
        if not rows.any():
            have = sorted(set(self.splits.tolist()))
            raise DataError(f"{self.name} has no split {name!r}: it holds {have}")
        return self.select(rows)

    def counts(self) -> dict[str, list[int]]:
        """Return faces per class for each split that is present."""
        present = [split for split in SPLITS if (self.splits == split).any()]
        return {
            split: np.bincount(self.labels[self.splits == split], minlength=7).tolist()
            for split in present
        }
