"""How the response changes from layer to layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studio import theme
from studio.figures.lines import marked


def by_layer(
    layers: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    *,
    title: str,
    chosen: str | None = None,
    lowest: float = 0.0,
    height: int = 280,
    group: int | None = None,
) -> go.Figure:
    """Draw one value per layer and face (or per moment of training), first layer to last.

    Args:
        layers: layer names, in order.
        lines: name of a line -> one value in `lowest`..1 per layer.
        title: of the vertical axis.
        chosen: the layer on view, if any, marked by a dotted line.
        lowest: where the vertical axis begins.
        height: in pixels.
        group: see `lines.marked`.
    """
    return theme.figure(
        marked(layers, lines, 10, "%{x}: %{y:.1%}", group), height, room=(76, 32),
        xaxis={"type": "category"}, showlegend=len(lines) > 1,
        yaxis={"title": title, "tickformat": ".0%", "range": [lowest - 0.03, 1.05]},
        shapes=[] if chosen is None else [theme.upright(list(layers).index(chosen))],
    )  # fmt: skip
