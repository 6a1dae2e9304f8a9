"""Lines with a mark at every value: told apart by colour and, in grey print, by the mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studio.theme import MODEL_COLORS

SYMBOLS = ("circle", "diamond", "square", "x")


def marked(
    x: Sequence[str] | Sequence[int], lines: Mapping[str, Sequence[float]], size: int, hover: str
) -> list[go.Scatter]:
    """Return one trace per line, at most four.

    Args:
        x: where the values stand, the same for all lines.
        lines: name in the legend -> one value per place.
        size: of a mark, in pixels.
        hover: plotly's template of what hovering says.
    """
    return [
        go.Scatter(
            x=list(x),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": size, "symbol": symbol},
            hovertemplate=hover,
        )
        for (name, values), colour, symbol in zip(
            lines.items(), MODEL_COLORS, SYMBOLS, strict=False
        )
    ]
