"""Faces as examples: framed where a channel peaks, underlined in the colour of their label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from plotly.colors import hex_to_rgb

from fermodels.data.emotions import EMOTIONS
from studio.figures.tiles import Pixels, Tile, as_rgb
from studio.theme import EXPRESSION_COLORS

SMALLEST = 4
"""Pixels from a frame's middle to its edge, at least: a smaller one hides what it shows."""
DASHES = np.array([[16, 16, 16], [255, 190, 60]], np.uint8)
"""Dark and amber by turns: seen on skin, on hair and in grey print."""
LINE = 3
"""Height in pixels of the line under a face."""


def framed(face: Pixels, row: float, column: float, cell: float) -> Pixels:
    """Return a face with a dashed frame around a place, cut off at the face's edge.

    Args:
        face: grey uint8 ``(48, 48)``.
        row: of the place, in pixels of the face.
        column: likewise.
        cell: side of the place in pixels; the frame is at least ``2 * SMALLEST + 1`` wide.

    Returns:
        uint8 ``(48, 48, 3)``.
    """
    drawn, reach = as_rgb(face).copy(), max(SMALLEST, round(cell / 2))
    rows, columns = np.mgrid[: face.shape[0], : face.shape[1]]
    far = np.maximum(np.abs(rows - round(row)), np.abs(columns - round(column)))
    edge = far == reach
    drawn[edge] = DASHES[((rows + columns) // 2 % 2)[edge]]
    return drawn


def underlined(face: Pixels, colour: str) -> Pixels:
    """Return a face with a line of a colour below it, uint8 ``(48 + LINE, 48, 3)``.

    Args:
        face: grey uint8 ``(48, 48)``.
        colour: such as ``#c1430d``.
    """
    line = np.full((LINE, face.shape[1], 3), hex_to_rgb(colour), np.uint8)
    return np.concatenate([as_rgb(face), line])


def peak_tiles(
    faces: NDArray[np.uint8],
    labels: Sequence[int],
    peaks: Sequence[float],
    places: Sequence[tuple[float, float]],
    cell: float,
) -> list[Tile]:
    """Return one tile per face, framed where a channel peaks, in the order given.

    Args:
        faces: uint8 ``(k, 48, 48)``.
        labels: k class indices.
        peaks: k activations.
        places: k rows and columns, in pixels of the face.
        cell: side in pixels of one place of the layer's map.
    """
    shown = []
    for face, label, peak, (row, column) in zip(faces, labels, peaks, places, strict=True):
        name = EMOTIONS[label]
        alt = f"Face labelled {name}: peak {peak:.3f} at row {row:.0f}, column {column:.0f}"
        shown.append(Tile(framed(face, row, column, cell), f"{peak:.2f}", alt, name))
    return shown


def neighbour_tiles(
    faces: NDArray[np.uint8],
    labels: Sequence[int],
    distances: Sequence[float],
    copies: Sequence[bool],
) -> list[Tile]:
    """Return one tile per face, underlined in the colour of its label, in the order given.

    Args:
        faces: uint8 ``(k, 48, 48)``.
        labels: k class indices.
        distances: k of them, 0 to 2.
        copies: whether the face is the very picture it is compared with.
    """
    shown = []
    for face, label, distance, copy in zip(faces, labels, distances, copies, strict=True):
        name, note = EMOTIONS[label], f"{distance:.3f}{', a copy' if copy else ''}"
        alt = f"Training face labelled {name}, distance {note}"
        shown.append(Tile(underlined(face, EXPRESSION_COLORS[name]), name, alt, note))
    return shown
