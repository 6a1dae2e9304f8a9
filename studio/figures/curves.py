"""How a class fades and returns as ranked pixels are replaced and restored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from studio import theme

AXES = {
    "deletion": "share of pixels taken away, most important first",
    "insertion": "share of pixels given back, most important first",
}
"""Kind of curve -> what its horizontal axis counts."""


def by_share(
    fractions: NDArray[np.floating],
    lines: Mapping[str, ArrayLike],
    kind: str,
    height: int = 300,
) -> go.Figure:
    """Draw the probability of the explained class over the share of pixels changed.

    Args:
        fractions: ``(K,)`` from 0 to 1.
        lines: the method first, then its controls: name -> ``(K,)`` probabilities.
        kind: ``deletion`` or ``insertion``.
        height: in pixels.
    """
    looks = [(theme.MODEL_COLORS[0], "solid", 3.0), (theme.MUTED, "dot", 2.0)]
    looks += [(theme.MUTED, "dash", 2.0)] * len(lines)
    drawn = [
        go.Scatter(
            x=list(fractions),
            y=np.asarray(values).tolist(),
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            hovertemplate="%{x:.0%} of the pixels: %{y:.1%}<extra>" + name + "</extra>",
        )
        for (name, values), (colour, dash, width) in zip(lines.items(), looks, strict=False)
    ]
    return theme.figure(
        drawn, height, xaxis={"title": AXES[kind], "tickformat": ".0%", "range": [0, 1]},
        yaxis={"title": "probability", "tickformat": ".0%", "range": [-0.03, 1.05]},
    )  # fmt: skip
