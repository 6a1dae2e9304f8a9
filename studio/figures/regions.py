"""Where on the face the evidence lies: one row per map, one column per part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from studio import theme

AREA = "part of the picture"


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
    fig = go.Figure(
        go.Heatmap(
            z=values, x=parts, y=titles, xgap=2, ygap=2, showscale=False,
            colorscale=theme.DIVERGING, zmin=-reach, zmax=reach,
            hovertemplate="%{y}, %{x}: %{z:+.1f}%<extra></extra>",
        )
    )  # fmt: skip
    theme.style(fig, height=70 + row_height * len(titles))
    fig.update_xaxes(side="top", showgrid=False, showline=False, ticks="")
    fig.update_yaxes(autorange="reversed", showgrid=False, showline=False, ticks="")
    notes = [
        _note(parts[c], titles[r], float(values[r, c]), reach) for r, c in np.ndindex(*values.shape)
    ]
    return fig.update_layout(annotations=notes, margin_t=8)


def _note(part: str, title: str, value: float, reach: float) -> dict[str, object]:
    share = (np.clip(value / reach, -1, 1) + 1) / 2
    dark = theme.luminance(theme.DIVERGING, float(share)) < 0.18
    text = f"{value:.0f}" if title == AREA or abs(value) < 0.5 else f"{value:+.0f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    font = {"size": 13, "family": theme.FONT, "color": "#ffffff" if dark else "#000000"}
    return {"x": part, "y": title, "text": text, "font": font, "showarrow": False}
