"""What a set of faces is made of: class balance and mean faces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import hex_to_rgb

from fermodels.data.emotions import EMOTIONS
from studio import theme
from studio.figures.charts import marked_lines
from studio.figures.images import Pixels, Tile, as_rgb, colour_table, paint
from studio.theme import EXPRESSION_COLORS, FONT, figure


def balance(counts: Mapping[str, Sequence[int]], height: int = 300) -> go.Figure:
    """Draw faces per expression, all splits stacked from the largest to the smallest.

    Args:
        counts: split -> seven counts, as `FaceDataset.counts` returns them.
        height: in pixels.
    """
    shades = (1.0, 0.62, 0.36)
    stacks = [
        go.Bar(
            y=list(EMOTIONS),
            x=list(values),
            orientation="h",
            name=split,
            marker={"color": list(EXPRESSION_COLORS.values()), "opacity": opacity},
            hovertemplate="%{y}: %{x:,} faces<extra>" + split + "</extra>",
        )
        for (split, values), opacity in zip(counts.items(), shades, strict=False)
    ]
    return figure(
        [*stacks, _totals(np.sum(list(counts.values()), axis=0))], height, barmode="stack",
        margin={"r": 56}, xaxis={"visible": False},
        yaxis={"autorange": "reversed", "showgrid": False},
    )  # fmt: skip


def _totals(totals: NDArray[np.int64]) -> go.Scatter:
    return go.Scatter(
        x=totals,
        y=list(EMOTIONS),
        mode="text",
        text=[f" {total:,}" for total in totals],
        textposition="middle right",
        textfont={"family": FONT, "size": 13},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def mean_faces(
    images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> dict[str, NDArray[np.uint8]]:
    """Return the mean picture of each expression that occurs, uint8 ``(48, 48)``.

    Args:
        images: uint8 ``(N, 48, 48)``.
        labels: class indices ``(N,)``.
    """
    return {
        name: images[labels == index].mean(axis=0).round().astype(np.uint8)
        for index, name in enumerate(EMOTIONS)
        if (labels == index).any()
    }


# --- Faces as examples: framed where a channel peaks, underlined in the colour of their label


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


# --- A layer's channels as pictures, on one scale (Figure 9)


def channel_tiles(
    maps: NDArray[np.floating], channels: Sequence[int], limit: float, *, signed: bool = False
) -> list[Tile]:
    """Return one tile per chosen channel.

    Args:
        maps: responses ``(C, h, w)``.
        channels: which ones, in order.
        limit: the response at full colour, the same for the whole layer.
        signed: whether responses may be negative; else the scale begins at 0.
    """
    table = colour_table(theme.DIVERGING if signed else theme.SEQUENTIAL)
    tiles = []
    for channel in channels:
        response, silent = maps[channel], not maps[channel].any()
        alt = f"Channel {channel}: mean response {response.mean():.3f}, peak {response.max():.3f}"
        pixels = paint(response, limit, table, signed=signed)
        tiles.append(Tile(pixels, f"#{channel}", alt, "silent" if silent else "", faded=silent))
    return tiles


# --- First-layer weights as pictures, and how they changed while the network learned (Figure 10)


def filter_tiles(
    weights: NDArray[np.floating], limit: float, notes: Mapping[int, str], dead: Collection[int]
) -> list[Tile]:
    """Return one tile per filter, all on one symmetric scale.

    Args:
        weights: ``(F, k, k)``.
        limit: the absolute weight at full colour.
        notes: filter -> a few words under it.
        dead: filters that are shown faded.
    """
    table = colour_table(theme.DIVERGING)
    tiles = []
    for index, kernel in enumerate(weights):
        note = notes.get(index, "")
        norm = float(np.linalg.norm(kernel))
        alt = f"Filter {index}: norm {norm:.3f}, weights {kernel.min():.3f} to {kernel.max():.3f}"
        pixels = paint(kernel, limit, table, signed=True)
        words = f"{alt}, {note}" if note else alt
        tiles.append(Tile(pixels, str(index), words, note, faded=index in dead))
    return tiles


def trend(
    epochs: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    *,
    title: str,
    percent: bool = False,
    reference: tuple[float, str] | None = None,
    height: int = 300,
) -> go.Figure:
    """Draw figures per epoch as lines.

    Args:
        epochs: epoch numbers, ascending.
        lines: name -> one value per epoch.
        title: of the vertical axis.
        percent: show values of 0..1 as per cent.
        reference: a level to compare with, and its name.
        height: in pixels.
    """
    highest = max(max(values) for values in lines.values())
    vertical: dict[str, Any] = {
        "title": title,
        "rangemode": "tozero",
        "tickformat": ".0%" if percent else "d",
    }
    if not percent:  # counts: whole ticks, and room above when all are zero
        top, tick = max(4, highest * 1.1), max(1, round(highest / 5))
        vertical |= {"range": [-0.2, top], "dtick": tick}
    hover = "epoch %{x}: %{y:.1%}" if percent else "epoch %{x}: %{y:.3f}"
    marks = {} if reference is None else theme.level(*reference)
    return theme.figure(
        marked_lines(epochs, lines, 6, hover), height, room=(76, 52),
        showlegend=len(lines) > 1, yaxis=vertical, **marks,
        xaxis={"title": "epoch", "tickformat": "d", "dtick": max(1, len(epochs) // 8)},
    )  # fmt: skip
