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
    from fermodels.explain.puppet import ResponseCurves


def answers(found: Mapping[str, NDArray[np.floating]]) -> go.Figure:
    """Draw one bar per expression and model, with its figure in per cent.

    Args:
        found: model -> seven probabilities; one model is drawn in the expressions' colours,
            several in their own.
    """
    names, expressions = list(found), list(EMOTIONS)
    fig = go.Figure()
    for name, values in found.items():
        one = list(theme.EXPRESSION_COLORS.values())
        fig.add_bar(
            x=values.tolist(),
            y=expressions,
            name=name,
            orientation="h",
            marker={"color": one if len(names) == 1 else theme.model_color(names, name)},
            text=[f"{v:.0%}" for v in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra>" + name + "</extra>",
        )
    fig.update_xaxes(range=[0, 1.14], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    fig.update_yaxes(autorange="reversed", showgrid=False)
    fig.update_layout(showlegend=len(names) > 1)
    return theme.style(fig, height=max(300, 40 + 7 * (16 * len(names) + 14)))


def curves(found: ResponseCurves, at: float) -> go.Figure:
    """Draw seven mean probabilities over one unit's intensity, each with its interval.

    Args:
        found: the curves.
        at: the intensity on view, 0..1, marked by a dotted line.
    """
    fig = go.Figure()
    for k, name in enumerate(EMOTIONS):
        fig.add_scatter(**_band(found, k, theme.EXPRESSION_COLORS[name]))
    for k, name in enumerate(EMOTIONS):
        fig.add_scatter(
            x=found.intensities.tolist(),
            y=found.mean[:, k].tolist(),
            name=name,
            mode="lines",
            line={"color": theme.EXPRESSION_COLORS[name], "width": 2.5},
            hovertemplate="%{x:.0%}: %{y:.1%}<extra>" + name + "</extra>",
        )
    fig.add_vline(x=at, line={"color": theme.MUTED, "dash": "dot"})
    fig.update_xaxes(
        title=f"intensity of {found.unit}", tickformat=".0%", range=[0, 1.01], showgrid=False
    )
    fig.update_yaxes(title="probability", tickformat=".0%", range=[0, 1.02])
    return theme.style(fig, height=380)


def _band(found: ResponseCurves, k: int, colour: str) -> dict[str, object]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    there, back = found.intensities.tolist(), found.intensities[::-1].tolist()
    return {
        "x": there + back,
        "y": found.high[:, k].tolist() + found.low[::-1, k].tolist(),
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},.13)",
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
    }
