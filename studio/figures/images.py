"""Small pictures in a responsive grid: pixel-crisp, captioned, described for screen readers."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb

Pixels = NDArray[np.uint8]
"""Grey ``(h, w)`` or RGB ``(h, w, 3)``, uint8."""

GAP = 12
"""CSS pixels between the columns of a grid."""
BADGE = (
    "display:inline-block;font-size:.76rem;line-height:1.3;margin:2px 0;padding:1px 7px;"
    "border:1px solid currentColor;border-radius:99px"
)


@dataclass(frozen=True)
class Tile:
    """One picture of a grid."""

    pixels: Pixels
    """What is shown, at its own size; the browser enlarges it without smoothing."""
    caption: str
    """One short line under it; may be empty."""
    alt: str
    """What a screen reader says, and what hovering shows."""
    note: str = ""
    """A second, quieter line."""
    faded: bool = False
    """Shown pale: there is nothing to see here, and the note says why."""
    badge: str = ""
    """A few words in a frame, such as a verdict on the picture."""


def png(pixels: Pixels, scale: int = 1) -> bytes:
    """Encode a picture as PNG, each pixel repeated `scale` times in both directions."""
    buffer = io.BytesIO()
    write_enlarged(pixels, scale, into=buffer)
    return buffer.getvalue()


def write_enlarged(pixels: Pixels, scale: int, into: io.BytesIO) -> None:
    """Write `pixels` as PNG into a buffer, nearest-neighbour enlarged."""
    big = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
    # a room sends dozens of small ones per click: at level 1 they take half the time and no more
    # bytes; enlarged ones are files to keep
    Image.fromarray(big).save(into, format="PNG", compress_level=1 if scale == 1 else 6)


def data_uri(pixels: Pixels) -> str:
    """Return a picture as a ``data:`` URI that an ``<img>`` can show."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def crisp_side(side: int, wanted: int) -> int:
    """Return the multiple of `side` nearest to `wanted` pixels: every pixel becomes a square."""
    return side * max(1, round(wanted / side))


def grid(tiles: Sequence[Tile], *, side: int, label: str, columns: int = 2) -> str:
    """Lay tiles out as HTML for ``st.html``.

    Args:
        tiles: the pictures, in reading order.
        side: width of a picture in CSS pixels; use `crisp_side`.
        label: what the whole grid is, for screen readers.
        columns: how many stand side by side even on a narrow screen, smaller if need be.
    """
    narrow = f"calc((100% - {(columns - 1) * GAP}px) / {columns})"
    track = f"repeat(auto-fill, min({side}px, {narrow}))"
    style = f"display:grid;grid-template-columns:{track};gap:14px {GAP}px"
    body = "".join(_figure(tile) for tile in tiles)
    return f'<div role="group" aria-label="{escape(label)}" style="{style}">{body}</div>'


def _figure(tile: Tile) -> str:
    height, width = tile.pixels.shape[:2]
    opacity = ";opacity:.35" if tile.faded else ""
    alt = escape(tile.alt, quote=True)
    image = (
        f'<img src="{data_uri(tile.pixels)}" alt="{alt}" title="{alt}" style="display:block;'
        f"image-rendering:pixelated;width:100%;aspect-ratio:{width}/{height};"
        f'border-radius:3px{opacity}">'
    )
    lines = _line(tile.caption, "font-size:.82rem;line-height:1.3;margin-top:5px")
    lines += _line(tile.badge, BADGE)
    lines += _line(tile.note, "font-size:.76rem;line-height:1.3;opacity:.8")
    return f'<figure style="margin:0">{image}<figcaption>{lines}</figcaption></figure>'


def _line(text: str, style: str) -> str:
    return f'<div style="{style}">{escape(text)}</div>' if text else ""


def sheet(rows: Sequence[Sequence[Pixels]], *, scale: int, gap: int = 4) -> Pixels:
    """Join pictures of one size into a contact sheet, RGB on white, for downloading.

    Args:
        rows: pictures, row by row; short rows are padded with white.
        scale: how often each pixel is repeated.
        gap: white pixels between pictures.
    """
    height, width = (n * scale for n in rows[0][0].shape[:2])
    columns = max(len(row) for row in rows)
    shape = (len(rows) * (height + gap) + gap, columns * (width + gap) + gap, 3)
    canvas = np.full(shape, 255, np.uint8)
    for r, row in enumerate(rows):
        for c, pixels in enumerate(row):
            big = as_rgb(pixels).repeat(scale, axis=0).repeat(scale, axis=1)
            top, left = gap + r * (height + gap), gap + c * (width + gap)
            canvas[top : top + height, left : left + width] = big
    return canvas


def as_rgb(pixels: Pixels) -> Pixels:
    """Return grey ``(h, w)`` or RGB pixels as RGB ``(h, w, 3)``."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def contact_sheet(tiles: Sequence[Tile], scale: int, columns: int = 4) -> bytes:
    """Return tiles of one size as a PNG contact sheet, without words.

    Args:
        tiles: in reading order.
        scale: how often each pixel is repeated.
        columns: how many stand side by side.
    """
    pixels = [tile.pixels for tile in tiles]
    rows = [pixels[start : start + columns] for start in range(0, len(pixels), columns)]
    return png(sheet(rows, scale=scale))


def drawing(tiles: Sequence[Tile], columns: int = 4, side: int = 192) -> str:
    """Return tiles with their captions as one SVG, every pixel a crisp square.

    Args:
        tiles: in reading order.
        columns: how many stand side by side.
        side: width of a picture.
    """
    high = side + 44
    parts = []
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        left, top = column * (side + GAP), row * high
        parts.append(
            f'<image x="{left}" y="{top}" width="{side}" height="{side}" '
            f'style="image-rendering:pixelated" href="{data_uri(tile.pixels)}"/>'
            f'<text x="{left}" y="{top + side + 16}">{escape(tile.caption)}</text>'
            f'<text x="{left}" y="{top + side + 32}">{escape(tile.note)}</text>'
        )
    width = min(columns, len(tiles)) * (side + GAP) - GAP
    height = -(-len(tiles) // columns) * high
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(parts)}</svg>"
    )


# --- Maps of numbers -> pictures: one declared scale per comparison, signs that survive greyscale


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
    colours = np.array([unlabel_rgb(colour) for colour in samples]).round().astype(np.uint8)
    colours.setflags(write=False)  # everybody gets this one
    return colours


def shares_of_total(values: FloatMap) -> NDArray[np.float64]:
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
