"""A figure and its export: the picture, its numbers and the code that makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from studio import theme
from studio.components.text import plain
from studio.figures import images, tables
from studio.figures.images import Tile
from studio.theme import asset

SCALE = 8
"""Screen pixels per pixel of an exported picture."""

TAPS = f"<script>\n{asset('tap_is_click.js')}</script>"
"""On charts that answer clicks a finger taps and scrolls as elsewhere in the page. Plotly would
take every touch for a drag, and select on a tap only what the one before had hovered over."""

_saver = st.components.v2.component(
    "fer_saver",
    html='<div class="save"><button type="button" class="png">PNG</button>'
    '<button type="button" class="svg">SVG</button></div>',
    css=asset("export.css"),
    js=asset("export.js"),
)


def show(
    fig: go.Figure,
    key: str,
    alt: str,
    *,
    select: bool = False,
    code: str | None = None,
    note: str = "",
) -> list[dict[str, Any]]:
    """Draw a figure in the page's width, with its export.

    Args:
        fig: made by `theme.figure`.
        key: unique in the page; letters, digits and dashes; names the downloaded files.
        alt: one sentence for screen readers.
        select: return the points clicked (scatter and bars only; plotly's heatmaps are mute).
        code: Python that makes the figure's numbers with `fermodels`; without it the mode bar
            alone saves the figure, as SVG.
        note: what to know about the figure, written under it.

    Returns:
        The selected points, empty unless `select`.
    """
    config = theme.CONFIG | {"toImageButtonOptions": {"format": "svg", "filename": key, "scale": 2}}
    points: list[dict[str, Any]] = []
    if select:
        event = st.plotly_chart(
            fig, key=key, config=config, alt=alt, on_select="rerun", selection_mode="points"
        )
        points = list(event["selection"]["points"])
        with st.container(key=f"taps-{key}"):
            st.html(TAPS, unsafe_allow_javascript=True)
    else:
        st.plotly_chart(fig, key=key, config=config, alt=alt)
    if code is not None:
        export(key, lambda: tables.of_figure(fig), code, chart=True, note=note)
    elif note:
        st.caption(plain(note))
    return points


def export(
    key: str,
    data: Callable[[], pd.DataFrame],
    code: str,
    *,
    pictures: Sequence[Tile] = (),
    columns: int = 4,
    chart: bool = False,
    note: str = "",
) -> None:
    """Offer a figure as PNG, SVG, CSV and Python, behind one small button.

    Args:
        key: unique in the page; letters, digits and dashes; names the files.
        data: makes the figure's numbers, when they are asked for.
        code: Python that makes the same numbers with `fermodels`.
        pictures: the figure, where it is a grid of small pictures.
        columns: how many of them stand side by side in the files.
        chart: the figure is the plotly chart of the same key; the browser draws its files.
        note: what to know about the figure, written beside the button.
    """
    row = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="top",
        gap="small", wrap=False,
    )  # fmt: skip
    if note:
        row.caption(plain(note), width="stretch")
    with row.popover("Export", icon=":material/download:", type="tertiary", key=f"take-{key}"):
        if chart:
            _saver(key=f"saver-{key}", data={"chart": key}, height="content")
        with st.container(horizontal=True, gap="small"):
            if pictures:
                _file(
                    key, "png", "image/png", lambda: images.contact_sheet(pictures, SCALE, columns)
                )
                _file(key, "svg", "image/svg+xml", lambda: images.drawing(pictures, columns))
            _file(key, "csv", "text/csv", lambda: data().to_csv(index=False))
        st.caption("The same numbers in Python:")
        st.code(code, language="python")


def _file(key: str, suffix: str, mime: str, make: Callable[[], str | bytes]) -> None:
    st.download_button(
        suffix.upper(), make, f"{key}.{suffix}", mime, key=f"{key}-{suffix}", on_click="ignore"
    )


def download_data(data: pd.DataFrame | go.Figure, name: str, label: str | None = None) -> None:
    """Offer a table as CSV, or a figure as JSON that plotly opens again."""
    if isinstance(data, pd.DataFrame):
        body, suffix, mime = data.to_csv(index=False), "csv", "text/csv"
    else:
        body, suffix, mime = data.to_json(), "json", "application/json"
    st.download_button(
        label or f"Download data ({suffix.upper()})",
        body,
        f"{name}.{suffix}",
        mime,
        key=f"download-{name}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )
