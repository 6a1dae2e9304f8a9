"""Reliability curves: how often a model is right when it says it is so sure."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from fermodels.nets.calibration import ReliabilityBin
from studio.theme import MUTED, figure


def curves(
    models: Mapping[str, list[ReliabilityBin]], colors: Mapping[str, str], height: int = 400
) -> go.Figure:
    """Draw accuracy over confidence with 95% intervals, and the diagonal of an honest model.

    Args:
        models: name -> bins over the winning probability; empty bins are left out.
        colors: name -> CSS colour.
        height: in pixels.
    """
    honest = go.Scatter(
        x=[0, 100], y=[0, 100], mode="lines", name="as sure as right", hoverinfo="skip",
        line={"color": MUTED, "dash": "dash", "width": 1.5},
    )  # fmt: skip
    return figure(
        [honest, *(_curve(name, bins, colors[name]) for name, bins in models.items())], height,
        xaxis={"title": "how sure it was, %", "range": [0, 100]},
        yaxis={"title": "how often right, %", "range": [0, 100]},
    )  # fmt: skip


def _curve(name: str, bins: list[ReliabilityBin], color: str) -> go.Scatter:
    filled = [b for b in bins if b.n]
    right = [b.accuracy * 100 for b in filled]
    error = {
        "type": "data",
        "symmetric": False,
        "array": [b.interval[1] * 100 - b.accuracy * 100 for b in filled],
        "arrayminus": [b.accuracy * 100 - b.interval[0] * 100 for b in filled],
        "color": color,
        "thickness": 1.5,
        "width": 0,
    }
    return go.Scatter(
        x=[b.confidence * 100 for b in filled],
        y=right,
        customdata=[b.n for b in filled],
        name=name,
        mode="lines+markers",
        line={"color": color},
        marker={"size": 7},
        error_y=error,
        hovertemplate="said %{x:.0f}%, right %{y:.0f}% of %{customdata:,}<extra>"
        + name
        + "</extra>",
    )
