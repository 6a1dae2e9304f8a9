"""A layer's channels as pictures, on one scale (Figure 9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio import theme
from studio.figures.maps import colour_table, paint
from studio.figures.tiles import Tile


def channel_tiles(
    maps: NDArray[np.floating], channels: Sequence[int], limit: float, *, signed: bool = False
) -> list[Tile]:
    """Return one tile per chosen channel.

    Args:
        maps: responses ``(C, h, w)``.
        channels: which ones, in order.
        limit: the response at full colour, the same for the whole layer.
        signed: whether responses may be negative; else the scale begins at 0.
    """
    table = colour_table(theme.DIVERGING if signed else theme.SEQUENTIAL)
    tiles = []
    for channel in channels:
        response, silent = maps[channel], not maps[channel].any()
        alt = f"Channel {channel}: mean response {response.mean():.3f}, peak {response.max():.3f}"
        pixels = paint(response, limit, table, signed=signed)
        tiles.append(Tile(pixels, f"#{channel}", alt, "silent" if silent else "", faded=silent))
    return tiles
