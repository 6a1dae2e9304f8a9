"""Maps of numbers -> pictures: one declared scale per comparison, signs that survive greyscale."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape

import numpy as np
from numpy.typing import NDArray
from plotly.colors import sample_colorscale, unlabel_rgb

from studio.figures.tiles import Pixels, as_rgb, data_uri

FloatMap = NDArray[np.floating]
ColourScale = Sequence[str] | Sequence[Sequence[object]]
"""A plotly colour scale: evenly spaced colours, or pairs (position, colour)."""

LEVELS = 256


def colour_table(scale: ColourScale) -> NDArray[np.uint8]:
    """Return the 256 colours ``(256, 3)`` of a plotly colour scale, low to high, read-only."""
    return _table(tuple(stop if isinstance(stop, str) else tuple(stop) for stop in scale))


@cache
def _table(scale: tuple[str | tuple[object, ...], ...]) -> NDArray[np.uint8]:
    stops = [stop if isinstance(stop, str) else list(stop) for stop in scale]
    samples = sample_colorscale(stops, np.linspace(0, 1, LEVELS).tolist())
    found = np.array([unlabel_rgb(colour) for colour in samples]).round().astype(np.uint8)
    found.setflags(write=False)  # everybody gets this one
    return found


def shares(values: FloatMap) -> NDArray[np.float64]:
    """Return a map as shares of its total absolute value; a map of zeros stays zero.

    Methods answer in different units (a gradient, a part of a logit). As shares of their own
    total they can stand on one scale: half of the colour is half of the evidence per pixel.
    """
    total = np.abs(values).sum(dtype=np.float64)
    return values / total if total > 0 else np.zeros(values.shape)


def common_limit(maps: Sequence[FloatMap], quantile: float = 0.995) -> float:
    """Return the absolute value at full colour for all of `maps` together.

    The extreme half percent of the pixels is clipped, else a single pixel would pale the rest.
    """
    joined = np.concatenate([np.abs(m).ravel() for m in maps])
    limit = float(np.quantile(joined, quantile))
    return limit if limit > 0 else float(joined.max())


def paint(values: FloatMap, limit: float, table: NDArray[np.uint8], *, signed: bool) -> Pixels:
    """Colour a map ``(h, w)``: `signed` spans [-limit, limit], else [0, limit].

    Args:
        values: the map.
        limit: the value at the end of the scale; 0 paints everything as zero.
        table: from `colour_table`.
        signed: whether the middle of the table means zero.
    """
    unit = np.nan_to_num(values / limit) if limit > 0 else np.zeros(values.shape)
    unit = (unit + 1) / 2 if signed else unit
    painted: Pixels = table[(np.clip(unit, 0, 1) * (LEVELS - 1)).round().astype(int)]
    return painted


def overlay(
    face: Pixels,
    values: FloatMap,
    limit: float,
    table: NDArray[np.uint8],
    opacity: float,
    *,
    signed: bool,
) -> Pixels:
    """Lay a map over a face; where the map is near zero the face shines through.

    Args:
        face: grey uint8 ``(48, 48)``.
        values: the map, same shape.
        limit: the value at full colour.
        table: from `colour_table`.
        opacity: cover at full colour, 0 (face only) to 1.
        signed: whether the middle of the table means zero.
    """
    strength = np.clip(np.abs(values) / limit, 0, 1) if limit > 0 else np.zeros(values.shape)
    cover = (opacity * np.sqrt(strength))[:, :, None]
    mixed = as_rgb(face) * (1 - cover) + paint(values, limit, table, signed=signed) * cover
    return mixed.round().astype(np.uint8)


def scale_bar(
    limit: float, table: NDArray[np.uint8], *, signed: bool, unit: str, suffix: str = ""
) -> str:
    """Return the legend of a comparison as HTML: the colours, their ends and the unit.

    Args:
        limit: the value at full colour.
        table: from `colour_table`.
        signed: whether the bar runs from -limit or from 0.
        unit: what the numbers are, in words, under the bar.
        suffix: follows every number, such as ``%``.
    """
    high = f"{limit:.3g}{suffix}"
    low, middle = (f"−{high}", "0") if signed else ("0", "")
    label = escape(f"Colour scale from {low} to {high}: {unit}", quote=True)
    bar = data_uri(table[None, :, :])
    return (
        f'<div style="max-width:420px;font-size:.82rem"><img src="{bar}" alt="{label}" '
        f'style="width:100%;height:12px;display:block;border-radius:3px">'
        f'<div style="display:flex;justify-content:space-between;margin-top:3px">'
        f"<span>{low}</span><span>{middle}</span><span>{high}</span></div>"
        f'<div style="opacity:.8">{escape(unit)}</div></div>'
    )
