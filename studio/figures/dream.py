"""Dreams as filmstrips, films and probabilities before and after (Figure 11)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from fermodels.errors import ConfigError
from fermodels.files import MARK, check_output, not_our_picture, png_mark, write_atomically
from studio import theme
from studio.figures.images import Pixels, Tile


def to_pixels(frames: NDArray[np.floating] | Pixels) -> Pixels:
    """Return frames in [0, 1] as uint8 of the same shape; uint8 frames pass unchanged."""
    if frames.dtype == np.uint8:
        return frames.astype(np.uint8)
    return (np.clip(frames, 0, 1) * 255).round().astype(np.uint8)


def filmstrip(frames: Pixels, steps: Sequence[int], *, most: int = 8) -> list[Tile]:
    """Return at most `most` frames, evenly spaced, first and last always among them.

    Args:
        frames: ``(T, h, w)`` uint8.
        steps: the step after which each frame was kept.
        most: length of the strip.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    return [
        Tile(frames[i], "start" if steps[i] == 0 else f"step {steps[i]}", f"Dream, step {steps[i]}")
        for i in chosen
    ]


def before_after(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    names: Sequence[str],
    target: str | None = None,
) -> go.Figure:
    """Draw seven probabilities before and after the dream, the dreamed class in bold.

    Args:
        before: ``(7,)``, of the face as it was.
        after: ``(7,)``, of the last frame.
        names: the class names in index order.
        target: the class that was dreamed of, if it was a class.
    """
    labels = [f"<b>{name}</b>" if name == target else name for name in names]
    colours = [theme.EXPRESSION_COLORS[name] for name in names]
    ways = [
        go.Scatter(
            x=[a, b], y=[label, label], mode="lines", line={"color": theme.MUTED, "width": 2},
            hoverinfo="skip", showlegend=False,
        )
        for a, b, label in zip(before, after, labels, strict=True)
    ]  # fmt: skip
    hollow: dict[str, Any] = {"symbol": "circle-open", "size": 11, "line": {"width": 2.5}}
    looks = {"before": (before, hollow), "after": (after, {"size": 13})}
    ends = [
        go.Scatter(
            x=values.tolist(), y=labels, mode="markers", name=when,
            marker={**look, "color": colours},
            hovertemplate="%{y} " + when + ": %{x:.1%}<extra></extra>",
        )
        for when, (values, look) in looks.items()
    ]  # fmt: skip
    return theme.figure(
        [*ways, *ends], 300, yaxis={"autorange": "reversed"},
        xaxis={"range": [-0.03, 1.05], "tickformat": ".0%", "title": "probability"},
    )  # fmt: skip


# --- Dreams as files: a film as GIF, the last frame as PNG; pixels enlarged, never smoothed


Frames = NDArray[np.uint8]


def gif(frames: Frames, *, scale: int = 6, milliseconds: int = 90) -> bytes:
    """Encode grey frames ``(T, h, w)`` uint8 as an endless GIF that rests on its last frame.

    Args:
        frames: one or more pictures.
        scale: how often each pixel is repeated.
        milliseconds: between frames.
    """
    big = [_enlarged(frame, scale) for frame in frames]
    rest = [milliseconds] * (len(big) - 1) + [1500]
    buffer = io.BytesIO()
    big[0].save(
        buffer, format="GIF", save_all=True, append_images=big[1:], duration=rest, loop=0,
        comment=MARK,
    )  # fmt: skip
    return buffer.getvalue()


def png(frame: Frames, *, scale: int = 6) -> bytes:
    """Encode one grey picture ``(h, w)`` uint8 as PNG."""
    buffer = io.BytesIO()
    _enlarged(frame, scale).save(buffer, format="PNG", pnginfo=png_mark())
    return buffer.getvalue()


def save_frames(frames: Frames, path: str | Path, *, scale: int = 6) -> Path:
    """Write a dream's frames: all of them as ``.gif``, or the last one as ``.png``.

    ``save_frames(fermodels.dream(model, target="happy").frames, "happy.gif")``

    Args:
        frames: ``(T, h, w)`` uint8.
        path: where to; the suffix decides what is written. Only a picture that this wrote
            earlier is replaced.
        scale: how often each pixel is repeated.

    Raises:
        ConfigError: another suffix, or something else is there.
    """
    place = Path(path)
    if place.suffix not in (".gif", ".png"):
        raise ConfigError(f"{place.name} ends in {place.suffix!r}: expected .gif or .png")
    check_output(place, not_our_picture)
    body = gif(frames, scale=scale) if place.suffix == ".gif" else png(frames[-1], scale=scale)
    write_atomically(place, lambda temporary: temporary.write_bytes(body), not_our_picture)
    return place


def _enlarged(frame: Frames, scale: int) -> Image.Image:
    return Image.fromarray(frame.repeat(scale, axis=0).repeat(scale, axis=1))
