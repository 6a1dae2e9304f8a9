"""How networks learned: histories per iteration and per epoch (the paper's Figures 3, 5, 7, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from studio.theme import AXIS, figure, level

MAX_POINTS = 700
"""Points drawn per curve; a browser draws no more on a page's width anyway."""
LEGEND_LINE = 20
"""Pixels that one more line of a legend takes."""
EPOCHS = {"title": "epoch", "showgrid": False}
"""The horizontal axis of whatever was recorded per epoch."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def smooth(values: ArrayLike, span: int) -> NDArray[np.float64]:
    """Return the exponential moving average with the weight of a window of `span` values.

    Bias-corrected, so that the first value is itself; span 1 changes nothing.
    """
    series = pd.Series(np.asarray(values, float))
    return np.asarray(series.ewm(span=span, adjust=True).mean(), dtype=np.float64)


def thin(length: int, limit: int = MAX_POINTS) -> NDArray[np.intp]:
    """Return at most `limit` evenly spaced indices of ``0..length-1``, both ends included."""
    return np.unique(np.linspace(0, length - 1, min(length, limit)).round().astype(np.intp))


def per_step(
    steps: Mapping[str, pd.DataFrame],
    column: str,
    colors: Mapping[str, str],
    *,
    span: int,
    reference: tuple[float, str] | None = None,
    height: int = 380,
) -> go.Figure:
    """Draw one quantity over iterations: raw and faint below, smoothed and firm above.

    Args:
        steps: model -> its `History.steps`.
        column: ``loss`` or ``accuracy`` (a fraction, drawn in percent).
        colors: model -> CSS colour.
        span: of `smooth`, in iterations.
        reference: a level worth knowing and its name, such as ln 7.
        height: in pixels.
    """
    factor = 100 if column == "accuracy" else 1
    drawn = []
    for name, table in steps.items():
        known = table.dropna(subset=[column])
        x, raw = known["step"].to_numpy(), known[column].to_numpy() * factor
        at = thin(len(x))
        firm = smooth(raw, span)[at]
        drawn += [
            _faint(x[at], raw[at], colors[name]),
            _line(name, x[at], firm, colors[name], x_name="iteration"),
        ]
    title = "minibatch accuracy, %" if factor == 100 else "minibatch loss"
    xaxis = {"title": "iteration", "showgrid": False}
    marks = _level(reference, factor)
    return figure(drawn, height, xaxis=xaxis, yaxis={"title": title}, **marks)


def _faint(x: NDArray[np.generic], y: NDArray[np.float64], color: str) -> go.Scatter:
    return go.Scatter(
        x=x, y=y, line={"color": color, "width": 1}, opacity=0.22, hoverinfo="skip",
        showlegend=False, mode="lines",
    )  # fmt: skip


def per_epoch(
    epochs: Mapping[str, pd.DataFrame],
    columns: Mapping[str, str],
    colors: Mapping[str, str],
    *,
    title: str,
    percent: bool,
    best: Mapping[str, int] | None = None,
    reference: tuple[float, str] | None = None,
    height: int = 380,
) -> go.Figure:
    """Draw quantities over epochs: colour tells the model, dash the quantity.

    Args:
        epochs: model -> its `History.epochs`.
        columns: column -> what the legend calls it, in the order of the dashes.
        colors: model -> CSS colour.
        title: of the y axis.
        percent: the columns are fractions, drawn in percent.
        best: model -> the epoch whose weights were kept, marked on the last column.
        reference: a level worth knowing, as a fraction where `percent`, and its name.
        height: in pixels.
    """
    drawn, factor = [], 100 if percent else 1
    for name, table in epochs.items():
        for (column, called), dash in zip(
            columns.items(), reversed(DASHES[: len(columns)]), strict=True
        ):
            label = f"{name}, {called}" if called else name
            y = table[column].to_numpy(float) * factor
            drawn.append(_line(label, table["epoch"].to_numpy(), y, colors[name], dash=dash))
        if best:
            drawn.append(_best_epoch(table, list(columns)[-1], factor, best[name], colors[name]))
    lines = len(epochs) * len(columns)
    height += LEGEND_LINE * max(0, lines - 2)  # long names stack above the plot
    marks = _level(reference, factor)
    return figure(drawn, height, xaxis=EPOCHS, yaxis={"title": title}, **marks)


def gap(
    epochs: Mapping[str, pd.DataFrame], colors: Mapping[str, str], height: int = 320
) -> go.Figure:
    """Draw training minus validation accuracy, both in eval mode, in percentage points."""
    apart = {
        name: table.assign(gap=table["train_clean_accuracy"] - table["validation_accuracy"])
        for name, table in epochs.items()
    }
    return per_epoch(
        apart, {"gap": ""}, colors, title="points", percent=True, reference=(0.0, "no gap"),
        height=height,
    )  # fmt: skip


def lines_per_layer(epochs: pd.DataFrame, column: str, title: str, height: int = 320) -> go.Figure:
    """Draw a per-layer quantity over epochs, light to dark from the first layer to the last.

    Args:
        epochs: one model's `History.epochs`, with list columns ``layers`` and `column`.
        column: ``sparsity`` (share of exact zeros after ReLU) or ``entropy`` (0 to 1).
        title: of the y axis.
        height: in pixels.
    """
    names: Sequence[str] = [escape(str(layer)) for layer in epochs["layers"].iloc[-1]]
    values = np.array(epochs[column].tolist(), dtype=float)
    at, last = epochs["epoch"].to_numpy(), max(1, len(names) - 1)
    drawn = [_line(name, at, values[:, k], _between(k / last)) for k, name in enumerate(names)]
    return figure(drawn, height, xaxis=EPOCHS, yaxis={"title": title})


def _between(share: float) -> str:
    """Mix sky blue (0) into vermilion (1): both read on dark and light, and in grey."""
    ends = np.array([[86, 180, 233], [190, 80, 20]])
    red, green, blue = (ends[0] + (ends[1] - ends[0]) * share).round().astype(int)
    return f"rgb({red},{green},{blue})"


def _line(
    name: str,
    x: NDArray[np.generic],
    y: NDArray[np.float64],
    color: str,
    *,
    dash: str = "solid",
    x_name: str = "epoch",
) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": color, "width": 2.4, "dash": dash},
        hovertemplate=f"{x_name} %{{x}}: %{{y:.3~g}}<extra>{name}</extra>",
    )


def _best_epoch(
    table: pd.DataFrame, column: str, factor: int, epoch: int, color: str
) -> go.Scatter:
    row = table[table["epoch"] == epoch]
    return go.Scatter(
        x=row["epoch"],
        y=row[column] * factor,
        mode="markers",
        marker={"color": color, "size": 11, "line": {"color": "white", "width": 1.5}},
        hovertemplate=f"kept: epoch {epoch}<extra></extra>",
        showlegend=False,
    )


def _level(reference: tuple[float, str] | None, factor: int) -> dict[str, Any]:
    """Return a level worth knowing as layout: a dotted line and its name."""
    if reference is None:
        return {}
    at, name = reference
    return level(at * factor, name, color=AXIS, width=1.2, dash="dot")
