"""One look everywhere: the seven expressions' palette, colour scales, `figure`, style sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.basedatatypes import BaseTraceType

EXPRESSION_COLORS: dict[str, str] = {
    "angry": "#c1430d",
    "disgust": "#00b965",
    "fear": "#92538e",
    "happy": "#ff980a",
    "sad": "#436ed6",
    "surprise": "#55b8ec",
    "neutral": "#9fb0ae",
}
"""One colour per expression, everywhere. Found by search from Okabe & Ito's set (2008): the least
distance of two of them, over normal sight, deuteranopia and protanopia, is 29.6 (CIE76)."""

MODEL_COLORS: tuple[str, ...] = ("#3b7dd8", "#d97706", "#0f9d8a", "#b5639c", "#8c8c8c", "#a3a300")
"""One colour per model in a comparison, in order of the pick; never those of a class by meaning."""

DIVERGING: list[list[float | str]] = [
    [0.0, "#0b2a6f"],
    [0.25, "#3d6ab0"],
    [0.5, "#8f8f8f"],
    [0.75, "#dda63a"],
    [1.0, "#ffe79a"],
]
"""Signed values, symmetric about 0: dark blue below, grey at 0, pale amber above.

Lightness rises from one end to the other, so the sign survives grey print and colour blindness.
"""

SEQUENTIAL: list[list[float | str]] = [
    [0.0, "#12263f"],
    [0.25, "#1f4e79"],
    [0.5, "#3f85a8"],
    [0.75, "#92bfc4"],
    [1.0, "#f5ecd0"],
]
"""Unsigned values from 0: navy to cream, lightness rising."""

FONT = "'Source Sans', 'Source Sans Pro', system-ui, sans-serif"
GRID = "rgba(128, 128, 128, 0.22)"
AXIS = "rgba(128, 128, 128, 0.55)"
MUTED = "#8c8c8c"
INK = {"light": "#101216", "dark": "#e8e6e1"}
"""The page's text colour by theme, as in ``.streamlit/config.toml``."""
LOOK: dict[str, object] = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"family": FONT, "size": 14},
    "hoverlabel": {"font": {"family": FONT, "size": 13}},
    "legend": {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "title": {"text": ""},
    },
    "bargap": 0.3,
    "bargroupgap": 0.08,
}
"""The layout that all figures share; see `figure`."""
CONFIG = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}
"""What `st.plotly_chart` gets as `config`; see `download.show`."""


@cache
def asset(name: str) -> str:
    """Return a style sheet or script of ``components/assets``, such as ``gallery.css``."""
    return (Path(__file__).parent / "components" / "assets" / name).read_text(encoding="utf-8")


def luminance(
    scale: list[list[float | str]], share: float | NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the WCAG relative luminance, 0 to 1, of a colour scale at `share` of its length."""
    stops = [float(stop) for stop, _ in scale]
    channels = np.array([[int(str(c)[i : i + 2], 16) for i in (1, 3, 5)] for _, c in scale]) / 255
    mixed = np.stack([np.interp(share, stops, channels[:, i]) for i in range(3)], -1)
    linear = np.where(mixed <= 0.04045, mixed / 12.92, ((mixed + 0.055) / 1.055) ** 2.4)
    values: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return values


def model_color(names: list[str], name: str) -> str:
    """Return the colour of `name` among the models compared, the same in all their figures."""
    return MODEL_COLORS[names.index(name) % len(MODEL_COLORS)]


def upright(at: float, **line: object) -> dict[str, object]:
    """Return the layout shape of a dotted line up the whole plot at `at`.

    Plotly's own `add_vline` takes as long as the rest of a figure.
    """
    look = {"color": MUTED, "dash": "dot", **line}
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "y domain", "line": look}


def level(at: float, words: str, **line: object) -> dict[str, Any]:
    """Return, as layout, a line across the whole plot at `at` and its name at the right end."""
    look = {"color": MUTED, "dash": "dash", "width": 1.5, **line}
    line_shape = {"type": "line", "x0": 0, "x1": 1, "xref": "x domain", "y0": at, "y1": at}
    place = {"x": 1, "xref": "x domain", "y": at, "xanchor": "right", "yanchor": "bottom"}
    name = {"text": words, "showarrow": False, "font": {"color": MUTED, "size": 12}}
    return {"shapes": [line_shape | {"line": look}], "annotations": [place | name]}


def figure(
    traces: Sequence[BaseTraceType],
    height: int = 360,
    *,
    room: tuple[int, int] | None = None,
    **layout: Any,
) -> go.Figure:
    """Return a figure with the studio's look.

    The background is transparent and text takes Streamlit's colour, so one figure serves the dark
    and the light theme. Everything is said at once: each later `update_layout` or `update_xaxes`
    takes plotly longer than the whole figure.

    Args:
        traces: what is drawn, the lowest first.
        height: in pixels.
        room: pixels for the labels, left and below. None lets the browser measure them, which
            draws the figure twice: name them where a figure follows a slider or a face.
        layout: what this figure has of its own, such as ``xaxis={"title": "epoch"}``; joined to
            the look, and winning over it.
    """
    left, bottom = room or (8, 8)
    axis = {"gridcolor": GRID, "linecolor": AXIS, "zerolinecolor": AXIS, "automargin": room is None}
    sizes = {"height": height, "margin": {"l": left, "r": 8, "t": 28, "b": bottom}}
    return go.Figure(traces, _joined({**LOOK, **sizes, "xaxis": axis, "yaxis": axis}, layout))


def _joined(base: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """Return both nested mappings in one; where both speak, `own` is heard."""
    joined = dict(base)
    for key, value in own.items():
        under = joined.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            joined[key] = _joined(under, value)
        else:
            joined[key] = value
    return joined
