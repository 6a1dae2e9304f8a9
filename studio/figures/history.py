"""How networks learned: histories per iteration and per epoch (the paper's Figures 3, 5, 7, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from studio.theme import AXIS, MUTED, style

MAX_POINTS = 700
"""Points drawn per curve; a browser draws no more on a page's width anyway."""
LEGEND_LINE = 20
"""Pixels that one more line of a legend takes."""
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
    fig = go.Figure()
    for name, table in steps.items():
        known = table.dropna(subset=[column])
        x, raw = known["step"].to_numpy(), known[column].to_numpy() * factor
        at = thin(len(x))
        faint = {"color": colors[name], "width": 1}
        fig.add_scatter(x=x[at], y=raw[at], line=faint, opacity=0.22, hoverinfo="skip")
        fig.data[-1].update(showlegend=False, mode="lines")
        _line(fig, name, x[at], smooth(raw, span)[at], colors[name], x_name="iteration")
    _reference(fig, reference, factor)
    style(fig, height)
    fig.update_xaxes(title="iteration", showgrid=False)
    fig.update_yaxes(title="minibatch accuracy, %" if factor == 100 else "minibatch loss")
    return fig


def per_epoch(
    epochs: Mapping[str, pd.DataFrame],
    columns: Mapping[str, str],
    colors: Mapping[str, str],
    *,
    title: str,
    percent: bool,
    best: Mapping[str, int] | None = None,
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
        height: in pixels.
    """
    fig, factor = go.Figure(), 100 if percent else 1
    for name, table in epochs.items():
        for (column, called), dash in zip(
            columns.items(), reversed(DASHES[: len(columns)]), strict=True
        ):
            label = f"{name}, {called}" if called else name
            y = table[column].to_numpy(float) * factor
            _line(fig, label, table["epoch"].to_numpy(), y, colors[name], dash=dash)
        if best:
            _kept(fig, table, list(columns)[-1], factor, best[name], colors[name])
    lines = len(epochs) * len(columns)
    style(fig, height + LEGEND_LINE * max(0, lines - 2))  # long names stack above the plot
    fig.update_xaxes(title="epoch", showgrid=False)
    fig.update_yaxes(title=title)
    return fig


def gap(
    epochs: Mapping[str, pd.DataFrame], colors: Mapping[str, str], height: int = 320
) -> go.Figure:
    """Draw training minus validation accuracy, both in eval mode, in percentage points."""
    apart = {
        name: table.assign(gap=table["train_clean_accuracy"] - table["validation_accuracy"])
        for name, table in epochs.items()
    }
    fig = per_epoch(apart, {"gap": ""}, colors, title="points", percent=True, height=height)
    _reference(fig, (0.0, "no gap"), 100)
    return fig


def layers(epochs: pd.DataFrame, column: str, title: str, height: int = 320) -> go.Figure:
    """Draw a per-layer quantity over epochs, light to dark from the first layer to the last.

    Args:
        epochs: one model's `History.epochs`, with list columns ``layers`` and `column`.
        column: ``sparsity`` (share of exact zeros after ReLU) or ``entropy`` (0 to 1).
        title: of the y axis.
        height: in pixels.
    """
    names: Sequence[str] = list(epochs["layers"].iloc[-1])
    values = np.array(epochs[column].tolist(), dtype=float)
    fig = go.Figure()
    for index, name in enumerate(names):
        blue = _between(index / max(1, len(names) - 1))
        _line(fig, name, epochs["epoch"].to_numpy(), values[:, index], blue)
    style(fig, height)
    fig.update_xaxes(title="epoch", showgrid=False)
    fig.update_yaxes(title=title)
    return fig


def _between(share: float) -> str:
    """Mix sky blue (0) into vermilion (1): both read on dark and light, and in grey."""
    ends = np.array([[86, 180, 233], [190, 80, 20]])
    red, green, blue = (ends[0] + (ends[1] - ends[0]) * share).round().astype(int)
    return f"rgb({red},{green},{blue})"


def _line(
    fig: go.Figure,
    name: str,
    x: NDArray[np.generic],
    y: NDArray[np.float64],
    color: str,
    *,
    dash: str = "solid",
    x_name: str = "epoch",
) -> None:
    fig.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": color, "width": 2.4, "dash": dash},
        hovertemplate=f"{x_name} %{{x}}: %{{y:.3~g}}<extra>{name}</extra>",
    )


def _kept(
    fig: go.Figure, table: pd.DataFrame, column: str, factor: int, epoch: int, color: str
) -> None:
    row = table[table["epoch"] == epoch]
    fig.add_scatter(
        x=row["epoch"],
        y=row[column] * factor,
        mode="markers",
        marker={"color": color, "size": 11, "line": {"color": "white", "width": 1.5}},
        hovertemplate=f"kept: epoch {epoch}<extra></extra>",
        showlegend=False,
    )


def _reference(fig: go.Figure, reference: tuple[float, str] | None, factor: int) -> None:
    if reference is None:
        return
    level, name = reference
    fig.add_hline(
        y=level * factor,
        line={"color": AXIS, "width": 1.2, "dash": "dot"},
        annotation={"text": name, "font": {"color": MUTED, "size": 12}, "yanchor": "bottom"},
        annotation_position="top right",
    )
