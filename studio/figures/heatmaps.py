"""Confusion matrices, their difference, and accuracy per expression with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import row_shares
from studio import theme
from studio.theme import DIVERGING, FONT, SEQUENTIAL, figure, luminance

PAPER_SUFFIX = ", paper"
"""What a quoted entry's name ends with; it shares the lane of the model it belongs to."""


@dataclass(frozen=True)
class Accuracies:
    """One model's accuracy per expression."""

    values: Mapping[str, float]
    """Expression -> fraction."""
    intervals: Mapping[str, tuple[float, float]]
    """Expression -> 95% interval; empty where a source gives none."""
    color: str
    """CSS colour."""
    quoted: bool = False
    """Quoted from the paper: drawn hollow and without interval."""


def matrix(
    confusion: NDArray[np.integer], *, shares: bool, clickable: bool = False, height: int = 380
) -> go.Figure:
    """Draw one confusion matrix, the true expression down the side.

    Args:
        confusion: counts, int ``(7, 7)``, rows true and columns predicted.
        shares: colour and write row shares in percent (0 to 100, the same scale in every
            figure) instead of counts.
        clickable: lay markers over the cells that report clicks; the figure is slower to draw.
        height: in pixels.
    """
    values = row_shares(confusion) * 100 if shares else confusion.astype(float)
    top = 100.0 if shares else float(confusion.max())
    unit = "% of the row" if shares else "faces"
    return _cells(values, SEQUENTIAL, (0.0, top), "{:.0f}", unit, height, clickable)


def confusion_difference(
    first: NDArray[np.integer], second: NDArray[np.integer], height: int = 440
) -> go.Figure:
    """Draw first minus second in percentage points of each row, symmetric about 0; cells click.

    Args:
        first: counts, int ``(7, 7)``.
        second: counts of the other model on the same faces.
        height: in pixels.
    """
    values = (row_shares(first) - row_shares(second)) * 100
    reach = max(1.0, float(np.nanmax(np.abs(values))))
    return _cells(values, DIVERGING, (-reach, reach), "{:+.0f}", "points", height, clickable=True)


def _cells(
    values: NDArray[np.float64],
    scale: list[list[float | str]],
    span: tuple[float, float],
    text: str,
    unit: str,
    height: int,
    clickable: bool = False,
) -> go.Figure:
    names = list(EMOTIONS)
    look: dict[str, Any] = {"colorscale": scale, "zmin": span[0], "zmax": span[1]}
    look |= {"hoverinfo": "skip"} if clickable else {"hovertemplate": _says("z", unit)}
    heat = go.Heatmap(z=values, x=names, y=names, xgap=2, ygap=2, showscale=False, **look)
    written = _numbers(values, scale, span, text)
    targets = [_targets(values, unit)] if clickable else []
    bare = {
        "showgrid": False,
        "showline": False,
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
    }
    return figure(
        [heat, *written, *targets], height, room=(92, 86), margin={"t": 8},
        xaxis={"title": "predicted", "tickangle": -45, **bare},
        yaxis={"title": "true", "autorange": "reversed", **bare},
        showlegend=False, dragmode=False,
    )  # fmt: skip


def _numbers(
    values: NDArray[np.float64],
    scale: list[list[float | str]],
    span: tuple[float, float],
    text: str,
) -> list[go.Scatter]:
    shades = luminance(scale, (values - span[0]) / ((span[1] - span[0]) or 1.0))
    numbers = []
    for row, column in np.argwhere(np.isfinite(values)):
        word = "0" if abs(values[row, column]) < 0.5 else text.format(values[row, column])
        numbers.append(Number(EMOTIONS[column], EMOTIONS[row], word, float(shades[row, column])))
    return on_cells(numbers)


def _targets(values: NDArray[np.float64], unit: str) -> go.Scatter:
    """Invisible markers over the cells: plotly's heatmaps do not report clicks, scatters do."""
    rows, columns = np.divmod(np.arange(49), 7)
    return go.Scatter(
        x=[EMOTIONS[c] for c in columns],
        y=[EMOTIONS[r] for r in rows],
        mode="markers",
        marker={"symbol": "square", "size": 30, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        customdata=values.ravel(),
        hovertemplate=_says("customdata", unit),
    )


def _says(value: str, unit: str) -> str:
    """Return what a cell says under the pointer."""
    return f"true %{{y}}, predicted %{{x}}<br>%{{{value}:.1f}} {unit}<extra></extra>"


def per_expression(models: Mapping[str, Accuracies], height: int = 460) -> go.Figure:
    """Draw accuracy per expression as dots with 95% intervals, one colour per model.

    Args:
        models: name in the legend -> its accuracies; quoted ones are hollow diamonds.
        height: in pixels.
    """
    lines = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": k + 0.5, "y1": k + 0.5}
        | {"line": {"color": "rgba(128,128,128,.22)", "width": 1}}
        for k in range(6)
    ]
    order = {"categoryorder": "array", "categoryarray": list(EMOTIONS)[::-1]}
    return figure(
        [_dots(name, accuracies) for name, accuracies in models.items()], height, shapes=lines,
        xaxis={"title": "accuracy, %", "range": [0, 100], "ticksuffix": ""},
        yaxis={**order, "showgrid": False}, scattermode="group", scattergap=0.35,
    )  # fmt: skip


def _dots(name: str, accuracies: Accuracies) -> go.Scatter:
    shown = [e for e in EMOTIONS if e in accuracies.values]
    x = [accuracies.values[e] * 100 for e in shown]
    error = None
    if accuracies.intervals:
        ends = [accuracies.intervals[e] for e in shown]
        error = {
            "type": "data",
            "symmetric": False,
            "array": [high * 100 - v for (_, high), v in zip(ends, x, strict=True)],
            "arrayminus": [v - low * 100 for (low, _), v in zip(ends, x, strict=True)],
            "color": accuracies.color,
            "thickness": 2,
            "width": 0,
        }
    return go.Scatter(
        x=x,
        y=shown,
        name=name,
        mode="markers",
        orientation="h",
        offsetgroup=name.removesuffix(PAPER_SUFFIX),
        error_x=error,
        marker={
            "color": accuracies.color,
            "size": 10,
            "symbol": "diamond-open" if accuracies.quoted else "circle",
            "line": {"width": 2 if accuracies.quoted else 0, "color": accuracies.color},
        },
        hovertemplate="%{y}: %{x:.1f}%<extra>" + name + "</extra>",
    )


# --- Numbers written on the cells of a heat map, each in the ink that its colour carries


WHITE, BLACK = "#ffffff", "#000000"
DARK = 0.18
"""Relative luminance of a cell below which white reads better than black (WCAG)."""


class Number(NamedTuple):
    """What stands on one cell."""

    x: str
    """Its column's label."""
    y: str
    """Its row's label."""
    text: str
    luminance: float
    """Of the cell, 0 to 1."""


def ink_on(luminance: float) -> str:
    """Return the ink that a cell of this relative luminance carries."""
    return WHITE if luminance < DARK else BLACK


def on_cells(numbers: Iterable[Number]) -> list[go.Scatter]:
    """Return at most two traces of text, one per ink.

    Heat maps' own texts fade while points are selected and are grey on mid colours; annotations
    stay but cost the browser several times as much: 49 of them take longer than all else.
    """
    inks: dict[str, list[Number]] = {}
    for number in numbers:
        inks.setdefault(ink_on(number.luminance), []).append(number)
    return [_in_ink(ink, group) for ink, group in inks.items()]


def _in_ink(ink: str, numbers: list[Number]) -> go.Scatter:
    same_ink = {"textfont": {"color": ink}}
    return go.Scatter(
        x=[n.x for n in numbers],
        y=[n.y for n in numbers],
        text=[n.text for n in numbers],
        mode="text",
        textfont={"size": 13, "family": FONT, "color": ink},
        selected=same_ink,
        unselected=same_ink,
        hoverinfo="skip",
        showlegend=False,
    )


# --- Where on the face the evidence lies: one row per map, one column per part


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
