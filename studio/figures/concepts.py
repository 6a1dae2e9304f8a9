"""Concept scores of action units for seven expressions, and how well each unit could be learned."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

from fermodels.data.emotions import EMOTIONS
from fermodels.xai.concepts.record import ConceptRecord, Floats
from studio import theme
from studio.figures.heatmaps import ink_on

EVEN = 0.5
"""As many of a class's faces rise as fall; also the accuracy of tossing a coin."""
CHANCE, DIFFERS = "may be chance", "differs from swapped labels"
"""Names of the two kinds of cells."""
CELLS = {"logit change": "effect", "share that rises": "score"}
"""What cells may show: words -> field of ConceptRecord. Only the first is tested."""
PALE = 0.22
"""Opacity of a cell that swapped labels explain as well."""
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


def _rows(record: ConceptRecord) -> list[str]:
    """Return rows' titles, at least two: plotly draws no heat map of a single row."""
    return [*titles(record), *([" "] if len(record.units) == 1 else [])]


def scores(
    record: ConceptRecord, ink: str = theme.INK["light"], cells: str = "effect"
) -> go.Figure:
    """Draw a figure of every unit and expression ``(U, 7)`` as cells on one scale.

    Grey is in the middle: no change of the logit, or as many faces that rise as fall. Cells whose
    effect does not differ from swapped labels' are pale, their numbers in brackets.

    Args:
        record: what was recorded.
        ink: the page's colour of text: pale cells let its background through.
        cells: a value of CELLS.
    """
    rows, hover = _rows(record), _hover(record)
    values: Floats = getattr(record, cells)
    largest = float(np.nanmax(np.abs(values), initial=1e-9)) if cells == "effect" else EVEN
    middle = 0.0 if cells == "effect" else EVEN
    parts = [np.where(record.significant == sure, values, np.nan) for sure in (False, True)]
    maps = [
        go.Heatmap(
            name=name, z=np.pad(z, ((0, len(rows) - len(z)), (0, 0)), constant_values=np.nan),
            x=list(EMOTIONS), y=rows, hovertext=hover, zmin=middle - largest, zmid=middle,
            zmax=middle + largest, colorscale=theme.DIVERGING, showscale=False, xgap=2, ygap=2,
            hoverongaps=False, hovertemplate="%{hovertext}<extra></extra>",
        )
        for name, z in zip((CHANCE, DIFFERS), parts, strict=True)
    ]  # fmt: skip
    maps[0].opacity = PALE
    notes = [
        _number(record, row, column, cells, (values[row, column] - middle) / largest, ink)
        for row, column in np.argwhere(np.isfinite(values))
    ]
    return _level_rows(maps, rows, xaxis={"side": "top", "tickangle": -45}, annotations=notes)


def _hover(record: ConceptRecord) -> list[list[str]]:
    """Return ``(U, 7)`` texts: all figures of every cell."""
    return [
        [_words(record, row, column) for column in range(len(EMOTIONS))]
        for row in range(len(record.units))
    ]


def _words(record: ConceptRecord, row: int, column: int) -> str:
    at = row, column
    kind = DIFFERS if record.significant[at] else CHANCE
    return (
        f"<b>{record.units[row]} {record.titles[row]}, {EMOTIONS[column]}</b><br>"
        f"logit {record.effect[at]:+.3f} (95% {record.low[at]:+.3f} to {record.high[at]:+.3f})<br>"
        f"95% of label swaps stay below {record.by_chance[at]:.3f}<br>"
        f"{record.score[at]:.1%} of faces rise<br>"
        f"{kind}: p {record.p_holm[at]:.2g} (Holm)"
    )


def _number(
    record: ConceptRecord, row: int, column: int, cells: str, place: float, ink: str
) -> dict[str, object]:
    """Write a cell's figure, on pale cells with `ink` and in brackets.

    Args:
        place: where the figure lies on the scale, -1 to 1.
    """
    value = float(getattr(record, cells)[row, column])
    text = f"{value:+.1f}" if cells == "effect" else f"{100 * value:.0f}"
    colour = ink_on(float(theme.luminance(theme.DIVERGING, (1 + place) / 2)))
    if not record.significant[row, column]:
        text, colour = f"({text})", ink
    font = {"size": 12, "family": theme.FONT, "color": colour}
    where = {"x": EMOTIONS[column], "y": titles(record)[row]}
    return {**where, "text": text, "showarrow": False, "font": font}


def probe_accuracy(record: ConceptRecord) -> go.Figure:
    """Draw the accuracy of a probe for each unit, ``(U,)`` dots with 95% intervals.

    Rows stand level with those of `scores`.
    """
    rows = _rows(record)
    low = min(EVEN, float(record.accuracy_low.min()))
    xaxis = {"title": "% of people", "range": [100 * low - 4, 102], "side": "bottom"}
    labels = {"ticktext": [*record.units, ""][: len(rows)], "tickvals": rows}
    return _level_rows(
        [_dots(record)], rows, xaxis={**xaxis, "showgrid": True},
        yaxis={"showgrid": True, **labels}, shapes=[theme.upright(100 * EVEN, dash="dash")],
    )  # fmt: skip


def _dots(record: ConceptRecord) -> go.Scatter:
    ends = 100 * np.stack([record.accuracy_low, record.accuracy_high], axis=1)
    centre = 100 * record.accuracy
    bars = {"array": (ends[:, 1] - centre).tolist(), "arrayminus": (centre - ends[:, 0]).tolist()}
    look = {"color": theme.MODEL_COLORS[0], "thickness": 2, "width": 0}
    return go.Scatter(
        x=centre.tolist(), y=titles(record), mode="markers", customdata=ends.tolist(),
        error_x={"type": "data", **bars, **look},
        marker={"color": theme.MODEL_COLORS[0], "size": 9},
        hovertemplate="%{y}: %{x:.1f}% (95% %{customdata[0]:.1f} to %{customdata[1]:.1f})"
        "<extra></extra>",
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
    horizontal = {**bare, "automargin": False, **xaxis}
    down = {**bare, **ends, "range": [len(rows) - 0.5, -0.5], "tickfont": {"size": 12}}
    # fixed margins: the rows stand level, and the last slanted name has room
    return theme.figure(
        traces, HEAD + FOOT + ROW * len(rows), margin={"t": HEAD, "b": FOOT, "r": 34},
        xaxis=horizontal, yaxis={**down, **(yaxis or {})}, showlegend=False, dragmode=False,
        **layout,
    )  # fmt: skip
