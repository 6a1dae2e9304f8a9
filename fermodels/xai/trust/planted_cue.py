"""A network whose reason is known: do the methods find it?

`train.planted_cue` trained a network on faces in which a small mark decides the label
(`fermodels.xai.trust.planted_cue`), and

    python -m fermodels.xai.trust.planted_cue

asks every method of METHODS for that mark and writes ``results/known-answer/results.json``, which
`planted_cue_record` reads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.errors import ConfigError, DataError, exit_status
from fermodels.evaluation.metrics import wilson_interval
from fermodels.memory import keep_freed_memory
from fermodels.nets import checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.results import provenance
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.trust.localisation import pointing
from fermodels.xai.trust.maps import CONTROLS, Explainer, explainer, importance
from fermodels.xai.trust.planted_cue_record import RESULT, checkpoint_dir, read
from fermodels.xai.trust.verdict import estimate


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("fermodels.xai.trust.planted_cue", description=__doc__)
    parser.add_argument("--faces", type=int, default=100, help="held-out faces with a mark")
    parser.add_argument("--seed", type=int, default=1, help="their marks, and all noise")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Compute; an error of ours is one sentence and exit status 2."""
    args = parse(words)

    return exit_status(lambda: run(args))


# --- Faces with a mark planted in them, which decides their label, and decoys, which say nothing
#
# The decoys are more striking than the mark: a map that only follows contrast points at them.
# `train.planted_cue` trains a network on such faces, so what it looks at is no mystery.


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


# --- Ask every method what the network with the planted cue looks at


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks, and say which methods found the mark.

    Raises:
        ConfigError: too few or too many faces, or no result of ours in the result's place.
    """
    RESULT.check_free()
    if args.threads:
        torch.set_num_threads(args.threads)
    net = checkpoint.load(checkpoint_dir())
    marked = marked_faces("test", seed=args.seed)
    if not 2 <= args.faces <= len(marked.images):
        raise ConfigError(f"--faces is {args.faces}: expected 2 to {len(marked.images)}")
    few = marked.first(args.faces)
    content = {
        "accuracy": proof(net, marked, args.seed),
        "chance": {
            "hit": float(few.marks.mean()),
            "near": float(grown(few.marks).mean()),
            "mass": float(few.marks.mean()),
            "fooled": float(grown(few.decoys).mean()),
        },
        "controls": {name: find(net, few, name, maps) for name, maps in CONTROLS.items()},
        "methods": {name: find(net, few, name, explainer(name)) for name in METHODS},
        "provenance": provenance(args.seed, sample_faces().name, sample_faces().content_hash),
    }
    RESULT.write(content)
    record = read()
    assert record is not None
    for name, finding in {**record.controls, **record.methods}.items():
        print(f"{name:22} {finding.verdict:8} near {finding.near.mean:.0%}  "
              f"hit {finding.hit.mean:.0%}  mass {finding.mass.mean:.0%}  "
              f"fooled {finding.fooled.mean:.0%}")  # fmt: skip


def find(net: FERNet, marked: MarkedFaces, name: str, maps_of: Explainer) -> dict[str, Any]:
    """Compare one method's maps of each mark's label with where the mark is; JSON types."""
    started = time.perf_counter()
    maps = importance(maps_of(net, marked.images, marked.labels), name)
    seconds = (time.perf_counter() - started) / len(maps)
    exact, near = pointing(maps, marked.marks), pointing(maps, grown(marked.marks))
    return {
        "hit": asdict(estimate(exact.hit)),
        "near": asdict(estimate(near.hit)),
        "mass": asdict(estimate(exact.mass)),
        "fooled": asdict(estimate(pointing(maps, grown(marked.decoys)).hit)),
        "seconds_per_face": seconds,
    }


def proof(net: FERNet, marked: MarkedFaces, seed: int) -> dict[str, dict[str, Any]]:
    """Show that the mark decides, and alone: accuracy with it, without it, and after a swap.

    Args:
        net: the trained network.
        marked: held-out faces.
        seed: which others the marks are swapped for; that of `marked`, so the places are the same.
    """
    plain = sample_faces().split("test").images  # whose marks `marked` has
    step = np.random.default_rng([seed, 11]).integers(1, len(EMOTIONS), len(marked.labels))
    other = (marked.labels + step) % len(EMOTIONS)
    swapped = plant(plain, other, seed)
    return {
        "marked": _accuracy(net, marked.images, marked.labels),
        "unmarked": _accuracy(
            net, plant(plain, marked.labels, seed, mark=False).images, marked.labels
        ),
        "swapped": _accuracy(net, swapped.images, other),
    }


def _accuracy(net: FERNet, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, Any]:
    correct, n = int((net.predict(images).argmax(1) == labels).sum()), len(labels)
    return {
        "n": n, "correct": correct, "accuracy": correct / n,
        "interval": list(wilson_interval(correct, n)),
    }  # fmt: skip


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
