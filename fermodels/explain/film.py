"""Dreams as files: a film as GIF, the last frame as PNG; pixels enlarged, never smoothed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fermodels.errors import ConfigError
from fermodels.nets.files import MARK, check_output, not_our_picture, png_mark, write_atomically

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
