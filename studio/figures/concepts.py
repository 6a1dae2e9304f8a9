"""Concept scores of action units for seven expressions, and how well each unit could be learned."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

from fermodels.data.emotions import EMOTIONS
from fermodels.explain.concept_record import ConceptRecord, Floats
from studio import theme
from studio.figures.numbers import ink_on

EVEN = 0.5
"""As many of a class's faces rise as fall. A random direction and its contrary are equally likely,
and what one makes rise the other makes fall: this is what random directions score in the long run.
"""
RANDOM = "random directions"
"""Title of the last row: what directions without a meaning scored in this very file."""
CHANCE, TOLD = "may be chance", "differs from random"
"""Names of the two kinds of cells."""
PALE = 0.22
"""Opacity of a cell that a random direction explains as well."""
ROW, HEAD, FOOT = 34, 84, 60
"""Pixels: height of a row, and what is above and below the rows; both figures share them."""
TITLE_WIDTH = 18
"""Letters in a line of a row's title: two lines are narrow enough for a phone."""


def titles(record: ConceptRecord) -> list[str]:
    """Return ``(U,)`` rows' titles: FACS number and words, broken into lines."""
    return [
        "<br>".join(textwrap.wrap(f"{unit.removeprefix('AU')} {title}", TITLE_WIDTH))
        for unit, title in zip(record.units, record.titles, strict=True)
    ]


def scores(record: ConceptRecord, ink: str = theme.INK["light"]) -> go.Figure:
    """Draw the scores ``(U, 7)`` as cells on one scale, grey where as many faces rise as fall.

    Cells that do not differ from a random direction's are pale, their numbers in brackets; the
    last row is what random directions scored.

    Args:
        record: what was recorded.
        ink: the page's colour of text: pale cells let its background through.
    """
    rows, hover = [*titles(record), RANDOM], _hover(record)
    # one row more than units: plotly draws no heat map of a single row, so the last joins all
    score = np.vstack([record.score, record.random[:1]])
    kind = np.vstack([record.significant.astype(int), np.full((1, len(EMOTIONS)), 2)])
    parts = [np.where(kind == k, score, np.nan) for k in (0, 1, 2)]
    names = (CHANCE, TOLD, RANDOM)
    cells = [_cells(n, z, rows, hover) for n, z in zip(names, parts, strict=True)]
    cells[0].opacity = PALE
    inks = (ink, None, None)
    numbers = [_numbers(z, rows, ink=one) for z, one in zip(parts, inks, strict=True)]
    return _level_rows(
        cells, rows, xaxis={"side": "top", "tickangle": -45},
        annotations=[*numbers[0], *numbers[1], *numbers[2]],
    )  # fmt: skip


def _cells(
    name: str, values: Floats, rows: Sequence[str], hover: Sequence[Sequence[str]]
) -> go.Heatmap:
    return go.Heatmap(
        name=name, z=values, x=list(EMOTIONS), y=list(rows), hovertext=hover, zmin=0, zmid=EVEN,
        zmax=1, colorscale=theme.DIVERGING, showscale=False, xgap=2, ygap=2, hoverongaps=False,
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _hover(record: ConceptRecord) -> list[list[str]]:
    """Return ``(U + 1, 7)`` texts: all figures of every cell, the last row random directions'."""
    classes = range(len(EMOTIONS))
    rows = [[_words(record, row, k) for k in classes] for row in range(len(record.units))]
    last = [
        f"<b>{RANDOM}, {EMOTIONS[k]}</b><br>"
        f"score {record.random[0, k]:.4f} ± {record.random_spread[0, k]:.4f}"
        for k in classes
    ]
    return [*rows, last]


def _words(record: ConceptRecord, row: int, column: int) -> str:
    told = TOLD if record.significant[row, column] else CHANCE
    return (
        f"<b>{record.units[row]} {record.titles[row]}, {EMOTIONS[column]}</b><br>"
        f"score {record.score[row, column]:.4f} ± {record.spread[row, column]:.4f}<br>"
        f"{RANDOM} {record.random[row, column]:.4f} ± {record.random_spread[row, column]:.4f}<br>"
        f"{told}: p {record.p_holm[row, column]:.2g} (Holm)"
    )


def _numbers(values: Floats, rows: Sequence[str], *, ink: str | None) -> list[dict[str, object]]:
    """Write each cell's score in per cent; with `ink`, on pale cells, in brackets."""
    found: list[dict[str, object]] = []
    for row, column in np.argwhere(np.isfinite(values)):
        value = float(values[row, column])
        colour = ink or ink_on(float(theme.luminance(theme.DIVERGING, value)))
        text = f"({100 * value:.0f})" if ink else f"{100 * value:.0f}"
        place = {"x": EMOTIONS[column], "y": rows[row], "text": text, "showarrow": False}
        found.append(place | {"font": {"size": 12, "family": theme.FONT, "color": colour}})
    return found


def learned(record: ConceptRecord) -> go.Figure:
    """Draw how well each unit is told from the layer, ``(U,)`` dots with their spread.

    Rows stand level with those of `scores`.
    """
    rows = titles(record)
    # the empty last row keeps the others level with the scores' rows
    nothing = go.Scatter(x=[None], y=[RANDOM], hoverinfo="skip", mode="markers", marker_opacity=0)
    low = min(EVEN, float((record.accuracy - record.accuracy_spread).min()))
    across = {"title": "% of held-out faces", "range": [100 * low - 4, 102], "side": "bottom"}
    every = [*rows, RANDOM]
    return _level_rows(
        [_dots(record, rows), nothing], every, xaxis={**across, "showgrid": True},
        yaxis={"showgrid": True, "ticktext": [*record.units, ""], "tickvals": every},
        shapes=[theme.upright(100 * EVEN, dash="dash")],
    )  # fmt: skip


def _dots(record: ConceptRecord, rows: Sequence[str]) -> go.Scatter:
    spread = (100 * record.accuracy_spread).tolist()
    look = {"color": theme.MODEL_COLORS[0], "thickness": 2, "width": 0}
    return go.Scatter(
        x=(100 * record.accuracy).tolist(), y=list(rows), mode="markers", customdata=spread,
        error_x={"type": "data", "array": spread, **look},
        marker={"color": theme.MODEL_COLORS[0], "size": 9},
        hovertemplate="%{y}: %{x:.1f}% ± %{customdata:.1f}<extra></extra>",
    )  # fmt: skip


def _level_rows(
    traces: Sequence[BaseTraceType],
    rows: Sequence[str],
    *,
    xaxis: dict[str, Any],
    yaxis: dict[str, Any] | None = None,
    **layout: Any,
) -> go.Figure:
    """Return a figure whose rows stand where those of the other figure do."""
    bare = {"showgrid": False, "showline": False, "zeroline": False, "ticks": ""}
    ends = {"categoryorder": "array", "categoryarray": list(rows), "autorange": False}
    across = {**bare, "automargin": False, **xaxis}
    down = {**bare, **ends, "range": [len(rows) - 0.5, -0.5], "tickfont": {"size": 12}}
    # fixed margins: the rows stand level, and the last slanted name has room
    return theme.figure(
        traces, HEAD + FOOT + ROW * len(rows), margin={"t": HEAD, "b": FOOT, "r": 34},
        xaxis=across, yaxis={**down, **(yaxis or {})}, showlegend=False, dragmode=False, **layout,
    )  # fmt: skip
