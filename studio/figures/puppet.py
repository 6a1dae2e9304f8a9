"""What models say to a rendered face, and how that follows one action unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from studio import theme

if TYPE_CHECKING:
    from fermodels.xai.counterfactuals.response_curves import ResponseCurves


def answers(found: Mapping[str, NDArray[np.floating]]) -> go.Figure:
    """Draw one bar per expression and model, with its figure in per cent.

    Args:
        found: model -> seven probabilities; one model is drawn in the expressions' colours,
            several in their own.
    """
    names, expressions = list(found), list(EMOTIONS)
    one = list(theme.EXPRESSION_COLORS.values())
    drawn = [
        go.Bar(
            x=values.tolist(),
            y=expressions,
            name=name,
            orientation="h",
            marker={"color": one if len(names) == 1 else theme.model_color(names, name)},
            text=[f"{v:.0%}" for v in values],
            textposition="outside",
            textfont={"size": 11},
            constraintext="inside",  # else the figures shrink with the bars
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra>" + name + "</extra>",
        )
        for name, values in found.items()
    ]
    return theme.figure(
        drawn, max(300, 40 + 7 * (16 * len(names) + 14)), showlegend=len(names) > 1,
        xaxis={"range": [0, 1.14], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"},
        yaxis={"autorange": "reversed", "showgrid": False}, room=(76, 32),
    )  # fmt: skip


def curves(found: ResponseCurves, at: float) -> go.Figure:
    """Draw seven mean probabilities over one unit's intensity, each with its interval.

    Args:
        found: the curves.
        at: the intensity on view, 0..1, marked by a dotted line.
    """
    bands = [_band(found, k, theme.EXPRESSION_COLORS[name]) for k, name in enumerate(EMOTIONS)]
    lines = [
        go.Scatter(
            x=found.intensities.tolist(),
            y=found.mean[:, k].tolist(),
            name=name,
            mode="lines",
            line={"color": theme.EXPRESSION_COLORS[name], "width": 2.5},
            hovertemplate="%{x:.0%}: %{y:.1%}<extra>" + name + "</extra>",
        )
        for k, name in enumerate(EMOTIONS)
    ]
    across = {"title": f"intensity of {found.unit}", "range": [0, 1.01], "showgrid": False}
    return theme.figure(
        [*bands, *lines], 380, room=(76, 52), shapes=[theme.upright(at)],
        xaxis={**across, "tickformat": ".0%"},
        yaxis={"title": "probability", "tickformat": ".0%", "range": [0, 1.02]},
    )  # fmt: skip


def _band(found: ResponseCurves, k: int, colour: str) -> go.Scatter:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    there, back = found.intensities.tolist(), found.intensities[::-1].tolist()
    return go.Scatter(
        x=there + back,
        y=found.high[:, k].tolist() + found.low[::-1, k].tolist(),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},.13)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
