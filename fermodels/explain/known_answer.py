"""A network whose reason is known: do the methods find it?

A small mark is planted in faces; its pattern of bright and dark, and nothing else, decides the
label. Around it lie decoys, more striking still, that say nothing: a map that only follows
contrast points at them. `train.known_answer` trains a network on such faces, so what it looks
at is no mystery, and

    python -m fermodels.explain.known_answer

asks every method of METHODS for it and writes ``results/known-answer/results.json``. Reading
needs no torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.errors import DataError, exit_status
from fermodels.explain.scorecard import Estimate
from fermodels.memory import keep_freed_memory
from fermodels.nets.shelf import complete, read_result, results_dir

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
FOUND = 0.5
"""Share of peaks near the mark that a method must surely exceed to have found it."""
FIGURES = ("hit", "near", "mass", "fooled")
"""What is measured of each method; see `Finding`."""
RESULT = "known-answer/results"
"""Name of the result; see `fermodels.nets.shelf.read_result`."""


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


@dataclass(frozen=True)
class Finding:
    """How well one method's maps point at the mark."""

    hit: Estimate
    """Share of faces on which the map's peak lies on the mark."""
    near: Estimate
    """The same with MARGIN pixels around the mark."""
    mass: Estimate
    """Share of the positive attribution that lies on the mark."""
    fooled: Estimate
    """Share of faces on which the peak lies on a decoy, or MARGIN pixels around it."""
    seconds_per_face: float

    @property
    def verdict(self) -> str:
        """Judge: ``finds`` or ``misses``, or ``unclear`` where the interval spans FOUND."""
        if self.near.low > FOUND:
            return "finds"
        return "misses" if self.near.high < FOUND else "unclear"


@dataclass(frozen=True)
class KnownAnswer:
    """What is known about the network, and which methods found it out."""

    accuracy: Mapping[str, Mapping[str, Any]]
    """``marked``, ``unmarked`` and ``swapped``: n, correct, accuracy, interval (Wilson).

    Unmarked faces have the decoys only; ``swapped``: how often the answer follows when the mark
    is replaced by another.
    """
    chance: Mapping[str, float]
    """What a random map scores on ``hit``, ``near``, ``mass`` and ``fooled``."""
    methods: Mapping[str, Finding]
    controls: Mapping[str, Finding]
    """``random`` and ``edge``: maps that no model had a part in."""
    provenance: Mapping[str, Any]


def checkpoint_dir() -> Path:
    """Return the folder of the trained network, in the form of every other checkpoint."""
    return results_dir() / "known-answer" / "checkpoint"


def read() -> KnownAnswer | None:
    """Return the stored findings; None if they were not computed yet.

    Raises:
        CheckpointError: the file is damaged.
    """
    raw = read_result(RESULT)
    if raw is None:
        return None
    with complete(f"{RESULT}.json", "python -m fermodels.explain.known_answer"):
        return KnownAnswer(
            raw["accuracy"],
            raw["chance"],
            {name: _finding(row) for name, row in raw["methods"].items()},
            {name: _finding(row) for name, row in raw["controls"].items()},
            raw["provenance"],
        )


def _finding(row: Mapping[str, Any]) -> Finding:
    hit, near, mass, fooled = (Estimate(**row[name]) for name in FIGURES)
    return Finding(hit, near, mass, fooled, row["seconds_per_face"])


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("fermodels.explain.known_answer", description=__doc__)
    parser.add_argument("--faces", type=int, default=100, help="held-out faces with a mark")
    parser.add_argument("--seed", type=int, default=1, help="their marks, and all noise")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Compute; an error of ours is one sentence and exit status 2."""
    args = parse(words)
    from fermodels.explain.known_answer_run import run

    return exit_status(lambda: run(args))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
