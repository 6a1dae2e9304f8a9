"""A sweep's trials: how each learned, which was the best, and where the paper's choice lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from studio import theme


def trials(
    found: Sequence[Mapping[str, Any]], *, best: int | None, paper: int | None, height: int = 380
) -> go.Figure:
    """Draw every trial's validation accuracy per epoch; the best and the paper's stand out.

    Args:
        found: the sweep's ``trials``: number, accuracies (0..1 per epoch), state, parameters.
        best: number of the best trial, if any.
        paper: number of the trial with the paper's settings, if any.
        height: in pixels.
    """
    drawn, rank = [], {best: 2, paper: 1}
    for trial in sorted(found, key=lambda one: rank.get(one["number"], 0)):
        number, values = trial["number"], [100 * value for value in trial["accuracies"]]
        title = f"trial {number}"
        look: dict[str, Any] = {"color": theme.MUTED, "width": 1.2}
        if number == paper:
            title, look = "the paper's settings", {"color": theme.MODEL_COLORS[1], "width": 3}
        if number == best:
            title = f"best, trial {number}" + (" (the paper's)" if number == paper else "")
            look = {"color": theme.MODEL_COLORS[0], "width": 3}
        hover = f"{title} ({trial['state']}), epoch %{{x}}: %{{y:.1f}}%<extra></extra>"
        drawn.append(
            go.Scatter(
                x=list(range(1, len(values) + 1)), y=values, name=title, mode="lines+markers",
                line=look, marker={"size": 5}, showlegend=number in (best, paper),
                hovertemplate=hover,
            )
        )  # fmt: skip
    longest = max((len(trial["accuracies"]) for trial in found), default=0)
    return theme.figure(
        drawn, height,
        xaxis={"title": "epoch", "showgrid": False, "dtick": max(1, longest // 8)},
        yaxis={"title": "validation accuracy, %"},
    )  # fmt: skip
