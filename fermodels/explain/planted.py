"""Faces with a mark planted in them, which decides their label, and decoys, which say nothing.

The decoys are more striking than the mark: a map that only follows contrast points at them.
`train.known_answer` trains a network on such faces, so what it looks at is no mystery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.errors import DataError

SIDE = 4
"""Side of the mark, in pixels."""
DARK, BRIGHT = 20, 235
"""Its two grey levels."""
CORNERS = tuple((row, column) for row in (6, 22, 38) for column in (6, 22, 38))
"""Upper left corners of the places where the mark may sit."""
PATTERNS: tuple[str, ...] = (
    "#.#. .#.# #.#. .#.#",
    "#..# .##. .##. #..#",
    ".##. #..# #..# .##.",
    "#.#. #.#. #.#. #.#.",
    "#### .... #### ....",
    "##.. ##.. ..## ..##",
    "..## ..## ##.. ##..",
)
"""The mark of each label, row by row, # bright. Labels carry the expressions' names, but have
nothing to do with the faces' expressions."""
DECOYS: tuple[str, ...] = (
    "##.. ##.. ##.. ##..",
    "#### #### .... ....",
    "#... ##.. ##.. ###.",
    "###. ##.# ...# ..#.",
)
"""Marks that say nothing: as bright as the others, and with stronger edges."""
DECOYS_PER_FACE = 3
MARGIN = 2
"""Pixels around the mark in which a peak still counts as near."""


@dataclass(frozen=True, eq=False)
class MarkedFaces:
    """Faces with a mark, and what it says."""

    images: NDArray[np.uint8]
    """uint8 ``(N, 48, 48)``."""
    labels: NDArray[np.int64]
    """``(N,)``: the pattern of each mark."""
    marks: NDArray[np.bool_]
    """``(N, 48, 48)``: the mark's pixels."""
    decoys: NDArray[np.bool_]
    """``(N, 48, 48)``: the decoys' pixels."""

    def first(self, n: int) -> MarkedFaces:
        """Return the first n faces."""
        return MarkedFaces(self.images[:n], self.labels[:n], self.marks[:n], self.decoys[:n])


def grown(masks: NDArray[np.bool_], margin: int = MARGIN) -> NDArray[np.bool_]:
    """Return masks ``(N, 48, 48)`` grown by `margin` pixels on every side."""
    from scipy.ndimage import binary_dilation

    square = np.ones((1, 2 * margin + 1, 2 * margin + 1), bool)
    return np.asarray(binary_dilation(masks, square))


def pattern(drawing: str) -> NDArray[np.uint8]:
    """Return an entry of PATTERNS or DECOYS as grey levels, uint8 ``(4, 4)``."""
    cells = np.array([list(row) for row in drawing.split()])
    return np.where(cells == "#", BRIGHT, DARK).astype(np.uint8)


def plant(
    faces: NDArray[np.uint8], labels: NDArray[np.int64], seed: int, *, mark: bool = True
) -> MarkedFaces:
    """Put each face's mark and its decoys at random ones of CORNERS.

    Args:
        faces: uint8 ``(N, 48, 48)``; not changed.
        labels: ``(N,)``: which pattern, 0 to 6.
        seed: the places and the decoys, whatever the labels.
        mark: False leaves the mark itself out, but not the decoys.

    Raises:
        DataError: not one label per face.
    """
    if len(labels) != len(faces):
        raise DataError(f"{len(labels)} labels for {len(faces)} faces: expected one per face")
    rng = np.random.default_rng([seed, 9])
    images = faces.copy()
    marks, decoys = np.zeros(faces.shape, bool), np.zeros(faces.shape, bool)
    for row, label in enumerate(labels):
        places = rng.permutation(len(CORNERS))[: 1 + DECOYS_PER_FACE]
        kinds = rng.integers(len(DECOYS), size=DECOYS_PER_FACE)
        if mark:
            _draw(images, marks, row, places[0], PATTERNS[label])
        for place, kind in zip(places[1:], kinds, strict=True):
            _draw(images, decoys, row, place, DECOYS[kind])
    return MarkedFaces(images, labels, marks, decoys)


def _draw(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], row: int, place: int, drawing: str
) -> None:
    top, left = CORNERS[place]
    at = (row, slice(top, top + SIDE), slice(left, left + SIDE))
    images[at], masks[at] = pattern(drawing), True


def marked_faces(split: str, repeats: int = 1, seed: int = 0) -> MarkedFaces:
    """Return a split's sample faces with random marks and decoys.

    Args:
        split: ``train``, ``validation`` or ``test``: other people in each.
        repeats: how often each face occurs, with another mark each time.
        seed: patterns and places.
    """
    faces = np.tile(sample_faces().split(split).images, (repeats, 1, 1))
    labels = np.random.default_rng([seed, 10, *split.encode()]).integers(
        len(EMOTIONS), size=len(faces)
    )
    return plant(faces, labels, seed)
