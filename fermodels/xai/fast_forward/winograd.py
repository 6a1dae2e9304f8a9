"""Convolutions with fewer multiplications, for many faces: Winograd's minimal filtering.

A tile of ``m x m`` outputs of a filter with ``r x r`` taps takes ``m^2 r^2`` multiplications by
the definition and ``(m + r - 1)^2`` this way: a quarter of them for 3 x 3 taps and a sixth for
5 x 5, for tiles of 4. The function is the same; its rounding errors are some ten to thirty times
those of the plain way, up to 1e-5 of the largest value. Lavin & Gray 2016, arXiv 1509.09308,
section 4.1; the points are those of Barabasz et al. 2020, doi 10.1145/3412380.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.xai.fast_forward.convolution import TwinConv2d, is_plain
from fermodels.xai.model_access import evenly

POINTS = (0.0, 1.0, -1.0, 0.5, -2.0, -0.5, 2.0)
"""Where filter and data, as polynomials, are multiplied; infinity is the last point of all. More
points would allow larger tiles, which lose digits."""
ONE = POINTS.index(1.0)
CHANNELS = 64
"""Fewest channels on either side for which saved multiplications outweigh the added passes."""
WORKSPACE = 20_000_000
"""Bytes of transformed tiles at a time: about what the caches hold."""

Float = NDArray[np.float64]


def minimal_filter(outputs: int, taps: int) -> tuple[Float, Float, Float]:
    """Return ``A, G, B`` with ``A @ ((G @ filter) * (B @ data))`` the filter slid over the data.

    Args:
        outputs: m, how many values come out.
        taps: r, the filter's length; ``m + r - 1`` values of data go in.

    Returns:
        ``(m, n)``, ``(n, r)`` and ``(n, n)`` with ``n = m + r - 1``; Lavin & Gray, eq. 7, made
        by Toom and Cook's way: evaluate at n points, multiply, interpolate; transposed.
    """
    n = outputs + taps - 1
    points = np.array(POINTS[: n - 1])
    back, front, across = np.zeros((outputs, n)), np.zeros((n, taps)), np.zeros((n, n))
    back[:, :-1] = points ** np.arange(outputs)[:, None]
    for row, point in enumerate(points):
        others = np.delete(points, row)
        front[row] = point ** np.arange(taps) / np.prod(point - others)
        across[row, :-1] = np.poly(others)[::-1]
    back[-1, -1] = front[-1, -1] = 1
    across[-1] = np.poly(points)[::-1]
    return back, front, across


def tile_sides(taps: int) -> range:
    """Return the tiles there are points for; one reaches no further than into its neighbours."""
    return range(max(2, taps - 1), len(POINTS) + 3 - taps)


def best_tile(height: int, width: int, taps: int) -> int:
    """Return the tile side that takes the fewest multiplications for a map."""

    def cost(side: int) -> int:
        tiles = -(-height // side) * -(-width // side)
        return tiles * (side + taps - 1) ** 2

    return min(tile_sides(taps), key=cost)


def fits(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain convolution that becomes faster this way."""
    if not is_plain(layer):
        return False
    high, wide = layer.kernel_size
    enough = min(layer.in_channels, layer.out_channels) >= CHANNELS
    return enough and high == wide > 1 and len(tile_sides(high)) > 0


@dataclass(frozen=True, eq=False)
class WinogradFilters:
    """A convolution's filters, evaluated at all points."""

    values: Tensor
    """``(n * n, I, O)``."""
    bias: Tensor | None
    """``(O,)``."""
    back: Tensor
    across: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, tile: int) -> WinogradFilters:
        """Evaluate filters ``(O, I, r, r)`` for tiles of ``tile x tile`` outputs."""
        outs, ins, taps, _ = weight.shape
        back, front, across = (
            torch.from_numpy(matrix).to(weight) for matrix in minimal_filter(tile, taps)
        )
        rows = weight.detach().permute(2, 3, 1, 0).reshape(taps * taps, ins * outs)
        values = (torch.kron(front, front) @ rows).view(-1, ins, outs)
        return cls(values, bias, back, across)

    @property
    def tile(self) -> int:
        """Outputs on a side of a tile."""
        return len(self.back)

    @property
    def span(self) -> int:
        """Inputs on a side of a tile."""
        return len(self.across)

    def rows(self, tiles: int) -> int:
        """Return how many faces of `tiles` tiles each go through at a time."""
        widest = max(self.values.shape[1:])
        return max(1, WORKSPACE // (4 * self.span**2 * tiles * widest))

    def correlate(self, x: Tensor) -> Tensor:
        """Return the tiles' outputs, ``(N, h, m, w, m, O)``, of padded ``(N, H, W, I)``."""
        tiles = x.unfold(1, self.span, self.tile).unfold(2, self.span, self.tile)
        n, high, wide = tiles.shape[:3]
        taken = tiles.permute(4, 5, 0, 1, 2, 3).flatten(2)
        points = _both(self.across, taken).view(self.span**2, -1, self.values.shape[1])
        products = torch.bmm(points, self.values)
        if self.bias is not None:  # what is b at the point 1 and 0 at all others is b everywhere
            products[ONE * (self.span + 1)] += self.bias
        found = _both(self.back, products.view(self.span, self.span, -1))
        sides = (self.tile, self.tile, n, high, wide, self.values.shape[2])
        return found.view(sides).permute(2, 3, 0, 4, 1, 5)

    def lead_back(self, gradient: Tensor) -> Tensor:
        """Return the gradients at each tile's inputs, ``(N, h, n, w, n, I)``: the adjoint.

        Args:
            gradient: at the tiles' outputs, ``(N, h, m, w, m, O)``.
        """
        n, high, _, wide, _, _ = gradient.shape
        taken = gradient.permute(2, 4, 0, 1, 3, 5).reshape(self.tile, self.tile, -1)
        points = _both(self.back.T.contiguous(), taken)
        points = points.view(self.span**2, -1, self.values.shape[2])
        products = torch.bmm(points, self.values.transpose(1, 2))
        found = _both(self.across.T.contiguous(), products.view(self.span, self.span, -1))
        sides = (self.span, self.span, n, high, wide, self.values.shape[1])
        return found.view(sides).permute(2, 3, 0, 4, 1, 5)

    def join(self, tiles: Tensor) -> Tensor:
        """Sum tiles' inputs ``(N, h, n, w, n, I)`` where they overlap, (N, h m + r - 1, ..., I)."""
        count, high, _, wide, _, ins = tiles.shape
        m, rest = self.tile, self.span - self.tile
        found = tiles.new_empty(count, high + 1, m, wide + 1, m, ins)
        found[:, -1] = found[:, :, :, -1] = 0
        found[:, :-1, :, :-1] = tiles[:, :, :m, :, :m]
        found[:, 1:, :rest, :-1] += tiles[:, :, m:, :, :m]
        found[:, :-1, :, 1:, :rest] += tiles[:, :, :m, :, m:]
        found[:, 1:, :rest, 1:, :rest] += tiles[:, :, m:, :, m:]
        joined = found.view(count, (high + 1) * m, (wide + 1) * m, ins)
        return joined[:, : high * m + rest, : wide * m + rest]


def _both(matrix: Tensor, blocks: Tensor) -> Tensor:
    """Apply ``(k, a)`` to both leading dimensions of ``(a, a, L)``."""
    rows = (matrix @ blocks.flatten(1)).view(len(matrix), *blocks.shape[1:])
    return torch.bmm(matrix.expand(len(rows), -1, -1), rows)


class WinogradConv2d(TwinConv2d):
    """A convolution of a twin with fewer multiplications."""

    def filters(self, sides: torch.Size) -> WinogradFilters:
        """Return the filters for an input of that size, evaluated once per model and tile."""
        tile = best_tile(*self.sides_of_maps(sides), self.taps[0])
        weights = [self.weight] if self.bias is None else [self.weight, self.bias]
        make = partial(WinogradFilters.of, self.weight, self.bias, tile)
        return self._once(f"filters {tile}", weights, make)

    def faces_at_a_time(self, sides: torch.Size) -> int:
        """Return how many faces' transformed tiles fit in WORKSPACE."""
        filters, (high, wide) = self.filters(sides), self.sides_of_maps(sides)
        return filters.rows(-(-high // filters.tile) * -(-wide // filters.tile))

    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""
        filters, (top, left) = self.filters(x.shape[2:]), self.padding
        high, wide = self.sides_of_maps(x.shape[2:])
        m, below, right = filters.tile, -high % filters.tile, -wide % filters.tile
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, left + right, top, top + below))
        maps = x.new_empty(len(x), high + below, wide + right, len(self.weight))
        tiles = maps.view(len(x), (high + below) // m, m, (wide + right) // m, m, -1)
        most = self.faces_at_a_time(x.shape[2:])
        for into, rows in zip(evenly(tiles, most), evenly(padded, most), strict=True):
            into.copy_(filters.correlate(rows))
        return maps[:, :high, :wide].permute(0, 3, 1, 2)

    def lead_back(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *sides)``, of one at the maps."""
        filters, (top, left) = self.filters(sides), self.padding
        high, wide = gradient.shape[2:]
        m, below, right = filters.tile, -high % filters.tile, -wide % filters.tile
        rows = gradient.permute(0, 2, 3, 1)
        if below or right:  # padding by nothing would copy
            rows = F.pad(rows, (0, 0, 0, right, 0, below))
        tiles = rows.reshape(len(gradient), (high + below) // m, m, (wide + right) // m, m, -1)
        batches = evenly(tiles, self.faces_at_a_time(sides))
        parts = [filters.join(filters.lead_back(rows)) for rows in batches]
        found = parts[0] if len(parts) == 1 else torch.cat(parts)
        return found[:, top : top + sides[0], left : left + sides[1]].permute(0, 3, 1, 2)
