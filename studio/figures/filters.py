"""First-layer weights as pictures, and how they changed while the network learned (Figure 10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studio import theme
from studio.figures.lines import marked
from studio.figures.maps import colour_table, paint
from studio.figures.tiles import Tile


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
        marked(epochs, lines, 6, hover), height, room=(76, 52),
        showlegend=len(lines) > 1, yaxis=vertical, **marks,
        xaxis={"title": "epoch", "tickformat": "d", "dtick": max(1, len(epochs) // 8)},
    )  # fmt: skip
