"""Numbers written on the cells of a heat map, each in the ink that its colour carries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import plotly.graph_objects as go

from studio.theme import FONT

WHITE, BLACK = "#ffffff", "#000000"
DARK = 0.18
"""Relative luminance of a cell below which white reads better than black (WCAG)."""


class Number(NamedTuple):
    """What stands on one cell."""

    x: str
    """Its column's label."""
    y: str
    """Its row's label."""
    text: str
    luminance: float
    """Of the cell, 0 to 1."""


def ink_on(luminance: float) -> str:
    """Return the ink that a cell of this relative luminance carries."""
    return WHITE if luminance < DARK else BLACK


def on_cells(numbers: Iterable[Number]) -> list[go.Scatter]:
    """Return at most two traces of text, one per ink.

    Heat maps' own texts fade while points are selected and are grey on mid colours; annotations
    stay but cost the browser several times as much: 49 of them take longer than all else.
    """
    inks: dict[str, list[Number]] = {}
    for number in numbers:
        inks.setdefault(ink_on(number.luminance), []).append(number)
    return [_in_ink(ink, told) for ink, told in inks.items()]


def _in_ink(ink: str, told: list[Number]) -> go.Scatter:
    kept = {"textfont": {"color": ink}}
    return go.Scatter(
        x=[n.x for n in told],
        y=[n.y for n in told],
        text=[n.text for n in told],
        mode="text",
        textfont={"size": 13, "family": FONT, "color": ink},
        selected=kept,
        unselected=kept,
        hoverinfo="skip",
        showlegend=False,
    )
