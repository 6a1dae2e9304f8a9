"""One look for every figure: the palette of the seven expressions, two colour scales, `style`."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

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
CONFIG = {
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
}
"""What `st.plotly_chart` gets as `config`; see `widgets.show`."""


def luminance(scale: list[list[float | str]], share: float) -> float:
    """Return the WCAG relative luminance, 0 to 1, of a colour scale at `share` of its length."""
    stops = [float(stop) for stop, _ in scale]
    channels = np.array([[int(str(c)[i : i + 2], 16) for i in (1, 3, 5)] for _, c in scale]) / 255
    mixed = [np.interp(share, stops, channels[:, i]) for i in range(3)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mixed]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def model_color(names: list[str], name: str) -> str:
    """Return the colour of `name` among the models compared, the same in all their figures."""
    return MODEL_COLORS[names.index(name) % len(MODEL_COLORS)]


def upright(at: float, **line: object) -> dict[str, object]:
    """Return the layout shape of a dotted line up the whole plot at `at`.

    Plotly's own `add_vline` takes as long as the rest of a figure.
    """
    look = {"color": MUTED, "dash": "dot", **line}
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "y domain", "line": look}


def style(
    fig: go.Figure,
    height: int = 360,
    title: str | None = None,
    room: tuple[int, int] | None = None,
) -> go.Figure:
    """Give a figure the studio's look, in place, and return it.

    The background is transparent and text takes Streamlit's colour, so one figure serves the dark
    and the light theme.

    Args:
        fig: any plotly figure; what it sets itself (ranges, ticks) is kept.
        height: in pixels.
        title: a few words above the plot; most figures are titled by their page instead.
        room: pixels for the labels, left and below. None lets the browser measure them, which
            draws the figure twice: name them where a figure follows a slider or a face.
    """
    left, below = room or (8, 8)
    fig.update_layout(
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 14},
        margin={"l": left, "r": 8, "t": 44 if title else 28, "b": below},
        hoverlabel={"font": {"family": FONT, "size": 13}},
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "title": {"text": ""},
        },
        bargap=0.3,
        bargroupgap=0.08,
    )
    if title:
        fig.update_layout(title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 16}})
    axis = {"gridcolor": GRID, "linecolor": AXIS, "zerolinecolor": AXIS, "automargin": room is None}
    fig.update_xaxes(axis)
    fig.update_yaxes(axis)
    return fig
