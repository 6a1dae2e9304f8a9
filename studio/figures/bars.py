"""Seven probabilities as bars, the label and the class under discussion marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studio import theme


def probabilities(
    values: NDArray[np.floating],
    names: Sequence[str],
    *,
    label: int | None = None,
    target: int | None = None,
) -> go.Figure:
    """Draw one bar per expression, with its figure in per cent.

    Args:
        values: ``(7,)``, summing to 1.
        names: class names in index order.
        label: what the data set says, marked by a tick and words; None when unlabelled.
        target: the class being explained, printed in bold.
    """
    ticks = [f"<b>{name}</b>" if i == target else name for i, name in enumerate(names)]
    words = [f"{v:.1%}" + ("   ◆ label" if i == label else "") for i, v in enumerate(values)]
    bar = go.Bar(
        x=values.tolist(),
        y=ticks,
        orientation="h",
        marker={"color": [theme.EXPRESSION_COLORS[name] for name in names]},
        text=words,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )
    return theme.figure(
        [bar], 280, room=(76, 32), yaxis={"autorange": "reversed", "showgrid": False},
        xaxis={"range": [0, 1.18], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"},
    )  # fmt: skip
