"""Lines with a mark at every value: told apart by colour and, in grey print, by the mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from studio.theme import MODEL_COLORS

SYMBOLS = ("circle", "diamond", "square", "x")


def marked(
    x: Sequence[str] | Sequence[int],
    lines: Mapping[str, Sequence[float]],
    size: int,
    hover: str,
    group: int | None = None,
) -> list[go.Scatter]:
    """Return one trace per line, at most four looks.

    Args:
        x: where the values stand, the same for all lines.
        lines: name in the legend -> one value per place.
        size: of a mark, in pixels.
        hover: plotly's template of what hovering says.
        group: how many lines differ by colour; those after them are the same again at another
            time, dotted. None if all differ.
    """
    looks = list(zip(MODEL_COLORS, SYMBOLS, strict=False))[: group or len(lines)]
    found = []
    for at, (name, values) in enumerate(lines.items()):
        colour, symbol = looks[at % len(looks)]
        again = at >= len(looks)
        found.append(
            go.Scatter(
                x=list(x),
                y=list(values),
                name=name,
                mode="lines+markers",
                line={"color": colour, "width": 2.5, "dash": "dot" if again else "solid"},
                marker={"size": size, "symbol": f"{symbol}-open" if again else symbol},
                hovertemplate=hover,
            )
        )
    return found
