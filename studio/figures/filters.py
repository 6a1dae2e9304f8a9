"""First-layer weights as pictures, and how they changed while the network learned (Figure 10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from studio import theme
from studio.figures.maps import colour_table, paint
from studio.figures.tiles import Tile


def filter_tiles(
    weights: NDArray[np.floating], limit: float, notes: Mapping[int, str], dead: Collection[int]
) -> list[Tile]:
    """Return one tile per filter, all on one symmetric scale.

    Args:
        weights: ``(F, k, k)``.
        limit: the absolute weight at full colour.
        notes: filter -> a few words under it.
        dead: filters that are shown faded.
    """
    table = colour_table(theme.DIVERGING)
    tiles = []
    for index, kernel in enumerate(weights):
        note = notes.get(index, "")
        norm = float(np.linalg.norm(kernel))
        alt = f"Filter {index}: norm {norm:.3f}, weights {kernel.min():.3f} to {kernel.max():.3f}"
        pixels = paint(kernel, limit, table, signed=True)
        words = f"{alt}, {note}" if note else alt
        tiles.append(Tile(pixels, str(index), words, note, faded=index in dead))
    return tiles


def trend(
    epochs: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    epoch: int,
    *,
    title: str,
    percent: bool = False,
    reference: tuple[float, str] | None = None,
    height: int = 300,
) -> go.Figure:
    """Draw figures per epoch as lines, with the chosen epoch marked.

    Args:
        epochs: epoch numbers, ascending.
        lines: name -> one value per epoch.
        epoch: where the marker stands.
        title: of the vertical axis.
        percent: show values of 0..1 as per cent.
        reference: a level to compare with, and its name.
        height: in pixels.
    """
    fig = go.Figure()
    symbols = ("circle", "diamond", "square")
    for (name, values), colour, symbol in zip(
        lines.items(), theme.MODEL_COLORS, symbols, strict=False
    ):
        fig.add_scatter(
            x=list(epochs),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 6, "symbol": symbol},
            hovertemplate="epoch %{x}: %{y:.3f}" if not percent else "epoch %{x}: %{y:.1%}",
        )
    fig.update_layout(_marks(epoch, reference))
    highest = max(max(values) for values in lines.values())
    fig.update_xaxes(title="epoch", tickformat="d", dtick=max(1, len(epochs) // 8))
    fig.update_yaxes(title=title, rangemode="tozero", tickformat=".0%" if percent else "d")
    if not percent:  # counts: whole ticks, and room above when all are zero
        fig.update_yaxes(range=[-0.2, max(4, highest * 1.1)], dtick=max(1, round(highest / 5)))
    fig.update_layout(showlegend=len(lines) > 1)
    return theme.style(fig, height=height, room=(76, 52))


def _marks(epoch: int, reference: tuple[float, str] | None) -> dict[str, Any]:
    """Return the chosen epoch's line and the level to compare with, as layout."""
    found: dict[str, Any] = {"shapes": [theme.upright(epoch, width=1.5)]}
    if reference is not None:
        level, words = reference
        across = {"type": "line", "x0": 0, "x1": 1, "xref": "x domain", "y0": level, "y1": level}
        look = {"color": theme.MUTED, "width": 1.5, "dash": "dash"}
        found["shapes"].append(across | {"line": look})
        place = {"x": 1, "xref": "x domain", "y": level, "xanchor": "right", "yanchor": "bottom"}
        found["annotations"] = [place | {"text": words, "showarrow": False}]
    return found
