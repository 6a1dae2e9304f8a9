"""Where on the face the evidence lies: one row per map, one column per part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from studio import theme
from studio.figures.numbers import Number, on_cells

AREA = "part of the picture"
LETTER = 6
"""Pixels of a letter of a row's title, on average."""


def by_region(
    rows: Mapping[str, Mapping[str, float]], area: Mapping[str, float], row_height: int = 34
) -> go.Figure:
    """Draw signed shares of evidence as cells on one symmetric scale, with their figures.

    Args:
        rows: map's title -> part -> share of the map's absolute evidence, -1..1.
        area: part -> its share of the picture, 0..1, as the last row.
        row_height: in pixels.
    """
    parts = list(area)
    titles = [*rows, AREA]
    shown = [*rows.values(), area]
    values = 100 * np.array([[row[part] for part in parts] for row in shown])
    reach = max(1.0, float(np.abs(values[:-1]).max())) if rows else 1.0
    heat = go.Heatmap(
        z=values, x=parts, y=titles, xgap=2, ygap=2, showscale=False,
        colorscale=theme.DIVERGING, zmin=-reach, zmax=reach,
        hovertemplate="%{y}, %{x}: %{z:+.1f}%<extra></extra>",
    )  # fmt: skip
    cells = [
        _number(parts[c], titles[r], float(values[r, c]), reach)
        for r, c in np.ndindex(*values.shape)
    ]
    left = 24 + LETTER * max(len(title) for title in titles)
    bare = {"showgrid": False, "showline": False, "ticks": ""}
    return theme.figure(
        [heat, *on_cells(cells)], 70 + row_height * len(titles), room=(left, 8),
        margin={"t": 36}, xaxis={"side": "top", **bare}, yaxis={"autorange": "reversed", **bare},
    )  # fmt: skip


def _number(part: str, title: str, value: float, reach: float) -> Number:
    share = (np.clip(value / reach, -1, 1) + 1) / 2
    text = f"{value:.0f}" if title == AREA or abs(value) < 0.5 else f"{value:+.0f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return Number(part, title, text, float(theme.luminance(theme.DIVERGING, share)))
